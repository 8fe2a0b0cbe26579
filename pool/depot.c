// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: magazines, and the depot that stores them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "pool/types.h"
#include "pool/trace.h"

/*
 * A magazine holds about this much payload, whatever the class, but not fewer
 * than some buffers, and is a power of two in bytes, since kmalloc() would round
 * it up to that.
 */
#define MAGAZINE_PAYLOAD	(512U * 1024)
#define MAGAZINE_CAPACITY_MIN	4U
#define MAGAZINE_SIZE_MIN	128U

struct gophership_buf gophership_floor __ro_after_init;

struct gophership_magazine gophership_nothing __ro_after_init = {
	.floor = &gophership_floor,
};

static_assert(offsetof(struct gophership_magazine, slot) ==
	      offsetofend(struct gophership_magazine, floor));

/* Pages that may wait for others' grace periods; above that one is brought about. */
#define DOOMED_PAGES_MAX	(SZ_4M >> PAGE_SHIFT)

/* Pages of payload that wait for a grace period to be freed; by atomics. */
static atomic_long_t doomed_pages;

/* Are they so many that grace periods must be hurried? RCU counts callbacks, not bytes. */
bool gophership_doomed_add(long pages)
{
	return atomic_long_add_return(pages, &doomed_pages) > DOOMED_PAGES_MAX;
}

/*
 * A magazine to give buffers back with when there is no memory for one. It
 * comes back by way of magazine_free(). Taken and put by xchg and cmpxchg.
 */
static struct gophership_magazine *last_resort;

/* Entries of a magazine of @size bytes. */
static unsigned int magazine_room(size_t size)
{
	return (size - offsetof(struct gophership_magazine, slot)) /
	       sizeof(struct gophership_buf *);
}

static size_t magazine_size(unsigned int class)
{
	return clamp_t(size_t, MAGAZINE_PAYLOAD / gophership_class_size(class) *
			       sizeof(struct gophership_buf *),
		       MAGAZINE_SIZE_MIN, GOPHERSHIP_MAGAZINE_SIZE_MAX);
}

static unsigned int magazine_capacity(unsigned int class)
{
	return clamp_t(unsigned int, MAGAZINE_PAYLOAD / gophership_class_size(class),
		       MAGAZINE_CAPACITY_MIN, magazine_room(magazine_size(class)));
}

static void magazine_init(struct gophership_magazine *mag, unsigned int class,
			  unsigned int capacity)
{
	mag->next = NULL;
	mag->nr = 0;
	mag->capacity = capacity;
	mag->class = class;
	mag->nid = GOPHERSHIP_UNCHARGED;
	mag->floor = &gophership_floor;
}

/*
 * For a caller that has asked for a buffer with @gfp, or releases one (then it is 0).
 * NULL if there is none without effort: not even a wake-up of kswapd, and not from the
 * reserves that a task in reclaim could take; or if this is no place to ask.
 */
struct gophership_magazine *gophership_magazine_alloc(unsigned int class, gfp_t gfp)
{
	struct gophership_magazine *mag;

	if (!gophership_may_allocate(gfp))
		return NULL;
	gophership_allocator_enter(0);
	mag = kmalloc(magazine_size(class), __GFP_NOWARN | __GFP_NOMEMALLOC);
	gophership_allocator_leave(0);
	if (mag)
		magazine_init(mag, class, magazine_capacity(class));
	return mag;
}

/* One that was not needed, in the context that asked for it. @mag may be NULL. */
void gophership_magazine_free(struct gophership_magazine *mag)
{
	gophership_allocator_enter(0);
	kfree(mag);
	gophership_allocator_leave(0);
}

/* Pages of payload in @nr buffers of @class. */
static unsigned long class_pages(unsigned long nr, unsigned int class)
{
	return nr << gophership_class_order(class);
}

/**
 * gophership_magazine_charge() - may a magazine without buffers get some?
 * @depot: where its buffers are from
 * @mag: the magazine; nobody else can see it
 * @force: it must: there is no other place for it
 *
 * Context: any.
 * Return: false if that would be more than max_cached_mb.
 */
bool gophership_magazine_charge(struct gophership_depot *depot, struct gophership_magazine *mag,
				bool force)
{
	unsigned long pages = class_pages(mag->capacity, depot->class);

	if (force) {
		gophership_cached_force(depot->node, pages);
	} else if (!gophership_cached_charge(depot->node, pages)) {
		gophership_reclaim_hurry();
		return false;
	}
	mag->class = depot->class;
	mag->nid = depot->node;
	return true;
}

/* It has no buffers any more, or they are on their way to the page allocator. */
static void magazine_uncharge(struct gophership_magazine *mag)
{
	if (mag->nid == GOPHERSHIP_UNCHARGED)
		return;
	gophership_cached_uncharge(mag->nid, class_pages(mag->capacity, mag->class));
	mag->nid = GOPHERSHIP_UNCHARGED;
}

static unsigned long slot_state(struct gophership_magazine *mag, unsigned int i)
{
	return (unsigned long)&mag->slot[i];
}

static unsigned long doom_state(struct gophership_magazine *mag, unsigned int i)
{
	return slot_state(mag, i) | GOPHERSHIP_SEAL_DOOM_BIT;
}

/*
 * Leave the freeing of @buf to whoever unlinks it from an inbox or looks at it
 * now, having unlinked it. False if there is nobody.
 */
bool gophership_depot_defer_free(struct gophership_buf *buf)
{
	u16 listed = READ_ONCE(buf->listed);

	do {
		if (!listed)
			return false;
	} while (!try_cmpxchg(&buf->listed, &listed, listed | GOPHERSHIP_LISTED_DOOMED));
	return true;
}

/*
 * After the grace period: free what this magazine's doom still holds. A buffer
 * that says otherwise was put into a magazine once more by a second release
 * that ran at the same time as the first; it belongs to that entry now.
 * Returns the pages that are free.
 */
static unsigned long magazine_free(struct gophership_magazine *mag)
{
	unsigned long nr = 0, pages;
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < mag->nr; i++) {
		buf = mag->slot[i];
		if (!gophership_sealed(buf, doom_state(mag, i)))
			continue;
		if (gophership_depot_defer_free(buf))
			continue;
		gophership_payload_free(buf);
		nr++;
	}
	pages = class_pages(nr, mag->class);
	if (mag->capacity < magazine_room(GOPHERSHIP_MAGAZINE_SIZE_MAX) ||
	    cmpxchg(&last_resort, NULL, mag))
		kfree(mag);
	return pages;
}

static void magazine_free_rcu(struct rcu_head *rcu)
{
	struct gophership_magazine *mag = container_of(rcu, struct gophership_magazine, rcu);

	gophership_doomed_add(-(long)class_pages(mag->nr, mag->class));
	magazine_free(mag);
}

/* Without payload. */
static void magazine_free_dropped_rcu(struct rcu_head *rcu)
{
	magazine_free(container_of(rcu, struct gophership_magazine, rcu));
}

/* Doomed magazines for which gophership_doomed_expedite() brings a grace period about. */
static LLIST_HEAD(doomed_magazines);

/*
 * A doomed magazine goes after a grace period.
 */
static void magazine_free_later(struct gophership_magazine *mag)
{
	bool many = gophership_doomed_add(class_pages(mag->nr, mag->class));

	if (!many && gophership_may_free()) {
		gophership_call_rcu(&mag->rcu, magazine_free_rcu);
		return;
	}
	llist_add(&mag->node, &doomed_magazines);
	gophership_reclaim_expedite();
}

/**
 * gophership_doomed_expedite() - free the doomed magazines that wait for it
 *
 * Context: process.
 */
void gophership_doomed_expedite(void)
{
	struct llist_node *node = llist_del_all(&doomed_magazines), *next;

	if (!node)
		return;
	synchronize_rcu_expedited();
	for (; node; node = next) {
		next = node->next;
		magazine_free_rcu(&llist_entry(node, struct gophership_magazine, node)->rcu);
		cond_resched();
	}
}

/**
 * gophership_doomed_free() - free what a trim has collected, and count
 * @doomed: what was collected
 *
 * Context: process, direct reclaim included; waits for a grace period, if at all.
 * Return: pages that were freed, by the trim or in here.
 */
unsigned long gophership_doomed_free(struct gophership_doomed *doomed)
{
	struct gophership_magazine *mag = doomed->first, *next;

	if (mag)
		synchronize_rcu_expedited();
	for (; mag; mag = next) {
		next = mag->next;
		doomed->freed += magazine_free(mag);
		cond_resched();
	}
	return doomed->freed;
}

/* An entry that its buffer does not confirm was a second release of it. */
static void drop_stale(struct gophership_depot *depot, const struct gophership_buf *buf)
{
	this_cpu_dec(depot->pool->heads[depot->class].slow_releases);
	gophership_reject_stale(buf);
}

/* Doom the buffer of entry @from, and move it to entry @to. */
static bool doom_entry(struct gophership_magazine *mag, unsigned int from, unsigned int to)
{
	struct gophership_buf *buf = mag->slot[from];
	bool doomed;

	preempt_disable();
	doomed = gophership_sealed(buf, slot_state(mag, from)) &&
		 gophership_claim(buf, slot_state(mag, from), doom_state(mag, to));
	preempt_enable();
	if (doomed)
		mag->slot[to] = buf;
	return doomed;
}

/* Doom the buffers of a magazine that nobody else can see. Returns how many. */
static unsigned int doom(struct gophership_depot *depot, struct gophership_magazine *mag)
{
	unsigned int i, nr = 0;

	for (i = 0; i < mag->nr; i++) {
		struct gophership_buf *buf = mag->slot[i];

		if (doom_entry(mag, i, nr))
			nr++;
		else
			drop_stale(depot, buf);
	}
	mag->nr = nr;
	mag->class = depot->class;
	magazine_uncharge(mag);
	this_cpu_add(depot->pool->heads[depot->class].shrunk, nr);
	trace_gophership_trim(depot->pool->name, depot->class, nr);
	return nr;
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
	unsigned int nr = doom(depot, mag);

	magazine_free_later(mag);
	return nr;
}

/* Let go of the payload of what was doomed. Only then: see "The seal". */
static void drop_payloads(const struct gophership_magazine *mag)
{
	unsigned int i;

	for (i = 0; i < mag->nr; i++)
		gophership_payload_drop(mag->slot[i]);
}

/*
 * As gophership_magazine_doom(), of a magazine that was in the depot. Its pages are free
 * when this returns, if the grace period in which others might still look at them has
 * gone by; else, or the descriptors in any case, later.
 */
static unsigned int trim_magazine(struct gophership_depot *depot, struct gophership_magazine *mag,
				  struct gophership_doomed *doomed)
{
	bool aged = poll_state_synchronize_rcu(mag->cookie);
	unsigned int nr = doom(depot, mag);

	if (aged) {
		drop_payloads(mag);
		gophership_call_rcu(&mag->rcu, magazine_free_dropped_rcu);
		if (doomed)
			doomed->freed += class_pages(nr, depot->class);
	} else if (doomed) {
		mag->next = doomed->first;
		doomed->first = mag;
	} else {
		magazine_free_later(mag);
	}
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

/* What a holder of a depot's lock has to put back. */
struct depot_hold {
	unsigned long flags;
	unsigned int nesting;
};

/*
 * False in NMI, and upon code of the pool that holds a lock, if another one is at work:
 * perhaps the code that this came upon. Sparse has no words for a lock that is taken on
 * one of two results; the annotations in here and in depot_unlock() cancel out.
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

static struct gophership_magazine *pop_full(struct gophership_depot *depot)
{
	struct gophership_magazine *mag = depot->full;

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
	mag->next = depot->full;
	WRITE_ONCE(depot->full, mag);
	depot->nr_full++;
	depot->nr_bufs += mag->nr;
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
	magazine_uncharge(mag);
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
 * A caller that wants another magazine gets it, if need be, in the place of this one
 * within max_cached_mb: then the buffers go back to the page allocator at once,
 * or soon if this is no place to free anything.
 *
 * Context: any.
 * Return: false if nothing was done (in NMI, or upon code of the pool, with the depot
 * busy).
 */
bool gophership_depot_give(struct gophership_depot *depot, struct gophership_magazine *full,
			   struct gophership_magazine **empty)
{
	bool over = empty &&
		    gophership_cached_excess(class_pages(full->capacity, depot->class));
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
		gophership_magazine_doom(depot, full);
	else if (over)
		gophership_reclaim_hurry();
	gophership_reclaim_arm();
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
 * Put a buffer that was claimed as "listed" on the inbox. A stale entry of it
 * may still be on some inbox (a second release that raced with the first); the
 * node cannot be linked twice, and need not be: that entry stands for this
 * release now. The exchange is ordered after the claim.
 */
void gophership_depot_list(struct gophership_depot *depot, struct gophership_buf *buf)
{
	if (xchg(&buf->listed, GOPHERSHIP_LISTED_LINKED) & GOPHERSHIP_LISTED_LINKED) {
		drop_stale(depot, buf);
		return;
	}
	gophership_cached_force(depot->node, class_pages(1, depot->class));
	atomic_inc(&depot->nr_listed);
	llist_add(&buf->node, &depot->inbox);
	gophership_reclaim_arm();
	if (depot->pool->flags & GOPHERSHIP_POOL_KEEPS_NOTHING)
		gophership_reclaim_hurry();
}

/* What was taken off an inbox, and what of it is not to be believed. */
struct stale {
	unsigned int unlinked;
	unsigned int nr;
	const struct gophership_buf *last;
	struct llist_node *freed;	/* their grace period is over */
};

/*
 * An entry was taken off the inbox: claim its buffer for the state @to, if it
 * is to be believed. From the exchange on, somebody else may link the node
 * anew. Context: the depot's lock held, not nested.
 */
static bool claim_unlinked(struct gophership_depot *depot, struct gophership_buf *buf,
			   unsigned long to, struct stale *stale)
{
	u16 look = GOPHERSHIP_LISTED_LOOK(smp_processor_id());
	bool claimed = false, doomed;

	doomed = xchg(&buf->listed, look) & GOPHERSHIP_LISTED_DOOMED;
	if (!doomed) {
		claimed = gophership_sealed(buf, GOPHERSHIP_SEAL_LISTED) &&
			  gophership_claim(buf, GOPHERSHIP_SEAL_LISTED, to);
		/* Anything else than our look: it is linked again, and theirs. */
		doomed = cmpxchg(&buf->listed, look, 0) == (look | GOPHERSHIP_LISTED_DOOMED);
	}
	atomic_dec(&depot->nr_listed);
	stale->unlinked++;
	if (claimed)
		return true;
	stale->nr++;
	stale->last = buf;
	/* Who wanted to free it, a grace period after its doom, left it to us. */
	if (doomed) {
		buf->node.next = stale->freed;
		stale->freed = &buf->node;
	}
	return false;
}

/*
 * The reports and the frees wait for the unlock: call_rcu() may wake a thread, for
 * which it takes locks that others hold while they release.
 */
static void settle_stale(struct gophership_depot *depot, const struct stale *stale)
{
	struct llist_node *node, *next;
	unsigned int i;

	gophership_cached_uncharge(depot->node, class_pages(stale->unlinked, depot->class));
	for (i = 0; i < stale->nr; i++)
		drop_stale(depot, stale->last);
	for (node = stale->freed; node; node = next) {
		next = node->next;
		gophership_large_free_later(llist_entry(node, struct gophership_buf, node));
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
		if (claim_unlinked(depot, buf, slot_state(mag, nr), &stale))
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
 * The last entry of a magazine of the depot, claimed for a lease if it is to be
 * believed. Context: the depot's lock held.
 */
static struct gophership_buf *pop_entry(struct gophership_depot *depot, bool *claimed)
{
	struct gophership_magazine *mag = depot->full;
	struct gophership_buf *buf;

	if (!mag)
		return NULL;
	depot->nr_bufs--;
	mag->nr--;
	buf = mag->slot[mag->nr];
	*claimed = gophership_sealed(buf, slot_state(mag, mag->nr)) &&
		   gophership_claim(buf, slot_state(mag, mag->nr), GOPHERSHIP_SEAL_LEASED);
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
	return magazine_take_one(depot) ?: inbox_take_one(depot);
}

/*
 * Move what lies on the inbox into a magazine of the depot. Returns whether
 * there may be more. Process context.
 */
static bool inbox_pack(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;

	if (llist_empty(&depot->inbox))
		return false;
	mag = gophership_depot_take_empty(depot);
	if (!mag)
		mag = gophership_magazine_alloc(depot->class, 0);
	if (!mag)
		return false;
	mag->nr = gophership_depot_unlist(depot, mag, 0, mag->capacity);
	if (!mag->nr)
		return !gophership_depot_give_empty(depot, mag);
	if (gophership_magazine_charge(depot, mag, false))
		gophership_depot_give(depot, mag, NULL);
	else
		gophership_magazine_doom(depot, mag);
	return true;
}

/*
 * Doom up to @max buffers of the inbox, and collect them in @doomed, or without that
 * free them later. Works without memory, if only as fast as grace periods pass.
 * Returns how many.
 */
static unsigned int inbox_doom(struct gophership_depot *depot, unsigned int max,
			       struct gophership_doomed *doomed)
{
	unsigned int nr;

	struct gophership_magazine *mag;

	if (llist_empty(&depot->inbox))
		return 0;
	mag = gophership_depot_take_empty(depot);
	if (!mag)
		mag = gophership_magazine_alloc(depot->class, 0);
	if (!mag)
		mag = xchg(&last_resort, NULL);
	if (!mag)
		return 0;
	mag->nr = gophership_depot_unlist(depot, mag, 0, min_t(unsigned int, mag->capacity, max));
	if (!doomed)
		return gophership_magazine_doom(depot, mag);
	nr = doom(depot, mag);
	mag->next = doomed->first;
	doomed->first = mag;
	return nr;
}

static void free_empties(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;

	while ((mag = gophership_depot_take_empty(depot)))
		kfree(mag);
}

/* @nr buffers, or as many as have @want pages and one more if that is less. */
static unsigned int at_most(unsigned int nr, unsigned long want, unsigned int class)
{
	return min_t(unsigned long, nr - 1, want >> gophership_class_order(class)) + 1;
}

/**
 * gophership_depot_trim() - give idle buffers back to the page allocator
 * @depot: the depot
 * @want: stop when that many pages are free or on their way
 * @doomed: collects what is not free yet, and counts what is; NULL: that is freed later
 *
 * No more than what is there when this begins: others may give as fast as this takes.
 *
 * Context: process.
 * Return: the number of pages, about @want or all there are.
 */
unsigned long gophership_depot_trim(struct gophership_depot *depot, unsigned long want,
				    struct gophership_doomed *doomed)
{
	unsigned int full = READ_ONCE(depot->nr_full), nr, more;
	int listed = atomic_read(&depot->nr_listed);
	struct gophership_magazine *mag;
	unsigned long pages = 0;

	while (full-- && pages < want && (mag = gophership_depot_take(depot, NULL))) {
		pages += class_pages(trim_magazine(depot, mag, doomed), depot->class);
		cond_resched();
	}
	while (listed > 0 && pages < want) {
		nr = at_most(listed, want - pages, depot->class);
		more = inbox_doom(depot, nr, doomed);
		if (!more)
			break;
		pages += class_pages(more, depot->class);
		listed -= more;
		cond_resched();
	}
	free_empties(depot);
	return pages;
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
	unsigned int i, idle, nr = 0;
	struct depot_hold hold;

	/* As many rounds as there is now; what comes meanwhile waits. */
	i = DIV_ROUND_UP(atomic_read(&depot->nr_listed), magazine_capacity(depot->class));
	for (; i > 0 && inbox_pack(depot); i--)
		cond_resched();

	depot_lock(depot, &hold);
	idle = min(depot->low, depot->old_low);
	depot->old_low = depot->low;
	depot->low = depot->nr_full;
	depot_unlock(depot, &hold);

	while (idle-- && (mag = gophership_depot_take(depot, NULL)))
		nr += trim_magazine(depot, mag, NULL);
	if (nr)
		free_empties(depot);
	return nr;
}

/* Must something of @depot go for @room more pages to be within max_cached_mb? */
static bool over_limit(const struct gophership_depot *depot, unsigned long room)
{
	return gophership_cached_excess(room) ||
	       depot->pool->flags & GOPHERSHIP_POOL_KEEPS_NOTHING;
}

/**
 * gophership_depot_limit() - give back what is above the bound: that of
 * max_cached_mb, or nothing at all for a pool that keeps nothing
 * @depot: the depot
 * @room: so many pages less than that bound
 *
 * What comes meanwhile is for the next time.
 *
 * Context: process.
 */
void gophership_depot_limit(struct gophership_depot *depot, unsigned long room)
{
	unsigned int left = max(atomic_read(&depot->nr_listed), 0), more;
	struct gophership_magazine *mag;

	while (left && over_limit(depot, room) && (more = inbox_doom(depot, left, NULL))) {
		left -= min(left, more);
		cond_resched();
	}
	left = READ_ONCE(depot->nr_full);
	while (left-- && over_limit(depot, room) && (mag = gophership_depot_take(depot, NULL))) {
		trim_magazine(depot, mag, NULL);
		cond_resched();
	}
}

/* Once the secret is there: a state that is no slot's address. */
void __init gophership_floor_init(void)
{
	gophership_floor.seal = gophership_seal(&gophership_floor, GOPHERSHIP_SEAL_DOOMED);
}

/* Buffers in the depot's magazines and on its inbox; a peek. */
unsigned int gophership_depot_cached(const struct gophership_depot *depot)
{
	return READ_ONCE(depot->nr_bufs) + atomic_read(&depot->nr_listed);
}

int __init gophership_depots_init(void)
{
	last_resort = kmalloc(GOPHERSHIP_MAGAZINE_SIZE_MAX, GFP_KERNEL);
	if (!last_resort)
		return -ENOMEM;
	magazine_init(last_resort, 0, magazine_room(GOPHERSHIP_MAGAZINE_SIZE_MAX));
	return 0;
}

/* After the last grace period. */
void gophership_depots_exit(void)
{
	kfree(last_resort);
}
