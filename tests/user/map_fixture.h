/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mappings have in common: a context with a buffer.
 */
#ifndef TESTS_MAP_FIXTURE_H
#define TESTS_MAP_FIXTURE_H

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE	4096UL

FIXTURE(map)
{
	int fd;
	struct gophership_info info;
	struct buffer buffer;	/* of the largest class, filled with 0x5a */
};

FIXTURE_SETUP(map)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_info(self->fd, &self->info));
	ASSERT_EQ(0, buffer_acquire(self->fd, 16 * PAGE, &self->buffer));
	memset(self->buffer.data, 0x5a, 16 * PAGE);
}

FIXTURE_TEARDOWN(map)
{
	close(self->fd);
}

/* The mapping stays. */
static inline int release_only(int fd, const struct buffer *buffer)
{
	return device_release_one(fd, buffer->lease.handle);
}

#endif /* TESTS_MAP_FIXTURE_H */
