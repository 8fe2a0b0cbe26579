// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "endpoint.h"

#define NODE_PREFIX	"/dev/gophership-"

static enum status complain_open(const char *path)
{
	int error = errno;

	complain("cannot open %s: %s", path, strerror(error));
	if (error == ENOENT || error == ENXIO || error == ENODEV)
		advise("Is its driver loaded? Endpoints that are there: ls /dev/gophership-*");
	else if (error == EACCES || error == EPERM)
		advise("Its driver says who may open it; try sudo.");
	return STATUS_DEVICE;
}

static enum status ask(struct endpoint *endpoint, int fd)
{
	endpoint->info = (struct gophership_endpoint_info) { .size = sizeof(endpoint->info) };
	if (!ioctl(fd, GOPHERSHIP_IOC_ENDPOINT, &endpoint->info))
		return STATUS_OK;
	if (errno == ENOTTY)
		complain("%s is no endpoint of a driver", endpoint->path);
	else
		complain("%s does not answer as an endpoint: %s", endpoint->path, strerror(errno));
	return STATUS_DEVICE;
}

static enum status open_and_ask(struct endpoint *endpoint)
{
	/* A FIFO in its place must not make us wait. */
	int fd = open(endpoint->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	enum status status;

	if (fd < 0)
		return complain_open(endpoint->path);
	status = ask(endpoint, fd);
	close(fd);
	return status;
}

enum status endpoint_find(struct endpoint *endpoint, const char *name)
{
	enum status status;

	if (asprintf(&endpoint->path, "%s%s", strchr(name, '/') ? "" : NODE_PREFIX, name) < 0) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	status = open_and_ask(endpoint);
	if (status != STATUS_OK)
		endpoint_free(endpoint);
	return status;
}

void endpoint_free(struct endpoint *endpoint)
{
	free(endpoint->path);
	endpoint->path = NULL;
}
