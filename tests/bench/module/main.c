// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's module: its files in /sys/kernel/debug/gophership_bench.
 *
 * A line written to "run" is done at once:
 *
 *   case NAME ROUNDS ITERATIONS [CPUS]  a case, by all contenders
 *   pairs N       pairs of ours, by the task that writes, traced
 *   plant         one allocation and its free, by kmalloc and by page, likewise
 *   hold N        have N buffers on loan from here on
 *   pools N       make N pools, use and destroy them
 *
 * Traced is what is done and nothing of the way to it; the events are for who
 * writes to choose.
 *
 * "results" has what came out of the last case, a line for each contender, in
 * nanoseconds per operation:
 *
 *   bench case=pair peer=kmem_cache cpus=1 ours=8.41 theirs=28.60 ratio=0.294 ...
 *
 * "scale" has the times of hold and pools, "footprint" what the pool's
 * structures take.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "loops.h"

/* One command or reader at a time. */
static DEFINE_MUTEX(lock);
static struct dentry *directory;

static int run_case(const char *line)
{
	struct bench_request request = {};
	char name[32];
	int nr;

	nr = sscanf(line, "case %31s %u %u %u", name, &request.rounds, &request.iterations,
		    &request.cpus);
	if (nr < 3)
		return -EINVAL;
	request.bench_case = bench_case_find(name);
	if (!request.bench_case || !request.rounds || request.rounds > BENCH_ROUNDS ||
	    request.iterations < BENCH_DEEP || request.iterations > 10000000)
		return -EINVAL;
	request.iterations = round_down(request.iterations, BENCH_DEEP);
	if (nr < 4)
		request.cpus = request.bench_case->cpus;
	if (!request.cpus || request.cpus > min_t(unsigned int, num_online_cpus(), BENCH_CPUS))
		return -ENODEV;
	if (request.bench_case->loop == LOOP_PRODUCE && request.cpus % 2)
		return -EINVAL;
	return bench_run(&request);
}

static int traced(const struct bench_contender *contender, unsigned int n)
{
	/* Fills caches and magazines of this CPU. */
	bool ok = contender->loop[LOOP_PAIR](BENCH_DEEP);

	tracing_on();
	ok = ok && contender->loop[LOOP_PAIR](n);
	tracing_off();
	return ok ? 0 : -EIO;
}

static int plant(void)
{
	return traced(&bench_kmalloc, 1) ?: traced(&bench_alloc_pages, 1);
}

static int run_line(const char *line)
{
	unsigned int n;

	if (sscanf(line, "pairs %u", &n) == 1)
		return traced(&bench_ours, n);
	if (sscanf(line, "hold %u", &n) == 1)
		return bench_hold(n);
	if (sscanf(line, "pools %u", &n) == 1 && n)
		return bench_pools(n);
	if (sysfs_streq(line, "plant"))
		return plant();
	return run_case(line);
}

static ssize_t run_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char line[64];
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, len))
		return -EFAULT;
	line[len] = '\0';
	err = mutex_lock_interruptible(&lock);
	if (err)
		return err;
	err = run_line(line);
	mutex_unlock(&lock);
	return err ? err : len;
}

static const struct file_operations run_operations = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = run_write,
};

static int results_show(struct seq_file *seq, void *unused)
{
	mutex_lock(&lock);
	bench_results_show(seq);
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(results);

static int scale_show(struct seq_file *seq, void *unused)
{
	mutex_lock(&lock);
	bench_scale_show(seq);
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(scale);

static int footprint_show(struct seq_file *seq, void *unused)
{
	mutex_lock(&lock);
	bench_footprint_show(seq);
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(footprint);

static void choose_sizes(void)
{
	struct rnd_state state;
	unsigned int i;

	/* The same in every run. */
	prandom_seed_state(&state, 1);
	for (i = 0; i < BENCH_SIZES; i++)
		bench_sizes[i] = 1 + prandom_u32_state(&state) % SZ_64K;
}

static void contenders_exit(void)
{
	bench_dma_exit();
	bench_objpool_exit();
	bench_page_pool_exit();
	bench_pages_exit();
	bench_slab_exit();
	bench_ours_exit();
}

static int contenders_init(void)
{
	int err;

	err = bench_ours_init();
	if (!err)
		err = bench_slab_init();
	if (!err)
		err = bench_page_pool_init();
	if (!err)
		err = bench_objpool_init();
	if (!err)
		err = bench_dma_init();
	if (err)
		contenders_exit();
	return err;
}

static int __init bench_init(void)
{
	int err;

	choose_sizes();
	err = contenders_init();
	if (err)
		return err;
	directory = debugfs_create_dir("gophership_bench", NULL);
	if (IS_ERR(directory)) {
		contenders_exit();
		return PTR_ERR(directory);
	}
	debugfs_create_file("run", 0200, directory, NULL, &run_operations);
	debugfs_create_file("results", 0400, directory, NULL, &results_fops);
	debugfs_create_file("scale", 0400, directory, NULL, &scale_fops);
	debugfs_create_file("footprint", 0400, directory, NULL, &footprint_fops);
	return 0;
}

static void __exit bench_exit(void)
{
	debugfs_remove(directory);
	bench_scale_exit();
	contenders_exit();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("GopherShip buffer pool: the speed lab");
MODULE_LICENSE("GPL");
