/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests of the device do with the kernel's files: /proc, cgroup2.
 */
#ifndef GOPHERSHIP_TESTS_FILE_H
#define GOPHERSHIP_TESTS_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* 0, or what went wrong as a negative errno. */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = write(fd, text, strlen(text));
	close(fd);
	return written == (ssize_t)strlen(text) ? 0 : -EIO;
}

#endif /* GOPHERSHIP_TESTS_FILE_H */
