// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the stock, idle buffers for contexts that may not allocate.
 *
 * An array of slots per size class, from which any context takes by an exchange. A task
 * in the background fills empty slots (pool/refill.c). A buffer in stock
 * is sealed with the address of its slot, as in a magazine, and the same rule tells a taker
 * whether the entry is valid: see "The seal".
 */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "pool/depot.h"
#include "pool/kick.h"
#include "pool/payload.h"
#include "pool/reject.h"
#include "pool/seal.h"
#include "pool/stock.h"

static struct gophership_buf **slot_of(struct gophership_pool *pool, unsigned int class,
				       unsigned int i)
{
	return &pool->stock[class * pool->stock_slots + i];
}

/* The buffer in @slot, in @state if its seal confirms the slot; else NULL. */
static struct gophership_buf *take_slot(struct gophership_pool *pool, unsigned int class,
					struct gophership_buf **slot, unsigned long state)
{
	unsigned long here = (unsigned long)slot;
	struct gophership_buf *buf;

	if (!READ_ONCE(*slot))
		return NULL;
	/* (E) By exchange: another taker gets another buffer. Pairs with (E) in put_slot(). */
	buf = xchg(slot, NULL);
	if (!buf)
		return NULL;
	atomic_dec(&pool->nr_stock[class]);
	if (gophership_sealed(buf, here) && gophership_claim(buf, here, state))
		return buf;
	/* It was released twice at once, and the other entry is the valid one. */
	this_cpu_dec(pool->heads[class].slow_releases);
	gophership_reject_stale(buf);
	return NULL;
}

static struct gophership_buf *take_class(struct gophership_pool *pool, unsigned int class,
					 unsigned long state)
{
	unsigned int i, slots = pool->stock_slots, first;
	struct gophership_buf *buf = NULL;

	if (!atomic_read(&pool->nr_stock[class]))
		return NULL;
	preempt_disable();
	/* CPUs begin at places of their own, so that they seldom want the same slot. */
	first = smp_processor_id() * 7 % slots;
	for (i = 0; !buf && i < slots; i++)
		buf = take_slot(pool, class, slot_of(pool, class, (first + i) % slots), state);
	preempt_enable();
	return buf;
}

/**
 * gophership_stock_take() - a buffer that was set aside for this
 * @pool: the pool
 * @class: the class that it must at least have
 *
 * Context: any.
 * Return: a leased buffer that is not counted as acquired yet, or NULL.
 */
struct gophership_buf *gophership_stock_take(struct gophership_pool *pool, unsigned int class)
{
	struct gophership_buf *buf = NULL;

	if (!pool->stock_slots)
		return NULL;
	for (; !buf && class < GOPHERSHIP_NR_CLASSES; class++)
		buf = take_class(pool, class, GOPHERSHIP_SEAL_LEASED);
	gophership_kick_refill(pool);
	return buf;
}

/* @buf is leased to us. Only one context fills, so an empty slot stays empty. */
static void put_slot(struct gophership_pool *pool, unsigned int class,
		     struct gophership_buf **slot, struct gophership_buf *buf)
{
	preempt_disable();
	/* Unless a wild release has taken it: then it is in the pool already. */
	if (gophership_claim(buf, GOPHERSHIP_SEAL_LEASED, (unsigned long)slot)) {
		atomic_inc(&pool->nr_stock[class]);
		smp_store_release(slot, buf); /* (E) pairs with (E) in take_slot() */
	}
	preempt_enable();
}

/*
 * Takes an idle buffer if there is one, else a new one. While a task waits in must_acquire,
 * idle buffers are left to it, as it does not look into the stock.
 */
static bool fill_slot(struct gophership_pool *pool, unsigned int class,
		      struct gophership_buf **slot, gfp_t gfp)
{
	struct gophership_buf *buf = NULL;

	if (!atomic_read(&pool->waiters[GOPHERSHIP_CLASS_MAX]))
		buf = gophership_pool_steal_class(pool, class);
	if (!buf)
		buf = gophership_payload_alloc(pool, class, gophership_class_order(class), gfp);
	if (!buf)
		return false;
	put_slot(pool, class, slot, buf);
	return true;
}

/**
 * gophership_stock_fill() - fill the empty slots
 * @pool: the pool; one caller at a time
 * @gfp: how
 *
 * Context: process.
 * Return: false without memory.
 */
bool gophership_stock_fill(struct gophership_pool *pool, gfp_t gfp)
{
	unsigned int class, i;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		for (i = 0; i < pool->stock_slots; i++) {
			struct gophership_buf **slot = slot_of(pool, class, i);

			if (!READ_ONCE(*slot) && !fill_slot(pool, class, slot, gfp))
				return false;
			cond_resched();
		}
	}
	return true;
}

/**
 * gophership_stock_init() - set buffers aside
 * @pool: a pool that is not listed yet
 * @nr: how many in each class
 *
 * Context: process.
 * Return: 0 or -ENOMEM; then what there is has yet to be drained.
 */
int gophership_stock_init(struct gophership_pool *pool, unsigned int nr)
{
	if (!nr)
		return 0;
	pool->stock = kvcalloc(nr * GOPHERSHIP_NR_CLASSES, sizeof(struct gophership_buf *),
			       GFP_KERNEL);
	if (!pool->stock)
		return -ENOMEM;
	pool->stock_slots = nr;
	return gophership_stock_fill(pool, GFP_KERNEL) ? 0 : -ENOMEM;
}

/*
 * Of a pool that is filled no more: to the inboxes, whence they go as all that is idle.
 * (A release by the hot path that lost may still store a seal.) Context: process.
 */
void gophership_stock_drain(struct gophership_pool *pool)
{
	struct gophership_buf *buf;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		while ((buf = take_class(pool, class, GOPHERSHIP_SEAL_INBOX)))
			gophership_depot_list(gophership_pool_depot(pool, buf->nid, class), buf);
	}
}

/* Buffers of @class in stock; a peek. */
unsigned int gophership_stock_cached(const struct gophership_pool *pool, unsigned int class)
{
	return atomic_read(&pool->nr_stock[class]);
}
