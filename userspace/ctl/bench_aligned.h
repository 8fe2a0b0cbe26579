/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contender that is aligned_alloc() and free(), of the C library or of what
 * took its place.
 */
#ifndef BENCH_ALIGNED_H
#define BENCH_ALIGNED_H

#include <stdbool.h>
#include <stdlib.h>

#define BENCH_ALIGNMENT	4096

static inline void *peer_acquire(size_t size)
{
	return aligned_alloc(BENCH_ALIGNMENT, size);
}

static inline bool peer_release(void *buf)
{
	free(buf);
	return true;
}

#endif /* BENCH_ALIGNED_H */
