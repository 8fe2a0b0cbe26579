// SPDX-License-Identifier: GPL-2.0
/*
 * What lies idle is memory that the machine has. The module is loaded with max_cached_mb=160,
 * three quarters of which are for programs, and user_limit_mb=200, since a quarter of a small
 * machine is less than what is borrowed here.
 */
#include <limits.h>
#include <unistd.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define MB	0x100000
#define LARGE	65536
/* 100 MiB, so many at once. */
#define BATCHES	25
#define BATCH	64
/* KiB of MemAvailable: less than that is everything else's. */
#define ALLOWED	(5 * 1024)

static int borrow_and_give_back(int fd)
{
	static struct gophership_lease leases[BATCHES][BATCH];
	int batch, ret = 0;

	for (batch = 0; batch < BATCHES; batch++)
		if (device_acquire(fd, LARGE, BATCH, leases[batch]) != BATCH)
			return -1;
	for (batch = 0; batch < BATCHES; batch++)
		ret |= device_release_leases(fd, leases[batch], BATCH);
	return ret;
}

/* The machine is told once a second; but what is not used for long is idle no more. */
TEST(what_lies_idle_is_available)
{
	long before = memory_info("MemAvailable"), missing = LONG_MAX;
	int fd = device_open(), tries;
	long long idle = 0;

	ASSERT_LE(0, fd);
	for (tries = 0; tries < 600 && (idle < 90 * MB || missing >= ALLOWED); tries++) {
		if (tries % 30 == 0)
			ASSERT_EQ(0, borrow_and_give_back(fd));
		usleep(100000);
		idle = device_idle_bytes(fd);
		missing = before - memory_info("MemAvailable");
	}
	EXPECT_LE(90 * MB, idle);
	EXPECT_GT(ALLOWED, missing) {
		TH_LOG("%ld KiB are missing, %lld MiB lie idle", missing, idle / MB);
	}
	close(fd);
}

TEST_HARNESS_MAIN
