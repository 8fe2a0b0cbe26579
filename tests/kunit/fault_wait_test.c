// SPDX-License-Identifier: GPL-2.0
/*
 * Without memory: tasks that wait for a buffer, and what wakes them.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "fault.h"

enum give_how { GIVE_HERE, GIVE_FROM_IRQ };

struct wait {
	struct kunit *test;
	struct gophership_pool *pool;
	struct gophership_buf *buf;
	bool pooled;
	enum give_how how;
	bool got_it;
	unsigned int failed;
	struct gk_gate gate;
	unsigned int rounds;
	u64 given_at;
	u64 longest;
	unsigned int late;
	struct completion control;
};

static void give_from_irq(void *arg)
{
	struct wait *wait = arg;

	wait->failed += !!gophership_buf_release(wait->buf);
}

static void wait_main(unsigned int id, void *arg)
{
	struct wait *wait = arg;
	struct gophership_buf *buf;

	if (id == 1) {
		starve(true);
		buf = gophership_pool_must_acquire(wait->pool, 1);
		starve(false);
		WRITE_ONCE(wait->got_it, true);
		wait->failed += !buf || gophership_buf_release(buf);
		return;
	}
	wait->failed += !gk_eventually(stats_of(wait->pool).waiters == 1);
	/* Nothing comes from nothing. */
	msleep(400);
	wait->failed += READ_ONCE(wait->got_it);
	wait->failed += stats_of(wait->pool).waiters != 1;
	if (wait->how == GIVE_HERE)
		wait->failed += !!gophership_buf_release(wait->buf);
	else
		smp_call_function_single(0, give_from_irq, wait, true);
	wait->failed += !gk_eventually(READ_ONCE(wait->got_it));
}

/* Somebody else has the only buffer: sleep until it comes back. */
static void wait_for_one(struct kunit *test, bool pooled, enum give_how how)
{
	struct wait wait = { .test = test, .how = how };

	wait.pool = make_pool(test, pooled ? 0 : 1, 1);
	starve(!pooled);
	wait.buf = pooled ? gophership_pool_acquire(wait.pool, 1, GFP_ATOMIC)
			  : gophership_pool_must_acquire(wait.pool, 1);
	starve(false);
	KUNIT_ASSERT_NOT_NULL(test, wait.buf);
	gk_run(test, 2, wait_main, &wait);
	KUNIT_EXPECT_TRUE(test, wait.got_it);
	KUNIT_EXPECT_EQ(test, wait.failed, 0);
	KUNIT_EXPECT_EQ(test, stats_of(wait.pool).waiters, 0);
	KUNIT_EXPECT_EQ(test, stats_of(wait.pool).reserve, !pooled);
	KUNIT_EXPECT_EQ(test, gk_stats(wait.pool, 0).leased, 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(wait.pool), 0);
}

void fault_wait_reserve(struct kunit *test)
{
	wait_for_one(test, false, GIVE_HERE);
}

/* What one who may not sleep has of the reserve serves a waiter when it comes back. */
void fault_wait_for_atomic(struct kunit *test)
{
	struct wait wait = { .test = test, .pool = make_pool(test, 1, 1) };

	starve(true);
	wait.buf = gophership_pool_acquire(wait.pool, 1, GFP_ATOMIC);
	starve(false);
	KUNIT_ASSERT_NOT_NULL(test, wait.buf);
	gk_run(test, 2, wait_main, &wait);
	KUNIT_EXPECT_TRUE(test, wait.got_it);
	KUNIT_EXPECT_EQ(test, wait.failed, 0);
	KUNIT_EXPECT_EQ(test, stats_of(wait.pool).reserve, 1);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(wait.pool), 0);
}

void fault_wait_pooled(struct kunit *test)
{
	wait_for_one(test, true, GIVE_HERE);
}

void fault_wait_reserve_irq(struct kunit *test)
{
	wait_for_one(test, false, GIVE_FROM_IRQ);
}

void fault_wait_pooled_irq(struct kunit *test)
{
	wait_for_one(test, true, GIVE_FROM_IRQ);
}

/* A task that waits for class 2, while others have only a buffer of class 3. */
struct narrow {
	struct gophership_pool *pool;
	struct gophership_buf *held;
	bool got_it;
	unsigned int failed;
	unsigned long pairs;
	u64 hits;
	u64 hits_after;
};

static void pair(struct narrow *narrow, unsigned int class)
{
	struct gophership_buf *buf;

	buf = gophership_pool_acquire(narrow->pool, gk_capacity(class), GFP_KERNEL);
	narrow->failed += !buf || gophership_buf_release(buf);
}

/* For several of the looks that the waiter takes, ten a second. */
static void pairs_of_smaller(struct narrow *narrow)
{
	unsigned long until = jiffies + HZ;

	while (time_before(jiffies, until)) {
		pair(narrow, 0);
		narrow->pairs++;
		cond_resched();
	}
}

static void narrow_main(unsigned int id, void *arg)
{
	struct narrow *narrow = arg;
	struct gophership_buf *buf;
	unsigned int i;

	if (id == 1) {
		starve(true);
		buf = gophership_pool_must_acquire(narrow->pool, gk_capacity(2));
		starve(false);
		narrow->failed += !buf || buf->capacity != gk_capacity(3);
		narrow->failed += !buf || gophership_buf_release(buf);
		WRITE_ONCE(narrow->got_it, true);
		return;
	}
	for (i = 0; i < 10; i++)
		pair(narrow, 0);
	narrow->failed += !gk_eventually(stats_of(narrow->pool).waiters == 1);
	narrow->hits = gk_stats(narrow->pool, 0).hits;
	pairs_of_smaller(narrow);
	narrow->hits = gk_stats(narrow->pool, 0).hits - narrow->hits;
	narrow->failed += READ_ONCE(narrow->got_it);
	narrow->failed += !!gophership_buf_release(narrow->held);
	narrow->failed += !gk_eventually(READ_ONCE(narrow->got_it));
	narrow->hits_after = gk_stats(narrow->pool, 3).hits;
	for (i = 0; i < 100; i++)
		pair(narrow, 3);
	narrow->hits_after = gk_stats(narrow->pool, 3).hits - narrow->hits_after;
}

/*
 * Who waits takes the hot path away from what can serve the wait alone, and for no longer
 * than it takes: smaller classes hit all the time, a larger one serves, and hits again.
 */
void fault_wait_is_narrow(struct kunit *test)
{
	struct narrow narrow = {};

	if (gk_loaded_with("poison", "Y"))
		kunit_skip(test, "with poison=1 nothing hits");
	narrow.pool = make_pool(test, 0, 0);
	narrow.held = gophership_pool_acquire(narrow.pool, gk_capacity(3), GFP_ATOMIC);
	KUNIT_ASSERT_NOT_NULL(test, narrow.held);
	gk_run(test, 2, narrow_main, &narrow);
	kunit_info(test, "%llu hits in %lu pairs while a task waited, %llu in 100 after",
		   narrow.hits, narrow.pairs, narrow.hits_after);
	KUNIT_EXPECT_TRUE(test, narrow.got_it);
	KUNIT_EXPECT_EQ(test, narrow.failed, 0);
	/* The machine may be short of memory meanwhile, and the shrinker empty a head. */
	KUNIT_EXPECT_LE(test, narrow.pairs - narrow.hits, 2);
	/* One that finds no magazine, and one that finds no limit. */
	KUNIT_EXPECT_GE(test, narrow.hits_after, 98);
	KUNIT_EXPECT_EQ(test, stats_of(narrow.pool).waiters, 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(narrow.pool), 0);
}

#define LATE_NS	(60 * NSEC_PER_MSEC)

/* One buffer goes to and fro between two CPUs, each of which waits for it. */
static void wake_main(unsigned int id, void *arg)
{
	struct wait *wait = arg;
	unsigned int round;
	int meeting = 0;
	u64 took;

	starve(true);
	for (round = 0; round < wait->rounds; round++) {
		if (id == round % GK_CPUS) {
			wait->buf = gophership_pool_must_acquire(wait->pool, 1);
			gk_meet(&wait->gate, ++meeting);
			/* Before, while, and after the other one goes to sleep. */
			if (round % 8 == 7)
				usleep_range(1000, 3000);
			else
				ndelay(round * 37 % 20000);
			WRITE_ONCE(wait->given_at, ktime_get_ns());
			wait->failed += !wait->buf || gophership_buf_release(wait->buf);
		} else {
			struct gophership_buf *buf;

			gk_meet(&wait->gate, ++meeting);
			buf = gophership_pool_must_acquire(wait->pool, 1);
			took = ktime_get_ns() - READ_ONCE(wait->given_at);
			wait->longest = max(wait->longest, took);
			wait->late += took > LATE_NS;
			wait->failed += !buf || gophership_buf_release(buf);
		}
		gk_meet(&wait->gate, ++meeting);
	}
	starve(false);
}

/* The same with a completion: how late a wake-up is on this machine at this time. */
static void control_main(unsigned int id, void *arg)
{
	struct wait *wait = arg;
	unsigned int round;
	int meeting = 0;

	for (round = 0; round < wait->rounds; round++) {
		gk_meet(&wait->gate, ++meeting);
		if (id == round % GK_CPUS) {
			if (round % 8 == 7)
				usleep_range(1000, 3000);
			else
				ndelay(round * 37 % 20000);
			WRITE_ONCE(wait->given_at, ktime_get_ns());
			complete(&wait->control);
		} else {
			wait_for_completion(&wait->control);
			wait->late += ktime_get_ns() - READ_ONCE(wait->given_at) > LATE_NS;
		}
		gk_meet(&wait->gate, ++meeting);
	}
}

static void wake_rounds(struct kunit *test, bool pooled)
{
	struct wait wait = { .rounds = 150 }, control = { .rounds = 150 };
	struct gophership_buf *buf;

	init_completion(&control.control);
	gk_run(test, 2, control_main, &control);
	if (control.late > control.rounds / 10)
		kunit_skip(test, "%u of %u plain wake-ups are late here", control.late,
			   control.rounds);
	wait.pool = make_pool(test, pooled ? 0 : 1, 1);
	if (pooled) {
		buf = gophership_pool_acquire(wait.pool, 1, GFP_ATOMIC);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
	gk_run(test, 2, wake_main, &wait);
	kunit_info(test, "the longest of %u waits was %llu us, %u were late, %u of a completion",
		   wait.rounds, wait.longest / NSEC_PER_USEC, wait.late, control.late);
	KUNIT_EXPECT_EQ(test, wait.failed, 0);
	/*
	 * A waiter looks again by itself after 100 ms: that would hide a loss. To it the way
	 * is longer than to a completion's.
	 */
	KUNIT_EXPECT_LE(test, wait.late, wait.rounds / 4 + 4 * control.late);
	KUNIT_EXPECT_EQ(test, stats_of(wait.pool).waiters, 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(wait.pool), 0);
}

void fault_wake_reserve(struct kunit *test)
{
	wake_rounds(test, false);
}

void fault_wake_pooled(struct kunit *test)
{
	wake_rounds(test, true);
}

/* Many more tasks than buffers: each has its turn. */

struct crowd {
	struct gophership_pool *pool;
	atomic_t served;
	atomic_t failed;
	atomic_t inside;
};

static void crowd_main(unsigned int id, void *arg)
{
	struct crowd *crowd = arg;
	struct gophership_buf *buf;
	unsigned int i;

	starve(true);
	for (i = 0; i < 20; i++) {
		buf = gophership_pool_must_acquire(crowd->pool, gk_capacity(2));
		if (atomic_inc_return(&crowd->inside) > 3)
			atomic_inc(&crowd->failed);
		if (!buf) {
			atomic_inc(&crowd->failed);
			break;
		}
		memset(buf->data, id, buf->capacity);
		if (id % 2)
			usleep_range(50, 200);
		if (memchr_inv(buf->data, id, buf->capacity))
			atomic_inc(&crowd->failed);
		atomic_inc(&crowd->served);
		atomic_dec(&crowd->inside);
		if (gophership_buf_release(buf))
			atomic_inc(&crowd->failed);
	}
	starve(false);
}

void fault_crowd(struct kunit *test)
{
	struct crowd crowd = { .pool = make_pool(test, 3, gk_capacity(2)) };

	gk_run(test, 16, crowd_main, &crowd);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd.served), 16 * 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd.failed), 0);
	KUNIT_EXPECT_EQ(test, stats_of(crowd.pool).waiters, 0);
	KUNIT_EXPECT_EQ(test, stats_of(crowd.pool).reserve, 3);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(crowd.pool), 0);
}
