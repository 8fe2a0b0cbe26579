// SPDX-License-Identifier: GPL-2.0
/*
 * cycle MODULE.ko N: load the module, use the device, unload it; N times.
 *
 * In one process, so that what the kernel has more of in the end is not that
 * of N processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "module.h"

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

static int use_device(void)
{
	struct buffer buffer;
	int fd = device_open();

	if (fd < 0)
		return fail("open", -fd);
	for (int class = 0; class < NR_CLASSES; class++) {
		if (buffer_acquire(fd, 4096 << class, &buffer))
			return fail("acquire", errno);
		memset(buffer.data, class, buffer.lease.capacity);
		/* Some are left to close(). */
		if (class & 1)
			buffer_release(fd, &buffer);
		else
			munmap(buffer.data, buffer.lease.capacity);
	}
	close(fd);
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double loading = 0, unloading = 0, start = now();
	int rounds = argc == 3 ? atoi(argv[2]) : 0;
	int module = rounds > 0 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	unsigned long refusals = 0;
	int ret;

	if (module < 0)
		return fail("usage: cycle MODULE.ko N", EINVAL);
	for (int i = 0; i < rounds; i++) {
		loading -= now();
		ret = module_load(module);
		if (ret)
			return fail("finit_module", -ret);
		loading += now();
		if (use_device())
			return 1;
		unloading -= now();
		/* The last reference may go a moment after close(). */
		ret = module_unload(10000, &refusals);
		if (ret)
			return fail("delete_module", -ret);
		unloading += now();
	}
	printf("%d cycles took %.1f s, of which loading %.1f and unloading %.1f\n", rounds,
	       now() - start, loading, unloading);
	return 0;
}
