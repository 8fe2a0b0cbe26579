// SPDX-License-Identifier: GPL-2.0
/*
 * Acquire and release on top of acquire and release: interrupts of every kind
 * that use the pool while the process they came upon is in the middle of it.
 * (Non-maskable ones: tests/driver.)
 *
 * The process and the interrupts exchange their buffers in a locker, so that
 * one releases what the other acquired, and a ledger notices any buffer that
 * two of them have at once.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/timer.h>

#include "support.h"

#define LOCKER	16
/* So many, so that some find the pool in the middle of something. */
#define INTERRUPTS	500

struct scene {
	struct gk_ledger ledger;
	size_t size;
	struct gophership_buf *locker[LOCKER];
	bool process_done;
	atomic_t visits;
	atomic_t interrupts;	/* of those, the ones in the right context */
	atomic_t empty_handed;	/* visits that got nothing */
	struct hrtimer hrtimer;
	struct timer_list timer;
	struct tasklet_struct tasklet;
	struct irq_work irq_work;
};

static void put_in_locker(struct scene *scene, unsigned int place, struct gophership_buf *buf)
{
	buf = xchg(&scene->locker[place % LOCKER], buf);
	if (buf)
		gk_give(&scene->ledger, buf);
}

/* What an interrupt does: two in hand, one released, one left in the locker. */
static void visit(struct scene *scene)
{
	unsigned int nr = atomic_inc_return(&scene->visits);
	struct gophership_buf *a = gk_take(&scene->ledger, scene->size, GFP_ATOMIC);
	struct gophership_buf *b = gk_take(&scene->ledger, scene->size, GFP_NOWAIT);

	/* With interrupts off only the first one vouches for where it is. */
	if (!a || (!b && !irqs_disabled()))
		atomic_inc(&scene->empty_handed);
	if (a)
		gk_give(&scene->ledger, a);
	put_in_locker(scene, nr, b);
}

/* An idle CPU takes what is sent to it without an interrupt: not counted. */
static void hardirq_visit(struct scene *scene)
{
	visit(scene);
	if (in_hardirq())
		atomic_inc(&scene->interrupts);
}

static void softirq_visit(struct scene *scene)
{
	visit(scene);
	if (in_serving_softirq())
		atomic_inc(&scene->interrupts);
}

/* The process path, until there were that many interrupts. */
static void hammer(struct scene *scene, int interrupts)
{
	unsigned long end = jiffies + 200 * HZ;
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; atomic_read(&scene->interrupts) < interrupts; i++) {
		if (time_after(jiffies, end))
			break;
		buf = gk_take(&scene->ledger, scene->size, GFP_KERNEL);
		if (!buf)
			continue;
		if (i % 8 == 0)
			put_in_locker(scene, i / 8, buf);
		else
			gk_give(&scene->ledger, buf);
	}
	WRITE_ONCE(scene->process_done, true);
}

static struct scene *make_scene(struct kunit *test, size_t size)
{
	struct scene *scene = kunit_kzalloc(test, sizeof(*scene), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scene);
	gk_ledger_init(&scene->ledger);
	scene->size = size;
	return scene;
}

/* On PREEMPT_RT an interrupt can have what is cached and nothing else. */
static void expect_served(struct kunit *test, struct scene *scene)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		KUNIT_EXPECT_EQ(test, atomic_read(&scene->empty_handed), 0);
}

static void judge_scene(struct kunit *test, struct scene *scene, int interrupts)
{
	unsigned int i;

	for (i = 0; i < LOCKER; i++)
		put_in_locker(scene, i, NULL);
	kunit_info(test, "%d interrupts, %d buffers taken, %d times none to be had",
		   atomic_read(&scene->interrupts), atomic_read(&scene->ledger.taken),
		   atomic_read(&scene->empty_handed));
	gk_ledger_expect_clean(test, &scene->ledger);
	KUNIT_EXPECT_GE(test, atomic_read(&scene->interrupts), interrupts);
	expect_served(test, scene);
	gk_expect_sound(test, GK_MACHINE, scene->size);
}

/* Hard interrupts that another CPU sends, at moments of no pattern. */

static void ipi(void *arg)
{
	hardirq_visit(arg);
}

static void ipi_main(unsigned int id, void *arg)
{
	struct scene *scene = arg;
	unsigned int i = 0;

	if (id == 1) {
		hammer(scene, INTERRUPTS);
		return;
	}
	while (!READ_ONCE(scene->process_done)) {
		smp_call_function_single(1, ipi, scene, true);
		ndelay(i++ % 500);
		if (i % 64 == 0)
			cond_resched();
	}
}

static void context_ipi(struct kunit *test)
{
	struct scene *scene = make_scene(test, 1);

	gk_run(test, 2, ipi_main, scene);
	judge_scene(test, scene, INTERRUPTS);
}

/* The same with magazines of a few buffers, that change all the time. */
static void context_ipi_largest_class(struct kunit *test)
{
	struct scene *scene = make_scene(test, GOPHERSHIP_MAX_POOLED);

	gk_run(test, 2, ipi_main, scene);
	judge_scene(test, scene, INTERRUPTS);
}

/* Large buffers, which are allocated and freed in the interrupt. */
static void context_ipi_large(struct kunit *test)
{
	struct scene *scene = make_scene(test, 1);
	struct gophership_buf *buf;

	scene->size = GOPHERSHIP_MAX_POOLED + 1;
	buf = gk_take(&scene->ledger, scene->size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	gk_give(&scene->ledger, buf);
	smp_call_function_single(1, ipi, scene, true);
	smp_call_function_single(0, ipi, scene, true);
	put_in_locker(scene, 1, NULL);
	put_in_locker(scene, 2, NULL);
	gk_ledger_expect_clean(test, &scene->ledger);
	expect_served(test, scene);
	KUNIT_EXPECT_EQ(test, atomic_read(&scene->visits), 2);
}

/* Hard interrupts of the CPU's own clock. */

static enum hrtimer_restart hrtimer_tick(struct hrtimer *hrtimer)
{
	struct scene *scene = container_of(hrtimer, struct scene, hrtimer);

	hardirq_visit(scene);
	if (READ_ONCE(scene->process_done))
		return HRTIMER_NORESTART;
	hrtimer_forward_now(hrtimer, ns_to_ktime(50000 + atomic_read(&scene->visits) % 97 * 100));
	return HRTIMER_RESTART;
}

static void hrtimer_main(unsigned int id, void *arg)
{
	struct scene *scene = arg;

	hrtimer_setup(&scene->hrtimer, hrtimer_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_start(&scene->hrtimer, us_to_ktime(50), HRTIMER_MODE_REL_PINNED_HARD);
	hammer(scene, INTERRUPTS);
	hrtimer_cancel(&scene->hrtimer);
}

static void context_hrtimer(struct kunit *test)
{
	struct scene *scene = make_scene(test, gk_capacity(1));

	gk_run(test, 1, hrtimer_main, scene);
	judge_scene(test, scene, INTERRUPTS);
}

static void irq_work_visit(struct irq_work *work)
{
	hardirq_visit(container_of(work, struct scene, irq_work));
}

static void irq_work_main(unsigned int id, void *arg)
{
	struct scene *scene = arg;
	unsigned int i;

	/* On PREEMPT_RT, too, an interrupt and not a thread. */
	scene->irq_work = IRQ_WORK_INIT_HARD(irq_work_visit);
	for (i = 0; i < 50; i++) {
		irq_work_queue(&scene->irq_work);
		hammer(scene, i + 1);
	}
	irq_work_sync(&scene->irq_work);
}

static void context_irq_work(struct kunit *test)
{
	struct scene *scene = make_scene(test, gk_capacity(0));

	gk_run(test, 1, irq_work_main, scene);
	judge_scene(test, scene, 50);
}

/* Soft interrupts: a timer, and a tasklet that hard interrupts schedule. */

static void timer_tick(struct timer_list *timer)
{
	struct scene *scene = container_of(timer, struct scene, timer);

	softirq_visit(scene);
	if (!READ_ONCE(scene->process_done))
		mod_timer(timer, jiffies);
}

static void timer_main(unsigned int id, void *arg)
{
	struct scene *scene = arg;

	timer_setup(&scene->timer, timer_tick, TIMER_PINNED);
	mod_timer(&scene->timer, jiffies);
	hammer(scene, 50);
	timer_shutdown_sync(&scene->timer);
}

static void context_timer(struct kunit *test)
{
	struct scene *scene = make_scene(test, gk_capacity(2));

	gk_run(test, 1, timer_main, scene);
	judge_scene(test, scene, 50);
}

static void tasklet_visit(struct tasklet_struct *tasklet)
{
	softirq_visit(container_of(tasklet, struct scene, tasklet));
}

static void tasklet_ipi(void *arg)
{
	struct scene *scene = arg;

	tasklet_schedule(&scene->tasklet);
	visit(scene);
}

static void tasklet_main(unsigned int id, void *arg)
{
	struct scene *scene = arg;

	if (id == 1) {
		hammer(scene, INTERRUPTS);
		return;
	}
	while (!READ_ONCE(scene->process_done)) {
		smp_call_function_single(1, tasklet_ipi, scene, true);
		cond_resched();
	}
}

/* Three deep: a hard interrupt, a soft one behind it, and the process. */
static void context_tasklet(struct kunit *test)
{
	struct scene *scene = make_scene(test, gk_capacity(1));

	tasklet_setup(&scene->tasklet, tasklet_visit);
	gk_run(test, 2, tasklet_main, scene);
	tasklet_kill(&scene->tasklet);
	judge_scene(test, scene, INTERRUPTS);
}

/* Nothing cached: the interrupt asks the page allocator, but not on PREEMPT_RT. */
static void context_cold(struct kunit *test)
{
	struct scene *scene = make_scene(test, gk_capacity(3));
	u64 misses = gk_stats(GK_MACHINE, 3).misses;

	gophership_pool_trim(GK_MACHINE);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 3).cached, 0);
	smp_call_function_single(1, ipi, scene, true);
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 3).misses, misses);
		KUNIT_EXPECT_EQ(test, atomic_read(&scene->empty_handed), 1);
		return;
	}
	KUNIT_EXPECT_GT(test, gk_stats(GK_MACHINE, 3).misses, misses);
	judge_scene(test, scene, 0);
}

/* More released in interrupts than the magazines have room for. */

struct flood {
	struct gophership_buf *bufs[600];
	unsigned int refused;
};

static void flood_ipi(void *arg)
{
	struct flood *flood = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flood->bufs); i++)
		flood->refused += !!gophership_buf_release(flood->bufs[i]);
}

static void context_flood(struct kunit *test)
{
	struct flood *flood = kunit_kzalloc(test, sizeof(*flood), GFP_KERNEL);
	unsigned int nr = ARRAY_SIZE(flood->bufs);

	KUNIT_ASSERT_NOT_NULL(test, flood);
	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, nr, flood->bufs), nr);
	smp_call_function_single(1, flood_ipi, flood, true);
	KUNIT_EXPECT_EQ(test, flood->refused, 0);
	gk_expect_sound(test, GK_MACHINE, 1);
}

/* Bulk calls on top of bulk calls. */

static void bulk_ipi(void *arg)
{
	struct scene *scene = arg;
	struct gophership_buf *bufs[24];
	unsigned int nr, i;

	if (in_hardirq())
		atomic_inc(&scene->interrupts);
	nr = gophership_buf_acquire_bulk(scene->size, GFP_ATOMIC, ARRAY_SIZE(bufs), bufs);
	for (i = 0; i < nr; i++)
		gk_note(&scene->ledger, bufs[i], scene->size);
	for (i = 0; i < nr; i++)
		gk_forget(&scene->ledger, bufs[i]);
	if (gophership_buf_release_bulk(bufs, nr) != nr)
		atomic_inc(&scene->ledger.refused);
}

static void bulk_main(unsigned int id, void *arg)
{
	struct scene *scene = arg;
	unsigned long end = jiffies + 200 * HZ;

	if (id == 1) {
		while (atomic_read(&scene->interrupts) < INTERRUPTS && time_before(jiffies, end)) {
			bulk_ipi(scene);
			cond_resched();
		}
		WRITE_ONCE(scene->process_done, true);
	}
	while (!READ_ONCE(scene->process_done)) {
		smp_call_function_single(1, bulk_ipi, scene, true);
		cond_resched();
	}
}

static void context_bulk(struct kunit *test)
{
	struct scene *scene = make_scene(test, gk_capacity(1));

	gk_run(test, 2, bulk_main, scene);
	judge_scene(test, scene, INTERRUPTS);
}

/*
 * Neither preemption nor interrupts, nor a lock held, are in the way. (On
 * PREEMPT_RT such a one has what this CPU has cached, and this may be another one
 * by now.)
 */
static void context_atomic(struct kunit *test)
{
	static DEFINE_RAW_SPINLOCK(lock);
	struct gk_ledger ledger;
	struct gophership_buf *buf;
	unsigned int i, served = 0;
	unsigned long flags;

	gk_ledger_init(&ledger);
	for (i = 0; i < 1000; i++) {
		raw_spin_lock_irqsave(&lock, flags);
		buf = gk_take(&ledger, gk_capacity(i % 5), GFP_ATOMIC);
		if (buf)
			gk_give(&ledger, buf);
		raw_spin_unlock_irqrestore(&lock, flags);
		served += !!buf;
		local_bh_disable();
		buf = gk_take(&ledger, gk_capacity(i % 5), GFP_NOWAIT);
		local_bh_enable();
		KUNIT_ASSERT_NOT_NULL(test, buf);
		preempt_disable();
		gk_give(&ledger, buf);
		preempt_enable();
	}
	KUNIT_EXPECT_GE(test, served, IS_ENABLED(CONFIG_PREEMPT_RT) ? 900 : 1000);
	gk_ledger_expect_clean(test, &ledger);
}

static struct kunit_case context_cases[] = {
	KUNIT_CASE(context_ipi),
	KUNIT_CASE(context_ipi_largest_class),
	KUNIT_CASE(context_ipi_large),
	KUNIT_CASE(context_hrtimer),
	KUNIT_CASE(context_irq_work),
	KUNIT_CASE(context_timer),
	KUNIT_CASE(context_tasklet),
	KUNIT_CASE(context_cold),
	KUNIT_CASE(context_flood),
	KUNIT_CASE(context_bulk),
	KUNIT_CASE(context_atomic),
	{}
};

static struct kunit_suite context_suite = {
	.name = "gophership_context",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = context_cases,
};

kunit_test_suite(context_suite);
