// SPDX-License-Identifier: GPL-2.0
/*
 * hold fd|mapping: keep the device in use, say "held", and wait for a signal.
 * With "mapping" the fd is closed, and only a mapped buffer is left.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"

int main(int argc, char **argv)
{
	struct buffer buffer;
	int fd = device_open();

	if (argc != 2 || fd < 0 || buffer_acquire(fd, 0, &buffer))
		return 1;
	memset(buffer.data, 1, buffer.lease.capacity);
	if (!strcmp(argv[1], "mapping"))
		close(fd);
	else
		munmap(buffer.data, buffer.lease.capacity);
	puts("held");
	fflush(stdout);
	pause();
	return 0;
}
