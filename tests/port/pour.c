// SPDX-License-Identifier: GPL-2.0
/*
 * pour ENDPOINT: what a driver delivers, to the standard output, until the driver is
 * gone. Then the status is 0, or 1 if something was lost.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "device.h"
#include "port.h"

#define BUFFERS		64
#define FOREVER		(-1)

static int pour(struct port *port, const struct gophership_entry *entry)
{
	const unsigned char *data = port_buffer(port, entry->index) + entry->offset;
	int good = write(1, data, entry->len) == (ssize_t)entry->len;

	port_submit(port, entry->index, 0, 0, 0, 0);
	return good;
}

int main(int argc, char **argv)
{
	struct gophership_entry entry;
	struct port port;
	int i, ret = 1;

	if (argc < 2 || port_open(device_open(), 4096, BUFFERS, &port))
		return 2;
	for (i = 0; i < BUFFERS; i++)
		port_write(&port, i, 0, 0, 0, 0);
	if (port_attach(&port, argv[1]))
		return 3;
	while (ret == 1) {
		ret = port_wait(&port, FOREVER);
		while (port_receive(&port, &entry))
			if (!pour(&port, &entry))
				return 4;
	}
	return ret == -EPIPE ? !!port.deliver->lost : 5;
}
