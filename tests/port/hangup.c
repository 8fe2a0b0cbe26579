// SPDX-License-Identifier: GPL-2.0
/*
 * hangup ENDPOINT: submits 8 buffers, says "ready", keeps the node open, and waits until
 * the driver is gone. Then says how many buffers came back, and "kick" with what KICK
 * and another ATTACH return. With a second argument: only until that file is there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "device.h"
#include "port.h"

int main(int argc, char **argv)
{
	struct gophership_attach attach = { .size = sizeof(attach) };
	const char *endpoint = argv[1], *until = argc > 2 ? argv[2] : NULL;
	int node = open(endpoint, O_RDWR), i, nr = 0, ret = 0;
	struct gophership_entry entry;
	struct port port;

	if (port_open(device_open(), 4096, 8, &port) || port_attach(&port, endpoint))
		return 1;
	for (i = 0; i < 8; i++)
		port_submit(&port, i, 0, 8, 0, i);
	puts("ready");
	fflush(stdout);
	while (ret != -32 && !(until && !access(until, F_OK))) {
		ret = port_wait(&port, 100);
		while (port_receive(&port, &entry))
			nr++;
	}
	attach.fd = port.fd;
	printf("gone %u, %d buffers, kick %d, attach %d\n", port.deliver->gone, nr,
	       port_kick(&port), device_call(node, GOPHERSHIP_IOC_ATTACH, &attach));
	return 0;
}
