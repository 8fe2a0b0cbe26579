// SPDX-License-Identifier: GPL-2.0
/*
 * storm MODULE.ko N: load and unload the module N times while other processes
 * open the device, use it, and close it, all the time.
 *
 * An open gets the device, and then all of it works, or it gets nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "module.h"

#define PROCESSES	3

struct storm {
	atomic_ulong opens;
	atomic_ulong refused;
	atomic_ulong wrong;
	atomic_int error;
};

static struct storm *storm;

static int use(int fd, unsigned int round)
{
	struct gophership_info info;
	struct buffer buffer;
	int ret;

	ret = device_info(fd, &info);
	if (!ret)
		ret = buffer_acquire(fd, 4096 << round % NR_CLASSES, &buffer);
	if (ret)
		return ret;
	memset(buffer.data, 1, buffer.lease.capacity);
	/* In one of three the mapping is the last that holds the module. */
	if (round % 3 == 0) {
		close(fd);
		munmap(buffer.data, buffer.lease.capacity);
		return 0;
	}
	if (round % 3 == 1)
		ret = buffer_release(fd, &buffer);
	else
		munmap(buffer.data, buffer.lease.capacity);
	close(fd);
	return ret;
}

static void open_on(void)
{
	for (unsigned int round = 0;; round++) {
		int fd = device_open(), ret;

		if (fd >= 0) {
			atomic_fetch_add(&storm->opens, 1);
			ret = use(fd, round);
		} else {
			atomic_fetch_add(&storm->refused, 1);
			ret = fd == -ENOENT || fd == -ENXIO || fd == -ENODEV ? 0 : fd;
		}
		if (ret) {
			atomic_store(&storm->error, ret);
			atomic_fetch_add(&storm->wrong, 1);
		}
		/* Now and then nobody has it. */
		usleep(rand() % 400);
	}
}

static int cycle(int module, int rounds, unsigned long *refusals)
{
	unsigned long before;
	int ret;

	for (int i = 0; i < rounds; i++) {
		before = storm->opens;
		ret = module_load(module);
		for (int tries = 0; tries < 1000 && storm->opens < before + i % 4; tries++)
			usleep(100);
		if (!ret)
			ret = module_unload(20000, refusals);
		if (ret) {
			printf("round %d: %s\n", i, strerror(-ret));
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = argc == 3 ? atoi(argv[2]) : 0;
	int module = rounds > 0 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	unsigned long refusals = 0;
	pid_t pids[PROCESSES];
	int failed;

	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (module < 0 || storm == MAP_FAILED) {
		fprintf(stderr, "usage: storm MODULE.ko N\n");
		return 2;
	}
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			srand(i);
			open_on();
		}
	}
	failed = cycle(module, rounds, &refusals);
	for (int i = 0; i < PROCESSES; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	printf("%d cycles: %lu opens, %lu refused; %lu unloads refused; %lu wrong (%s)\n", rounds,
	       storm->opens, storm->refused, refusals, storm->wrong, strerror(-storm->error));
	/* Both must have happened for it to be a race. */
	return failed || storm->wrong || !refusals || !storm->refused ||
	       storm->opens < (unsigned int)rounds;
}
