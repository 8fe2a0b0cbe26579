// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: an acquire that waits rather than fails.
 */
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "pool/acquire.h"
#include "pool/head.h"
#include "pool/idle.h"
#include "pool/must.h"
#include "pool/reserve.h"

#define GFP_MUST_NEXT	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOMEMALLOC)

/* How long a waiter sleeps before it looks again by itself. */
#define WAIT_JIFFIES	max(HZ / 10, 1)

static struct gophership_buf *must_try(struct gophership_pool *pool, size_t size, gfp_t gfp,
				       unsigned long call_site)
{
	struct gophership_head __percpu *row = pool->heads + gophership_class(size);
	struct gophership_buf *buf;

	buf = gophership_acquire_slow(size, gfp, raw_cpu_ptr(row), call_site);
	if (buf)
		return buf;
	buf = gophership_reserve_take(pool, size);
	if (!buf)
		return NULL;
	WRITE_ONCE(buf->acquired_by, call_site);
	return gophership_acquired(pool, buf, size, call_site);
}

static struct gophership_buf *must_wait(struct gophership_pool *pool, size_t size,
					unsigned long call_site)
{
	unsigned int class = gophership_class(size);
	unsigned long flush_at = jiffies;
	struct gophership_buf *buf;
	DEFINE_WAIT(wait);

	gophership_waiters_raise(pool, class);
	for (;;) {
		/*
		 * Buffers in other CPUs' magazines are out of reach: flush them. Not only
		 * after an undisturbed sleep: releases of smaller buffers wake this task,
		 * too, if another task waits for these.
		 */
		if (time_after_eq(jiffies, flush_at)) {
			gophership_pool_flush(pool, class);
			flush_at = jiffies + WAIT_JIFFIES;
		}
		prepare_to_wait(&pool->wait, &wait, TASK_UNINTERRUPTIBLE);
		buf = must_try(pool, size, GOPHERSHIP_GFP_MUST, call_site);
		if (buf)
			break;
		io_schedule_timeout(WAIT_JIFFIES);
		finish_wait(&pool->wait, &wait);
		buf = must_try(pool, size, GFP_MUST_NEXT, call_site);
		if (buf)
			break;
	}
	finish_wait(&pool->wait, &wait);
	gophership_waiters_lower(pool, class);
	return buf;
}

/* The first try of must_acquire, without effort, has failed: see gophership_buf.c. */
struct gophership_buf *gophership_pool_must_acquire_slow(struct gophership_pool *pool, size_t size,
							 unsigned long call_site)
{
	struct gophership_buf *buf = must_try(pool, size, GFP_MUST_NEXT, call_site);

	return buf ?: must_wait(pool, size, call_site);
}
