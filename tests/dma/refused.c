// SPDX-License-Identifier: GPL-2.0
/*
 * refused ERROR: a port comes to a driver whose device cannot map it. Status 0 if the program
 * is told that by "invalid" (EINVAL) or "unsupported" (EOPNOTSUPP), each time, and has its
 * buffers as before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "port.h"

#define ENDPOINT	"/dev/gophership-nowhere"

int main(int argc, char **argv)
{
	int wanted = argc == 2 && !strcmp(argv[1], "unsupported") ? -EOPNOTSUPP : -EINVAL;
	int gophership = device_open(), ret;
	struct port port;

	for (int i = 0; i < 3; i++) {
		ret = port_open(gophership, 8192, 4, &port);
		if (!ret)
			ret = port_attach(&port, ENDPOINT);
		if (ret != wanted) {
			printf("%d instead of %d\n", ret, wanted);
			return 1;
		}
		memset(port_buffer(&port, 3), 1, 8192);
		port_close(&port);
	}
	return 0;
}
