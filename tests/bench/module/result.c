// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's results: rounds of stretches, and medians and quartiles of
 * them. "low" and "high" are the quartiles of the rounds, the other figures the
 * medians; a ratio is taken within a round.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sort.h>

#include "bench.h"

static bool peers = true;
module_param(peers, bool, 0444);
MODULE_PARM_DESC(peers, "Run the peers, too (default on)");

struct figure {
	u64 low;
	u64 median;
	u64 high;
};

/**
 * struct result - of a contender in the last case
 * @contender: whose
 * @time: picoseconds per operation
 * @ratio: ours divided by its, in millionths
 * @irqs_off: as @time, with interrupts off throughout; 0: not taken
 * @locks: lock acquisitions per million operations; negative: not counted
 */
struct result {
	const struct bench_contender *contender;
	struct figure time;
	struct figure ratio;
	u64 irqs_off;
	s64 locks;
};

/* What the last run was and found; protected by the lock of main.c. */
static struct bench_request last;
static struct result results[BENCH_CONTENDERS];
static unsigned int nr_results;

static int compare_u64(const void *left, const void *right)
{
	u64 a = *(const u64 *)left, b = *(const u64 *)right;

	return a < b ? -1 : a > b;
}

static struct figure figure_of(u64 *values, unsigned int nr)
{
	sort(values, nr, sizeof(*values), compare_u64, NULL);
	return (struct figure){
		.low = values[nr / 4], .median = values[nr / 2], .high = values[nr - 1 - nr / 4],
	};
}

static void evaluate(u64 *times, unsigned int nr, unsigned int rounds, u64 *scratch)
{
	unsigned int i, round;

	for (i = 0; i < nr; i++) {
		for (round = 0; round < rounds; round++)
			scratch[round] = div64_u64(times[round] * 1000000,
						   max(times[i * rounds + round], 1ULL));
		results[i].ratio = figure_of(scratch, rounds);
	}
	/* These sort the times: last. */
	for (i = 0; i < nr; i++)
		results[i].time = figure_of(times + i * rounds, rounds);
}

static unsigned int choose_contenders(const struct bench_case *bench_case)
{
	unsigned int i, nr = 0;

	for (i = 0; i < bench_nr_contenders; i++)
		if (bench_contenders[i]->loop[bench_case->loop] &&
		    (peers || bench_contenders[i]->ours))
			results[nr++] = (struct result){
				.contender = bench_contenders[i], .locks = -1,
			};
	return nr;
}

/* Who comes first changes from round to round. */
static int run_round(const struct bench_request *request, unsigned int round,
		     enum bench_manner manner, unsigned int nr, unsigned int stride, u64 *times)
{
	unsigned int i, who;
	s64 time;

	for (i = 0; i < nr; i++) {
		who = (i + round) % nr;
		time = bench_stretch(request, results[who].contender, manner);
		if (time < 0)
			return time;
		times[who * stride] = time;
		cond_resched();
	}
	return signal_pending(current) ? -EINTR : 0;
}

/*
 * User-Mode Linux alone has the cheap way out of an interrupt save, and the need
 * for it. Misses may sleep, as may who calls another CPU; the nest case has its interrupts
 * off anyway.
 */
static bool wants_irqs_off(const struct bench_request *request)
{
	enum bench_loop_kind loop = request->bench_case->loop;

	return IS_ENABLED(CONFIG_UML) && loop != LOOP_TAKE && loop != LOOP_NEST &&
	       loop != LOOP_ACROSS;
}

static unsigned int irqs_off_rounds(const struct bench_request *request)
{
	return wants_irqs_off(request) ? DIV_ROUND_UP(request->rounds, 4) : 0;
}

/* @off has the times of each fourth round's second go, with interrupts off. */
static int run_rounds(const struct bench_request *request, unsigned int nr, u64 *times, u64 *off)
{
	unsigned int round, rounds_off = irqs_off_rounds(request);
	int err;

	for (round = 0; round < request->rounds; round++) {
		err = run_round(request, round, MANNER_PLAIN, nr, request->rounds, times + round);
		if (!err && rounds_off && round % 4 == 0)
			err = run_round(request, round, MANNER_IRQS_OFF, nr, rounds_off,
					off + round / 4);
		if (err)
			return err;
	}
	return 0;
}

static void evaluate_irqs_off(const struct bench_request *request, unsigned int nr, u64 *off)
{
	unsigned int i, rounds = irqs_off_rounds(request);

	for (i = 0; rounds && i < nr; i++)
		results[i].irqs_off = figure_of(off + i * rounds, rounds).median;
}

static int count_locks(const struct bench_request *request, unsigned int nr)
{
	unsigned int i;
	s64 locks;

	if (request->bench_case->loop == LOOP_NEST || bench_locks_arm())
		return 0;
	for (i = 0; i < nr; i++) {
		locks = bench_stretch(request, results[i].contender, MANNER_COUNT_LOCKS);
		results[i].locks = locks;
		if (locks < 0)
			break;
	}
	bench_locks_disarm();
	return i == nr ? 0 : -EIO;
}

/**
 * bench_run() - run a case, and keep what came out
 * @request: the case
 *
 * Return: 0, or what went wrong.
 */
int bench_run(const struct bench_request *request)
{
	unsigned int nr = choose_contenders(request->bench_case);
	u64 *times, *off;
	int err;

	nr_results = 0;
	times = kvcalloc((2 * nr + 1) * request->rounds, sizeof(*times), GFP_KERNEL);
	if (!times)
		return -ENOMEM;
	off = times + (nr + 1) * request->rounds;
	err = run_rounds(request, nr, times, off);
	if (!err) {
		evaluate(times, nr, request->rounds, times + nr * request->rounds);
		evaluate_irqs_off(request, nr, off);
	}
	if (!err)
		err = count_locks(request, nr);
	if (!err) {
		last = *request;
		nr_results = nr;
	}
	kvfree(times);
	return err;
}

/* " NAME=1.23" for 1230 picoseconds. */
void bench_show_nano(struct seq_file *seq, const char *name, u64 pico)
{
	u32 rest;
	u64 ns = div_u64_rem(pico, 1000, &rest);

	seq_printf(seq, " %s=%llu.%02u", name, ns, rest / 10);
}

static void show_millionths(struct seq_file *seq, const char *name, u64 value)
{
	u32 rest;
	u64 whole = div_u64_rem(value, 1000000, &rest);

	seq_printf(seq, " %s=%llu.%04u", name, whole, rest / 100);
}

static void show_extras(struct seq_file *seq, const char *who, const struct result *result)
{
	char name[32];

	if (result->irqs_off) {
		snprintf(name, sizeof(name), "%s_irqs_off", who);
		bench_show_nano(seq, name, result->irqs_off);
	}
	if (result->locks >= 0) {
		snprintf(name, sizeof(name), "%s_locks", who);
		show_millionths(seq, name, result->locks);
	}
}

static void show_result(struct seq_file *seq, const struct result *ours,
			const struct result *theirs)
{
	seq_printf(seq, "bench case=%s peer=%s cpus=%u rounds=%u iterations=%u",
		   last.bench_case->name, theirs->contender->name, last.cpus, last.rounds,
		   last.iterations);
	bench_show_nano(seq, "ours", ours->time.median);
	bench_show_nano(seq, "theirs", theirs->time.median);
	show_millionths(seq, "ratio", theirs->ratio.median);
	show_millionths(seq, "ratio_low", theirs->ratio.low);
	show_millionths(seq, "ratio_high", theirs->ratio.high);
	bench_show_nano(seq, "ours_low", ours->time.low);
	bench_show_nano(seq, "ours_high", ours->time.high);
	bench_show_nano(seq, "theirs_low", theirs->time.low);
	bench_show_nano(seq, "theirs_high", theirs->time.high);
	show_extras(seq, "ours", ours);
	show_extras(seq, "theirs", theirs);
	seq_putc(seq, '\n');
}

/* A line for each contender; the first is ours (or, of the costs, none is). */
void bench_results_show(struct seq_file *seq)
{
	unsigned int i;

	for (i = 0; i < nr_results; i++)
		show_result(seq, &results[0], &results[i]);
}
