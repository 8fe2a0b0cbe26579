// SPDX-License-Identifier: GPL-2.0
/*
 * load MODULE.ko [PARAMETERS]: load a module, in one attempt.
 *
 * busybox's insmod tries a second time by an older system call when it fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int module = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (module >= 0 && !syscall(SYS_finit_module, module, argc > 2 ? argv[2] : "", 0))
		return 0;
	fprintf(stderr, "load: %s\n", strerror(errno));
	return 1;
}
