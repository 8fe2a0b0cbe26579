// SPDX-License-Identifier: GPL-2.0
/*
 * spoil FILE OFFSET: see to it that the byte there is wrong, until FILE is gone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	off_t offset = fd < 0 ? 0 : atoll(argv[2]);
	unsigned char byte, wrong = 0;
	int spoilt = 0;

	if (fd < 0) {
		fprintf(stderr, "usage: spoil FILE OFFSET\n");
		return 2;
	}
	while (!access(argv[1], F_OK)) {
		if (pread(fd, &byte, 1, offset) == 1 && (!spoilt || byte != wrong)) {
			wrong = ~byte;
			spoilt = pwrite(fd, &wrong, 1, offset) == 1;
		}
		usleep(100);
	}
	return 0;
}
