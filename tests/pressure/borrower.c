// SPDX-License-Identifier: GPL-2.0
/*
 * borrower SECONDS: a process that leases buffers of all sizes, writes, waits,
 * reads what it wrote and releases, for so long.
 * borrower idle MIB: one that had so much and gave it back.
 * borrower cached: KiB that lie idle in the device's pool.
 *
 * No memory (ENOMEM) is no mistake. What it leases is zero, or its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"

#define HELD		16
#define CAPACITY_MAX	(64UL << 10)
/* In so many seconds more there is one lease at least. */
#define PATIENCE	120

static int fd;
static unsigned long leases, without;

static int fail(const char *what)
{
	fprintf(stderr, "borrower: %s\n", what);
	return 1;
}

/* Returns 1 for a lease, 0 without memory, less for a mistake. */
static int lease(struct buffer *buffer, int byte)
{
	int ret = buffer_acquire(fd, random() % CAPACITY_MAX + 1, buffer);

	if (ret == -ENOMEM) {
		without++;
		return 0;
	}
	if (ret)
		return ret;
	leases++;
	if (!memory_is_zero_or(buffer->data, byte, buffer->lease.capacity))
		return -EILSEQ;
	memset(buffer->data, byte, buffer->lease.capacity);
	return 1;
}

static int borrow(unsigned int seconds)
{
	int byte = getpid() % 255 + 1;
	struct buffer held[HELD] = {};
	time_t end = time(NULL) + seconds;

	for (unsigned long i = 0;
	     i % HELD || time(NULL) < end || (!leases && time(NULL) < end + PATIENCE); i++) {
		struct buffer *buffer = &held[i % HELD];

		if (buffer->data) {
			if (!memory_is(buffer->data, byte, buffer->lease.capacity))
				return fail("somebody else wrote there");
			if (buffer_release(fd, buffer))
				return fail("a lease was not taken back");
			buffer->data = NULL;
		}
		if (lease(buffer, byte) < 0)
			return fail("a lease showed what is not its own, or an error");
	}
	printf("%lu leases, %lu times no memory\n", leases, without);
	return !leases;
}

static int leave_idle(unsigned long mib)
{
	unsigned long nr = mib * 16;
	struct gophership_lease *all = calloc(nr, sizeof(*all));
	int granted = device_acquire(fd, CAPACITY_MAX, nr, all);

	if (granted != (int)nr)
		return fail("not so many leases");
	return device_release_leases(fd, all, nr) ? fail("not taken back") : 0;
}

static int tell_cached(void)
{
	struct gophership_stats stats;
	unsigned long long bytes = 0;

	if (device_stats(fd, &stats))
		return fail("no statistics");
	for (unsigned int i = 0; i < stats.nr_classes; i++)
		bytes += stats.classes[i].cached * stats.classes[i].capacity;
	printf("%llu\n", bytes >> 10);
	return 0;
}

int main(int argc, char **argv)
{
	fd = device_open();
	if (argc < 2 || fd < 0)
		return fail("no device, or no argument");
	srandom(getpid());
	if (!strcmp(argv[1], "idle"))
		return leave_idle(argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
	if (!strcmp(argv[1], "cached"))
		return tell_cached();
	return borrow(strtoul(argv[1], NULL, 10));
}
