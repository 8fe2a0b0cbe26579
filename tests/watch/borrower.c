// SPDX-License-Identifier: GPL-2.0
/*
 * borrower [N [pin]]: N (three) buffers of 8 KiB on lease, for 5000 bytes, and a port of four of
 * 4 KiB; prints "held" and its two lists of /proc/self/fdinfo, and waits for the end of its input.
 * With pin, the first one has been given back by then, while a pipe still has a page of it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/gophership.h>

static void print_fdinfo(int fd)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "gophership-", 11))
			fputs(line, stdout);
	if (file)
		fclose(file);
}

/* Returns whether the kernel took the buffer back. */
static int give_back_pinned(int fd, const struct gophership_lease *lease)
{
	struct gophership_release release = {
		.size = sizeof(release), .count = 1, .handles = (uintptr_t)&lease->handle,
	};
	struct iovec page = { .iov_len = 4096 };
	int ends[2];

	page.iov_base = mmap(NULL, lease->capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			     lease->offset);
	return page.iov_base != MAP_FAILED && !pipe(ends) &&
	       vmsplice(ends[1], &page, 1, 0) == 4096 &&
	       !ioctl(fd, GOPHERSHIP_IOC_RELEASE, &release);
}

int main(int argc, char **argv)
{
	struct gophership_lease leases[GOPHERSHIP_BATCH_MAX];
	struct gophership_acquire acquire = {
		.size = sizeof(acquire), .min_size = 5000, .leases = (uintptr_t)leases,
		.count = argc > 1 ? atoi(argv[1]) : 3,
	};
	struct gophership_port_setup setup = {
		.size = sizeof(setup), .buf_size = 4096, .count = 4,
	};
	int fd = open("/dev/gophership", O_RDWR);
	char byte;

	if (fd < 0 || ioctl(fd, GOPHERSHIP_IOC_ACQUIRE, &acquire) ||
	    acquire.granted != acquire.count ||
	    ioctl(fd, GOPHERSHIP_IOC_PORT, &setup)) {
		perror("borrower");
		return 1;
	}
	if (argc > 2 && !give_back_pinned(fd, leases)) {
		perror("borrower: pin");
		return 1;
	}
	print_fdinfo(fd);
	print_fdinfo(setup.fd);
	puts("held");
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) != 0;
}
