// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: a memory node's store of magazines, and its inbox.
 */
#include <linux/irqflags.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/nodemask.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include "pool/cached.h"
#include "pool/depot.h"
#include "pool/free.h"
#include "pool/kick.h"
#include "pool/magazine.h"
#include "pool/nesting.h"
#include "pool/seal.h"

void gophership_depot_init(struct gophership_depot *depot, struct gophership_pool *pool,
			   unsigned int class, int node)
{
	raw_spin_lock_init(&depot->lock);
	init_llist_head(&depot->inbox);
	depot->pool = pool;
	depot->class = class;
	depot->node = node;
}

/* What a holder of a depot's lock has to put back. */
struct depot_hold {
	unsigned long flags;
	unsigned int nesting;
};

/*
 * Take the lock. In NMI, and on top of code of the pool that holds a lock, false if the lock
 * is taken: perhaps the interrupted code has it. Sparse cannot describe a lock that is taken
 * on one of two results; the annotations in here and in depot_unlock() cancel out.
 */
static bool depot_lock(struct gophership_depot *depot, struct depot_hold *hold)
{
	bool nested;

	local_irq_save(hold->flags);
	nested = gophership_nested();
	hold->nesting = gophership_nesting_enter();
	if (!nested) {
		raw_spin_lock(&depot->lock);
		__release(&depot->lock);
		return true;
	}
	if (raw_spin_trylock(&depot->lock)) {
		__release(&depot->lock);
		return true;
	}
	gophership_nesting_leave(hold->nesting);
	local_irq_restore(hold->flags);
	return false;
}

static void depot_unlock(struct gophership_depot *depot, const struct depot_hold *hold)
{
	__acquire(&depot->lock);
	raw_spin_unlock(&depot->lock);
	gophership_nesting_leave(hold->nesting);
	local_irq_restore(hold->flags);
}

/* Context: the depot's lock held, as in the three that follow. */
static struct gophership_magazine *pop_full(struct gophership_depot *depot)
{
	struct gophership_magazine *mag = depot->full;

	lockdep_assert_held(&depot->lock);
	if (!mag)
		return NULL;
	WRITE_ONCE(depot->full, mag->next);
	depot->nr_full--;
	depot->low = min(depot->low, depot->nr_full);
	depot->nr_bufs -= mag->nr;
	return mag;
}

static void push_full(struct gophership_depot *depot, struct gophership_magazine *mag)
{
	lockdep_assert_held(&depot->lock);
	mag->next = depot->full;
	WRITE_ONCE(depot->full, mag);
	depot->nr_full++;
	depot->nr_bufs += mag->nr;
}

static struct gophership_magazine *pop_empty(struct gophership_depot *depot)
{
	struct gophership_magazine *mag = depot->empty;

	lockdep_assert_held(&depot->lock);
	if (!mag)
		return NULL;
	WRITE_ONCE(depot->empty, mag->next);
	depot->nr_empty--;
	return mag;
}

static void push_empty(struct gophership_depot *depot, struct gophership_magazine *mag)
{
	lockdep_assert_held(&depot->lock);
	gophership_magazine_uncharge(mag);
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
	struct depot_hold hold;

	if (!READ_ONCE(depot->full) || !depot_lock(depot, &hold))
		return NULL;
	mag = pop_full(depot);
	if (mag && empty)
		push_empty(depot, empty);
	depot_unlock(depot, &hold);
	return mag;
}

/**
 * gophership_depot_give() - put a magazine with buffers into the depot
 * @depot: its depot
 * @full: the magazine; the depot's from here on
 * @empty: if not NULL, set to a magazine without buffers, or to NULL if the
 *	depot has none
 *
 * A caller that wants another magazine may get it instead of this one, if the two together
 * would be more than max_cached_mb. Then the buffers go back to the page allocator at once,
 * or soon if nothing can be freed in this context.
 *
 * Context: any.
 * Return: false if nothing was done (in NMI, or upon code of the pool, with the depot
 * busy).
 */
bool gophership_depot_give(struct gophership_depot *depot, struct gophership_magazine *full,
			   struct gophership_magazine **empty)
{
	bool over = empty &&
		    gophership_cached_excess(gophership_class_pages(full->capacity, depot->class));
	bool keep = !over || !gophership_may_free();
	struct depot_hold hold;

	if (!depot_lock(depot, &hold))
		return false;
	if (keep) {
		full->cookie = get_state_synchronize_rcu();
		push_full(depot, full);
	}
	if (empty)
		*empty = pop_empty(depot);
	depot_unlock(depot, &hold);
	if (!keep)
		gophership_magazine_retire(depot, full);
	else if (over)
		gophership_kick_limit();
	gophership_kick_age();
	return true;
}

struct gophership_magazine *gophership_depot_take_empty(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;
	struct depot_hold hold;

	if (!READ_ONCE(depot->empty) || !depot_lock(depot, &hold))
		return NULL;
	mag = pop_empty(depot);
	depot_unlock(depot, &hold);
	return mag;
}

bool gophership_depot_give_empty(struct gophership_depot *depot,
				 struct gophership_magazine *empty)
{
	struct depot_hold hold;

	if (!depot_lock(depot, &hold))
		return false;
	push_empty(depot, empty);
	depot_unlock(depot, &hold);
	return true;
}

/*
 * Put a buffer that was claimed as "inbox" on the inbox. A stale entry of it
 * may still be on some inbox (a second release that raced with the first). The
 * node cannot be linked twice, and need not be: that entry stands for this
 * release now.
 */
void gophership_depot_list(struct gophership_depot *depot, struct gophership_buf *buf)
{
	/* (L) A full barrier, after the claim: pairs with (L) in claim_unlinked(). */
	if (xchg(&buf->inbox_state, GOPHERSHIP_INBOX_LINKED) & GOPHERSHIP_INBOX_LINKED) {
		gophership_magazine_drop_stale(depot, buf);
		return;
	}
	gophership_cached_force(depot->node, gophership_class_pages(1, depot->class));
	atomic_inc(&depot->nr_inbox);
	/* (C) A full barrier: pairs with (C) in gophership_waiters_raise(). */
	llist_add(&buf->node, &depot->inbox);
	gophership_kick_age();
	if (depot->pool->flags & GOPHERSHIP_POOL_KEEPS_NOTHING)
		gophership_kick_limit();
}

/* What was taken off an inbox, and which entries of it are stale. */
struct stale {
	unsigned int unlinked;
	unsigned int nr;
	const struct gophership_buf *last;
	struct llist_node *freed;	/* their grace period is over */
};

/*
 * An entry was taken off the inbox: claim its buffer for the state @to, if the seal
 * confirms the entry. From the exchange on, another CPU may link the node
 * anew. Context: the depot's lock held, not nested.
 */
static bool claim_unlinked(struct gophership_depot *depot, struct gophership_buf *buf,
			   unsigned long to, struct stale *stale)
{
	u16 look = GOPHERSHIP_INBOX_LOOK(smp_processor_id());
	bool claimed = false, retiring;

	lockdep_assert_held(&depot->lock);
	/* (L) A full barrier, before the seal: pairs with (L) in gophership_depot_list(). */
	retiring = xchg(&buf->inbox_state, look) & GOPHERSHIP_INBOX_RETIRING;
	if (!retiring) {
		claimed = gophership_sealed(buf, GOPHERSHIP_SEAL_INBOX) &&
			  gophership_claim(buf, GOPHERSHIP_SEAL_INBOX, to);
		/*
		 * (M) The look is over: pairs with (M) in gophership_free_defer(). If the value is
		 * no longer this look, another CPU has linked the node again, and has it.
		 */
		retiring = cmpxchg(&buf->inbox_state, look, 0) ==
			   (look | GOPHERSHIP_INBOX_RETIRING);
	}
	atomic_dec(&depot->nr_inbox);
	stale->unlinked++;
	if (claimed)
		return true;
	stale->nr++;
	stale->last = buf;
	/* Its free, a grace period after it was retired, was left to this CPU. */
	if (retiring) {
		buf->node.next = stale->freed;
		stale->freed = &buf->node;
	}
	return false;
}

/*
 * The reports and the frees wait for the unlock: call_rcu() may wake a thread, and takes
 * locks for that which other CPUs hold while they release.
 */
static void settle_stale(struct gophership_depot *depot, const struct stale *stale)
{
	struct llist_node *node, *next;
	unsigned int i;

	gophership_cached_uncharge(depot->node,
				   gophership_class_pages(stale->unlinked, depot->class));
	for (i = 0; i < stale->nr; i++)
		gophership_magazine_drop_stale(depot, stale->last);
	for (node = stale->freed; node; node = next) {
		next = node->next;
		gophership_free_buf_later(llist_entry(node, struct gophership_buf, node));
	}
}

/**
 * gophership_depot_unlist() - move buffers from the inbox into a magazine
 * @depot: the depot
 * @mag: a magazine of the caller's own
 * @nr: entries of @mag in use
 * @max: entries that may be
 *
 * Context: any; does nothing in NMI, or upon code of the pool that holds a lock.
 * Return: entries of @mag in use afterwards.
 */
unsigned int gophership_depot_unlist(struct gophership_depot *depot,
				     struct gophership_magazine *mag, unsigned int nr,
				     unsigned int max)
{
	struct stale stale = {};
	struct gophership_buf *buf;
	struct llist_node *node;
	struct depot_hold hold;

	if (gophership_nested() || llist_empty(&depot->inbox))
		return nr;
	depot_lock(depot, &hold);
	while (nr < max && (node = llist_del_first(&depot->inbox))) {
		buf = llist_entry(node, struct gophership_buf, node);
		mag->slot[nr] = buf;
		if (claim_unlinked(depot, buf, gophership_slot_state(mag, nr), &stale))
			nr++;
	}
	depot_unlock(depot, &hold);
	settle_stale(depot, &stale);
	return nr;
}

/* One buffer from the inbox, sealed as leased, or NULL. */
static struct gophership_buf *inbox_take_one(struct gophership_depot *depot)
{
	struct gophership_buf *buf, *found = NULL;
	struct stale stale = {};
	struct llist_node *node;
	struct depot_hold hold;

	if (gophership_nested() || llist_empty(&depot->inbox))
		return NULL;
	depot_lock(depot, &hold);
	while (!found && (node = llist_del_first(&depot->inbox))) {
		buf = llist_entry(node, struct gophership_buf, node);
		if (claim_unlinked(depot, buf, GOPHERSHIP_SEAL_LEASED, &stale))
			found = buf;
	}
	depot_unlock(depot, &hold);
	settle_stale(depot, &stale);
	return found;
}

/*
 * The last entry of a magazine of the depot. *@claimed: its buffer confirmed it, and is
 * claimed for a lease. Context: the depot's lock held.
 */
static struct gophership_buf *pop_entry(struct gophership_depot *depot, bool *claimed)
{
	struct gophership_magazine *mag = depot->full;
	struct gophership_buf *buf;
	unsigned long here;

	lockdep_assert_held(&depot->lock);
	if (!mag)
		return NULL;
	depot->nr_bufs--;
	mag->nr--;
	buf = mag->slot[mag->nr];
	here = gophership_slot_state(mag, mag->nr);
	*claimed = gophership_sealed(buf, here) &&
		   gophership_claim(buf, here, GOPHERSHIP_SEAL_LEASED);
	if (!mag->nr)
		push_empty(depot, pop_full(depot));
	return buf;
}

static struct gophership_buf *magazine_take_one(struct gophership_depot *depot)
{
	struct gophership_buf *buf;
	struct depot_hold hold;
	bool claimed;

	while (READ_ONCE(depot->full)) {
		if (!depot_lock(depot, &hold))
			return NULL;
		buf = pop_entry(depot, &claimed);
		depot_unlock(depot, &hold);
		if (!buf || claimed)
			return buf;
		gophership_magazine_drop_stale(depot, buf);
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
	return magazine_take_one(depot) ?: inbox_take_one(depot);
}

/**
 * gophership_pool_steal_class() - a buffer of the class, from any node
 * @pool: the pool
 * @class: its class
 *
 * Context: any.
 * Return: a leased buffer that is not counted as acquired yet, or NULL.
 */
struct gophership_buf *gophership_pool_steal_class(struct gophership_pool *pool,
						   unsigned int class)
{
	struct gophership_depot *depot;
	struct gophership_buf *buf;
	int node;

	for_each_node_state(node, N_MEMORY) {
		depot = gophership_pool_depot(pool, node, class);
		if (!gophership_depot_cached(depot))
			continue;
		buf = gophership_depot_take_one(depot);
		if (buf)
			return buf;
	}
	return NULL;
}

/**
 * gophership_pool_steal() - a buffer from where acquire does not look first
 * @pool: the pool
 * @class: the class that it must at least have
 *
 * When the page allocator has failed: the depots of all nodes, and of the
 * larger classes.
 *
 * Context: any.
 * Return: a leased buffer that is not counted as acquired yet, or NULL.
 */
struct gophership_buf *gophership_pool_steal(struct gophership_pool *pool, unsigned int class)
{
	struct gophership_buf *buf = NULL;

	for (; !buf && class < GOPHERSHIP_NR_CLASSES; class++)
		buf = gophership_pool_steal_class(pool, class);
	return buf;
}

/**
 * gophership_depot_end_period() - the working set estimate of Bonwick and Adams
 * @depot: the depot
 *
 * The fewest full magazines that the depot held in a period were not needed in it.
 *
 * Context: process, once a period.
 * Return: how many were needed neither in the period that ends nor in the one before.
 */
unsigned int gophership_depot_end_period(struct gophership_depot *depot)
{
	struct depot_hold hold;
	unsigned int idle;

	depot_lock(depot, &hold);
	idle = min(depot->low, depot->old_low);
	depot->old_low = depot->low;
	depot->low = depot->nr_full;
	depot_unlock(depot, &hold);
	return idle;
}

/* Buffers in the depot's magazines and on its inbox; a peek. */
unsigned int gophership_depot_cached(const struct gophership_depot *depot)
{
	return READ_ONCE(depot->nr_bufs) + atomic_read(&depot->nr_inbox);
}
