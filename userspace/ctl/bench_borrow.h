/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contender that is libgophership. Before a loop runs, bench_borrowed must
 * be open.
 */
#ifndef BENCH_BORROW_H
#define BENCH_BORROW_H

#include <stdbool.h>

#include <gophership.h>

static struct gophership *bench_borrowed;

static inline void *peer_acquire(size_t size)
{
	return gophership_acquire(bench_borrowed, size);
}

static inline bool peer_release(void *buf)
{
	return !gophership_release(bench_borrowed, buf);
}

static inline bool peer_acquire_bulk(size_t size, unsigned int nr, void **bufs)
{
	return gophership_acquire_bulk(bench_borrowed, size, nr, bufs) == nr;
}

static inline bool peer_release_bulk(void **bufs, unsigned int nr)
{
	return gophership_release_bulk(bench_borrowed, bufs, nr) == nr;
}

#endif /* BENCH_BORROW_H */
