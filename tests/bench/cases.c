// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's cases: one timed stretch of each.
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "bench.h"

/* Operations before the clock starts: they fill caches and magazines. */
#define WARM_UP	(4 * BENCH_BURST)

struct bench_ring bench_ring;
void *bench_kept[BENCH_BURST];
u32 bench_sizes[BENCH_SIZES];

static const struct bench_case cases[] = {
	{ "cost", LOOP_COST, 1 },
	{ "pair", LOOP_PAIR, 1 },
	{ "burst64", LOOP_BURST, 1 },
	{ "bulk32", LOOP_BULK, 1 },
	{ "mixed", LOOP_MIXED, 1 },
	{ "must_acquire", LOOP_MUST, 1 },
	{ "two-cpus", LOOP_TWO, 2 },
	{ "producer-consumer", LOOP_PRODUCE, 2 },
	{ "miss", LOOP_TAKE, 1 },
};

/**
 * struct lane - what one CPU does in a stretch
 * @contender: whose
 * @loop: which of its loops
 * @n: operations
 * @start: how many lanes are yet to arrive at the start
 * @begin: when it started
 * @end: when it ended
 * @ok: no operation failed
 * @done: all of the above is there
 */
struct lane {
	const struct bench_contender *contender;
	enum bench_loop_kind loop;
	unsigned int n;
	atomic_t *start;
	u64 begin;
	u64 end;
	bool ok;
	struct completion done;
};

const struct bench_case *bench_case_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].name, name))
			return &cases[i];
	return NULL;
}

static void run_timed(struct lane *lane)
{
	bench_loop loop = lane->contender->loop[lane->loop];

	if (lane->contender->bottom_halves_off)
		local_bh_disable();
	lane->ok = loop(WARM_UP);
	atomic_dec(lane->start);
	while (atomic_read(lane->start))
		cpu_relax();
	lane->begin = ktime_get_ns();
	lane->ok = lane->ok && loop(lane->n);
	lane->end = ktime_get_ns();
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
		lane->begin = ktime_get_ns();
		lane->ok = contender->loop[LOOP_TAKE](BENCH_BURST);
		sum += ktime_get_ns() - lane->begin;
		if (!lane->ok)
			return;
		contender->loop[LOOP_GIVE](BENCH_BURST);
		cond_resched();
	}
	lane->begin = 0;
	lane->end = sum;
}

static int lane_thread(void *data)
{
	struct lane *lane = data;

	if (lane->loop == LOOP_TAKE)
		run_misses(lane);
	else
		run_timed(lane);
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
	struct task_struct *task[2];
	u64 begin = U64_MAX, end = 0;
	atomic_t start = ATOMIC_INIT(nr);
	bool ok = true;
	unsigned int i;

	for (i = 0; i < nr; i++) {
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
 * @bench_case: the case
 * @contender: by whom; one that has the loop
 * @n: operations per CPU; a multiple of BENCH_BURST
 *
 * Context: process.
 * Return: picoseconds per operation, or -ENOMEM if an operation failed. What two
 * CPUs do at once counts together.
 */
s64 bench_stretch(const struct bench_case *bench_case, const struct bench_contender *contender,
		  unsigned int n)
{
	unsigned int i, nr = contender->one_cpu ? 1 : bench_case->cpus;
	struct lane lanes[2];
	u64 operations = n;
	s64 ns;

	for (i = 0; i < nr; i++)
		lanes[i] = (struct lane){
			.contender = contender, .loop = bench_case->loop, .n = n,
		};
	if (bench_case->loop == LOOP_PRODUCE) {
		memset(&bench_ring, 0, sizeof(bench_ring));
		lanes[1].loop = LOOP_CONSUME;
	} else {
		operations *= nr;
	}
	ns = run_lanes(lanes, nr);
	return ns < 0 ? ns : (s64)div64_u64(ns * 1000ULL, operations);
}
