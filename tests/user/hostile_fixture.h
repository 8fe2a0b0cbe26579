/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the attacks have in common.
 */
#ifndef TESTS_HOSTILE_FIXTURE_H
#define TESTS_HOSTILE_FIXTURE_H

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE	4096UL
#define SECONDS	2

FIXTURE(hostile)
{
	int fd;
};

FIXTURE_SETUP(hostile)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(hostile)
{
	close(self->fd);
}

static inline double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static inline __u64 next(__u64 *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

#endif /* TESTS_HOSTILE_FIXTURE_H */
