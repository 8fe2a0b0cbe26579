// SPDX-License-Identifier: GPL-2.0
/*
 * Those who must have a buffer, with memory and without.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "torture.h"

/* More than the reserve has buffers. */
#define TASKS		8
/* Who has no buffer so long after the end gets none: on a slow machine a round is long. */
#define PATIENCE_MS	90000
/* So often what others gave back at the last moment is taken, too. */
#define TRIES		10

struct must {
	unsigned long class;
	unsigned long end;
	unsigned long nr;
	unsigned long longest;	/* wait, in jiffies */
	bool done;
	struct task_struct *task;
};

/* One in hand at a time, for about a jiffy. */
static void acquire_until_the_end(struct must *must)
{
	struct gophership_buf *buf;
	unsigned long start;

	while (time_before(jiffies, must->end)) {
		start = jiffies;
		buf = torture_take_must(PAGE_SIZE << must->class);
		must->longest = max(must->longest, jiffies - start);
		must->nr++;
		schedule_timeout_uninterruptible(1);
		if (buf)
			torture_give(buf);
	}
}

/* By the task that asks, for so many milliseconds. */
int torture_must(unsigned long milliseconds, unsigned long class)
{
	struct must must = { .class = class, .end = jiffies + msecs_to_jiffies(milliseconds) };
	int before = atomic_read(&torture_mistakes);

	acquire_until_the_end(&must);
	pr_info("must %lu: %lu buffers, the longest wait was %u ms\n", class, must.nr,
		jiffies_to_msecs(must.longest));
	return atomic_read(&torture_mistakes) == before ? 0 : -EIO;
}

static int thread(void *arg)
{
	struct must *must = arg;

	acquire_until_the_end(must);
	WRITE_ONCE(must->done, true);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* Were all of them served, up to the end? */
static bool all_done(struct must *musts, unsigned long milliseconds)
{
	unsigned long end = jiffies + msecs_to_jiffies(milliseconds);
	unsigned int i;

	for (i = 0; i < TASKS; i++) {
		while (!READ_ONCE(musts[i].done)) {
			if (time_after(jiffies, end))
				return false;
			msleep(20);
		}
		if (!musts[i].nr)
			return false;
	}
	return true;
}

static void stop(struct must *musts)
{
	unsigned long nr = 0, longest = 0;
	unsigned int i;

	for (i = 0; i < TASKS; i++) {
		if (IS_ERR(musts[i].task))
			continue;
		kthread_stop(musts[i].task);
		nr += musts[i].nr;
		longest = max(longest, musts[i].longest);
	}
	pr_info("%lu buffers without memory, the longest wait was %u ms\n", nr,
		jiffies_to_msecs(longest));
}

/*
 * The driver takes all the memory but @left pages, and no buffer of @class can be had.
 * -EBUSY if others give back all the time.
 */
static int take_all(unsigned long class, unsigned long left)
{
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < TRIES; i++) {
		torture_hog(left);
		torture_hog_blocks(class);
		buf = torture_take(PAGE_SIZE << class, GFP_NOWAIT);
		if (!buf)
			return 0;
		torture_give(buf);
		gophership_pool_trim(NULL);
	}
	pr_err("there is memory left\n");
	return -EBUSY;
}

/*
 * Without memory: a driver takes all of it, and several tasks must have buffers
 * that only the reserve has. They are made before, since they need some, too.
 * @left pages, single ones, are left to others.
 */
int torture_starve(unsigned long milliseconds, unsigned long class, unsigned long left)
{
	static struct must musts[TASKS];
	int before = atomic_read(&torture_mistakes), ret = 0;
	unsigned int i;

	for (i = 0; i < TASKS; i++) {
		musts[i] = (struct must){ .class = class };
		musts[i].task = kthread_create(thread, &musts[i], "gophership/must%u", i);
		if (IS_ERR(musts[i].task))
			ret = PTR_ERR(musts[i].task);
	}
	if (!ret)
		ret = take_all(class, left);
	for (i = 0; !ret && i < TASKS; i++) {
		musts[i].end = jiffies + msecs_to_jiffies(milliseconds);
		wake_up_process(musts[i].task);
	}
	if (!ret && !all_done(musts, milliseconds + PATIENCE_MS))
		ret = -ETIMEDOUT;
	torture_unhog();
	stop(musts);
	if (!ret && atomic_read(&torture_mistakes) != before)
		ret = -EIO;
	return ret;
}
