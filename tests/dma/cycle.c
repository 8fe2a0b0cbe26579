// SPDX-License-Identifier: GPL-2.0
/*
 * cycle N DEVICE: the driver of a PCI device, gophership_edu, is unbound and bound N times
 * while the device reads and writes what this program sees. DEVICE is its name in /sys. In
 * turns the program waits for the driver to go, closes its port at the same time, or before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "port.h"

#define ENDPOINT	"/dev/gophership-edu"
#define DRIVER		"/sys/bus/pci/drivers/gophership_edu/"
#define BUFFERS		4
#define CAPACITY	8192
#define PATIENCE	60000	/* milliseconds, for a guest whose machine is busy */

static const char *device;

static int fail(int cycle, const char *what, long value)
{
	printf("cycle %d: %s: %ld\n", cycle, what, value);
	return 1;
}

static int tell_driver(const char *what)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), DRIVER "%s", what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ret = fd >= 0 && write(fd, device, strlen(device)) > 0 ? 0 : -errno;
	close(fd);
	return ret;
}

/* Two buffers go to the device, two come from it; one is back when this returns. */
static int begin(int gophership, struct port *port)
{
	struct gophership_entry entry;
	int ret = port_open(gophership, CAPACITY, BUFFERS, port);

	if (ret)
		return ret;
	ret = port_attach(port, ENDPOINT);
	for (unsigned int i = 0; !ret && i < BUFFERS; i++)
		ret = port_submit(port, i, 0, i % 2 ? 0 : 4096, 0, i);
	while (!ret && !port_receive(port, &entry))
		ret = port_wait(port, PATIENCE) == 1 ? 0 : -ETIME;
	return ret;
}

/* Whatever still comes. */
static int until_gone(struct port *port)
{
	struct gophership_entry entry;
	int ret;

	do {
		ret = port_wait(port, PATIENCE);
		while (port_receive(port, &entry))
			;
	} while (ret == 1);
	return ret == -EPIPE && port->deliver->gone ? 0 : -ETIME;
}

static int cycle(int gophership, int nr)
{
	struct port port;
	int status, ret = begin(gophership, &port);
	pid_t child;

	if (ret)
		return fail(nr, "no traffic", ret);
	if (nr % 3 == 1)
		port_close(&port);
	child = fork();
	if (!child) {
		/* Else this would have the port, too. */
		close(port.fd);
		_exit(-tell_driver("unbind"));
	}
	if (nr % 3 == 0) {
		ret = until_gone(&port);
		if (ret)
			return fail(nr, "the driver is not gone", ret);
	}
	if (nr % 3 != 1)
		port_close(&port);
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		return fail(nr, "the driver is not unbound", status);
	ret = tell_driver("bind");
	return ret ? fail(nr, "the driver is not bound", ret) : 0;
}

int main(int argc, char **argv)
{
	int gophership = device_open(), nr;

	if (argc != 3)
		return 2;
	device = argv[2];
	for (nr = 0; nr < atoi(argv[1]); nr++)
		if (cycle(gophership, nr))
			return 1;
	return 0;
}
