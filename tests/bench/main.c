// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's module: rounds and results.
 *
 * "CASE ROUNDS ITERATIONS" written to /sys/kernel/debug/gophership_bench/run
 * runs a case; results has what came out of the last one, a line for each peer:
 *
 *   bench case=pair peer=kmem_cache cpus=2 ours=8.41 theirs=28.60 ratio=0.294 ...
 *
 * in nanoseconds per operation. "low" and "high" are the quartiles of the
 * rounds, the other figures the medians; a ratio is taken within a round.
 * The case "cost" has the loop, clock and interrupt costs, as "theirs".
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "bench.h"

/* Median and quartiles. */
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
 */
struct result {
	const struct bench_contender *contender;
	struct figure time;
	struct figure ratio;
};

/* What the last run was and found; protected by the lock. */
static DEFINE_MUTEX(lock);
static const struct bench_case *last_case;
static unsigned int last_rounds, last_iterations, nr_results;
static struct result results[BENCH_CONTENDERS];

static struct dentry *directory;

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
		if (bench_contenders[i]->loop[bench_case->loop] && nr < BENCH_CONTENDERS)
			results[nr++].contender = bench_contenders[i];
	return nr;
}

/* Who comes first changes from round to round. */
static int run_rounds(const struct bench_case *bench_case, unsigned int nr, unsigned int rounds,
		      unsigned int iterations, u64 *times)
{
	unsigned int round, i, who;
	s64 time;

	for (round = 0; round < rounds; round++) {
		for (i = 0; i < nr; i++) {
			who = (i + round) % nr;
			time = bench_stretch(bench_case, results[who].contender, iterations);
			if (time < 0)
				return time;
			times[who * rounds + round] = time;
			cond_resched();
		}
		if (signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static int run_case(const struct bench_case *bench_case, unsigned int rounds,
		    unsigned int iterations)
{
	unsigned int nr = choose_contenders(bench_case);
	u64 *times;
	int err;

	nr_results = 0;
	times = kvcalloc((nr + 1) * rounds, sizeof(*times), GFP_KERNEL);
	if (!times)
		return -ENOMEM;
	err = run_rounds(bench_case, nr, rounds, iterations, times);
	if (!err) {
		evaluate(times, nr, rounds, times + nr * rounds);
		last_case = bench_case;
		last_rounds = rounds;
		last_iterations = iterations;
		nr_results = nr;
	}
	kvfree(times);
	return err;
}

static ssize_t run_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char line[64], name[32];
	const struct bench_case *bench_case;
	unsigned int rounds, iterations;
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, len))
		return -EFAULT;
	line[len] = '\0';
	if (sscanf(line, "%31s %u %u", name, &rounds, &iterations) != 3)
		return -EINVAL;
	bench_case = bench_case_find(name);
	if (!bench_case || !rounds || rounds > BENCH_ROUNDS || iterations < BENCH_BURST ||
	    iterations > 10000000)
		return -EINVAL;
	if (bench_case->cpus > num_online_cpus())
		return -ENODEV;
	err = mutex_lock_interruptible(&lock);
	if (err)
		return err;
	err = run_case(bench_case, rounds, round_down(iterations, BENCH_BURST));
	mutex_unlock(&lock);
	return err ? err : len;
}

static const struct file_operations run_operations = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = run_write,
};

static void show_time(struct seq_file *seq, const char *name, u64 time)
{
	u32 rest;
	u64 ns = div_u64_rem(time, 1000, &rest);

	seq_printf(seq, " %s=%llu.%02u", name, ns, rest / 10);
}

static void show_ratio(struct seq_file *seq, const char *name, u64 ratio)
{
	u32 rest;
	u64 whole = div_u64_rem(ratio, 1000000, &rest);

	seq_printf(seq, " %s=%llu.%03u", name, whole, rest / 1000);
}

static void show_result(struct seq_file *seq, const struct result *ours,
			const struct result *theirs)
{
	seq_printf(seq, "bench case=%s peer=%s cpus=%u rounds=%u iterations=%u", last_case->name,
		   theirs->contender->name, num_online_cpus(), last_rounds, last_iterations);
	show_time(seq, "ours", ours->time.median);
	show_time(seq, "theirs", theirs->time.median);
	show_ratio(seq, "ratio", theirs->ratio.median);
	show_ratio(seq, "ratio_low", theirs->ratio.low);
	show_ratio(seq, "ratio_high", theirs->ratio.high);
	show_time(seq, "ours_low", ours->time.low);
	show_time(seq, "ours_high", ours->time.high);
	show_time(seq, "theirs_low", theirs->time.low);
	show_time(seq, "theirs_high", theirs->time.high);
	seq_putc(seq, '\n');
}

static int results_show(struct seq_file *seq, void *unused)
{
	unsigned int i, first;

	mutex_lock(&lock);
	/* The costs have no opponent. */
	first = nr_results && last_case->loop == LOOP_COST ? 0 : 1;
	for (i = first; i < nr_results; i++)
		show_result(seq, &results[0], &results[i]);
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(results);

static void choose_sizes(void)
{
	struct rnd_state state;
	unsigned int i;

	/* The same in every run. */
	prandom_seed_state(&state, 1);
	for (i = 0; i < BENCH_SIZES; i++)
		bench_sizes[i] = 1 + prandom_u32_state(&state) % SZ_64K;
}

static int __init bench_init(void)
{
	int err;

	choose_sizes();
	err = bench_peers_init();
	if (err)
		return err;
	directory = debugfs_create_dir("gophership_bench", NULL);
	if (IS_ERR(directory)) {
		bench_peers_exit();
		return PTR_ERR(directory);
	}
	debugfs_create_file("run", 0200, directory, NULL, &run_operations);
	debugfs_create_file("results", 0400, directory, NULL, &results_fops);
	return 0;
}

static void __exit bench_exit(void)
{
	debugfs_remove(directory);
	bench_peers_exit();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("GopherShip buffer pool: the speed lab");
MODULE_LICENSE("GPL");
