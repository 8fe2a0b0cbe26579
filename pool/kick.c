// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: work that any context may ask for.
 *
 * To queue a work takes the lock of its workqueue or of a timer, and to wake a task takes the
 * lock of a run queue. The caller may hold these locks. To queue an irq_work takes none. So
 * this file has the irq_works. The files above pass the work that they start.
 */
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pool/kick.h"

/* The ageing looks that often. */
#define AGE_SECONDS	5

/* The machine's counter of what lies idle follows that often. */
#define TELL_JIFFIES	max(HZ / 10, 1)

struct workqueue_struct *gophership_reclaim_wq __ro_after_init;

/* What is started; constant after init. */
static struct delayed_work *age_work __ro_after_init;
static struct delayed_work *limit_work __ro_after_init;
static struct delayed_work *tell_work __ro_after_init;

static void start_clock(struct irq_work *work)
{
	queue_delayed_work(system_power_efficient_wq, age_work, AGE_SECONDS * HZ);
}

static DEFINE_IRQ_WORK(clock_work, start_clock);

/*
 * Start the ageing: something may grow old now. Context: any, under any lock. (To queue a
 * delayed work takes a timer's lock, to queue an irq_work does not.)
 */
void gophership_kick_age(void)
{
	if (!delayed_work_pending(age_work))
		irq_work_queue(&clock_work);
}

static void start_limit(struct irq_work *work)
{
	/* Not for each buffer that is released above the limit. */
	queue_delayed_work(gophership_reclaim_wq, limit_work, 1);
}

static DEFINE_IRQ_WORK(hurry_work, start_limit);

/* Give back what is above max_cached_mb, soon. Context: any, under any lock. */
void gophership_kick_limit(void)
{
	if (!delayed_work_pending(limit_work))
		irq_work_queue(&hurry_work);
}

static void start_tell(struct irq_work *work)
{
	schedule_delayed_work(tell_work, TELL_JIFFIES);
}

static DEFINE_IRQ_WORK(tell_irq_work, start_tell);

/* Bring the machine's counter up to date, soon. Context: any, under any lock. */
void gophership_kick_tell(void)
{
	if (!delayed_work_pending(tell_work))
		irq_work_queue(&tell_irq_work);
}

static void wake_waiters(struct irq_work *work)
{
	wake_up_all(&container_of(work, struct gophership_pool, wake)->wait);
}

/* Wake waiters: a buffer of @class is where they find it. Context: any, under any lock. */
void gophership_kick_waiters(struct gophership_pool *pool, unsigned int class)
{
	if (unlikely(atomic_read(&pool->waiters[class])))
		irq_work_queue(&pool->wake);
}

static void start_refill(struct irq_work *work)
{
	schedule_work(&container_of(work, struct gophership_pool, refill_kick)->refill_work);
}

/* Have the refill work run, soon. Context: any, under any lock. */
void gophership_kick_refill(struct gophership_pool *pool)
{
	if (!work_pending(&pool->refill_work))
		irq_work_queue(&pool->refill_kick);
}

/* Before anything else knows of @pool. */
void gophership_kick_pool_init(struct gophership_pool *pool)
{
	init_irq_work(&pool->wake, wake_waiters);
	init_irq_work(&pool->refill_kick, start_refill);
}

/**
 * gophership_kick_init() - say what is to be started
 * @age: looks for what lay idle long enough
 * @limit: gives back what is above max_cached_mb
 * @tell: brings the machine's counter up to date
 *
 * Context: process, before the first pool.
 * Return: 0 or -ENOMEM.
 */
int __init gophership_kick_init(struct delayed_work *age, struct delayed_work *limit,
				struct delayed_work *tell)
{
	age_work = age;
	limit_work = limit;
	tell_work = tell;
	gophership_reclaim_wq = alloc_workqueue("gophership", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return gophership_reclaim_wq ? 0 : -ENOMEM;
}

/* No pool is left: what was asked for is started. Context: process. */
void gophership_kick_settle(void)
{
	irq_work_sync(&clock_work);
	irq_work_sync(&hurry_work);
	irq_work_sync(&tell_irq_work);
}

/* No work is left, and nothing starts one. Context: process. */
void gophership_kick_exit(void)
{
	destroy_workqueue(gophership_reclaim_wq);
}
