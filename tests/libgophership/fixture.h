/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every test of the library begins with: an open handle.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <gophership.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef MEMCHECK
/*
 * The harness polls a test's process, which Valgrind 3.19 has no pidfd_open(2)
 * for: wait here, and give it something that is ready. No test times out.
 */
static inline long wait_for_test(long number, pid_t pid, unsigned int flags)
{
	siginfo_t info;

	(void)number;
	(void)flags;
	return waitid(P_PID, pid, &info, WEXITED | WNOWAIT) ? -1 : open("/dev/null", O_RDONLY);
}
#define syscall		wait_for_test
#endif
#include "harness.h"
#undef syscall

#if defined(STANDIN) && !defined(MEMCHECK) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)
/* No tool looks on that would want memory or each instruction for itself. */
#define BARE
#endif

#define PAGE		4096
#define LARGEST		65536
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

static inline struct gophership_lib_stats stats_of(struct gophership *gs)
{
	struct gophership_lib_stats stats = { .size = sizeof(stats) };

	if (gophership_stats(gs, &stats))
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

/* Buffers in use, of all classes. */
static inline uint64_t used_of(struct gophership *gs)
{
	struct gophership_lib_stats stats = stats_of(gs);
	uint64_t used = 0;

	for (unsigned int i = 0; i < stats.nr_classes; i++)
		used += stats.classes[i].used;
	return used;
}

static inline struct gophership *open_with(struct gophership_options options)
{
	struct gophership *gs;

	options.size = sizeof(options);
	return gophership_open(&gs, &options) ? NULL : gs;
}

/* The library's descriptor, or -1. */
static inline int find_device(void)
{
	char path[64], target[64];

	for (int fd = 3; fd < 64; fd++) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = 0;
		if (strstr(target, "gophership"))
			return fd;
	}
	return -1;
}

static inline bool has_device(void)
{
	return find_device() >= 0;
}

static inline int compare_pointers(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

/* Does any pointer come twice? Sorts them. */
static inline bool has_twins(void **bufs, unsigned int nr)
{
	qsort(bufs, nr, sizeof(*bufs), compare_pointers);
	for (unsigned int i = 1; i < nr; i++)
		if (bufs[i] == bufs[i - 1])
			return true;
	return false;
}

#endif /* TESTS_FIXTURE_H */
