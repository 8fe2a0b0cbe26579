// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: magazines, made, charged and given back.
 */
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "pool/cached.h"
#include "pool/free.h"
#include "pool/kick.h"
#include "pool/magazine.h"
#include "pool/nesting.h"
#include "pool/payload.h"
#include "pool/reject.h"
#include "pool/seal.h"
#include "pool/trace.h"

/*
 * A magazine of each class holds about this much payload, but not fewer
 * than some buffers, and is a power of two in bytes, since kmalloc() would round
 * it up to that.
 */
#define MAGAZINE_PAYLOAD	(512U * 1024)
#define MAGAZINE_CAPACITY_MIN	4U
#define MAGAZINE_SIZE_MIN	128U

struct gophership_buf gophership_sentinel __ro_after_init;

struct gophership_magazine gophership_nothing __ro_after_init = {
	.sentinel = &gophership_sentinel,
};

static_assert(offsetof(struct gophership_magazine, slot) ==
	      offsetofend(struct gophership_magazine, sentinel));

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

/* Entries of a magazine of @class. */
unsigned int gophership_magazine_capacity(unsigned int class)
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
	mag->sentinel = &gophership_sentinel;
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
		magazine_init(mag, class, gophership_magazine_capacity(class));
	return mag;
}

/* The one that is set aside, for any class, or NULL while it is in use. */
struct gophership_magazine *gophership_magazine_last_resort(void)
{
	return xchg(&last_resort, NULL);
}

/* One that was not needed, in the context that asked for it. @mag may be NULL. */
void gophership_magazine_free(struct gophership_magazine *mag)
{
	gophership_allocator_enter(0);
	kfree(mag);
	gophership_allocator_leave(0);
}

/**
 * gophership_magazine_charge() - may a magazine without buffers get some?
 * @depot: where its buffers are from
 * @mag: the magazine, which no other CPU can see
 * @force: it must: there is no other place for it
 *
 * Context: any.
 * Return: false if that would be more than max_cached_mb.
 */
bool gophership_magazine_charge(struct gophership_depot *depot, struct gophership_magazine *mag,
				bool force)
{
	unsigned long pages = gophership_class_pages(mag->capacity, depot->class);

	if (force) {
		gophership_cached_force(depot->node, pages);
	} else if (!gophership_cached_charge(depot->node, pages)) {
		gophership_kick_limit();
		return false;
	}
	mag->class = depot->class;
	mag->nid = depot->node;
	return true;
}

/* It has no buffers any more, or they are on their way to the page allocator. */
void gophership_magazine_uncharge(struct gophership_magazine *mag)
{
	if (mag->nid == GOPHERSHIP_UNCHARGED)
		return;
	gophership_cached_uncharge(mag->nid, gophership_class_pages(mag->capacity, mag->class));
	mag->nid = GOPHERSHIP_UNCHARGED;
}

static unsigned long retiring_state(struct gophership_magazine *mag, unsigned int i)
{
	return gophership_slot_state(mag, i) | GOPHERSHIP_SEAL_RETIRING_BIT;
}

/*
 * After the grace period: free what this magazine's retirement still holds. A buffer
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
		if (!gophership_sealed(buf, retiring_state(mag, i)))
			continue;
		if (gophership_free_defer(buf))
			continue;
		gophership_payload_free(buf);
		nr++;
	}
	pages = gophership_class_pages(nr, mag->class);
	if (mag->capacity < magazine_room(GOPHERSHIP_MAGAZINE_SIZE_MAX) ||
	    cmpxchg(&last_resort, NULL, mag))
		kfree(mag);
	return pages;
}

static void magazine_free_rcu(struct rcu_head *rcu)
{
	struct gophership_magazine *mag = container_of(rcu, struct gophership_magazine, rcu);

	gophership_retiring_add(-(long)gophership_class_pages(mag->nr, mag->class));
	magazine_free(mag);
}

/* Without payload. */
static void magazine_free_dropped_rcu(struct rcu_head *rcu)
{
	magazine_free(container_of(rcu, struct gophership_magazine, rcu));
}

/* Retiring magazines for which expedite() brings a grace period about. */
static LLIST_HEAD(retiring_magazines);

/* Free the retiring magazines that wait for it. */
static void expedite(struct work_struct *work)
{
	struct llist_node *node = llist_del_all(&retiring_magazines), *next;

	if (!node)
		return;
	synchronize_rcu_expedited();
	for (; node; node = next) {
		next = node->next;
		magazine_free_rcu(&llist_entry(node, struct gophership_magazine, node)->rcu);
		cond_resched();
	}
}

static DECLARE_WORK(retiring_work, expedite);

static void start_retiring(struct irq_work *work)
{
	queue_work(gophership_reclaim_wq, &retiring_work);
}

static DEFINE_IRQ_WORK(retiring_irq_work, start_retiring);

/* A retiring magazine goes after a grace period. Any context, under any lock. */
static void magazine_free_later(struct gophership_magazine *mag)
{
	bool many = gophership_retiring_add(gophership_class_pages(mag->nr, mag->class));

	if (!many && gophership_may_free()) {
		gophership_call_rcu(&mag->rcu, magazine_free_rcu);
		return;
	}
	llist_add(&mag->node, &retiring_magazines);
	irq_work_queue(&retiring_irq_work);
}

/* What was retired before is free, or waits for rcu_barrier(). Context: process. */
void gophership_retiring_settle(void)
{
	irq_work_sync(&retiring_irq_work);
	flush_work(&retiring_work);
}

/**
 * gophership_retiring_free() - free what a trim has collected, and count
 * @retiring: what was collected
 *
 * Context: process, direct reclaim included; waits for a grace period, if at all.
 * Return: pages that were freed, by the trim or in here.
 */
unsigned long gophership_retiring_free(struct gophership_retiring *retiring)
{
	struct gophership_magazine *mag = retiring->first, *next;

	if (mag)
		synchronize_rcu_expedited();
	for (; mag; mag = next) {
		next = mag->next;
		retiring->freed += magazine_free(mag);
		cond_resched();
	}
	return retiring->freed;
}

/* An entry that its buffer does not confirm was a second release of it. */
void gophership_magazine_drop_stale(struct gophership_depot *depot,
				    const struct gophership_buf *buf)
{
	this_cpu_dec(depot->pool->heads[depot->class].slow_releases);
	gophership_reject_stale(buf);
}

/* Retire the buffer of entry @from, and move it to entry @to. */
static bool retire_entry(struct gophership_magazine *mag, unsigned int from, unsigned int to)
{
	struct gophership_buf *buf = mag->slot[from];
	bool retiring;

	preempt_disable();
	retiring = gophership_sealed(buf, gophership_slot_state(mag, from)) &&
		   gophership_claim(buf, gophership_slot_state(mag, from), retiring_state(mag, to));
	preempt_enable();
	if (retiring)
		mag->slot[to] = buf;
	return retiring;
}

/* Retire the buffers of a magazine that no other CPU can see. Returns how many. */
static unsigned int retire_entries(struct gophership_depot *depot, struct gophership_magazine *mag)
{
	unsigned int i, nr = 0;

	for (i = 0; i < mag->nr; i++) {
		struct gophership_buf *buf = mag->slot[i];

		if (retire_entry(mag, i, nr))
			nr++;
		else
			gophership_magazine_drop_stale(depot, buf);
	}
	mag->nr = nr;
	mag->class = depot->class;
	gophership_magazine_uncharge(mag);
	this_cpu_add(depot->pool->heads[depot->class].shrunk, nr);
	trace_gophership_trim(depot->pool->name, gophership_class_size(depot->class), nr);
	return nr;
}

/**
 * gophership_magazine_retire() - give a magazine and its buffers back
 * @depot: where it is from
 * @mag: a magazine that no other CPU can see
 *
 * Context: any but NMI.
 * Return: the number of buffers that will be freed after a grace period.
 */
unsigned int gophership_magazine_retire(struct gophership_depot *depot,
					struct gophership_magazine *mag)
{
	unsigned int nr = retire_entries(depot, mag);

	magazine_free_later(mag);
	return nr;
}

/**
 * gophership_magazine_collect() - the same, to be freed by gophership_retiring_free()
 * @depot: where it is from
 * @mag: a magazine that no other CPU can see
 * @retiring: gets it
 *
 * Context: process.
 * Return: the number of buffers.
 */
unsigned int gophership_magazine_collect(struct gophership_depot *depot,
					 struct gophership_magazine *mag,
					 struct gophership_retiring *retiring)
{
	unsigned int nr = retire_entries(depot, mag);

	mag->next = retiring->first;
	retiring->first = mag;
	return nr;
}

/* Let go of the payload of what was retired. Only then: see "The seal". */
static void drop_payloads(const struct gophership_magazine *mag)
{
	unsigned int i;

	for (i = 0; i < mag->nr; i++)
		gophership_payload_drop(mag->slot[i]);
}

/*
 * gophership_magazine_retire() for a magazine that was in the depot. If the grace period of
 * its cookie is over, its pages are free when this returns. Else they are freed later. The
 * descriptors always are.
 */
unsigned int gophership_magazine_trim(struct gophership_depot *depot,
				      struct gophership_magazine *mag,
				      struct gophership_retiring *retiring)
{
	bool aged = poll_state_synchronize_rcu(mag->cookie);
	unsigned int nr = retire_entries(depot, mag);

	if (aged) {
		drop_payloads(mag);
		gophership_call_rcu(&mag->rcu, magazine_free_dropped_rcu);
		if (retiring)
			retiring->freed += gophership_class_pages(nr, depot->class);
	} else if (retiring) {
		mag->next = retiring->first;
		retiring->first = mag;
	} else {
		magazine_free_later(mag);
	}
	return nr;
}

/* Once the secret is there: the sentinel has a state that is no slot's address. */
int __init gophership_magazines_init(void)
{
	last_resort = kmalloc(GOPHERSHIP_MAGAZINE_SIZE_MAX, GFP_KERNEL);
	if (!last_resort)
		return -ENOMEM;
	magazine_init(last_resort, 0, magazine_room(GOPHERSHIP_MAGAZINE_SIZE_MAX));
	gophership_sentinel.seal = gophership_seal(&gophership_sentinel, GOPHERSHIP_SEAL_RETIRING);
	return 0;
}

/* After the last grace period. */
void gophership_magazines_exit(void)
{
	kfree(last_resort);
}
