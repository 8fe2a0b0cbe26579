/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what the files of the module share.
 *
 * A pool is, per size class, one head on each CPU and one depot on each memory
 * node. A head owns up to two magazines (arrays of buffer pointers) and serves
 * the hot path; heads and depots exchange whole magazines. After Bonwick and
 * Adams, "Magazines and Vmem" (USENIX 2001).
 *
 * The seal
 * --------
 * buf->seal is secret - address - state, one word that carries the magic, the
 * ownership and the place:
 *
 *   state 0                 leased
 *   address of a slot       free, in that slot of a magazine or of the stock
 *   GOPHERSHIP_SEAL_LISTED  free, on a depot's inbox
 *   GOPHERSHIP_SEAL_RESERVED free, in a pool's reserve
 *   GOPHERSHIP_SEAL_CLAIMED made ready (length, poison), on its way to free
 *   address of a slot + 1   on its way back to the page allocator, carried by
 *                           the magazine with that slot
 *   GOPHERSHIP_SEAL_DOOMED  the same, by itself (large, reserve, lent)
 *   GOPHERSHIP_SEAL_LENT    the device's: lent to a program, or idle there. No
 *                           release takes it (pool/lent.c)
 *   GOPHERSHIP_SEAL_PORT    the same, in the bank of a port (device/bank.c)
 *
 * A release by the hot path reads the seal and, if it says leased, stores the
 * slot: no locked instruction. Two CPUs that release one buffer at once may
 * both get that far. Both put the pointer into a slot, but the seal can name
 * one slot only, the one that was stored last; whoever takes a pointer out of
 * a slot believes it only if the buffer's seal names that very slot. So the
 * buffer is in the pool exactly once, and the other entry is found, dropped
 * and reported when it comes up. An entry that is not believed is not followed
 * either: its buffer may be gone (gophership_peek()).
 *
 * The paths off the hot one (inbox, depot, reserve, large buffers) claim the
 * buffer with cmpxchg() instead. A store by a hot-path release that lost
 * against a claim turns the loser into the one valid entry, by the same rule.
 *
 * What remains is a release that was delayed from before the first release
 * until after the next acquire. It is a release of the new lease, as with any
 * pool that is handed a bare pointer. And what a releaser writes before it knows
 * (the length, the call site; on the hot path the seal decides, off it the second
 * claim) may, if both releases are at it at once, be written to the next lease.
 *
 * That a delayed release may turn a doomed buffer round is what the payload waits for,
 * too. Such a release read "leased" before the release that the slot stands for, in
 * one section with preemption off, while a head had the magazine. So when the depot
 * gets a magazine, it notes a grace period that begins no earlier (the cookie). Once
 * that is over, so is every such section; any later one reads the slot's state, or a
 * newer one, since no slot is written to while the depot has the magazine. Then a seal
 * that still names the slot stays the trimmer's from its claim on, and the payload is
 * freed at once. The descriptor is not: to look at it is allowed to every entry of an
 * inbox, however old.
 *
 * A descriptor is freed only after an RCU grace period in which the seal said
 * "doomed" by the same carrier throughout (gophership_magazine_doom()). Every
 * look at a seal and the claim or store that follows from it run with
 * preemption off, so none that saw an earlier state is under way by then, and a
 * seal that changed meanwhile keeps the buffer alive.
 *
 * A buffer of a row without magazines (large, reserve) never sees the hot
 * path's plain store: its every release is a claim, and is exact. So is each release
 * in a pool with GOPHERSHIP_POOL_CLAIMS.
 */
#ifndef GOPHERSHIP_POOL_H
#define GOPHERSHIP_POOL_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/irq_work.h>
#include <linux/jump_label.h>
#include <linux/kasan.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "gophership_buf.h"
#include "gophership_compat.h"
#include "pool/nesting.h"

/* The largest class: a buffer of it serves every request of the classes. */
#define GOPHERSHIP_CLASS_MAX	(GOPHERSHIP_NR_CLASSES - 1)

/* Rows of a pool's heads beyond the size classes; neither has a magazine. */
enum {
	GOPHERSHIP_CLASS_LARGE = GOPHERSHIP_NR_CLASSES,	/* never pooled */
	GOPHERSHIP_CLASS_RESERVE,	/* goes back to the reserve */
	GOPHERSHIP_NR_HEADS
};

/* States other than a slot's address, which is never that small. */
#define GOPHERSHIP_SEAL_LEASED		0UL
#define GOPHERSHIP_SEAL_LISTED		2UL
#define GOPHERSHIP_SEAL_RESERVED	4UL
#define GOPHERSHIP_SEAL_DOOMED		6UL
#define GOPHERSHIP_SEAL_CLAIMED		8UL
#define GOPHERSHIP_SEAL_LENT		10UL
#define GOPHERSHIP_SEAL_PORT		12UL
/* With a slot's address: doomed, carried by that slot's magazine. */
#define GOPHERSHIP_SEAL_DOOM_BIT	1UL

/*
 * buf->listed. From the moment that the node is linked into an inbox until
 * whoever unlinked it has looked at the seal, a free that was due already when
 * the look began must wait: it sets DOOMED and leaves the freeing to the one who
 * unlinks or looks. (One that is decided later waits for a grace period anyway,
 * and so for the look.) So what is looked at is never another descriptor that
 * was born at the same address meanwhile, however long the look takes (a CPU of
 * a guest may stand still in the middle of it). If the node is linked anew during
 * the look, the new entry takes over.
 */
#define GOPHERSHIP_LISTED_LINKED	1U
#define GOPHERSHIP_LISTED_DOOMED	2U
/* Unlinked, and looked at by that CPU. */
#define GOPHERSHIP_LISTED_LOOK(cpu)	(4U + ((cpu) << 3))
static_assert(GOPHERSHIP_LISTED_LOOK(CONFIG_NR_CPUS - 1) <= U16_MAX);

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
 * @node: for the way back to the page allocator, doomed; as is
 * @rcu: also
 * @floor: gophership_floor, where the entry below the first one would be: what
 *	finds it there finds a buffer that no slot confirms, so the hot path need
 *	not ask whether the magazine is empty. Constant
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
	struct gophership_buf *floor;
	struct gophership_buf *slot[];
};

/* Bytes of the largest magazine; see pool/depot.c. */
#define GOPHERSHIP_MAGAZINE_SIZE_MAX	1024U

extern struct gophership_buf gophership_floor;
/* What a head without a magazine has on top: room for nothing, and the floor. */
extern struct gophership_magazine gophership_nothing;

/**
 * struct gophership_head - a CPU's share of one size class
 * @idle: the busy mark: 1 while nobody works on the head, 0 or less else. Who
 *	takes it down to 0 has the head; read and written on this CPU only,
 *	with preemption off. Contexts nest on a CPU (process, softirq, hardirq,
 *	NMI) and the inner one ends before the outer one goes on, so a plain
 *	counter and compiler barriers do: an inner context either finds somebody
 *	at work, takes it further down and leaves the head alone, or it leaves
 *	the mark as it found it before the outer one looks at anything else. It
 *	is set to 1 again, not counted up: that forgets those who found it taken
 * @top: the slot above the highest entry in use of @loaded; the first one of
 *	gophership_nothing without @loaded. Protected by @idle; others may peek
 * @limit: how far the hot path may raise @top: the end of the magazine, or NULL
 *	to send every release to the slow path (no magazine; a task waits for a
 *	buffer of the class or a smaller one; a row that is never pooled; a pool whose
 *	releases claim). Written under @idle; must_acquire writes NULL from other
 *	CPUs, see waiters_raise().
 * @loaded: the magazine the hot path works on, or NULL; protected by @idle
 * @hits: acquires served here; protected by @idle; others may peek
 * @releases: releases that ended here; as @hits
 * @spare: the other magazine, full or empty (or NULL); protected by @idle
 * @spare_nr: entries of @spare, for those who peek; protected by @idle
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
 *	magazine). Anyone adds, without a lock, in any context; removal is
 *	protected by @lock (llist_del_first() wants one remover)
 * @nr_listed: entries of @inbox, counted before they are linked
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
	atomic_t nr_listed;
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
 * @waiters: [class] tasks in must_acquire that found nothing and whom a buffer of the
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
	char name[GOPHERSHIP_POOL_NAME_LEN];
};

/* The pool of the machine (gophership_buf_*) and that of the device. */
extern struct gophership_pool *gophership_kernel_pool;
extern struct gophership_head __percpu *gophership_kernel_heads;
extern struct gophership_pool *gophership_user_pool;

/*
 * Every pool. The list is changed with the lock held; it is walked with the lock held,
 * or in gophership_pools_srcu (by the shrinker, which must not wait for the lock).
 */
extern struct list_head gophership_pools;
extern struct mutex gophership_pools_lock;
extern struct srcu_struct gophership_pools_srcu;

#define gophership_for_each_pool(pool)						\
	list_for_each_entry_srcu(pool, &gophership_pools, entry,		\
				 srcu_read_lock_held(&gophership_pools_srcu) ||	\
				 lockdep_is_held(&gophership_pools_lock))

/**
 * struct gophership_bounds - what a pointer is judged by
 * @secret: what the seals are made with; constant after init
 * @hot_secret: what the hot path judges seals by: @secret, or while a tracer
 *	listens something that no seal fits, so that all take the slow path;
 *	protected by watchers_lock (pool/trace.c); read any time
 * @base: where the direct mapping begins, or the memory in it that anybody can get;
 *	constant after init
 * @span: no descriptor ever began that many bytes or more above @base; only rises
 *
 * Descriptors are slab memory, so they lie in the direct mapping. What lies
 * between the bounds is kernel memory that may be unmapped but never user
 * space or non-canonical. Nor is it a device, but for memory of one that a driver has
 * put between the machine's own (ZONE_DEVICE below the highest descriptor). @span is
 * written when a descriptor beyond it is allocated, which soon stops to happen: the line
 * is as good as constant.
 */
struct gophership_bounds {
	unsigned long secret;
	unsigned long hot_secret;
	unsigned long base;
	unsigned long span;
};

extern struct gophership_bounds gophership_bounds;

/*
 * poison=1. Then the heads stay empty, so that every acquire and release takes
 * the slow path: the hot one need not ask.
 */
DECLARE_STATIC_KEY_FALSE(gophership_poison_key);

DECLARE_STATIC_KEY_FALSE(gophership_numa_key);

/* Is there more than one memory node? */
static __always_inline bool gophership_many_nodes(void)
{
	return IS_ENABLED(CONFIG_NUMA) && static_branch_unlikely(&gophership_numa_key);
}

/**
 * gophership_peek() - read a word that may be gone
 * @word: an address between the bounds that gophership_may_load()
 * @value: the word
 *
 * One load and an entry in the exception table.
 *
 * Return: false if nothing is mapped there.
 */
static __always_inline bool gophership_peek(const unsigned long *word, unsigned long *value)
{
	gophership_get_nofault(value, word, fault);
	return true;
fault:
	return false;
}

/*
 * The seal of @buf in @state. That of a leased buffer is its key: the other
 * states are subtracted from it.
 */
static __always_inline unsigned long gophership_seal(const struct gophership_buf *buf,
						     unsigned long state)
{
	return gophership_bounds.secret - (unsigned long)buf - state;
}

/*
 * Does the seal of @buf, which may be gone, say @state? Then *@key is its key.
 * *@secret is the true one, or the hot path's. For who knows that whatever a
 * confirmed @buf holds was written before: it comes from a magazine, and that from
 * this CPU or through the depot's lock. (A wild release may have put it there while
 * another CPU just made it; that one's lease is stolen in any case.)
 */
static __always_inline bool gophership_sealed_here(const struct gophership_buf *buf,
						   const unsigned long *secret,
						   unsigned long state, unsigned long *key)
{
	unsigned long seal;

	/*
	 * Once: a tracer may just come or go. The old value will do, but what is
	 * stored must be made of the one that was compared.
	 */
	*key = READ_ONCE(*secret) - (unsigned long)buf;
	return gophership_peek(&buf->seal, &seal) && seal + state == *key;
}

/* Does the seal of @buf, which may be gone, say @state? */
static __always_inline bool gophership_sealed(const struct gophership_buf *buf,
					      unsigned long state)
{
	unsigned long key;

	if (!gophership_sealed_here(buf, &gophership_bounds.secret, state, &key))
		return false;
	smp_rmb(); /* pairs with payload_make() */
	return true;
}

/*
 * Is @buf leased, by the hot path's secret? Then *@key is its key and *@heads says
 * where it goes. A wild pointer may hit upon a descriptor that another CPU is
 * just making, so the seal must be read first.
 */
static __always_inline bool gophership_leased(const struct gophership_buf *buf, unsigned long *key,
					      struct gophership_head __percpu **heads)
{
	unsigned long state, zero;

	if (!gophership_peek(&buf->seal, key))
		return false;
	/* A tracer may just come or go: the old value will do. */
	state = data_race(gophership_bounds.hot_secret) - (*key + (unsigned long)buf);
	/* Hidden before the comparison tells the compiler what it is. */
	zero = gophership_hide(state);
	if (state != GOPHERSHIP_SEAL_LEASED)
		return false;
	/* Pairs with payload_make(). */
	*heads = gophership_load_after(zero, &buf->heads);
	return true;
}

/* How far @buf lies above the base. What lies below it is beyond any bound. */
static __always_inline unsigned long gophership_distance(const struct gophership_buf *buf)
{
	return (unsigned long)kasan_reset_tag(buf) - gophership_bounds.base;
}

/*
 * Can there be a descriptor at @buf, as far as looking at its seal is safe? Where
 * machines can load words from odd addresses, these are left to the seal.
 */
static __always_inline bool gophership_plausible(const struct gophership_buf *buf)
{
	if (!gophership_may_load(&buf->seal))
		return false;
	/* It only rises; who sees an old value looks again: release_implausible(). */
	return gophership_distance(buf) < data_race(gophership_bounds.span);
}

/* Take the buffer from @from to @to, unless somebody else was faster. */
static inline bool gophership_claim(struct gophership_buf *buf, unsigned long from,
				    unsigned long to)
{
	unsigned long seal = gophership_seal(buf, from);

	return cmpxchg(&buf->seal, seal, gophership_seal(buf, to)) == seal;
}

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

/* The smallest class that holds @size bytes, GOPHERSHIP_CLASS_LARGE if none. */
static __always_inline unsigned int gophership_class(size_t size)
{
	unsigned int class;

	if (likely(size <= PAGE_SIZE))
		return 0;
	class = fls_long((size - 1) >> PAGE_SHIFT);
	return class < GOPHERSHIP_NR_CLASSES ? class : GOPHERSHIP_CLASS_LARGE;
}

/* gophership_buf.c: the hot path and its slow side */
struct gophership_buf *gophership_acquired(struct gophership_buf *buf, unsigned long call_site);
struct gophership_buf *gophership_pool_acquire_from(struct gophership_pool *pool, size_t size,
						    gfp_t gfp, unsigned long call_site);
int gophership_release_slow(struct gophership_buf *buf, unsigned long call_site);

void gophership_keep(struct gophership_pool *pool, unsigned int class,
		     struct gophership_buf **bufs, unsigned int nr);

/* The most buffers that one refill allocates. */
#define GOPHERSHIP_REFILL_MAX	16

/* pool/payload.c: descriptors with their payloads */
struct gophership_buf *gophership_payload_alloc(struct gophership_pool *pool,
						unsigned int class, unsigned int order, gfp_t gfp);
unsigned int gophership_payload_alloc_bulk(struct gophership_pool *pool, unsigned int class,
					   gfp_t gfp, unsigned int nr,
					   struct gophership_buf **bufs);
void gophership_payload_free(struct gophership_buf *buf);
bool gophership_payload_damaged(const struct gophership_buf *buf);
bool gophership_payload_shared(const struct gophership_buf *buf);
void gophership_payload_drop(struct gophership_buf *buf);
void gophership_payload_poison(struct gophership_buf *buf);
void gophership_payload_check(struct gophership_buf *buf);
int gophership_payload_init(void);
void gophership_payload_exit(void);

/* pool/registry.c: every descriptor there is */
int gophership_registry_add(struct gophership_buf *buf, gfp_t gfp);
void gophership_registry_remove(struct gophership_buf *buf);
bool gophership_registry_has(const struct gophership_buf *buf);
void gophership_registry_disown(struct gophership_pool *pool, struct gophership_pool *heir);
int gophership_registry_name(const char *pool);
void gophership_registry_empty(void);

/* pool/retire.c: buffers that leave the pool with their release */
bool gophership_retire_claimed(struct gophership_buf *buf, unsigned long call_site);

/* pool/free.c: requests above the largest class */
struct gophership_buf *gophership_large_acquire(struct gophership_pool *pool, size_t size,
						gfp_t gfp);
void gophership_large_free(struct gophership_buf *buf);
void gophership_large_free_later(struct gophership_buf *buf);
void gophership_large_sync(void);

/* pool/cached.c: how much lies idle, and may */
bool gophership_cached_charge(int nid, unsigned long pages);
void gophership_cached_force(int nid, unsigned long pages);
void gophership_cached_uncharge(int nid, unsigned long pages);
bool gophership_cached_add(int nid, long pages);
unsigned long gophership_cached_excess(unsigned long room);
unsigned long gophership_cached_headroom(void);
unsigned long gophership_cached_pages(int nid);
void gophership_cached_tell(int nid, unsigned long pages);
int gophership_cached_init(void);
void gophership_cached_exit(void);

/**
 * struct gophership_doomed - what a trim has on its way to the page allocator
 * @first: magazines that wait for a grace period, linked by their next
 * @freed: pages that are free already
 *
 * On the stack of its one user: gophership_depot_trim() adds, gophership_doomed_free()
 * waits and frees.
 */
struct gophership_doomed {
	struct gophership_magazine *first;
	unsigned long freed;
};

/* pool/depot.c: magazines and their store */
struct gophership_magazine *gophership_magazine_alloc(unsigned int class, gfp_t gfp);
void gophership_magazine_free(struct gophership_magazine *mag);
bool gophership_magazine_charge(struct gophership_depot *depot, struct gophership_magazine *mag,
				bool force);
unsigned int gophership_magazine_doom(struct gophership_depot *depot,
				      struct gophership_magazine *mag);
bool gophership_doomed_add(long pages);
unsigned long gophership_doomed_free(struct gophership_doomed *doomed);
void gophership_doomed_expedite(void);
void gophership_depot_init(struct gophership_depot *depot, struct gophership_pool *pool,
			   unsigned int class, int node);
struct gophership_magazine *gophership_depot_take(struct gophership_depot *depot,
						  struct gophership_magazine *empty);
bool gophership_depot_give(struct gophership_depot *depot, struct gophership_magazine *full,
			   struct gophership_magazine **empty);
struct gophership_magazine *gophership_depot_take_empty(struct gophership_depot *depot);
bool gophership_depot_give_empty(struct gophership_depot *depot,
				 struct gophership_magazine *empty);
bool gophership_depot_defer_free(struct gophership_buf *buf);
struct gophership_buf *gophership_depot_take_one(struct gophership_depot *depot);
void gophership_depot_list(struct gophership_depot *depot, struct gophership_buf *buf);
unsigned int gophership_depot_unlist(struct gophership_depot *depot,
				     struct gophership_magazine *mag, unsigned int nr,
				     unsigned int max);
unsigned long gophership_depot_trim(struct gophership_depot *depot, unsigned long want,
				    struct gophership_doomed *doomed);
unsigned int gophership_depot_age(struct gophership_depot *depot);
unsigned int gophership_depot_cached(const struct gophership_depot *depot);
void gophership_depot_limit(struct gophership_depot *depot, unsigned long room);
void gophership_floor_init(void);
int gophership_depots_init(void);
void gophership_depots_exit(void);

/*
 * Set the busy mark of this CPU's head, unless somebody below us has it set.
 * Preemption is off. What the head holds may be read only after this.
 */
static __always_inline bool gophership_head_enter(struct gophership_head *head)
{
	/* Between these and those of an interrupt there is no race: see @idle. */
	if (unlikely(data_race(--head->idle)))
		return false;
	barrier();
	return true;
}

static __always_inline void gophership_head_leave(struct gophership_head *head)
{
	barrier();
	WRITE_ONCE(head->idle, 1);
}

/* pool/head.c: a CPU's share */
void gophership_head_equip(struct gophership_pool *pool, unsigned int class, gfp_t gfp);
bool gophership_head_equipped(const struct gophership_head *head);
bool gophership_head_reload(struct gophership_head *head);
bool gophership_head_make_room(struct gophership_head *head, struct gophership_magazine **mag);
void gophership_head_drop(struct gophership_head *head);
bool gophership_head_flush(struct gophership_head *head);
unsigned int gophership_head_cached(const struct gophership_head *head);
void gophership_head_init(struct gophership_head *head, struct gophership_pool *pool,
			  unsigned int class);

/*
 * What must_acquire asks for without effort, before it sleeps. As mempool: the
 * reserve is ours, the page allocator's stays untouched.
 */
#define GOPHERSHIP_GFP_MUST	(GFP_NOWAIT | __GFP_NOMEMALLOC)

/* pool/pool.c: pools and their waiters */
struct gophership_depot *gophership_pool_depot(struct gophership_pool *pool, int node,
					       unsigned int class);
struct gophership_buf *gophership_pool_steal(struct gophership_pool *pool, unsigned int class);
struct gophership_buf *gophership_pool_steal_class(struct gophership_pool *pool,
						   unsigned int class);
unsigned int gophership_pool_nr_depots(void);
struct gophership_depot *gophership_pool_orphanage(int node, unsigned int class);
void gophership_pool_place(struct gophership_pool *pool, int cpu);
void gophership_pool_wake(struct gophership_pool *pool, unsigned int class);
struct gophership_buf *gophership_pool_must_acquire_slow(struct gophership_pool *pool, size_t size,
							 unsigned long call_site);
int gophership_pools_init(void);
void gophership_pools_exit(void);

/* pool/reserve.c: buffers for when there is no memory */
void gophership_reserve_give(struct gophership_pool *pool, struct gophership_buf *buf);
struct gophership_buf *gophership_reserve_take(struct gophership_pool *pool, size_t size);
int gophership_reserve_fill(struct gophership_pool *pool, unsigned int nr, size_t size);
void gophership_reserve_drain(struct gophership_pool *pool);

/* pool/stock.c: idle buffers for contexts that may not allocate */
struct gophership_buf *gophership_stock_take(struct gophership_pool *pool, unsigned int class);
bool gophership_stock_fill(struct gophership_pool *pool, gfp_t gfp);
int gophership_stock_init(struct gophership_pool *pool, unsigned int nr);
void gophership_stock_drain(struct gophership_pool *pool);
unsigned int gophership_stock_cached(const struct gophership_pool *pool, unsigned int class);

/* pool/refill.c: what is made for them in the background */
void gophership_refill_kick(struct gophership_pool *pool);
void gophership_refill_buffers(struct gophership_pool *pool, unsigned int class);
void gophership_refill_magazine(struct gophership_pool *pool, unsigned int class);
void gophership_refill_init(struct gophership_pool *pool);
void gophership_refill_stop(struct gophership_pool *pool);

/* pool/trace.c: who watches the hot path */
void gophership_watch_init(void);

/* pool/reclaim.c: memory goes back */
void gophership_reclaim_arm(void);
void gophership_reclaim_hurry(void);
void gophership_reclaim_tell(void);
void gophership_reclaim_expedite(void);
void gophership_reclaim_settle(void);
void gophership_pool_flush(struct gophership_pool *pool, unsigned int class);
void gophership_pool_flush_unused(struct gophership_pool *pool);
int gophership_reclaim_init(void);
void gophership_reclaim_exit(void);

/* pool/report.c: the log, from any context */

enum gophership_report_kind {
	GOPHERSHIP_REPORT_FOREIGN,	/* no buffer of ours was released */
	GOPHERSHIP_REPORT_PORT,		/* one that belongs to a port */
	GOPHERSHIP_REPORT_DOUBLED,	/* one that was not leased */
	GOPHERSHIP_REPORT_STALE,	/* one was released by two CPUs at once */
	GOPHERSHIP_REPORT_POISON,	/* one was written to while it was free */
};

/**
 * struct gophership_report - a caller's mistake
 * @kind: what it is
 * @ptr: what was released; not followed
 * @call_site: of that release, if it is known
 * @acquired_by: call site of the last acquire; POISON does not tell it
 * @released_by: call site of the last release
 * @offset: POISON only: the first byte that was written to
 */
struct gophership_report {
	enum gophership_report_kind kind;
	const void *ptr;
	unsigned long call_site;
	unsigned long acquired_by;
	unsigned long released_by;
	size_t offset;
};

/* Room for the name of a call site in the log; a longer one is cut off. */
struct gophership_site_name {
	char text[96];
};

const char *gophership_site_name(unsigned long call_site, struct gophership_site_name *name);
void gophership_report(const struct gophership_report *report);
void gophership_report_exit(void);

/* pool/reject.c: what is said of a refused release */
int gophership_reject(const struct gophership_buf *buf, unsigned long call_site);
void gophership_reject_stale(const struct gophership_buf *buf);
void gophership_reject_poison(const struct gophership_buf *buf, size_t offset);
void gophership_reject_stats(struct gophership_pool_stats *stats);

/*
 * For the device
 */

/**
 * gophership_lend() - a buffer that only the device has to do with
 * @pool: the pool that counts it, one with GOPHERSHIP_POOL_LENDS
 * @class: size class
 * @gfp: as for the page allocator
 *
 * Fresh from the page allocator, on the node that the task's memory policy and cpuset
 * say. No release takes it: it ends by gophership_lent_free().
 *
 * Context: process.
 * Return: the buffer, or NULL without memory.
 */
struct gophership_buf *gophership_lend(struct gophership_pool *pool, unsigned int class,
				       gfp_t gfp);

/**
 * gophership_lent_free() - free a buffer of gophership_lend()
 * @buf: the buffer
 *
 * The pool's reference to the pages is dropped at once, so they go now or with their
 * last reference. The descriptor follows after a grace period.
 *
 * Context: process, or reclaim's.
 */
void gophership_lent_free(struct gophership_buf *buf);

#endif /* GOPHERSHIP_POOL_H */
