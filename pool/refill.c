// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: what comes from the page allocator, at once or in the background.
 *
 * A miss that may allocate does it here, and fills this CPU's magazine on the way. A miss
 * that may not, a release that lacks a magazine, and a taker from the stock note what they
 * lack, and queue an irq_work. That takes no lock, so any context may do it. The irq_work
 * queues a work, in which a task allocates.
 */
#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/irq_work.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

#include "pool/cached.h"
#include "pool/depot.h"
#include "pool/head.h"
#include "pool/kick.h"
#include "pool/list.h"
#include "pool/magazine.h"
#include "pool/nesting.h"
#include "pool/payload.h"
#include "pool/poison.h"
#include "pool/refill.h"
#include "pool/seal.h"
#include "pool/stock.h"
#include "pool/trace.h"

#define GFP_BACKGROUND	(GFP_KERNEL | __GFP_NORETRY)

/* Bits of gophership_pool.wanted: a class, and with this added a magazine of the class. */
#define MAGAZINE	8
static_assert(GOPHERSHIP_NR_CLASSES <= MAGAZINE);

/*
 * Put buffers that are leased to us into this CPU's magazine, as far as there
 * is room, the others on the inbox. They were never counted as acquired.
 */
static void keep(struct gophership_pool *pool, unsigned int class, struct gophership_buf **bufs,
		 unsigned int nr)
{
	struct gophership_magazine *none = NULL;
	struct gophership_head *head;
	struct gophership_depot *depot;
	unsigned int i = 0;

	preempt_disable();
	head = this_cpu_ptr(pool->heads + class);
	depot = head->depot;
	if (gophership_use_heads() && gophership_head_enter(head)) {
		for (; i < nr; i++) {
			if (bufs[i]->nid != depot->node)
				break;
			if (!gophership_head_make_room(head, &none))
				break;
			gophership_head_push(head, head->top, bufs[i],
					     gophership_seal(bufs[i], 0), 0);
		}
		gophership_head_leave(head);
	}
	preempt_enable();
	for (; i < nr; i++) {
		depot = gophership_pool_depot(pool, bufs[i]->nid, class);
		preempt_disable();
		if (gophership_claim(bufs[i], GOPHERSHIP_SEAL_LEASED, GOPHERSHIP_SEAL_INBOX))
			gophership_depot_list(depot, bufs[i]);
		preempt_enable();
	}
}

/* Buffers that are made at once: about as many pages of each class. */
static unsigned int batch_of(unsigned int class)
{
	return max(GOPHERSHIP_REFILL_MAX >> gophership_class_order(class), 1);
}

/* The work runs on the CPU that asked, as long as that is there. */
static void make_buffers(struct gophership_pool *pool, unsigned int class)
{
	struct gophership_buf *bufs[GOPHERSHIP_REFILL_MAX];
	unsigned int nr;

	nr = gophership_payload_alloc_bulk(pool, class, GFP_BACKGROUND,
					   batch_of(class), bufs);
	if (nr)
		keep(pool, class, bufs, nr);
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

static void make_wanted(struct work_struct *work)
{
	struct gophership_pool *pool = container_of(work, struct gophership_pool, refill_work);
	unsigned int class;

	/* (H) "Pending" was cleared, and a full barrier came, before this reads a bit. */
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
	gophership_kick_age();
}

static void want(struct gophership_pool *pool, unsigned int bit)
{
	/* No request acquires from such a pool. */
	if (pool->flags & GOPHERSHIP_POOL_KEEPS_NOTHING)
		return;
	if (!test_bit(bit, &pool->wanted))
		set_bit(bit, &pool->wanted);
	/*
	 * (H) The work that runs sees the bit, or this sees that it is not pending any more:
	 * pairs with (H), the workqueue's full barrier before make_wanted().
	 */
	smp_mb();
	gophership_kick_refill(pool);
}

/*
 * A buffer of @class was wanted where none may be allocated. Any context. For a pool that
 * accounts none is made: the work's own cgroup would pay for it, and not the taker's.
 */
static void want_buffers(struct gophership_pool *pool, unsigned int class)
{
	if (pool->flags & GOPHERSHIP_POOL_ACCOUNT)
		return;
	want(pool, class);
}

static unsigned int refill_batch(const struct gophership_pool *pool, unsigned int class, gfp_t gfp)
{
	/* Nothing is to lie idle that a cgroup pays for. */
	if ((pool->flags & GOPHERSHIP_POOL_CLAIMS) && (pool->flags & GOPHERSHIP_POOL_ACCOUNT))
		return 1;
	/* A caller that cannot wait pays for its own buffer only. */
	if (!gfpflags_allow_blocking(gfp))
		return 1;
	/* What lies idle above max_cached_mb is given back at once. */
	if (gophership_cached_excess(GOPHERSHIP_REFILL_MAX))
		return 1;
	return batch_of(class);
}

/**
 * gophership_refill() - ask the page allocator
 * @pool: the pool
 * @class: the class
 * @gfp: as the caller of acquire says
 *
 * One buffer for the caller, some for the magazine.
 *
 * Context: any; where nothing may be allocated some are made in the background.
 * Return: a leased buffer that is not counted as acquired yet, or NULL.
 */
struct gophership_buf *gophership_refill(struct gophership_pool *pool, unsigned int class,
					 gfp_t gfp)
{
	unsigned int order = gophership_class_order(class), batch, nr;
	struct gophership_buf *buf = NULL, *more[GOPHERSHIP_REFILL_MAX];
	gfp_t modest;

	if (!gophership_may_allocate(gfp)) {
		want_buffers(pool, class);
		return NULL;
	}
	gfp = gophership_allocator_gfp(gfp);
	modest = (gfp & ~(__GFP_DIRECT_RECLAIM | __GFP_HIGH | __GFP_MEMALLOC)) |
		 __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_THISNODE;
	/* On other nodes rather a cached one than a new one. */
	if (gophership_many_nodes()) {
		buf = gophership_payload_alloc(pool, class, order, modest);
		if (!buf) {
			buf = gophership_pool_steal_class(pool, class);
			if (buf)
				return buf;
		}
	}
	if (!buf)
		buf = gophership_payload_alloc(pool, class, order, gfp);
	if (!buf)
		return NULL;
	batch = refill_batch(pool, class, gfp);
	nr = gophership_payload_alloc_bulk(pool, class, modest, batch - 1, more);
	if (nr)
		keep(pool, class, more, nr);
	gophership_kick_age();
	this_cpu_inc(pool->heads[class].misses);
	trace_gophership_refill(pool->name, gophership_class_size(class), nr + 1);
	return buf;
}

/* A magazine of @class was wanted where none may be allocated. Context: any. */
void gophership_refill_magazine(struct gophership_pool *pool, unsigned int class)
{
	want(pool, class + MAGAZINE);
}

void gophership_refill_init(struct gophership_pool *pool)
{
	INIT_WORK(&pool->refill_work, make_wanted);
}

/* Of a pool that is not used any more. Context: process. */
void gophership_refill_stop(struct gophership_pool *pool)
{
	irq_work_sync(&pool->refill_kick);
	cancel_work_sync(&pool->refill_work);
}
