// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's scale: many buffers on loan, and many pools.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bench.h"
#include "gophership_buf.h"

/* Times that the pools are gone through. */
#define TURNS	8

/* All of it is protected by the lock of main.c. */
static struct gophership_buf **held;
static unsigned int nr_held;
static struct gophership_pool **pools;
static unsigned int nr_pools;

/* Picoseconds per buffer, pool or pair, of the last time. */
static u64 acquire_time, release_time, create_time, pair_time, destroy_time;

static u64 each(u64 begin, unsigned int nr)
{
	return nr ? div_u64((ktime_get_ns() - begin) * 1000, nr) : 0;
}

static int let_go(void)
{
	u64 begin = ktime_get_ns();
	unsigned int i, done = 0;

	for (i = 0; i < nr_held; i++) {
		done += !gophership_buf_release(held[i]);
		if (i % 1024 == 0)
			cond_resched();
	}
	release_time = each(begin, nr_held);
	kvfree(held);
	held = NULL;
	nr_held = 0;
	return done == i ? 0 : -EIO;
}

/**
 * bench_hold() - have that many buffers on loan
 * @nr: how many; those of before are given back first
 *
 * Return: 0, or what went wrong.
 */
int bench_hold(unsigned int nr)
{
	u64 begin;
	int err;

	err = let_go();
	if (err || !nr)
		return err;
	held = kvcalloc(nr, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	begin = ktime_get_ns();
	for (; nr_held < nr; nr_held++) {
		held[nr_held] = gophership_buf_acquire(PAGE_SIZE, GFP_KERNEL);
		if (!held[nr_held])
			return -ENOMEM;
		if (nr_held % 1024 == 0)
			cond_resched();
	}
	acquire_time = each(begin, nr);
	return 0;
}

static int destroy_pools(void)
{
	u64 begin = ktime_get_ns();
	unsigned int i;
	int leaked = 0;

	for (i = 0; i < nr_pools; i++)
		leaked += gophership_pool_destroy(pools[i]);
	destroy_time = each(begin, nr_pools);
	kvfree(pools);
	pools = NULL;
	nr_pools = 0;
	return leaked ? -EIO : 0;
}

static int create_pools(unsigned int nr)
{
	char name[GOPHERSHIP_POOL_NAME_LEN];
	struct gophership_pool_params params = { .name = name };
	u64 begin = ktime_get_ns();

	for (; nr_pools < nr; nr_pools++) {
		snprintf(name, sizeof(name), "bench-%u", nr_pools);
		pools[nr_pools] = gophership_pool_create(&params);
		if (IS_ERR(pools[nr_pools]))
			return PTR_ERR(pools[nr_pools]);
	}
	create_time = each(begin, nr);
	return 0;
}

static int pair_of_each(void)
{
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < nr_pools; i++) {
		buf = gophership_pool_acquire(pools[i], PAGE_SIZE, GFP_KERNEL);
		if (!buf || gophership_buf_release(buf))
			return -EIO;
	}
	return 0;
}

/**
 * bench_pools() - make that many pools, do pairs in each, and destroy them
 * @nr: how many
 *
 * Return: 0, or what went wrong.
 */
int bench_pools(unsigned int nr)
{
	unsigned int turn;
	u64 begin;
	int err;

	pools = kvcalloc(nr, sizeof(*pools), GFP_KERNEL);
	if (!pools)
		return -ENOMEM;
	err = create_pools(nr);
	/* The first turn fills the magazines. */
	if (!err)
		err = pair_of_each();
	begin = ktime_get_ns();
	for (turn = 0; !err && turn < TURNS; turn++)
		err = pair_of_each();
	pair_time = each(begin, nr * TURNS);
	return destroy_pools() ?: err;
}

/* Idle buffers of all classes in the pool of the machine. */
static u64 cached(void)
{
	struct gophership_pool_stats stats;
	unsigned int class;
	u64 sum = 0;

	gophership_pool_stats(NULL, &stats);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		sum += stats.class[class].cached;
	return sum;
}

void bench_scale_show(struct seq_file *seq)
{
	seq_puts(seq, "scale");
	bench_show_nano(seq, "acquire", acquire_time);
	bench_show_nano(seq, "release", release_time);
	bench_show_nano(seq, "create", create_time);
	bench_show_nano(seq, "pair", pair_time);
	bench_show_nano(seq, "destroy", destroy_time);
	seq_printf(seq, " cached=%llu\n", cached());
}

void bench_scale_exit(void)
{
	let_go();
}
