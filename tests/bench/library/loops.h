/* SPDX-License-Identifier: GPL-2.0 */
/*
 * More loops than a user's own bench has; the same rules as in bench_loops.h.
 */
#ifndef LOOPS_H
#define LOOPS_H

#include "bench_loops.h"
#include "ring.h"
#include "worker.h"

static struct ring ring;

static inline bool loop_produce(size_t size, unsigned long n)
{
	while (n--) {
		void *buf = peer_acquire(size);

		if (!buf || !ring_put(&ring, buf))
			return ring_break(&ring);
	}
	return true;
}

static inline bool loop_consume(size_t size, unsigned long n)
{
	(void)size;
	while (n--) {
		void *buf = ring_get(&ring);

		if (!buf)
			return false;
		use(buf);
		if (!peer_release(buf))
			return ring_break(&ring);
	}
	return true;
}

#define LOOP_PAIR	{ "pair", { loop_pair, loop_pair } }
#define LOOP_HAND_OVER	{ "hand-over", { loop_produce, loop_consume } }

#endif /* LOOPS_H */
