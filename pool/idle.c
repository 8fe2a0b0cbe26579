// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: what lies idle: counted, flushed to the depots, given back.
 */
#include <linux/export.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "pool/cached.h"
#include "pool/depot.h"
#include "pool/head.h"
#include "pool/idle.h"
#include "pool/list.h"
#include "pool/magazine.h"

/*
 * Of a depot
 */

/*
 * Move buffers from the inbox into a magazine of the depot. Returns true if there may
 * be more. Context: process.
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
		gophership_magazine_retire(depot, mag);
	return true;
}

/*
 * Retire up to @max buffers of the inbox. Collect them in @retiring, or if that is NULL free
 * them later. Works without memory, but then only as fast as grace periods pass. Returns how
 * many.
 */
static unsigned int inbox_retire(struct gophership_depot *depot, unsigned int max,
				 struct gophership_retiring *retiring)
{
	struct gophership_magazine *mag;

	if (llist_empty(&depot->inbox))
		return 0;
	mag = gophership_depot_take_empty(depot);
	if (!mag)
		mag = gophership_magazine_alloc(depot->class, 0);
	if (!mag)
		mag = gophership_magazine_last_resort();
	if (!mag)
		return 0;
	mag->nr = gophership_depot_unlist(depot, mag, 0, min_t(unsigned int, mag->capacity, max));
	if (!retiring)
		return gophership_magazine_retire(depot, mag);
	return gophership_magazine_collect(depot, mag, retiring);
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
 * @retiring: collects buffers that are not free yet, and counts those that are; NULL: the
 *	former are freed later
 *
 * Takes no more than there is when this begins: other CPUs may give as fast as this takes.
 *
 * Context: process.
 * Return: the number of pages, about @want or all there are.
 */
unsigned long gophership_depot_trim(struct gophership_depot *depot, unsigned long want,
				    struct gophership_retiring *retiring)
{
	unsigned int full = READ_ONCE(depot->nr_full), nr, more;
	int entries = atomic_read(&depot->nr_inbox);
	struct gophership_magazine *mag;
	unsigned long pages = 0;

	while (full-- && pages < want && (mag = gophership_depot_take(depot, NULL))) {
		nr = gophership_magazine_trim(depot, mag, retiring);
		pages += gophership_class_pages(nr, depot->class);
		cond_resched();
	}
	while (entries > 0 && pages < want) {
		nr = at_most(entries, want - pages, depot->class);
		more = inbox_retire(depot, nr, retiring);
		if (!more)
			break;
		pages += gophership_class_pages(more, depot->class);
		entries -= more;
		cond_resched();
	}
	free_empties(depot);
	return pages;
}

/**
 * gophership_depot_age() - give back what lay idle for two periods
 * @depot: the depot
 *
 * See gophership_depot_end_period().
 *
 * Context: process, once a period.
 * Return: the number of buffers that go.
 */
unsigned int gophership_depot_age(struct gophership_depot *depot)
{
	struct gophership_magazine *mag;
	unsigned int i, idle, nr = 0;

	/* Once for each magazine that there is now: what comes meanwhile is for the next time. */
	i = DIV_ROUND_UP(atomic_read(&depot->nr_inbox),
			 gophership_magazine_capacity(depot->class));
	for (; i > 0 && inbox_pack(depot); i--)
		cond_resched();

	idle = gophership_depot_end_period(depot);
	while (idle-- && (mag = gophership_depot_take(depot, NULL)))
		nr += gophership_magazine_trim(depot, mag, NULL);
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
	unsigned int left = max(atomic_read(&depot->nr_inbox), 0), more;
	struct gophership_magazine *mag;

	while (left && over_limit(depot, room) && (more = inbox_retire(depot, left, NULL))) {
		left -= min(left, more);
		cond_resched();
	}
	left = READ_ONCE(depot->nr_full);
	while (left-- && over_limit(depot, room) && (mag = gophership_depot_take(depot, NULL))) {
		gophership_magazine_trim(depot, mag, NULL);
		cond_resched();
	}
}

/*
 * Of a pool
 */

/**
 * struct flush - which heads are flushed
 * @pool: of that pool
 * @class: of that class and the larger ones
 * @nid: on the CPUs whose buffers are of that memory node, or NUMA_NO_NODE
 */
struct flush {
	struct gophership_pool *pool;
	unsigned int class;
	int nid;
};

/* The magazines of this CPU; an interrupt, or with preemption off. */
static void flush_cpu(void *data)
{
	const struct flush *flush = data;
	unsigned int class;

	for (class = flush->class; class < GOPHERSHIP_NR_CLASSES; class++)
		gophership_head_flush(this_cpu_ptr(flush->pool->heads + class));
}

static bool cpu_has_any(int cpu, void *data)
{
	const struct flush *flush = data;
	const struct gophership_head *heads = per_cpu_ptr(flush->pool->heads, cpu);
	unsigned int class;

	if (flush->nid != NUMA_NO_NODE && heads->node != flush->nid)
		return false;
	for (class = flush->class; class < GOPHERSHIP_NR_CLASSES; class++)
		if (gophership_head_cached(heads + class))
			return true;
	return false;
}

/**
 * gophership_pool_flush() - move what the CPUs' heads hold to the depots
 * @pool: the pool
 * @class: the smallest class of which they do; all larger ones follow
 *
 * A head that is at work at this moment keeps its magazines.
 *
 * Context: process, interrupts on.
 */
void gophership_pool_flush(struct gophership_pool *pool, unsigned int class)
{
	struct flush flush = { .pool = pool, .class = class, .nid = NUMA_NO_NODE };

	on_each_cpu_cond(cpu_has_any, flush_cpu, &flush, true);
}

static bool cpu_is_equipped(int cpu, void *data)
{
	const struct flush *flush = data;
	unsigned int class;

	for (class = flush->class; class < GOPHERSHIP_NR_CLASSES; class++)
		if (gophership_head_equipped(per_cpu_ptr(flush->pool->heads + class, cpu)))
			return true;
	return false;
}

/* All classes, and empty magazines, too: each counts as if it were full. */
void gophership_pool_unequip(struct gophership_pool *pool)
{
	struct flush flush = { .pool = pool, .nid = NUMA_NO_NODE };

	on_each_cpu_cond(cpu_is_equipped, flush_cpu, &flush, true);
}

/* All classes, for the CPUs whose buffers are of one memory node. */
void gophership_pool_flush_node(struct gophership_pool *pool, int nid)
{
	struct flush flush = { .pool = pool, .nid = nid };

	on_each_cpu_cond(cpu_has_any, flush_cpu, &flush, true);
}

/**
 * gophership_pool_flush_unused() - the same for a pool that is not in use
 * @pool: one that is no longer in the list, with a grace period gone since
 *
 * Every head is ours: those of CPUs that are offline, and those that have no
 * buffer but magazines, too.
 *
 * Context: process.
 */
void gophership_pool_flush_unused(struct gophership_pool *pool)
{
	unsigned int class;
	int cpu;

	for_each_possible_cpu(cpu)
		for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
			gophership_head_flush(per_cpu_ptr(pool->heads + class, cpu));
}

/* Everything idle back to the page allocator. Returns the number of buffers. */
unsigned long gophership_pool_trim_all(struct gophership_pool *pool)
{
	struct gophership_depot *depot;
	unsigned long nr = 0, pages;
	unsigned int i;

	gophership_pool_flush(pool, 0);
	for (i = 0; i < gophership_pool_nr_depots(); i++) {
		depot = &pool->depots[i];
		pages = gophership_depot_trim(depot, ULONG_MAX, NULL);
		nr += pages >> gophership_class_order(depot->class);
		cond_resched();
	}
	return nr;
}

unsigned long gophership_pool_trim(struct gophership_pool *pool)
{
	unsigned long nr = gophership_pool_trim_all(pool ?: gophership_kernel_pool);

	gophership_retiring_settle();
	rcu_barrier();
	return nr;
}
EXPORT_SYMBOL_GPL(gophership_pool_trim);

/* What lies idle of a class on a node; a peek. */
static unsigned long class_cached(struct gophership_pool *pool, unsigned int class, int node)
{
	unsigned long nr = gophership_depot_cached(gophership_pool_depot(pool, node, class));
	struct gophership_head *head;
	int cpu;

	for_each_possible_cpu(cpu) {
		head = per_cpu_ptr(pool->heads + class, cpu);
		if (head->node == node)
			nr += gophership_head_cached(head);
	}
	return nr;
}

/* The pages of it, of all classes; a peek. */
unsigned long gophership_pool_cached_pages(struct gophership_pool *pool, int node)
{
	unsigned long pages = 0;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		pages += class_cached(pool, class, node) << gophership_class_order(class);
	return pages;
}

/* A peek. */
bool gophership_pool_depots_are_empty(struct gophership_pool *pool)
{
	unsigned int i;

	for (i = 0; i < gophership_pool_nr_depots(); i++)
		if (gophership_depot_cached(&pool->depots[i]))
			return false;
	return true;
}

/* The same with the CPUs' heads. */
bool gophership_pool_is_empty(struct gophership_pool *pool)
{
	unsigned int class;
	int cpu;

	for_each_possible_cpu(cpu)
		for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
			if (gophership_head_cached(per_cpu_ptr(pool->heads + class, cpu)))
				return false;
	return gophership_pool_depots_are_empty(pool);
}
