// SPDX-License-Identifier: GPL-2.0
/*
 * A second release, one after the other. (race_test.c: at the same time; of a
 * buffer of the reserve: fault_reserve_test.c.)
 */
#include <linux/gfp.h>
#include <linux/smp.h>

#include "support.h"

static void expect_doubled(struct kunit *test, struct gophership_buf *buf)
{
	u64 doubled = gk_doubled(), foreign = gk_foreign();

	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 1);
	KUNIT_EXPECT_EQ(test, gk_foreign(), foreign);
}

static void double_each_class(struct kunit *test)
{
	unsigned int class, round;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		struct gophership_buf *buf = gophership_buf_acquire(gk_capacity(class), GFP_KERNEL);
		struct gophership_class_stats before;

		KUNIT_ASSERT_NOT_NULL(test, buf);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
		before = gk_stats(GK_MACHINE, class);
		for (round = 0; round < 10; round++)
			expect_doubled(test, buf);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).releases, before.releases);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).cached, before.cached);
		gk_expect_sound(test, GK_MACHINE, gk_capacity(class));
	}
}

/* The mistake does not cost the one who has the buffer next. */
static void double_then_acquire(struct kunit *test)
{
	struct gophership_buf *a, *b;
	unsigned int round;

	for (round = 0; round < 200; round++) {
		a = gophership_buf_acquire(1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, a);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(a), 0);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(a), -EALREADY);
		a = gophership_buf_acquire(1, GFP_KERNEL);
		b = gophership_buf_acquire(1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, a);
		KUNIT_ASSERT_NOT_NULL(test, b);
		KUNIT_EXPECT_PTR_NE(test, a, b);
		KUNIT_EXPECT_PTR_NE(test, a->data, b->data);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(a), 0);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(b), 0);
	}
}

/* A refused release does not touch a buffer that lies in the pool. */
static void double_leaves_buffer(struct kunit *test)
{
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL), image;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	image = *buf;
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	KUNIT_EXPECT_MEMEQ(test, buf, &image, sizeof(image));
}

static int release_on(void *buf)
{
	return gophership_buf_release(buf);
}

/* Released here, then on the other CPU, and the other way round. */
static void double_on_other_cpu(struct kunit *test)
{
	struct gophership_buf *buf;
	unsigned int first;
	u64 doubled;

	for (first = 0; first < GK_CPUS; first++) {
		buf = gophership_buf_acquire(1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		doubled = gk_doubled();
		KUNIT_EXPECT_EQ(test, smp_call_on_cpu(first, release_on, buf, false), 0);
		KUNIT_EXPECT_EQ(test, smp_call_on_cpu(!first, release_on, buf, false), -EALREADY);
		KUNIT_EXPECT_EQ(test, smp_call_on_cpu(first, release_on, buf, false), -EALREADY);
		KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 2);
	}
	gk_expect_sound(test, GK_MACHINE, 1);
}

/* Wherever the pool keeps it: deep in a magazine, in the spare one, the depot. */
static void double_wherever_it_lies(struct kunit *test)
{
	struct gophership_buf **bufs = kunit_kcalloc(test, 700, sizeof(*bufs), GFP_KERNEL);
	unsigned int i, accepted = 0;
	u64 doubled;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, 700, bufs), 700);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 700), 700);
	doubled = gk_doubled();
	for (i = 0; i < 700; i++)
		accepted += gophership_buf_release(bufs[i]) != -EALREADY;
	KUNIT_EXPECT_EQ(test, accepted, 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 700), 0);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 1400);
	gk_expect_sound(test, GK_MACHINE, 1);
}

static struct kunit_case double_cases[] = {
	KUNIT_CASE(double_each_class),
	KUNIT_CASE(double_then_acquire),
	KUNIT_CASE(double_leaves_buffer),
	KUNIT_CASE(double_on_other_cpu),
	KUNIT_CASE(double_wherever_it_lies),
	{}
};

static struct kunit_suite double_suite = {
	.name = "gophership_double",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = double_cases,
};

kunit_test_suite(double_suite);
