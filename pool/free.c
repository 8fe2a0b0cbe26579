// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: requests above the largest class.
 *
 * They come from the page allocator and go back to it. Every release of one is
 * a claim, so the loser of a race never gets past its cmpxchg() and the list
 * node may serve as the RCU head.
 */
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "pool/types.h"

/* A buffer of at least @size bytes, leased, or NULL. */
struct gophership_buf *gophership_large_acquire(struct gophership_pool *pool, size_t size,
						gfp_t gfp)
{
	unsigned int order = get_order(size);
	struct gophership_buf *buf;

	if (order > GOPHERSHIP_MAX_ORDER || !gophership_may_allocate(gfp))
		return NULL;
	this_cpu_inc(pool->heads[GOPHERSHIP_CLASS_LARGE].misses);
	buf = gophership_payload_alloc(pool, GOPHERSHIP_CLASS_LARGE, order,
				       gophership_allocator_gfp(gfp));
	if (buf)
		this_cpu_inc(pool->heads[GOPHERSHIP_CLASS_LARGE].slow_acquires);
	return buf;
}

/* Pages that go only with the descriptor. */
static long pages_of(const struct gophership_buf *buf)
{
	return buf->data ? buf->capacity >> PAGE_SHIFT : 0;
}

/* After a grace period in which no release of it can have been under way. */
static void free_rcu(struct rcu_head *rcu)
{
	struct gophership_buf *buf = container_of(rcu, struct gophership_buf, rcu);

	gophership_doomed_add(-pages_of(buf));
	gophership_payload_free(buf);
}

/* One of the reserve that has lost its pool is no larger: a release may still look. */
static bool only_claimed(const struct gophership_buf *buf)
{
	return buf->capacity > GOPHERSHIP_MAX_POOLED;
}

/* @drop: the allocators may be called here. */
static void free_now(struct gophership_buf *buf, bool drop)
{
	if (drop && only_claimed(buf))
		gophership_payload_drop(buf);
	gophership_doomed_add(pages_of(buf));
	gophership_call_rcu(&buf->rcu, free_rcu);
}

/* Released where nothing can be freed and no grace period asked for. */
static LLIST_HEAD(deferred);

static void free_deferred(struct irq_work *work)
{
	struct llist_node *node = llist_del_all(&deferred), *next;

	for (; node; node = next) {
		next = node->next;
		/* In the interrupt, where there is one: upon no lock of the allocators. */
		free_now(llist_entry(node, struct gophership_buf, node),
			 gophership_may_allocate(GFP_ATOMIC));
	}
}

static DEFINE_IRQ_WORK(deferred_work, free_deferred);

/* Free @buf, which only the caller knows of, after a grace period. Context: any. */
void gophership_large_free_later(struct gophership_buf *buf)
{
	if (gophership_may_free()) {
		free_now(buf, gophership_may_allocate(0));
		return;
	}
	llist_add(&buf->node, &deferred);
	irq_work_queue(&deferred_work);
}

/**
 * gophership_large_free() - free a buffer that is sealed as doomed
 * @buf: the buffer; nobody but a refused release can be looking at it
 *
 * The descriptor stays for a grace period, for those; the payload need not.
 *
 * Context: any.
 */
void gophership_large_free(struct gophership_buf *buf)
{
	/* Retired while an old entry of it is on an inbox. */
	if (gophership_depot_defer_free(buf))
		return;
	gophership_large_free_later(buf);
}

/* No buffer is left on its way to call_rcu(). */
void gophership_large_sync(void)
{
	irq_work_sync(&deferred_work);
}
