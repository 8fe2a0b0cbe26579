/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loop of those who can do many at once; the same rules as in
 * bench_loops.h, with, each for exactly @nr buffers,
 *
 *	static inline bool peer_acquire_bulk(size_t size, unsigned int nr, void **bufs);
 *	static inline bool peer_release_bulk(void **bufs, unsigned int nr);
 */
#ifndef BENCH_BULK_H
#define BENCH_BULK_H

#include <stdbool.h>
#include <stddef.h>

#include "bench_lanes.h"

/* An operation is one buffer, so @n is rounded down. */
static bool loop_bulk(size_t size, unsigned long n)
{
	void *bufs[BULK];

	for (; n >= BULK; n -= BULK) {
		if (!peer_acquire_bulk(size, BULK, bufs))
			return false;
		use(bufs);
		if (!peer_release_bulk(bufs, BULK))
			return false;
	}
	return true;
}

#endif /* BENCH_BULK_H */
