// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "steps.h"

#define SECONDS	20

long parameter(const char *name)
{
	char path[128], text[32] = "";
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/gophership_pulse/parameters/%s", name);
	fd = open(path, O_RDONLY);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	return got > 0 ? strtol(text, NULL, 10) : -1;
}

int set_parameter(const char *name, const char *value)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/module/gophership_pulse/parameters/%s", name);
	fd = open(path, O_WRONLY);
	ret = write(fd, value, strlen(value)) == (ssize_t)strlen(value) ? 0 : -1;
	close(fd);
	return ret;
}

bool parameter_becomes(const char *name, long value)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (parameter(name) != value) {
		if (!in_time(&begin))
			return false;
		sched_yield();
	}
	return true;
}

void reset_parameters(void)
{
	static const char * const off[] = {
		"quiet", "stuck", "misuse", "forget", "linger", "dawdle", "batch", "bulk",
		"hold_ms", "going",
	};
	unsigned int i;

	for (i = 0; i < sizeof(off) / sizeof(*off); i++)
		set_parameter(off[i], "0");
	set_parameter("registered", "1");
	parameter_becomes("registered", 1);
}

bool in_time(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec < SECONDS;
}

bool receive(struct port *port, struct gophership_entry *entry)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!port_receive(port, entry)) {
		if (!in_time(&begin))
			return false;
		sched_yield();
	}
	return true;
}

bool machine_bytes_become(int device, long long bytes)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (device_machine_bytes(device) != bytes) {
		if (!in_time(&begin))
			return false;
		sched_yield();
	}
	return true;
}
