/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the interface for other kernel modules.
 */
#ifndef GOPHERSHIP_BUF_H
#define GOPHERSHIP_BUF_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/llist.h>
#include <linux/types.h>

/**
 * DOC: Overview
 *
 * A pool of page-aligned, directly mapped buffers of 4 KiB to 64 KiB (on
 * 4 KiB pages) for the whole machine. Acquire and release work in every
 * context: process, softirq, hardirq and NMI, on PREEMPT_RT too. In the steady
 * state neither touches an allocator, a lock, an atomic instruction or a cache
 * line that another CPU writes.
 *
 * Every release is checked. A pointer that is not a leased buffer of this pool
 * is refused with an error, one rate-limited line in the log that names the
 * call sites, a counter and a tracepoint; it is never followed.
 *
 * Requests are rounded up to a size class of 1, 2, 4, 8 or 16 pages. Larger
 * requests are served from the page allocator and go back to it at release.
 *
 * A module may use the pool of the machine (gophership_buf_acquire()) or one
 * of its own (gophership_pool_create()) with a private reserve and a report of
 * what was never released. gophership_buf_release() finds the pool by itself.
 */

struct gophership_head;
struct gophership_pool;

/** GOPHERSHIP_NR_CLASSES - size classes: 1, 2, 4, 8 and 16 pages */
#define GOPHERSHIP_NR_CLASSES	5
/** GOPHERSHIP_MAX_POOLED - bytes of the largest buffer that a pool keeps */
#define GOPHERSHIP_MAX_POOLED	(PAGE_SIZE << (GOPHERSHIP_NR_CLASSES - 1))

/**
 * struct gophership_buf - a buffer on loan
 * @data:	first byte; page-aligned, an address of the direct mapping
 *		(virt_to_page() works), kept for the life of the descriptor
 * @len:	bytes in use; 0 after acquire; the holder's to write
 * @capacity:	bytes there are at @data; at least what was asked for
 *
 * One cache line. The holder may write @len and the payload and nothing else;
 * from release on, nothing at all.
 */
struct gophership_buf {
	void *data;
	u32 len;
	u32 capacity;
	/* private: see gophership_pool.h */
	unsigned long seal;	/* secret - address - state */
	struct gophership_head __percpu *heads;	/* where a release goes */
	unsigned long acquired_by;	/* call site of the last acquire */
	unsigned long released_by;	/* call site of the last release */
	union {
		struct {
			struct llist_node node;	/* inbox or reserve */
			u32 writer;	/* context that wrote last, 0: unknown */
			u16 listed;	/* GOPHERSHIP_LISTED_*: who uses @node */
			u16 nid;	/* memory node of the payload */
		};
		struct rcu_head rcu;	/* on the way out, nobody to race with */
	};
} __aligned(64);

/** GOPHERSHIP_POOL_NAME_LEN - bytes of a pool's name, the NUL included */
#define GOPHERSHIP_POOL_NAME_LEN	32

/**
 * struct gophership_pool_params - what a named pool shall be like
 * @name:	for messages, tracepoints and statistics; copied; not empty and
 *		shorter than GOPHERSHIP_POOL_NAME_LEN
 * @reserve:	buffers set aside for gophership_pool_must_acquire(), at most
 *		GOPHERSHIP_RESERVE_MAX; 0 for none
 * @reserve_size: bytes that each buffer of the reserve must hold, at most
 *		GOPHERSHIP_MAX_POOLED; 0 for GOPHERSHIP_MAX_POOLED
 * @flags:	GOPHERSHIP_POOL_* bits; unknown ones are refused
 */
struct gophership_pool_params {
	const char *name;
	unsigned int reserve;
	size_t reserve_size;
	unsigned int flags;
};

/** GOPHERSHIP_RESERVE_MAX - the largest reserve of a pool, in buffers */
#define GOPHERSHIP_RESERVE_MAX	1024
/**
 * GOPHERSHIP_POOL_ACCOUNT - charge payloads to the memory cgroup of the task
 * that makes the pool allocate them (and keep the charge while they are cached)
 */
#define GOPHERSHIP_POOL_ACCOUNT	BIT(0)

/**
 * struct gophership_class_stats - what happened in one size class of a pool
 * @capacity:	bytes of a buffer of this class; 0 for the row of the larger
 *		requests, which are never pooled
 * @acquires:	buffers handed out
 * @hits:	of those, the ones that the CPU's own magazine served
 * @misses:	requests for which the page allocator was asked
 * @releases:	buffers taken back
 * @shrunk:	cached buffers given back to the page allocator
 * @cached:	buffers that lie idle in the pool now
 * @leased:	buffers on loan now
 *
 * The counters are summed over the CPUs while they run: each is exact once the
 * pool is quiet, and may be off by what is under way otherwise. (Where a CPU has no
 * single instruction to count with, as on 32 bits, it may be off for good by one for
 * each NMI that came in the middle.)
 */
struct gophership_class_stats {
	u32 capacity;
	u64 acquires;
	u64 hits;
	u64 misses;
	u64 releases;
	u64 shrunk;
	u64 cached;
	u64 leased;
};

/**
 * struct gophership_pool_stats - the counters of a pool
 * @class:	per size class; the last row counts requests above
 *		GOPHERSHIP_MAX_POOLED
 * @foreign:	releases refused because the pointer is no buffer of ours
 *		(counted for the machine, not for a pool: the same in each)
 * @doubled:	releases refused or undone because the buffer was not leased
 *		(for the machine, too)
 * @poisoned:	released buffers that were found written to (poison=1; for the
 *		machine, too)
 * @reserve:	buffers that the reserve holds now
 * @waiters:	tasks that sleep in must_acquire now
 */
struct gophership_pool_stats {
	struct gophership_class_stats class[GOPHERSHIP_NR_CLASSES + 1];
	u64 foreign;
	u64 doubled;
	u64 poisoned;
	u32 reserve;
	u32 waiters;
};

struct gophership_buf *gophership_buf_acquire(size_t size, gfp_t gfp);
struct gophership_buf *gophership_buf_must_acquire(size_t size);
int gophership_buf_release(struct gophership_buf *buf);
unsigned int gophership_buf_acquire_bulk(size_t size, gfp_t gfp, unsigned int nr,
					 struct gophership_buf **bufs);
unsigned int gophership_buf_release_bulk(struct gophership_buf **bufs, unsigned int nr);

struct gophership_pool *gophership_pool_create(const struct gophership_pool_params *params);
int gophership_pool_destroy(struct gophership_pool *pool);
struct gophership_buf *gophership_pool_acquire(struct gophership_pool *pool, size_t size,
					       gfp_t gfp);
struct gophership_buf *gophership_pool_must_acquire(struct gophership_pool *pool, size_t size);
unsigned long gophership_pool_trim(struct gophership_pool *pool);
void gophership_pool_stats(struct gophership_pool *pool, struct gophership_pool_stats *stats);

#endif /* GOPHERSHIP_BUF_H */
