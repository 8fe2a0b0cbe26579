// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: acquire, after the magazine at hand had none.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/string.h>

#include "gophership_compat.h"
#include "pool/acquire.h"
#include "pool/depot.h"
#include "pool/head.h"
#include "pool/list.h"
#include "pool/nesting.h"
#include "pool/payload.h"
#include "pool/poison.h"
#include "pool/refill.h"
#include "pool/reserve.h"
#include "pool/seal.h"
#include "pool/stock.h"
#include "pool/trace.h"

/* With the head's help if it is free, else past it. */
static struct gophership_buf *take_cached(struct gophership_pool *pool, unsigned int class,
					  unsigned long call_site)
{
	const unsigned long *secret = &gophership_bounds.secret;
	struct gophership_buf *buf = NULL;
	struct gophership_head *head;

	preempt_disable();
	head = this_cpu_ptr(pool->heads + class);
	if (gophership_use_heads() && gophership_head_enter(head)) {
		while (gophership_head_reload(head) &&
		       !gophership_head_pop(head, secret, call_site, &buf))
			gophership_head_drop(head);
		gophership_head_leave(head);
	}
	if (!buf) {
		buf = gophership_depot_take_one(head->depot);
		if (buf)
			this_cpu_inc(pool->heads[class].slow_acquires);
	}
	preempt_enable();
	return buf;
}

/* The magazine had none: ask the depot, the page allocator, then the other stores. */
static struct gophership_buf *acquire_pooled(struct gophership_pool *pool, unsigned int class,
					     gfp_t gfp, unsigned long call_site)
{
	struct gophership_buf *buf;

	gophership_head_equip(pool, class, gfp);
	buf = take_cached(pool, class, call_site);
	if (buf)
		return buf;
	buf = gophership_refill(pool, class, gfp);
	if (!buf)
		buf = gophership_pool_steal(pool, class);
	if (!buf && !gfpflags_allow_blocking(gfp) && !(gfp & __GFP_NOMEMALLOC))
		buf = gophership_stock_take(pool, class);
	if (!buf)
		return NULL;
	/* The head that gets the buffer back counts its release, which may be another one. */
	this_cpu_inc(buf->heads->slow_acquires);
	return buf;
}

/* A driver got @buf of @pool for @size bytes: check its poison, and tell tracers. */
struct gophership_buf *gophership_acquired(struct gophership_pool *pool,
					   struct gophership_buf *buf, size_t size,
					   unsigned long call_site)
{
	if (static_branch_unlikely(&gophership_poison_key))
		gophership_poison_check(buf);
	trace_gophership_acquire(pool->name, buf, size, 0, 0, call_site);
	return buf;
}

/* A buffer of at least @size bytes, leased, or NULL. */
static struct gophership_buf *acquire_large(struct gophership_pool *pool, size_t size, gfp_t gfp)
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

/*
 * May this request draw on the reserve? A caller that may sleep has must_acquire. The
 * reserve of the machine's pool is for must_acquire alone: the interrupts of one driver must
 * not empty what other drivers wait for.
 */
static bool may_use_reserve(const struct gophership_pool *pool, gfp_t gfp)
{
	return !gfpflags_allow_blocking(gfp) && !(gfp & __GFP_NOMEMALLOC) &&
	       pool != gophership_kernel_pool;
}

/* @head is of the pool and of the size's class, and of any CPU. */
struct gophership_buf *gophership_acquire_slow(size_t size, gfp_t gfp,
					       const struct gophership_head *head,
					       unsigned long call_site)
{
	struct gophership_buf *buf;

	/* The pool's pages are from any zone. */
	if (gfp & (__GFP_DMA | __GFP_DMA32))
		return NULL;
	/* Pages that are charged to a cgroup must not get into a pool that does not charge. */
	if (gfp & __GFP_ACCOUNT && !(head->pool->flags & GOPHERSHIP_POOL_ACCOUNT))
		return NULL;
	if (head->class == GOPHERSHIP_CLASS_LARGE)
		buf = acquire_large(head->pool, size, gfp & ~__GFP_ZERO);
	else
		buf = acquire_pooled(head->pool, head->class, gfp & ~__GFP_ZERO, call_site);
	if (!buf && may_use_reserve(head->pool, gfp))
		buf = gophership_reserve_take(head->pool, size);
	if (!buf)
		return NULL;
	WRITE_ONCE(buf->acquired_by, call_site);
	gophership_acquired(head->pool, buf, size, call_site);
	if (gfp & __GFP_ZERO)
		memset(buf->data, 0, buf->capacity);
	return buf;
}
EXPORT_SYMBOL_GPL_INLINE(gophership_acquire_slow);

/* A function of its own, so that the other paths save no registers for it. */
struct gophership_buf *gophership_acquire_special(size_t size, gfp_t gfp,
						  struct gophership_head __percpu *row,
						  unsigned long call_site)
{
	return gophership_acquire_slow(size, gfp, raw_cpu_ptr(row), call_site);
}
EXPORT_SYMBOL_GPL_INLINE(gophership_acquire_special);
