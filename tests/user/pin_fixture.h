/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of pinned pages have in common: a context, and another one that takes
 * over what the first gave back.
 */
#ifndef TESTS_PIN_FIXTURE_H
#define TESTS_PIN_FIXTURE_H

#include <sched.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE	4096UL
#define LARGE	(16 * PAGE)
#define MANY	48

/* Another context, with all that it has on lease. */
struct others {
	int fd;
	struct buffer buffers[MANY];
};

FIXTURE(pin)
{
	int fd;
	int pipe[2];
	struct others others;
};

FIXTURE_SETUP(pin)
{
	cpu_set_t one;

	/* On one processor a pool gives back what it took last. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	self->fd = device_open();
	self->others.fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->others.fd);
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(pin)
{
	close(self->fd);
	close(self->others.fd);
	close(self->pipe[0]);
	close(self->pipe[1]);
}

static inline int acquire_filled(int fd, size_t size, int byte, struct buffer *buffer)
{
	int ret = buffer_acquire(fd, size, buffer);

	if (!ret)
		memset(buffer->data, byte, size);
	return ret;
}

/* Is the pipe's content @length times @byte? It is read. */
static inline bool pipe_holds(int pipe, int byte, size_t length)
{
	unsigned char bytes[LARGE];
	size_t done = 0;

	while (done < length) {
		ssize_t got = read(pipe, bytes + done, length - done);

		if (got <= 0)
			return false;
		done += got;
	}
	return memory_is(bytes, byte, length);
}

/*
 * The other context leases many buffers and fills them with 0x22. Returns how
 * many have bytes of others, or the frame @pinned (or are not there).
 */
static inline int others_take_over(struct others *others, size_t size, unsigned long pinned)
{
	int wrong = 0;

	for (int i = 0; i < MANY; i++) {
		struct buffer *buffer = &others->buffers[i];

		if (buffer_acquire(others->fd, size, buffer)) {
			wrong += 1000;
			buffer->data = NULL;
			continue;
		}
		/* The second is what it wrote itself the last time. */
		wrong += !memory_is(buffer->data, 0, size) && !memory_is(buffer->data, 0x22, size);
		wrong += memory_frame(buffer->data) == pinned;
		memset(buffer->data, 0x22, size);
	}
	return wrong;
}

static inline void others_give_back(struct others *others)
{
	for (int i = 0; i < MANY; i++)
		buffer_release(others->fd, &others->buffers[i]);
}

#endif /* TESTS_PIN_FIXTURE_H */
