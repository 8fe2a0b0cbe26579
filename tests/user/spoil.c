// SPDX-License-Identifier: GPL-2.0
/*
 * spoil PATTERN OFFSET: as soon as a file fits the glob, and until that file is gone, see
 * to it that the byte there is wrong. Status 0 if it was.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* For ten seconds at most. */
static int wait_for_file(const char *pattern, glob_t *found)
{
	for (int tries = 0; tries < 10000; tries++) {
		if (!glob(pattern, GLOB_PERIOD, NULL, found))
			return open(found->gl_pathv[0], O_RDWR | O_CLOEXEC);
		usleep(1000);
	}
	return -1;
}

int main(int argc, char **argv)
{
	unsigned char byte, wrong = 0;
	int spoilt = 0, fd;
	off_t offset;
	glob_t found;

	if (argc != 3) {
		fprintf(stderr, "usage: spoil PATTERN OFFSET\n");
		return 2;
	}
	offset = atoll(argv[2]);
	fd = wait_for_file(argv[1], &found);
	if (fd < 0) {
		fprintf(stderr, "spoil: there is no %s\n", argv[1]);
		return 1;
	}
	while (!access(found.gl_pathv[0], F_OK)) {
		if (pread(fd, &byte, 1, offset) == 1 && (!spoilt || byte != wrong)) {
			wrong = ~byte;
			spoilt = pwrite(fd, &wrong, 1, offset) == 1;
		}
		usleep(100);
	}
	return !spoilt;
}
