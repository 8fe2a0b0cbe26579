// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: magazines, and the depot that stores them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "gophership_pool.h"
#include "gophership_trace.h"

/* A magazine holds about this much payload, whatever the class. */
#define MAGAZINE_BYTES	(512U * 1024)
#define MAGAZINE_MAX	128U

/* Bytes of payload that lie in the depots of all pools, inboxes included. */
static atomic_long_t depot_bytes;

/*
 * A magazine to give buffers back with when there is no memory for one. It
 * comes back by way of magazine_free(). Taken and put by xchg and cmpxchg.
 */
static struct gophership_magazine *last_resort;

static unsigned long max_cached_mb;
module_param(max_cached_mb, ulong, 0444);
MODULE_PARM_DESC(max_cached_mb,
		 "MiB of idle payload that all depots together may keep (0, the default: 1/16 of memory)");

/* The same in bytes; constant after init. */
static unsigned long max_cached __ro_after_init;

static unsigned int magazine_capacity(unsigned int class)
{
	return clamp_t(unsigned int, MAGAZINE_BYTES / gophership_class_size(class), 4,
		       MAGAZINE_MAX);
}

struct gophership_magazine *gophership_magazine_alloc(unsigned int class, gfp_t gfp)
{
	unsigned int capacity = magazine_capacity(class);
	struct gophership_magazine *mag;

	mag = kmalloc(struct_size(mag, slot, capacity), gfp | __GFP_NOWARN);
	if (!mag)
		return NULL;
	mag->next = NULL;
	mag->nr = 0;
	mag->capacity = capacity;
	return mag;
}

/*
 * After the grace period: free what is still doomed. A buffer that is not was
 * put into a magazine once more by a second release that ran at the same time
 * as the first; it belongs to that entry now.
 */
static void magazine_free(struct rcu_head *rcu)
{
	struct gophership_magazine *mag = container_of(rcu, struct gophership_magazine, rcu);
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < mag->nr; i++) {
		buf = mag->slot[i];
		if (!gophership_sealed(buf, GOPHERSHIP_SEAL_DOOMED))
			continue;
		/* Still linked into an inbox: whoever unlinks it frees it. */
		if (cmpxchg(&buf->listed, 1, 2) == 1)
			continue;
		gophership_payload_free(buf);
	}
	if (mag->capacity < MAGAZINE_MAX || cmpxchg(&last_resort, NULL, mag))
		kfree(mag);
}

/* An entry that its buffer does not confirm was a second release of it. */
static void drop_stale(struct gophership_depot *depot, const struct gophership_buf *buf)
{
	this_cpu_dec(depot->pool->heads[depot->class].slow_releases);
	gophership_reject_stale(buf);
}

/**
 * gophership_magazine_doom() - give a magazine and its buffers back
 * @depot: where it is from
 * @mag: a magazine that nobody else can see
 *
 * Context: any but NMI.
 * Return: the number of buffers that will be freed after a grace period.
 */
unsigned int gophership_magazine_doom(struct gophership_depot *depot,
				      struct gophership_magazine *mag)
{
	unsigned int i, nr = 0;

	for (i = 0; i < mag->nr; i++) {
		struct gophership_buf *buf = mag->slot[i];
		unsigned long here = (unsigned long)&mag->slot[i];

		if (!gophership_sealed(buf, here) ||
		    !gophership_claim(buf, here, GOPHERSHIP_SEAL_DOOMED)) {
			drop_stale(depot, buf);
			continue;
		}
		mag->slot[nr++] = buf;
	}
	mag->nr = nr;
	this_cpu_add(depot->pool->heads[depot->class].shrunk, nr);
	trace_gophership_trim(depot->pool->name, depot->class, nr);
	call_rcu(&mag->rcu, magazine_free);
	return nr;
}

void gophership_depot_init(struct gophership_depot *depot, struct gophership_pool *pool,
			   unsigned int class, int node)
{
	raw_spin_lock_init(&depot->lock);
	init_llist_head(&depot->inbox);
	depot->pool = pool;
	depot->class = class;
	depot->node = node;
}

/*
 * False in NMI if somebody else is at work: perhaps the code it came upon.
 * Sparse has no words for a lock that is taken on one of two results; the
 * annotations in here and in depot_unlock() cancel out.
 */
static bool depot_lock(struct gophership_depot *depot, unsigned long *flags)
{
	if (in_nmi()) {
		if (!raw_spin_trylock_irqsave(&depot->lock, *flags))
			return false;
		__release(&depot->lock);
		return true;
	}
	raw_spin_lock_irqsave(&depot->lock, *flags);
	__release(&depot->lock);
	return true;
}

static void depot_unlock(struct gophership_depot *depot, unsigned long flags)
{
	__acquire(&depot->lock);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
}

static void count_bytes(struct gophership_depot *depot, int nr)
{
	depot->nr_bufs += nr;
	atomic_long_add((long)nr * (long)gophership_class_size(depot->class),
			&depot_bytes);
}

static struct gophership_magazine *pop_full(struct gophership_depot *depot)
{
	struct gophership_magazine *mag = depot->full;

	if (!mag)
		return NULL;
	WRITE_ONCE(depot->full, mag->next);
	depot->nr_full--;
	depot->low = min(depot->low, depot->nr_full);
	count_bytes(depot, -(int)mag->nr);
	return mag;
}

static void push_full(struct gophership_depot *depot, struct gophership_magazine *mag)
{
	mag->next = depot->full;
	WRITE_ONCE(depot->full, mag);
	depot->nr_full++;
	count_bytes(depot, mag->nr);
}

static struct gophership_magazine *pop_empty(struct gophership_depot *depot)
{
	struct gophership_magazine *mag = depot->empty;

	if (!mag)
		return NULL;
	WRITE_ONCE(depot->empty, mag->next);
	depot->nr_empty--;
	return mag;
}

static void push_empty(struct gophership_depot *depot, struct gophership_magazine *mag)
{
	mag->nr = 0;
	mag->next = depot->empty;
	WRITE_ONCE(depot->empty, mag);
	depot->nr_empty++;
}

/* A magazine with buffers for @empty (may be NULL); NULL if there is none. */
struct gophership_magazine *gophership_depot_take(struct gophership_depot *depot,
						  struct gophership_magazine *empty)
{
	struct gophership_magazine *mag;
	unsigned long flags;

	if (!READ_ONCE(depot->full) || !depot_lock(depot, &flags))
		return NULL;
	mag = pop_full(depot);
	if (mag && empty)
		push_empty(depot, empty);
	depot_unlock(depot, flags);
	return mag;
}

/**
 * gophership_depot_give() - put a magazine with buffers into the depot
 * @depot: its depot
 * @full: the magazine; the depot's from here on
 * @empty: if not NULL, set to a magazine without buffers, or to NULL if the
 *	depot has none
 *
 * Over max_cached_mb the buffers go back to the page allocator at once.
 *
 * Context: any.
 * Return: false if nothing was done (in NMI, with the depot busy).
 */
bool gophership_depot_give(struct gophership_depot *depot, struct gophership_magazine *full,
			   struct gophership_magazine **empty)
{
	bool keep = in_nmi() ||
		    (unsigned long)atomic_long_read(&depot_bytes) < max_cached;
	unsigned long flags;

	if (!depot_lock(depot, &flags))
		return false;
	if (keep)
		push_full(depot, full);
	if (empty)
		*empty = pop_empty(depot);
	depot_unlock(depot, flags);
	if (!keep)
		gophership_magazine_doom(depot, full);
	return true;
}

struct gophership_magazine *gophership_depot_take_empty(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;
	unsigned long flags;

	if (!READ_ONCE(depot->empty) || !depot_lock(depot, &flags))
		return NULL;
	mag = pop_empty(depot);
	depot_unlock(depot, flags);
	return mag;
}

bool gophership_depot_give_empty(struct gophership_depot *depot,
				 struct gophership_magazine *empty)
{
	unsigned long flags;

	if (!depot_lock(depot, &flags))
		return false;
	push_empty(depot, empty);
	depot_unlock(depot, flags);
	return true;
}

/*
 * Put a buffer that was claimed as "listed" on the inbox. A stale entry of it
 * may still be on some inbox (a second release that raced with the first); the
 * node cannot be linked twice, and need not be: whoever takes that entry off
 * finds the seal and takes the buffer. The exchange is ordered after the claim.
 */
void gophership_depot_list(struct gophership_depot *depot, struct gophership_buf *buf)
{
	if (xchg(&buf->listed, 1))
		return;
	atomic_inc(&depot->nr_listed);
	llist_add(&buf->node, &depot->inbox);
	if (atomic_long_add_return(gophership_class_size(depot->class), &depot_bytes) >
	    (long)max_cached)
		gophership_reclaim_hurry();
}

static void payload_free_rcu(struct rcu_head *rcu)
{
	gophership_payload_free(container_of(rcu, struct gophership_buf, rcu));
}

/*
 * An entry was taken off an inbox: is it to be believed? Returns the buffer,
 * still sealed as "listed", or NULL. From the exchange on, somebody else may
 * link the node anew.
 */
static struct gophership_buf *unlinked(struct gophership_depot *depot, struct llist_node *node)
{
	struct gophership_buf *buf = llist_entry(node, struct gophership_buf, node);
	u32 listed = xchg(&buf->listed, 0);

	atomic_dec(&depot->nr_listed);
	atomic_long_sub(gophership_class_size(depot->class), &depot_bytes);
	if (gophership_sealed(buf, GOPHERSHIP_SEAL_LISTED))
		return buf;
	drop_stale(depot, buf);
	/* Its grace period is over: magazine_free() left it to us. */
	if (listed == 2)
		call_rcu(&buf->rcu, payload_free_rcu);
	return NULL;
}

/*
 * The next buffer of the inbox, sealed as "listed", or NULL. Not in NMI: the
 * freeing of a stale entry could not be done there.
 */
struct gophership_buf *gophership_depot_unlist(struct gophership_depot *depot)
{
	struct gophership_buf *buf = NULL;
	struct llist_node *node;
	unsigned long flags;

	while (!buf && !in_nmi() && !llist_empty(&depot->inbox)) {
		depot_lock(depot, &flags);
		node = llist_del_first(&depot->inbox);
		depot_unlock(depot, flags);
		if (!node)
			break;
		buf = unlinked(depot, node);
	}
	return buf;
}

/* The last entry of a magazine of the depot, and the slot it was in. */
static struct gophership_buf *pop_entry(struct gophership_depot *depot, unsigned long *slot)
{
	struct gophership_magazine *mag;
	struct gophership_buf *buf;
	unsigned long flags;

	if (!READ_ONCE(depot->full) || !depot_lock(depot, &flags))
		return NULL;
	mag = depot->full;
	if (!mag) {
		depot_unlock(depot, flags);
		return NULL;
	}
	count_bytes(depot, -1);
	mag->nr--;
	buf = mag->slot[mag->nr];
	*slot = (unsigned long)&mag->slot[mag->nr];
	if (!mag->nr)
		push_empty(depot, pop_full(depot));
	depot_unlock(depot, flags);
	return buf;
}

/*
 * The judgement comes after the unlock because it may print, and whoever
 * listens to the log may use the pool. That the slot may get another buffer
 * by then does no harm: the seal carries the buffer's own address, too.
 */
static struct gophership_buf *magazine_take_one(struct gophership_depot *depot)
{
	struct gophership_buf *buf;
	unsigned long slot;

	while ((buf = pop_entry(depot, &slot))) {
		if (gophership_sealed(buf, slot) &&
		    gophership_claim(buf, slot, GOPHERSHIP_SEAL_LEASED))
			return buf;
		drop_stale(depot, buf);
	}
	return NULL;
}

/**
 * gophership_depot_take_one() - one buffer without the help of a head
 * @depot: the depot
 *
 * Context: any.
 * Return: a buffer, sealed as leased, or NULL.
 */
struct gophership_buf *gophership_depot_take_one(struct gophership_depot *depot)
{
	struct gophership_buf *buf;

	buf = magazine_take_one(depot);
	if (buf)
		return buf;
	buf = gophership_depot_unlist(depot);
	if (buf)
		WRITE_ONCE(buf->seal, gophership_seal(buf, GOPHERSHIP_SEAL_LEASED));
	return buf;
}

/* Put a buffer that came off an inbox into a magazine of ours. */
static void stow(struct gophership_magazine *mag, struct gophership_buf *buf)
{
	mag->slot[mag->nr] = buf;
	WRITE_ONCE(buf->seal, gophership_seal(buf, (unsigned long)&mag->slot[mag->nr]));
	mag->nr++;
}

/*
 * Move what lies on the inbox into a magazine of the depot. Returns whether
 * there may be more. Process context.
 */
static bool inbox_pack(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;
	struct gophership_buf *buf;

	if (llist_empty(&depot->inbox))
		return false;
	mag = gophership_depot_take_empty(depot);
	if (!mag)
		mag = gophership_magazine_alloc(depot->class, GFP_NOWAIT);
	if (!mag)
		return false;
	while (mag->nr < mag->capacity && (buf = gophership_depot_unlist(depot)))
		stow(mag, buf);
	if (!mag->nr)
		return !gophership_depot_give_empty(depot, mag);
	gophership_depot_give(depot, mag, NULL);
	return true;
}

/*
 * Give back up to @max buffers of the inbox. Works without memory, if only as
 * fast as grace periods pass. Returns how many.
 */
static unsigned int inbox_doom(struct gophership_depot *depot, unsigned int max)
{
	struct gophership_magazine *mag;
	struct gophership_buf *buf;

	if (llist_empty(&depot->inbox))
		return 0;
	mag = gophership_magazine_alloc(depot->class, GFP_NOWAIT);
	if (!mag)
		mag = xchg(&last_resort, NULL);
	if (!mag)
		return 0;
	mag->nr = 0;
	while (mag->nr < min(mag->capacity, max) && (buf = gophership_depot_unlist(depot)))
		stow(mag, buf);
	return gophership_magazine_doom(depot, mag);
}

static void free_empties(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;

	while ((mag = gophership_depot_take_empty(depot)))
		kfree(mag);
}

/**
 * gophership_depot_trim() - give idle buffers back to the page allocator
 * @depot: the depot
 * @max: stop when that many buffers are on their way
 *
 * Context: process.
 * Return: the number of buffers that will be freed after a grace period.
 */
unsigned int gophership_depot_trim(struct gophership_depot *depot, unsigned int max)
{
	struct gophership_magazine *mag;
	unsigned int nr = 0, more;

	while (nr < max && (mag = gophership_depot_take(depot, NULL)))
		nr += gophership_magazine_doom(depot, mag);
	while (nr < max && (more = inbox_doom(depot, max - nr)))
		nr += more;
	free_empties(depot);
	return nr;
}

/**
 * gophership_depot_age() - give back what lay idle for two periods
 * @depot: the depot
 *
 * The fewest full magazines that the depot held in a period were not needed in
 * it: the working set estimate of Bonwick and Adams. What was not needed in
 * this period nor in the last one goes.
 *
 * Context: process, once a period.
 * Return: the number of buffers that go.
 */
unsigned int gophership_depot_age(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;
	unsigned int idle, nr = 0;
	unsigned long flags;

	while (inbox_pack(depot))
		cond_resched();

	raw_spin_lock_irqsave(&depot->lock, flags);
	idle = min(depot->low, depot->old_low);
	depot->old_low = depot->low;
	depot->low = depot->nr_full;
	raw_spin_unlock_irqrestore(&depot->lock, flags);

	while (idle-- && (mag = gophership_depot_take(depot, NULL)))
		nr += gophership_magazine_doom(depot, mag);
	if (nr)
		free_empties(depot);
	return nr;
}

/**
 * gophership_depot_limit() - give back what is above max_cached_mb
 * @depot: the depot
 *
 * Context: process.
 */
void gophership_depot_limit(struct gophership_depot *depot)
{
	while (atomic_long_read(&depot_bytes) > (long)max_cached &&
	       gophership_depot_trim(depot, MAGAZINE_MAX))
		cond_resched();
}

/* Buffers in the depot's magazines and on its inbox; a peek. */
unsigned int gophership_depot_cached(const struct gophership_depot *depot)
{
	return READ_ONCE(depot->nr_bufs) + atomic_read(&depot->nr_listed);
}

int __init gophership_depots_init(void)
{
	unsigned long ram_mb = totalram_pages() >> (20 - PAGE_SHIFT);

	if (max_cached_mb > ram_mb) {
		pr_err("max_cached_mb=%lu is out of range: 0 to %lu (all memory)\n",
		       max_cached_mb, ram_mb);
		return -EINVAL;
	}
	max_cached = (max_cached_mb ?: max(ram_mb / 16, 1UL)) << 20;
	last_resort = kmalloc(struct_size(last_resort, slot, MAGAZINE_MAX), GFP_KERNEL);
	if (!last_resort)
		return -ENOMEM;
	last_resort->capacity = MAGAZINE_MAX;
	return 0;
}

/* After the last grace period. */
void gophership_depots_exit(void)
{
	kfree(last_resort);
}
