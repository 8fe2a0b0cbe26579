// SPDX-License-Identifier: GPL-2.0
/*
 * What comes back is what goes out next, without an allocator in between.
 */
#include <linux/gfp.h>
#include <linux/preempt.h>
#include <linux/smp.h>

#include "support.h"

/*
 * A pair of release and acquire that stays on its CPU; an interrupt in between
 * may use the pool, but not these tests' classes.
 */
static struct gophership_buf *recycle(struct gophership_buf *buf, size_t size, int *ret)
{
	struct gophership_buf *next;

	preempt_disable();
	*ret = gophership_buf_release(buf);
	next = gophership_buf_acquire(size, GFP_NOWAIT);
	preempt_enable();
	return next;
}

/* The same buffer on the same CPU: empty, its capacity and payload kept. */
static void recycle_same(struct kunit *test)
{
	unsigned int class, round;
	int ret;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		struct gophership_buf *buf = gophership_buf_acquire(gk_capacity(class), GFP_KERNEL);
		struct gophership_buf *again;
		void *data;

		KUNIT_ASSERT_NOT_NULL(test, buf);
		data = buf->data;
		for (round = 0; round < 100; round++) {
			buf->len = round % 2 ? buf->capacity : 77;
			again = recycle(buf, gk_capacity(class), &ret);
			KUNIT_EXPECT_EQ(test, ret, 0);
			KUNIT_ASSERT_PTR_EQ(test, again, buf);
			KUNIT_EXPECT_PTR_EQ(test, again->data, data);
			KUNIT_EXPECT_EQ(test, again->len, 0);
			KUNIT_EXPECT_EQ(test, again->capacity, gk_capacity(class));
		}
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
}

/* Length is reset at release, not by the next one who asks. */
static void recycle_len_at_release(struct kunit *test)
{
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	buf->len = 99;
	preempt_disable();
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	/* Cached descriptors are not freed behind our back in here. */
	KUNIT_EXPECT_EQ(test, READ_ONCE(buf->len), 0);
	preempt_enable();
}

/* A pair that hits is counted as a hit and asks no allocator. */
static void recycle_hits(struct kunit *test)
{
	struct gophership_class_stats before, after;
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);
	unsigned int round;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	buf = recycle(buf, 1, &ret);
	before = gk_stats(GK_MACHINE, 0);
	for (round = 0; round < 1000 && buf; round++)
		buf = recycle(buf, 1, &ret);
	after = gk_stats(GK_MACHINE, 0);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, after.misses, before.misses);
	KUNIT_EXPECT_EQ(test, after.hits, before.hits + 1000);
	KUNIT_EXPECT_EQ(test, after.acquires, before.acquires + 1000);
	KUNIT_EXPECT_EQ(test, after.releases, before.releases + 1000);
	KUNIT_EXPECT_EQ(test, after.leased, before.leased);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
}

/* The counters of a class see only that class. */
static void recycle_classes_apart(struct kunit *test)
{
	struct gophership_class_stats before = gk_stats(GK_MACHINE, 2);
	struct gophership_buf *small = gophership_buf_acquire(1, GFP_KERNEL);
	struct gophership_buf *big;

	KUNIT_ASSERT_NOT_NULL(test, small);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(small), 0);
	big = gophership_buf_acquire(gk_capacity(4), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, big);
	KUNIT_EXPECT_EQ(test, big->capacity, gk_capacity(4));
	KUNIT_EXPECT_EQ(test, gophership_buf_release(big), 0);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 2).acquires, before.acquires);
}

#define BURST	600

/*
 * Many at once, more than the magazines hold: what was released is all that
 * the next burst needs.
 */
static void recycle_burst(struct kunit *test)
{
	struct gophership_buf **bufs = kunit_kcalloc(test, BURST, sizeof(*bufs), GFP_KERNEL);
	unsigned int burst, nr, failed = 0;
	u64 misses = 0;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	migrate_disable();
	for (burst = 0; burst < 20; burst++) {
		if (burst == 1)
			misses = gk_stats(GK_MACHINE, 0).misses;
		for (nr = 0; nr < BURST; nr++) {
			bufs[nr] = gophership_buf_acquire(1, GFP_KERNEL);
			if (!bufs[nr])
				break;
		}
		failed += nr < BURST;
		gk_expect_unique(test, bufs, nr);
		while (nr--)
			failed += !!gophership_buf_release(bufs[nr]);
	}
	migrate_enable();
	KUNIT_EXPECT_EQ(test, failed, 0);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 0).misses, misses);
}

struct handoff {
	struct gophership_buf *ring[64];
	atomic_t head;
	atomic_t tail;
	unsigned int rounds;
	unsigned int failed;
};

static void hand_off(unsigned int id, void *arg)
{
	struct handoff *handoff = arg;
	struct gophership_buf *buf;
	int i;

	for (i = 0; i < handoff->rounds; i++) {
		if (id == 0) {
			while (i - atomic_read(&handoff->tail) >= (int)ARRAY_SIZE(handoff->ring))
				cpu_relax();
			buf = gophership_buf_acquire(1, GFP_KERNEL);
			handoff->failed += !buf;
			handoff->ring[i % ARRAY_SIZE(handoff->ring)] = buf;
			atomic_set_release(&handoff->head, i + 1);
		} else {
			while (atomic_read_acquire(&handoff->head) <= i)
				cpu_relax();
			buf = handoff->ring[i % ARRAY_SIZE(handoff->ring)];
			if (buf && gophership_buf_release(buf))
				atomic_inc(&handoff->head);	/* breaks the count below */
			atomic_set_release(&handoff->tail, i + 1);
		}
		if (i % 1000 == 0)
			cond_resched();
	}
}

/* A producer that another CPU's consumer feeds back does not starve. */
static void recycle_across_cpus(struct kunit *test)
{
	struct handoff *handoff = kunit_kzalloc(test, sizeof(*handoff), GFP_KERNEL);
	struct gophership_class_stats before, after;

	KUNIT_ASSERT_NOT_NULL(test, handoff);
	handoff->rounds = gk_rounds(20000);
	before = gk_stats(GK_MACHINE, 0);
	gk_run(test, 2, hand_off, handoff);
	after = gk_stats(GK_MACHINE, 0);
	KUNIT_EXPECT_EQ(test, handoff->failed, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&handoff->head), handoff->rounds);
	KUNIT_EXPECT_EQ(test, after.acquires - before.acquires, handoff->rounds);
	/* The pool may grow until both sides have their magazines; no more. */
	KUNIT_EXPECT_LT(test, after.misses - before.misses, 2000);
}

static struct kunit_case recycle_cases[] = {
	KUNIT_CASE(recycle_same),
	KUNIT_CASE(recycle_len_at_release),
	KUNIT_CASE(recycle_hits),
	KUNIT_CASE(recycle_classes_apart),
	KUNIT_CASE(recycle_burst),
	KUNIT_CASE(recycle_across_cpus),
	{}
};

static struct kunit_suite recycle_suite = {
	.name = "gophership_recycle",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = recycle_cases,
};

kunit_test_suite(recycle_suite);
