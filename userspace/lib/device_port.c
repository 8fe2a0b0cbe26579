// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device_port.h"

#define NODE_PREFIX	"/dev/gophership-"
/* Longer than the name of any endpoint. */
#define NAME_LENGTH	64

int device_port_setup(int fd, uint32_t buf_size, uint32_t count,
		      struct gophership_port_setup *setup)
{
	*setup = (struct gophership_port_setup) {
		.size = sizeof(*setup),
		.buf_size = buf_size,
		.count = count,
	};
	return ioctl(fd, GOPHERSHIP_IOC_PORT, setup) ? -errno : 0;
}

void device_port_close(int port)
{
	close(port);
}

/* The node of the endpoint with the name or path @endpoint, open; or -errno. */
static int open_node(const char *endpoint)
{
	char path[sizeof(NODE_PREFIX) + NAME_LENGTH];
	int fd;

	if (!strchr(endpoint, '/')) {
		if (strlen(endpoint) > NAME_LENGTH)
			return -ENAMETOOLONG;
		snprintf(path, sizeof(path), NODE_PREFIX "%s", endpoint);
		endpoint = path;
	}
	/* A FIFO in its place must not make us wait. */
	fd = open(endpoint, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int device_port_attach(int port, const char *endpoint)
{
	struct gophership_attach attach = { .size = sizeof(attach), .fd = port };
	int fd = open_node(endpoint);
	int ret;

	if (fd < 0)
		return fd;
	ret = ioctl(fd, GOPHERSHIP_IOC_ATTACH, &attach) ? -errno : 0;
	close(fd);
	return ret;
}

int device_port_map(int port, uint64_t offset, uint64_t length, int protection, void **map)
{
	if (length > SIZE_MAX)
		return -ENOMEM;
	*map = mmap(NULL, length, protection, MAP_SHARED, port, offset);
	return *map == MAP_FAILED ? -errno : 0;
}

int device_port_export(int port)
{
	struct gophership_export call = { .size = sizeof(call) };

	return ioctl(port, GOPHERSHIP_IOC_EXPORT, &call) ? -errno : call.fd;
}

int device_port_kick(int port)
{
	return ioctl(port, GOPHERSHIP_IOC_KICK) ? -errno : 0;
}

int device_port_poll(int port, int timeout_ms)
{
	struct pollfd fd = { .fd = port, .events = POLLIN };

	return poll(&fd, 1, timeout_ms) < 0 ? -errno : fd.revents;
}
