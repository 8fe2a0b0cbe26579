// SPDX-License-Identifier: GPL-2.0
/*
 * borrower [N]: N (three) buffers of 8 KiB on lease, and a port of four of 4 KiB; prints "held"
 * and its two lists of /proc/self/fdinfo, and waits for the end of its input.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

int main(int argc, char **argv)
{
	struct gophership_lease leases[GOPHERSHIP_BATCH_MAX];
	struct gophership_acquire acquire = {
		.size = sizeof(acquire), .min_size = 8192, .leases = (uintptr_t)leases,
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
	print_fdinfo(fd);
	print_fdinfo(setup.fd);
	puts("held");
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) != 0;
}
