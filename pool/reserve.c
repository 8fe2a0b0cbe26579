// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the reserve, buffers for when there is no memory.
 *
 * An array with a slot for each buffer of the reserve. A buffer goes back to its own
 * slot, by one store, and is taken out of it by an exchange: no lock, so that an NMI may
 * do either on top of either. A taker looks at all slots. That takes a while (at most
 * GOPHERSHIP_RESERVE_MAX of them), but happens only when everything else has failed.
 *
 * A buffer of the reserve stays one, with the same pages. If something still refers to its
 * pages when it comes back, it lies in its slot until that is over.
 */
#include <linux/gfp.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "pool/free.h"
#include "pool/kick.h"
#include "pool/payload.h"
#include "pool/reserve.h"
#include "pool/seal.h"

/* Into its slot. @buf is sealed as reserved, and the caller's. */
static void put(struct gophership_buf *buf)
{
	/* (D) The taker sees what was done to it: pairs with (D), the exchange in pop(). */
	smp_store_release(buf->home, buf);
}

/* Context: any. @buf was released: sealed as reserved. */
void gophership_reserve_give(struct gophership_pool *pool, struct gophership_buf *buf)
{
	/* First, so that 0 means that there is none. */
	atomic_inc(&pool->nr_reserve);
	put(buf);
	/*
	 * (C) This sees the waiter, or the waiter sees the slot: pairs with (C) in
	 * gophership_waiters_raise().
	 */
	smp_mb();
	gophership_kick_waiters(pool, GOPHERSHIP_CLASS_MAX);
}

/* One that nothing refers to, or @any. Context: any. */
static struct gophership_buf *pop(struct gophership_pool *pool, bool any)
{
	struct gophership_buf *buf;
	unsigned int i;

	if (!atomic_read(&pool->nr_reserve))
		return NULL;
	for (i = 0; i < pool->reserve_slots; i++) {
		if (!READ_ONCE(pool->reserve[i]))
			continue;
		buf = xchg(&pool->reserve[i], NULL); /* (D) pairs with (D) in put() */
		if (!buf)
			continue;
		if (any || !gophership_payload_shared(buf)) {
			atomic_dec(&pool->nr_reserve);
			return buf;
		}
		put(buf);
	}
	return NULL;
}

/**
 * gophership_reserve_take() - a buffer that was set aside
 * @pool: the pool
 * @size: bytes that it must hold
 *
 * Context: any.
 * Return: a leased buffer, counted as acquired, or NULL.
 */
struct gophership_buf *gophership_reserve_take(struct gophership_pool *pool, size_t size)
{
	struct gophership_buf *buf;

	if (size > pool->reserve_size)
		return NULL;
	buf = pop(pool, false);
	if (!buf)
		return NULL;
	this_cpu_inc(pool->heads[GOPHERSHIP_CLASS_RESERVE].slow_acquires);
	WRITE_ONCE(buf->seal, gophership_seal(buf, GOPHERSHIP_SEAL_LEASED));
	return buf;
}

/**
 * gophership_reserve_fill() - set buffers aside
 * @pool: a pool that is not listed yet
 * @nr: how many
 * @size: bytes that each must hold
 *
 * Context: process.
 * Return: 0 or -ENOMEM; then what there is has yet to be drained.
 */
int gophership_reserve_fill(struct gophership_pool *pool, unsigned int nr, size_t size)
{
	unsigned int class = gophership_class(size), i;
	struct gophership_buf *buf;

	pool->reserve_size = gophership_class_size(class);
	if (!nr)
		return 0;
	pool->reserve = kcalloc(nr, sizeof(struct gophership_buf *), GFP_KERNEL);
	if (!pool->reserve)
		return -ENOMEM;
	pool->reserve_slots = nr;
	for (i = 0; i < nr; i++) {
		buf = gophership_payload_alloc(pool, GOPHERSHIP_CLASS_RESERVE,
					       gophership_class_order(class), GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		buf->home = &pool->reserve[i];
		WRITE_ONCE(buf->seal, gophership_seal(buf, GOPHERSHIP_SEAL_RESERVED));
		gophership_reserve_give(pool, buf);
	}
	return 0;
}

/* Of a pool that is used no more. Context: process. */
void gophership_reserve_drain(struct gophership_pool *pool)
{
	struct gophership_buf *buf;

	while ((buf = pop(pool, true))) {
		WRITE_ONCE(buf->seal, gophership_seal(buf, GOPHERSHIP_SEAL_RETIRING));
		gophership_free_buf(buf);
	}
}
