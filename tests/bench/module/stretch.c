// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's stretches: one timed run of a case by one contender, on one
 * CPU or on several at once.
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "loops.h"

struct bench_ring bench_ring[BENCH_CPUS / 2];
void *bench_kept[BENCH_BURST];
void *bench_many[BENCH_CPUS][BENCH_STOCK];
u32 bench_sizes[BENCH_SIZES];

/**
 * struct lane - what one CPU does in a stretch
 * @contender: whose
 * @loop: which of its loops
 * @manner: how
 * @n: operations
 * @stock: how many lanes are yet to have their stock
 * @start: how many lanes are yet to arrive at the start
 * @begin: when it started
 * @end: when it ended
 * @ok: no operation failed
 * @done: all of the above is there
 */
struct lane {
	const struct bench_contender *contender;
	enum bench_loop_kind loop;
	enum bench_manner manner;
	unsigned int n;
	atomic_t *stock;
	atomic_t *start;
	u64 begin;
	u64 end;
	bool ok;
	struct completion done;
};

static void wait_for_all(atomic_t *missing)
{
	atomic_dec(missing);
	while (atomic_read(missing))
		cpu_relax();
}

/*
 * As much in the pool as all CPUs can come to need at once: else it would have to ask
 * the page allocator as soon as their bursts come together, which is another case.
 */
static bool stock_up(struct lane *lane)
{
	const struct bench_contender *contender = lane->contender;
	bool ok;

	if (lane->loop != LOOP_DEEP || !contender->loop[LOOP_STOCK])
		return true;
	ok = contender->loop[LOOP_STOCK](BENCH_STOCK);
	wait_for_all(lane->stock);
	return ok && contender->loop[LOOP_UNSTOCK](BENCH_STOCK);
}

static bool loop_counted(bench_loop loop, unsigned int n)
{
	bool ok;

	bench_locks_count(true);
	ok = loop(n);
	bench_locks_count(false);
	return ok;
}

static void run_timed(struct lane *lane)
{
	bench_loop loop = lane->contender->loop[lane->loop];
	bool irqs_off = lane->manner == MANNER_IRQS_OFF;

	if (lane->contender->bottom_halves_off)
		local_bh_disable();
	/* Fills caches and magazines. */
	lane->ok = stock_up(lane) && loop(BENCH_DEEP);
	wait_for_all(lane->start);
	if (irqs_off)
		local_irq_disable();
	lane->begin = ktime_get_ns();
	if (lane->manner == MANNER_COUNT_LOCKS)
		lane->ok = lane->ok && loop_counted(loop, lane->n);
	else
		lane->ok = lane->ok && loop(lane->n);
	lane->end = ktime_get_ns();
	if (irqs_off)
		local_irq_enable();
	if (lane->contender->bottom_halves_off)
		local_bh_enable();
}

/*
 * The first buffers from a cold pool, again and again. The two looks at the
 * clock are in the figure, by a BENCH_BURST-th of what they take.
 */
static void run_misses(struct lane *lane)
{
	const struct bench_contender *contender = lane->contender;
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < lane->n / BENCH_BURST; i++) {
		contender->chill();
		bench_locks_count(lane->manner == MANNER_COUNT_LOCKS);
		lane->begin = ktime_get_ns();
		lane->ok = contender->loop[LOOP_TAKE](BENCH_BURST);
		sum += ktime_get_ns() - lane->begin;
		bench_locks_count(false);
		if (!lane->ok)
			return;
		contender->loop[LOOP_GIVE](BENCH_BURST);
		cond_resched();
	}
	lane->begin = 0;
	lane->end = sum;
}

struct give_back {
	const struct bench_contender *contender;
	bool count_locks;
	bool ok;
	u64 ns;
};

static int give_back_here(void *data)
{
	struct give_back *give = data;
	u64 begin;

	bench_locks_count(give->count_locks);
	begin = ktime_get_ns();
	give->ok = give->contender->loop[LOOP_BACK](BENCH_BURST);
	give->ns = ktime_get_ns() - begin;
	bench_locks_count(false);
	return 0;
}

/*
 * Buffers of this CPU that another one gives back; neither ever waits for the
 * other with the clock on.
 */
static void run_across(struct lane *lane)
{
	struct give_back give = {
		.contender = lane->contender,
		.count_locks = lane->manner == MANNER_COUNT_LOCKS,
	};
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < lane->n / BENCH_BURST; i++) {
		bench_locks_count(give.count_locks);
		lane->begin = ktime_get_ns();
		lane->ok = lane->contender->loop[LOOP_ACROSS](BENCH_BURST);
		sum += ktime_get_ns() - lane->begin;
		bench_locks_count(false);
		if (!lane->ok || smp_call_on_cpu(1, give_back_here, &give, false) || !give.ok) {
			lane->ok = false;
			return;
		}
		sum += give.ns;
	}
	lane->begin = 0;
	lane->end = sum;
}

static void run_nested(struct lane *lane)
{
	s64 ns = bench_nest_run(lane->contender, lane->n);

	lane->ok = ns >= 0;
	lane->begin = 0;
	lane->end = ns;
}

static int lane_thread(void *data)
{
	struct lane *lane = data;

	switch (lane->loop) {
	case LOOP_TAKE:
		run_misses(lane);
		break;
	case LOOP_ACROSS:
		run_across(lane);
		break;
	case LOOP_NEST:
		run_nested(lane);
		break;
	default:
		run_timed(lane);
	}
	complete(&lane->done);
	/* The module's code must not go before this has left it. */
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static struct task_struct *lane_create(struct lane *lane, unsigned int cpu)
{
	struct task_struct *task;

	task = kthread_create(lane_thread, lane, "gophership_bench/%u", cpu);
	if (!IS_ERR(task))
		kthread_bind(task, cpu);
	return task;
}

/* All lanes at once, on CPU 0 and up; the time they took, or an error. */
static s64 run_lanes(struct lane *lanes, unsigned int nr)
{
	struct task_struct *task[BENCH_CPUS];
	u64 begin = U64_MAX, end = 0;
	atomic_t stock = ATOMIC_INIT(nr), start = ATOMIC_INIT(nr);
	bool ok = true;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		lanes[i].stock = &stock;
		lanes[i].start = &start;
		init_completion(&lanes[i].done);
		task[i] = lane_create(&lanes[i], i);
		if (!IS_ERR(task[i]))
			continue;
		/* One that never ran is stopped without having run. */
		while (i--)
			kthread_stop(task[i]);
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++)
		wake_up_process(task[i]);
	for (i = 0; i < nr; i++) {
		wait_for_completion(&lanes[i].done);
		kthread_stop(task[i]);
		begin = min(begin, lanes[i].begin);
		end = max(end, lanes[i].end);
		ok = ok && lanes[i].ok;
	}
	return ok ? end - begin : -ENOMEM;
}

/**
 * bench_stretch() - run and time a case once
 * @request: what
 * @contender: by whom; one that has the loop
 * @manner: how
 *
 * What several CPUs do at once counts together. Producers and consumers do one
 * operation between the two of them.
 *
 * Context: process; one at a time.
 * Return: picoseconds per operation; with MANNER_COUNT_LOCKS locks per million
 * operations; or -ENOMEM if an operation failed.
 */
s64 bench_stretch(const struct bench_request *request, const struct bench_contender *contender,
		  enum bench_manner manner)
{
	unsigned int i, nr = contender->one_cpu ? 1 : request->cpus;
	enum bench_loop_kind loop = request->bench_case->loop;
	u64 operations = (u64)request->iterations * nr, locks;
	struct lane *lanes;
	s64 ns;

	lanes = kcalloc(nr, sizeof(*lanes), GFP_KERNEL);
	if (!lanes)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		lanes[i] = (struct lane){
			.contender = contender, .loop = loop, .n = request->iterations,
			.manner = manner,
		};
	if (loop == LOOP_PRODUCE) {
		memset(&bench_ring, 0, sizeof(bench_ring));
		for (i = 1; i < nr; i += 2)
			lanes[i].loop = LOOP_CONSUME;
		operations /= 2;
	}
	locks = bench_locks_counted();
	ns = run_lanes(lanes, nr);
	locks = bench_locks_counted() - locks;
	kfree(lanes);
	if (ns < 0)
		return ns;
	if (manner == MANNER_COUNT_LOCKS)
		return div64_u64(locks * 1000000ULL, operations);
	return div64_u64(ns * 1000ULL, operations);
}
