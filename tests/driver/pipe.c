// SPDX-License-Identifier: GPL-2.0
/*
 * pipe HOW: what a pipe shows of a page after the driver has ended the lease
 *
 * Maps a buffer of the driver tests/driver/lend, puts a page of it into a pipe
 * (vmsplice), and has the driver end the lease by HOW: "release", "check" or
 * "retire". Prints "old" or "new", as the page then says.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE	((size_t)sysconf(_SC_PAGESIZE))

int main(int argc, char **argv)
{
	int fd = open("/dev/gophership_lend", O_RDWR | O_CLOEXEC), ends[2];
	const char *how = argc == 2 ? argv[1] : "";
	struct iovec page = { .iov_len = PAGE };
	char seen[1 << 16];
	ssize_t got;
	char *map;

	if (fd < 0)
		err(2, "/dev/gophership_lend");
	map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   strcmp(how, "check") ? 0 : 16 * PAGE);
	if (map == MAP_FAILED || pipe(ends))
		err(2, "mmap or pipe");
	page.iov_base = map + 2 * PAGE;
	if (vmsplice(ends[1], &page, 1, 0) != (ssize_t)PAGE)
		err(2, "vmsplice");
	if (write(fd, how, strlen(how)) != (ssize_t)strlen(how))
		err(2, "%s", how);
	got = read(ends[0], seen, PAGE);
	if (got != (ssize_t)PAGE)
		err(2, "the pipe has %zd bytes", got);
	for (size_t i = 1; i < PAGE; i++)
		if (seen[i] != seen[0])
			errx(2, "byte %zu is another one", i);
	if (seen[0] != 'o' && seen[0] != 'n')
		errx(2, "the pipe shows 0x%02x", seen[0]);
	puts(seen[0] == 'o' ? "old" : "new");
	return 0;
}
