/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: pools of a driver's own and the counters of each pool, for other
 * kernel modules. Drivers include gophership_buf.h.
 */
#ifndef GOPHERSHIP_POOL_H
#define GOPHERSHIP_POOL_H

#include <linux/bits.h>
#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/types.h>

/**
 * DOC: The stock
 *
 * gophership_pool_params.stock sets so many buffers of each class aside (for the machine's
 * pool the module parameter stock does). They are for tracers, and for NMI and other handlers
 * that may not allocate. A request without __GFP_DIRECT_RECLAIM and __GFP_NOMEMALLOC gets one
 * of them, of its class or a larger one, when no buffer is cached and the allocators cannot
 * be asked, or fail. Such a buffer is released as any other. The background replaces it, by
 * an idle buffer or a new one, as soon as a task gets to run.
 *
 * So a burst of @stock requests of one class is served in any context, and a longer one as
 * far as the background keeps up. The stock costs its memory all the time: neither the
 * shrinker, nor age, nor gophership_pool_trim() takes it. It is counted as cached.
 *
 * The reserve serves the same requests, after the stock, with buffers of one
 * size that come back by their release alone.
 */

/**
 * DOC: Forward progress
 *
 * gophership_pool_params.reserve sets buffers aside. They are used when the allocators
 * fail and nothing is cached, as the elements of a mempool are, and a release
 * puts them back.
 *
 * - gophership_pool_must_acquire() draws on the reserve, and if that is used up, sleeps
 *   until a buffer that is large enough is released.
 * - gophership_pool_acquire() draws on it if the request may not sleep (no
 *   __GFP_DIRECT_RECLAIM: GFP_ATOMIC, GFP_NOWAIT, 0), in any context, NMI included.
 *   With __GFP_NOMEMALLOC it does not. A request that may sleep does not, either: its
 *   caller has must_acquire.
 * - The reserve of the machine's pool is for gophership_buf_must_acquire() alone, so
 *   that the interrupts of one driver cannot empty what other drivers wait for.
 *
 * That must_acquire returns depends only on releases: every buffer of a reserve
 * comes back to it with its release, whatever kind of request it served. A task that waits
 * must not hold what it waits for.
 */

struct device;
struct gophership_buf;
struct gophership_pool;

/** GOPHERSHIP_NR_CLASSES - size classes: 1, 2, 4, 8 and 16 pages */
#define GOPHERSHIP_NR_CLASSES	5
/** GOPHERSHIP_MAX_POOLED - bytes of the largest buffer that a pool keeps */
#define GOPHERSHIP_MAX_POOLED	(PAGE_SIZE << (GOPHERSHIP_NR_CLASSES - 1))

/** GOPHERSHIP_POOL_NAME_LEN - bytes of a pool's name, the NUL included */
#define GOPHERSHIP_POOL_NAME_LEN	32

/**
 * struct gophership_pool_params - parameters of a named pool
 * @name:	for messages, tracepoints and statistics; copied; not empty and
 *		shorter than GOPHERSHIP_POOL_NAME_LEN; no other pool has it
 * @reserve:	buffers set aside for when there is no memory, at most
 *		GOPHERSHIP_RESERVE_MAX; 0 for none
 * @reserve_size: bytes that each buffer of the reserve must hold, at most
 *		GOPHERSHIP_MAX_POOLED; 0 for GOPHERSHIP_MAX_POOLED
 * @flags:	GOPHERSHIP_POOL_* bits; unknown ones are refused
 * @stock:	buffers of each class kept idle for requests that may not allocate, at most
 *		GOPHERSHIP_STOCK_MAX; 0 for none. See "The stock". Not with
 *		GOPHERSHIP_POOL_ACCOUNT: no cgroup would pay for it
 * @dev:	the device that the buffers are mapped for, whose DMA mask is set and to
 *		which the caller's driver is bound; NULL for none. See gophership_dma.h
 * @dma_dir:	with @dev: which way data goes
 */
struct gophership_pool_params {
	const char *name;
	unsigned int reserve;
	size_t reserve_size;
	unsigned int flags;
	unsigned int stock;
	struct device *dev;
	enum dma_data_direction dma_dir;
};

/** GOPHERSHIP_STOCK_MAX - the largest stock of a class, in buffers */
#define GOPHERSHIP_STOCK_MAX	1024

/** GOPHERSHIP_RESERVE_MAX - the largest reserve of a pool, in buffers */
#define GOPHERSHIP_RESERVE_MAX	1024
/**
 * GOPHERSHIP_POOL_ACCOUNT - charge payloads to memory cgroups
 *
 * The memory cgroup of the task that makes the pool allocate a buffer pays for its
 * payload. A buffer that a cgroup (other than the root) pays for is not kept: its
 * release gives the payload back to the page allocator, as the reclaim of that
 * cgroup could not reach it; at once, or with interrupts off after an RCU grace period.
 * The reserve is charged to the task that creates the pool, until the pool is destroyed.
 * Releases take a slower path.
 */
#define GOPHERSHIP_POOL_ACCOUNT	BIT(0)
/**
 * GOPHERSHIP_POOL_CHECK_REFS - do not reuse pages that something else refers to
 *
 * A release looks whether the pages have a reference beside the pool's own, or are
 * mapped. If so, the buffer is retired as by gophership_buf_retire(). Releases take a
 * slower path. (A buffer of a reserve is checked in each pool, before it is handed out. A
 * buffer above GOPHERSHIP_MAX_POOLED is never reused.)
 */
#define GOPHERSHIP_POOL_CHECK_REFS BIT(1)
/**
 * GOPHERSHIP_POOL_NO_INIT - do not clear buffers for init_on_alloc and init_on_free
 *
 * On a kernel that was booted with one of the two (Debian's default is init_on_alloc=1) a
 * release clears the whole buffer, on a slower path, and acquire finds zeroes, as from the
 * page allocator. A driver may set this flag if it writes each byte before it reads it or
 * shows it to a program: it gets the bytes of the pool's last borrower.
 */
#define GOPHERSHIP_POOL_NO_INIT	BIT(2)

/**
 * struct gophership_class_stats - counters of one size class of a pool
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
 * The counters are summed over the CPUs while these count. Each is exact once the pool is
 * quiet; before, calls that are under way may be missing. (Where a CPU has no single
 * instruction to count with, as on 32 bits, each NMI that comes in the middle may cost a
 * count for good.)
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
 * @reserve:	buffers that the reserve holds now, those among them that something
 *		still refers to
 * @waiters:	tasks that sleep in must_acquire now
 * @stock:	buffers in stock now, of all classes
 * @mapped:	buffers that are mapped for the pool's device now, on loan or idle
 * @bounced:	those of them of which the device reaches a copy (swiotlb)
 */
struct gophership_pool_stats {
	struct gophership_class_stats class[GOPHERSHIP_NR_CLASSES + 1];
	u64 foreign;
	u64 doubled;
	u64 poisoned;
	u32 reserve;
	u32 waiters;
	u32 stock;
	u32 mapped;
	u32 bounced;
};

/**
 * gophership_pool_create() - make a pool of one's own
 * @params: see struct gophership_pool_params; copied
 *
 * No other pool shares its buffers or its reserve. The reserve is allocated here.
 * Idle buffers go back to the page allocator by age and under pressure, as those of
 * the machine's pool do.
 *
 * Context: process; may sleep.
 * Return: the pool, or an **error pointer**, never NULL: -EINVAL (a parameter is missing
 * or out of range, or @dev has no driver or no DMA mask), -EEXIST (a pool has that name;
 * "kernel", "user" and "orphans" are the module's own), -EOPNOTSUPP (@dev on a kernel without
 * DMA), -ENOMEM (also if a mapping of the reserve failed).
 */
struct gophership_pool *gophership_pool_create(const struct gophership_pool_params *params);

/**
 * gophership_pool_destroy() - end a pool
 * @pool: from gophership_pool_create(); NULL and error pointers are ignored
 *
 * Before the call the driver sees to it that no context acquires from the pool any more, and
 * that no task sleeps in gophership_pool_must_acquire(). It has released what it holds.
 *
 * Buffers that are still leased are named in the log, each with the call site that acquired
 * it. They stay valid, and their release, at any later time, frees them. In a pool that is
 * bound to a device they are unmapped here.
 *
 * Context: process; sleeps for RCU grace periods.
 * Return: the **number of buffers** that were still leased: 0 if all is well. No error.
 */
int gophership_pool_destroy(struct gophership_pool *pool);

/**
 * gophership_pool_acquire() - borrow a buffer from a pool
 * @pool: from gophership_pool_create()
 * @size: bytes that it must hold; 0 means one page
 * @gfp: as for gophership_buf_acquire()
 *
 * Draws on the pool's reserve if it may not sleep: see "Forward progress".
 *
 * Context: any, as gophership_buf_acquire().
 * Return: as gophership_buf_acquire().
 */
struct gophership_buf *gophership_pool_acquire(struct gophership_pool *pool, size_t size,
					       gfp_t gfp);

/**
 * gophership_pool_acquire_bulk() - borrow many from a pool
 * @pool: from gophership_pool_create()
 * @size: bytes that each must hold; 0 means one page
 * @gfp: as for gophership_pool_acquire()
 * @nr: how many
 * @bufs: room for @nr pointers
 *
 * gophership_buf_release_bulk() gives them back.
 *
 * Context: any, as gophership_buf_acquire().
 * Return: as gophership_buf_acquire_bulk().
 */
unsigned int gophership_pool_acquire_bulk(struct gophership_pool *pool, size_t size, gfp_t gfp,
					  unsigned int nr, struct gophership_buf **bufs);

/**
 * gophership_pool_must_acquire() - borrow a buffer, however long it takes
 * @pool: from gophership_pool_create()
 * @size: bytes that it must hold; 0 means one page. Only requests up to the
 *	pool's reserve_size can be served from its reserve.
 *
 * Context: process; as gophership_buf_must_acquire(), memalloc scopes included.
 * Return: as gophership_buf_must_acquire().
 */
struct gophership_buf *gophership_pool_must_acquire(struct gophership_pool *pool, size_t size);

/**
 * gophership_pool_trim() - give everything idle back to the page allocator
 * @pool: from gophership_pool_create(), or NULL for the pool of the machine
 *
 * The reserve stays. Other users of the pool may go on meanwhile; buffers that they release
 * while this runs may stay, too.
 *
 * Context: process; waits for RCU.
 * Return: the number of buffers that were given back.
 */
unsigned long gophership_pool_trim(struct gophership_pool *pool);

/**
 * gophership_pool_stats() - read the counters of a pool
 * @pool: from gophership_pool_create(), or NULL for the pool of the machine
 * @stats: filled in
 *
 * Context: any but NMI.
 */
void gophership_pool_stats(struct gophership_pool *pool, struct gophership_pool_stats *stats);

#endif /* GOPHERSHIP_POOL_H */
