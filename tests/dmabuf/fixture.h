/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of dma-bufs have in common.
 */
#ifndef TESTS_DMABUF_FIXTURE_H
#define TESTS_DMABUF_FIXTURE_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "dmabuf.h"
#include "harness.h"
#include "memory.h"

/* Leases that look for a page frame. */
#define MANY	16

static inline int acquire_filled(int fd, size_t size, int byte, struct buffer *buffer)
{
	int ret = buffer_acquire(fd, size, buffer);

	if (!ret)
		memset(buffer->data, byte, size);
	return ret;
}

/*
 * Lease many buffers for @fd. How many of them are the frame @frame? -1: one is not zero.
 */
static inline int others_take_over(int fd, size_t size, unsigned long frame,
				   struct buffer *others)
{
	int found = 0, dirty = 0;

	for (int i = 0; i < MANY; i++) {
		if (buffer_acquire(fd, size, &others[i]))
			return -2;
		dirty += !memory_is(others[i].data, 0, size);
		found += memory_frame(others[i].data) == frame;
	}
	return dirty ? -1 : found;
}

static inline void others_give_back(int fd, struct buffer *others)
{
	for (int i = 0; i < MANY; i++)
		buffer_release(fd, &others[i]);
}

#endif /* TESTS_DMABUF_FIXTURE_H */
