/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loops that are timed. Before it is included, there must be
 *
 *	static inline void *peer_acquire(size_t size);
 *	static inline bool peer_release(void *buf);
 *
 * so that each contender is called as a program calls it, and not by way of a
 * pointer that no program has.
 */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stdbool.h>
#include <stddef.h>

/* To the compiler, somebody has used the buffer. */
static inline void use(void *buf)
{
	__asm__ volatile("" : : "r"(buf) : "memory");
}

static bool loop_pair(size_t size, unsigned long n)
{
	while (n--) {
		void *buf = peer_acquire(size);

		if (!buf)
			return false;
		use(buf);
		if (!peer_release(buf))
			return false;
	}
	return true;
}

#endif /* BENCH_LOOPS_H */
