/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: its structures, and what protects them.
 *
 * A pool is, per size class, one head on each CPU and one depot on each memory
 * node. A head owns up to two magazines (arrays of buffer pointers) and serves
 * the hot path; heads and depots exchange whole magazines. After Bonwick and
 * Adams, "Magazines and Vmem" (USENIX 2001). How a buffer says where it is, and why
 * two releases of it at once do no harm, is told in pool/seal.h.
 *
 * doc/floors lists the files of this folder from top to bottom: each calls only what
 * lies below it.
 *
 * Lock order, outermost first
 * ---------------------------
 *   cpu_hotplug_lock			the kernel's; cpu_dead() and cpu_prepare() run within
 *   gophership_pools_lock		process; the list of pools, ageing, CPU hotplug
 *   gophership_pools_srcu		reader: the shrinker, which takes no lock above
 *   busy mark of a head		any context, preemption off; no lock: see @idle
 *   depot->lock			raw, interrupts off; NMI and tracers try only
 *   pool->wait.lock			irq_work and waiters only
 *
 *   a device's lock			the kernel's, in probe() and remove() of drivers
 *   pool_destroy()'s one_at_a_time	process; one pool is destroyed at a time
 *   a gophership_dma's lock		process; all mappings of a pool or port end
 *   registry's xa_lock			raw but on PREEMPT_RT, interrupts off; never in NMI
 *
 *   kept_lock				process, module notifier; outside of the xa_lock
 *   watchers_lock			process; by itself
 *
 * depot->lock and the registry's xa_lock are never held together. With either held
 * gophership_nesting says so on this CPU, so that a tracer on top of the holder does not
 * wait for it. Memory is allocated under all mutexes here, so the shrinker takes none.
 *
 * Barriers
 * --------
 * A letter stands at both ends. tests/litmus has a file for each pair, which also names the
 * lines. What RCU orders is told in pool/seal.h.
 *
 *   (A) a descriptor, then its seal; a reader of the seal, or of the registry
 *   (B) the bounds, then a pointer; a release that finds the pointer beyond them
 *   (C) a free buffer or a limit, then the waiters; a waiter, then the buffers and limits
 *   (D) a buffer of the reserve, then its slot; a taker of the slot
 *   (E) the seal of a buffer in stock, then its slot; a taker of the slot
 *   (F) a report, then "written"; a printer
 *   (G) a printer's copy of a report, then "free"; the next report
 *   (H) what is wanted, then whether the refill is pending; the refill
 *   (I) a kept name, then the list of them; a reader of the list
 *   (J) "dead", a grace period, unmapping; a sync
 *   (K) "mapped", then "dead"; "dead", then "mapped"
 *   (L) the seal "inbox", then the mark "linked"; the mark, then the seal
 *   (M) a look at a seal, then the mark; the mark, then the descriptor's end
 *   (N) the last other reference to pages; their next use
 */
#ifndef GOPHERSHIP_POOL_TYPES_H
#define GOPHERSHIP_POOL_TYPES_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/irq_work.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "gophership_buf.h"
#include "gophership_compat.h"

struct gophership_dma;

/* The largest class: a buffer of it serves every request of the classes. */
#define GOPHERSHIP_CLASS_MAX	(GOPHERSHIP_NR_CLASSES - 1)

/* Rows of a pool's heads beyond the size classes; neither has a magazine. */
enum {
	GOPHERSHIP_CLASS_LARGE = GOPHERSHIP_NR_CLASSES,	/* never pooled */
	GOPHERSHIP_CLASS_RESERVE,	/* goes back to the reserve */
	GOPHERSHIP_NR_HEADS
};

/*
 * buf->inbox_state: the state of the node in an inbox. An entry of an inbox goes through
 * these steps:
 *
 * 1. Link: a release sets LINKED and links the node.
 * 2. Unlink: a CPU takes the node off the inbox and sets LOOK with its number.
 * 3. Look: that CPU reads the seal, and claims the buffer if the seal says so. Then it
 *    sets 0. If the value is no longer its LOOK, the node was linked anew: the new entry
 *    takes over.
 * 4. Free: a free that finds 0 goes on. A free that finds anything else sets RETIRING and
 *    does nothing more: the CPU that unlinks or looks frees the descriptor.
 *
 * So a look never reads another descriptor that was allocated at the same address, even
 * if it takes long (the CPU of a guest may stop in the middle of it). A free that is
 * decided after the look has begun waits for a grace period anyway, and so for the look.
 */
#define GOPHERSHIP_INBOX_LINKED		1U
#define GOPHERSHIP_INBOX_RETIRING	2U
/* Unlinked, and looked at by that CPU. */
#define GOPHERSHIP_INBOX_LOOK(cpu)	(4U + ((cpu) << 3))
static_assert(GOPHERSHIP_INBOX_LOOK(CONFIG_NR_CPUS - 1) <= U16_MAX);

static inline bool gophership_mapped(const struct gophership_buf *buf)
{
	return buf->writer == GOPHERSHIP_WRITER_DEVICE;
}

/* Of a magazine that is not charged: the node of none. */
#define GOPHERSHIP_UNCHARGED	U16_MAX
static_assert(MAX_NUMNODES - 1 < GOPHERSHIP_UNCHARGED);

/**
 * struct gophership_magazine - an array of free buffers
 * @next: in a list of the depot; protected by the depot's lock
 * @nr: entries in use while no head has it loaded; protected by the depot's
 *	lock, or by the owning head's busy mark
 * @capacity: entries there are; constant
 * @class: of the buffers; constant
 * @nid: the memory node that it is charged on as if it were full (see
 *	pool/cached.c), or GOPHERSHIP_UNCHARGED; protected as @nr
 * @cookie: of the grace period to be over before its buffers' payload may be freed at
 *	once; written before a depot has it in @full, protected by the depot's lock
 * @node: for the way back to the page allocator, retiring; as is
 * @rcu: also
 * @sentinel: gophership_sentinel, where the entry below the first one would be: a buffer
 *	that no slot confirms. So the hot path need not ask whether the magazine is
 *	empty. Constant
 * @slot: the buffers; protected as @nr
 */
struct gophership_magazine {
	struct gophership_magazine *next;
	u16 nr;
	u16 capacity;
	u16 class;
	u16 nid;
	union {
		unsigned long cookie;
		struct llist_node node;
		struct rcu_head rcu;
	};
	struct gophership_buf *sentinel;
	struct gophership_buf *slot[];
};

/* Bytes of the largest magazine; see pool/magazine.c. */
#define GOPHERSHIP_MAGAZINE_SIZE_MAX	1024U

/**
 * struct gophership_head - a CPU's share of one size class
 * @idle: the busy mark, an ownership count: 1 means unowned. The context that
 *	decrements it to 0 owns the head; one that gets less than 0 leaves the head
 *	alone. Read and written on this CPU only, with preemption off. Contexts nest
 *	on a CPU (process, softirq, hardirq, NMI), and the inner one ends before the
 *	outer one goes on. So a plain counter and compiler barriers are enough: an
 *	inner context either finds the head owned, or it owns the head and releases it
 *	before the outer one reads anything else. The owner sets it to 1, and does not
 *	increment it: that drops the decrements of the contexts that found it owned
 * @top: the slot above the highest entry in use of @loaded; the first one of
 *	gophership_nothing without @loaded. Protected by @idle; lockless readers may see a
 *	stale value
 * @limit: how far the hot path may raise @top: the end of the magazine, or NULL
 *	to send every release to the slow path (no magazine; a task waits for a
 *	buffer of the class or a smaller one; a row that is never pooled; a pool whose
 *	releases claim). Written under @idle; must_acquire writes NULL from other
 *	CPUs, see gophership_waiters_raise().
 * @loaded: the magazine the hot path works on, or NULL; protected by @idle
 * @hits: acquires served here; protected by @idle; lockless readers may see a stale value
 * @releases: releases that ended here; as @hits
 * @spare: the other magazine, full or empty (or NULL); protected by @idle
 * @spare_nr: entries of @spare, for lockless readers; protected by @idle
 * @slow_acquires: acquires served by the slow path; this_cpu operations
 * @slow_releases: releases that went to an inbox, the reserve or the page
 *	allocator, less those that turned out to be second releases; this_cpu
 *	operations
 * @misses: requests that went to the allocator; this_cpu operations
 * @shrunk: buffers given back; this_cpu operations
 * @class: size class or further row; constant
 * @node: memory node of @depot; written before the CPU comes, see
 *	gophership_pool_place()
 * @depot: the one of the memory node that is this CPU's; as @node
 * @pool: constant
 * @aged_use: acquires and releases when the ageing last looked, and
 * @quiet: for how many looks there were no new ones; both protected by
 *	gophership_pools_lock (only the ageing touches them)
 */
struct gophership_head {
	/* the hot line */
	struct gophership_buf **top;
	struct gophership_buf **limit;
	int idle;
	u16 class;
	u16 node;
	u64 hits;
	u64 releases;
	struct gophership_magazine *loaded;
	struct gophership_magazine *spare;
	struct gophership_depot *depot;
	/* off the hot path */
	struct gophership_pool *pool ____cacheline_aligned;
	u32 spare_nr;
	u32 quiet;
	u64 slow_acquires;
	u64 slow_releases;
	u64 misses;
	u64 shrunk;
	u64 aged_use;
} ____cacheline_aligned;

/**
 * struct gophership_depot - a memory node's store for one size class
 * @lock: held for the swap of a pointer, or to move entries of the inbox until a
 *	magazine is full, interrupts off; NMI and tracers upon a holder try only
 * @full: magazines with entries; protected by @lock
 * @empty: magazines without; protected by @lock
 * @nr_full: magazines in @full; protected by @lock; others may peek
 * @nr_empty: magazines in @empty; protected by @lock; others may peek
 * @nr_bufs: buffers in @full; protected by @lock; others may peek
 * @low: the fewest full magazines since the ageing last looked: what lay idle;
 *	protected by @lock
 * @old_low: the same of the period before; protected by @lock
 * @inbox: buffers that were released where no magazine was to be had (on top
 *	of a busy head, on a CPU of another node, without memory for a
 *	magazine). Any context adds, without a lock; removal is
 *	protected by @lock (llist_del_first() wants one remover)
 * @nr_inbox: entries of @inbox, counted before they are linked
 * @pool: constant
 * @class: size class; constant
 * @node: memory node; constant
 */
struct gophership_depot {
	raw_spinlock_t lock;
	struct gophership_magazine *full;
	struct gophership_magazine *empty;
	u32 nr_full;
	u32 nr_empty;
	u32 nr_bufs;
	u32 low;
	u32 old_low;
	struct gophership_pool *pool;
	u32 class;
	int node;
	struct llist_head inbox ____cacheline_aligned;
	atomic_t nr_inbox;
} ____cacheline_aligned;

/*
 * Of gophership_pool.flags, not for callers: the pool keeps nothing. Its counts of
 * waiters are raised for good, so that no release ends in a magazine, and what is
 * on its inboxes goes back to the page allocator at once.
 */
#define GOPHERSHIP_POOL_KEEPS_NOTHING	BIT(31)
/*
 * Nor this one: each release claims the buffer before it looks at the payload, which it
 * must (GOPHERSHIP_POOL_CHECK_REFS, GOPHERSHIP_POOL_ACCOUNT). The limits of the heads
 * stay NULL, so that the hot path sends all releases to the slow one, and need not ask.
 */
#define GOPHERSHIP_POOL_CLAIMS		BIT(29)
/* Nor this one: of the module itself, for as long as that is loaded. */
#define GOPHERSHIP_POOL_PERMANENT	BIT(27)
/* Not for callers, either: the pool of the device, see pool/lent.c. */
#define GOPHERSHIP_POOL_LENDS		BIT(30)
/*
 * Nor this one: a release clears the payload (init_on_alloc, init_on_free), so that the
 * pages are all zeroes while they lie idle, as fresh ones are: acquire has nothing to do.
 */
#define GOPHERSHIP_POOL_CLEARS		BIT(28)

/**
 * struct gophership_pool - a named pool
 * @heads: GOPHERSHIP_NR_HEADS of them on each possible CPU; constant
 * @depots: [node * GOPHERSHIP_NR_CLASSES + class]; constant
 * @flags: GOPHERSHIP_POOL_*; constant
 * @nr_bufs: buffers of the size classes that exist; by atomics
 * @waiters: [class] tasks in must_acquire that found nothing and that a buffer of the
 *	class would serve (and one more in a pool that keeps nothing); by atomics. In
 *	GOPHERSHIP_CLASS_MAX all tasks count
 * @wait: where they sleep
 * @wake: wakes them, from any context
 * @reserve: the reserve, a slot for each buffer, NULL while that is leased; constant
 *	but for the slots, which are exchanged in any context (pool/reserve.c)
 * @reserve_slots: their number; constant
 * @nr_reserve: buffers in the slots; by atomics, counted before they are put there
 * @reserve_size: bytes each of them holds; constant
 * @stock: [class * @stock_slots + i], the slots of the stock; constant but for the slots:
 *	taken by exchange in any context, filled by @refill_work (pool/stock.c)
 * @stock_slots: slots of each class; constant
 * @nr_stock: buffers in the slots of each class; by atomics
 * @wanted: what contexts that may not allocate lacked (pool/refill.c); by atomic bits
 * @refill_kick: queues @refill_work, from any context
 * @refill_work: makes it
 * @entry: in gophership_pools; protected by gophership_pools_lock, read in
 *	gophership_pools_srcu
 * @dma: the device that it is bound to, or NULL; constant
 * @name: constant
 */
struct gophership_pool {
	struct gophership_head __percpu *heads;
	struct gophership_depot *depots;
	unsigned int flags;
	atomic_long_t nr_bufs;
	atomic_t waiters[GOPHERSHIP_NR_CLASSES];
	wait_queue_head_t wait;
	struct irq_work wake;
	struct gophership_buf **reserve;
	unsigned int reserve_slots;
	atomic_t nr_reserve;
	size_t reserve_size;
	struct gophership_buf **stock;
	unsigned int stock_slots;
	atomic_t nr_stock[GOPHERSHIP_NR_CLASSES];
	unsigned long wanted;
	struct irq_work refill_kick;
	struct work_struct refill_work;
	struct list_head entry;
	struct gophership_dma *dma;
	char name[GOPHERSHIP_POOL_NAME_LEN];
};

/* The page order of a size class. */
static inline unsigned int gophership_class_order(unsigned int class)
{
	return class;
}

/* Bytes of a buffer of @class. */
static inline size_t gophership_class_size(unsigned int class)
{
	return PAGE_SIZE << gophership_class_order(class);
}

/* Pages of payload in @nr buffers of @class. */
static inline unsigned long gophership_class_pages(unsigned long nr, unsigned int class)
{
	return nr << gophership_class_order(class);
}

/* The smallest class that holds @size bytes, GOPHERSHIP_CLASS_LARGE if none. */
static __always_inline unsigned int gophership_class(size_t size)
{
	unsigned int class;

	if (likely(size <= PAGE_SIZE))
		return 0;
	class = fls_long((size - 1) >> PAGE_SHIFT);
	return class < GOPHERSHIP_NR_CLASSES ? class : GOPHERSHIP_CLASS_LARGE;
}

/* Length of a pool's array of depots. */
static inline unsigned int gophership_pool_nr_depots(void)
{
	return nr_node_ids * GOPHERSHIP_NR_CLASSES;
}

static inline struct gophership_depot *gophership_pool_depot(struct gophership_pool *pool,
							     int node, unsigned int class)
{
	return &pool->depots[node * GOPHERSHIP_NR_CLASSES + class];
}

#endif /* GOPHERSHIP_POOL_TYPES_H */
