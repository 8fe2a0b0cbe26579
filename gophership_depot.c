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

/* Pages of payload in the magazines of the depots of all pools. */
static atomic_long_t depot_pages;

/* Pages of payload that wait for a grace period to be freed; by atomics. */
static atomic_long_t doomed_pages;

void gophership_doomed_add(long pages)
{
	atomic_long_add(pages, &doomed_pages);
}

/* Pages that will be free when the grace periods that run now are over; a peek. */
unsigned long gophership_doomed_pages(void)
{
	return atomic_long_read(&doomed_pages);
}

/*
 * A magazine to give buffers back with when there is no memory for one. It
 * comes back by way of magazine_free(). Taken and put by xchg and cmpxchg.
 */
static struct gophership_magazine *last_resort;

static unsigned long max_cached_mb;
module_param(max_cached_mb, ulong, 0444);
MODULE_PARM_DESC(max_cached_mb,
		 "MiB of idle payload in magazines that all depots together may keep, and in each inbox (0, the default: 1/16 of memory)");

/* The same in pages; constant after init. */
static unsigned long max_cached __ro_after_init;

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

static void magazine_init(struct gophership_magazine *mag, unsigned int capacity)
{
	mag->next = NULL;
	mag->nr = 0;
	mag->capacity = capacity;
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
		magazine_init(mag, magazine_capacity(class));
	return mag;
}

/* One that was not needed, in the context that asked for it. @mag may be NULL. */
void gophership_magazine_free(struct gophership_magazine *mag)
{
	gophership_allocator_enter(0);
	kfree(mag);
	gophership_allocator_leave(0);
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
 */
static void magazine_free(struct rcu_head *rcu)
{
	struct gophership_magazine *mag = container_of(rcu, struct gophership_magazine, rcu);
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < mag->nr; i++) {
		buf = mag->slot[i];
		if (!gophership_sealed(buf, doom_state(mag, i)))
			continue;
		if (!gophership_depot_defer_free(buf))
			gophership_payload_free(buf);
	}
	gophership_doomed_add(-(long)mag->pages);
	if (mag->capacity < magazine_room(GOPHERSHIP_MAGAZINE_SIZE_MAX) ||
	    cmpxchg(&last_resort, NULL, mag))
		kfree(mag);
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

		if (doom_entry(mag, i, nr))
			nr++;
		else
			drop_stale(depot, buf);
	}
	mag->nr = nr;
	mag->pages = (unsigned long)nr << gophership_class_order(depot->class);
	gophership_doomed_add(mag->pages);
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

static void count(struct gophership_depot *depot, int nr)
{
	depot->nr_bufs += nr;
	atomic_long_add((long)nr << gophership_class_order(depot->class), &depot_pages);
}

static struct gophership_magazine *pop_full(struct gophership_depot *depot)
{
	struct gophership_magazine *mag = depot->full;

	if (!mag)
		return NULL;
	WRITE_ONCE(depot->full, mag->next);
	depot->nr_full--;
	depot->low = min(depot->low, depot->nr_full);
	count(depot, -(int)mag->nr);
	return mag;
}

static void push_full(struct gophership_depot *depot, struct gophership_magazine *mag)
{
	mag->next = depot->full;
	WRITE_ONCE(depot->full, mag);
	depot->nr_full++;
	count(depot, mag->nr);
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
 * Over max_cached_mb the buffers go back to the page allocator at once, or soon if this
 * is no place to free anything.
 *
 * Context: any.
 * Return: false if nothing was done (in NMI, or upon code of the pool, with the depot
 * busy).
 */
bool gophership_depot_give(struct gophership_depot *depot, struct gophership_magazine *full,
			   struct gophership_magazine **empty)
{
	bool over = (unsigned long)atomic_long_read(&depot_pages) >= max_cached;
	bool keep = !over || !gophership_may_free();
	struct depot_hold hold;

	if (!depot_lock(depot, &hold))
		return false;
	if (keep)
		push_full(depot, full);
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

/* Pages that an inbox may hold. */
static unsigned long inbox_max(const struct gophership_depot *depot)
{
	return depot->pool->flags & GOPHERSHIP_POOL_KEEPS_NOTHING ? 0 : max_cached;
}

/*
 * Put a buffer that was claimed as "listed" on the inbox. A stale entry of it
 * may still be on some inbox (a second release that raced with the first); the
 * node cannot be linked twice, and need not be: that entry stands for this
 * release now. The exchange is ordered after the claim.
 */
void gophership_depot_list(struct gophership_depot *depot, struct gophership_buf *buf)
{
	unsigned long pages;

	if (xchg(&buf->listed, GOPHERSHIP_LISTED_LINKED) & GOPHERSHIP_LISTED_LINKED) {
		drop_stale(depot, buf);
		return;
	}
	pages = (unsigned long)atomic_inc_return(&depot->nr_listed) <<
		gophership_class_order(depot->class);
	llist_add(&buf->node, &depot->inbox);
	gophership_reclaim_arm();
	if (pages > inbox_max(depot))
		gophership_reclaim_hurry();
}

/* What was found on an inbox and is not to be believed. */
struct stale {
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
	count(depot, -1);
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

	if (llist_empty(&depot->inbox))
		return 0;
	mag = gophership_depot_take_empty(depot);
	if (!mag)
		mag = gophership_magazine_alloc(depot->class, 0);
	if (!mag)
		mag = xchg(&last_resort, NULL);
	if (!mag)
		return 0;
	mag->nr = gophership_depot_unlist(depot, mag, 0, min(mag->capacity, max));
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
		nr += gophership_magazine_doom(depot, mag);
	if (nr)
		free_empties(depot);
	return nr;
}

/**
 * gophership_depot_limit() - give back what a depot has above its bounds: those of
 * max_cached_mb, or nothing at all on the inbox of a pool that keeps nothing
 * @depot: the depot
 *
 * Context: process.
 */
void gophership_depot_limit(struct gophership_depot *depot)
{
	unsigned int max = inbox_max(depot) >> gophership_class_order(depot->class);
	struct gophership_magazine *mag;

	while (atomic_read(&depot->nr_listed) > (int)max && inbox_doom(depot, UINT_MAX))
		cond_resched();
	while ((unsigned long)atomic_long_read(&depot_pages) > max_cached &&
	       (mag = gophership_depot_take(depot, NULL))) {
		gophership_magazine_doom(depot, mag);
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
	unsigned long ram_mb = (totalram_pages() - totalhigh_pages()) >> (20 - PAGE_SHIFT);

	if (max_cached_mb > ram_mb) {
		pr_err("max_cached_mb=%lu is out of range: 0 to %lu (all memory)\n",
		       max_cached_mb, ram_mb);
		return -EINVAL;
	}
	max_cached = (max_cached_mb ?: max(ram_mb / 16, 1UL)) << (20 - PAGE_SHIFT);
	last_resort = kmalloc(GOPHERSHIP_MAGAZINE_SIZE_MAX, GFP_KERNEL);
	if (!last_resort)
		return -ENOMEM;
	magazine_init(last_resort, magazine_room(GOPHERSHIP_MAGAZINE_SIZE_MAX));
	return 0;
}

/* After the last grace period. */
void gophership_depots_exit(void)
{
	kfree(last_resort);
}
