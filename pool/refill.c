// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: what is made in the background, for contexts that may not
 * allocate.
 *
 * A miss, a release without room for a magazine, and a taker from the stock leave word
 * of what they lacked. To queue an irq_work takes no lock, so they may do so in any
 * context; it queues a work, and that one has a task's means.
 */
#include <linux/bitops.h>
#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

#include "pool/types.h"

#define GFP_BACKGROUND	(GFP_KERNEL | __GFP_NORETRY)

/* Bits of gophership_pool.wanted: a class, and with this added a magazine of the class. */
#define MAGAZINE	8
static_assert(GOPHERSHIP_NR_CLASSES <= MAGAZINE);

/* The work runs on the CPU that asked, as long as that is there. */
static void make_buffers(struct gophership_pool *pool, unsigned int class)
{
	struct gophership_buf *bufs[GOPHERSHIP_REFILL_MAX];
	unsigned int nr;

	nr = gophership_payload_alloc_bulk(pool, class, GFP_BACKGROUND,
					   max(GOPHERSHIP_REFILL_MAX >> class, 1), bufs);
	if (nr)
		gophership_keep(pool, class, bufs, nr);
}

static void make_magazine(struct gophership_pool *pool, unsigned int class)
{
	struct gophership_magazine *mag = gophership_magazine_alloc(class, GFP_BACKGROUND);
	struct gophership_depot *depot;

	if (!mag)
		return;
	preempt_disable();
	depot = this_cpu_ptr(pool->heads + class)->depot;
	preempt_enable();
	if (!gophership_depot_give_empty(depot, mag))
		gophership_magazine_free(mag);
}

static void refill(struct work_struct *work)
{
	struct gophership_pool *pool = container_of(work, struct gophership_pool, refill_work);
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		bool buffers = test_and_clear_bit(class, &pool->wanted);
		bool magazine = test_and_clear_bit(class + MAGAZINE, &pool->wanted);

		if (buffers || magazine)
			gophership_head_equip(pool, class, GFP_BACKGROUND);
		if (magazine)
			make_magazine(pool, class);
		if (buffers)
			make_buffers(pool, class);
	}
	/* What a task waits for is not taken away from it. */
	if (!atomic_read(&pool->waiters[GOPHERSHIP_CLASS_MAX]))
		gophership_stock_fill(pool, GFP_BACKGROUND);
	gophership_reclaim_arm();
}

static void start_refill(struct irq_work *work)
{
	schedule_work(&container_of(work, struct gophership_pool, refill_kick)->refill_work);
}

/* The stock is to be filled. Any context, under any lock. */
void gophership_refill_kick(struct gophership_pool *pool)
{
	if (!work_pending(&pool->refill_work))
		irq_work_queue(&pool->refill_kick);
}

static void want(struct gophership_pool *pool, unsigned int bit)
{
	/* Nobody acquires from it. */
	if (pool->flags & GOPHERSHIP_POOL_KEEPS_NOTHING)
		return;
	if (!test_bit(bit, &pool->wanted))
		set_bit(bit, &pool->wanted);
	/* The work that runs sees the bit, or this sees that it does not wait any more. */
	smp_mb();
	gophership_refill_kick(pool);
}

/*
 * A buffer of @class was wanted where none may be allocated. Any context. For a pool that
 * accounts none is made: the work's own cgroup would pay for it, and not the taker's.
 */
void gophership_refill_buffers(struct gophership_pool *pool, unsigned int class)
{
	if (pool->flags & GOPHERSHIP_POOL_ACCOUNT)
		return;
	want(pool, class);
}

/* A magazine of @class was. Any context. */
void gophership_refill_magazine(struct gophership_pool *pool, unsigned int class)
{
	want(pool, class + MAGAZINE);
}

void gophership_refill_init(struct gophership_pool *pool)
{
	init_irq_work(&pool->refill_kick, start_refill);
	INIT_WORK(&pool->refill_work, refill);
}

/* Of a pool that is not used any more. Context: process. */
void gophership_refill_stop(struct gophership_pool *pool)
{
	irq_work_sync(&pool->refill_kick);
	cancel_work_sync(&pool->refill_work);
}
