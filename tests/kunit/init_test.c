// SPDX-License-Identifier: GPL-2.0
/*
 * init_on_alloc and init_on_free: a borrower finds zeroes, whatever the last one wrote.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "support.h"

#define BORROWED	0x5a

static void skip_unless_wanted(struct kunit *test)
{
	if (!want_init_on_alloc(0) && !want_init_on_free())
		kunit_skip(test, "the kernel runs with init_on_alloc=0 and init_on_free=0");
}

static struct gophership_pool *make_pool(struct kunit *test, unsigned int flags,
					 unsigned int reserve)
{
	const struct gophership_pool_params params = {
		.name = "kunit-init", .flags = flags, .reserve = reserve,
	};
	struct gophership_pool *pool = gophership_pool_create(&params);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	return pool;
}

/* Borrow, write to all bytes, and give back, @rounds times. Returns the dirty buffers. */
static unsigned int borrow(struct kunit *test, struct gophership_pool *pool, unsigned int class,
			   unsigned int rounds)
{
	struct gophership_buf *bufs[4];
	unsigned int i, dirty = 0;

	while (rounds--) {
		KUNIT_ASSERT_EQ(test, gophership_pool_acquire_bulk(pool, gk_capacity(class),
								   GFP_KERNEL, 4, bufs), 4);
		for (i = 0; i < 4; i++) {
			dirty += !!memchr_inv(bufs[i]->data, 0, bufs[i]->capacity);
			memset(bufs[i]->data, BORROWED, bufs[i]->capacity);
		}
		/* Alone, and in bulk. */
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[3]), 0);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 3), 3);
	}
	return dirty;
}

/* Fresh or not, of each class. */
static void init_recycled(struct kunit *test)
{
	struct gophership_pool *pool;
	unsigned int class;

	skip_unless_wanted(test);
	pool = make_pool(test, 0, 0);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		KUNIT_EXPECT_EQ(test, borrow(test, pool, class, 20), 0);
		/* Those rounds were no test if each buffer was a new one. */
		KUNIT_EXPECT_LT(test, gk_stats(pool, class).misses, 20);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* The machine's pool is no exception. */
static void init_machine(struct kunit *test)
{
	struct gophership_buf *buf;
	unsigned int i;

	skip_unless_wanted(test);
	for (i = 0; i < 20; i++) {
		buf = gophership_buf_acquire(1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		KUNIT_EXPECT_NULL(test, memchr_inv(buf->data, 0, buf->capacity));
		memset(buf->data, BORROWED, buf->capacity);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
}

/* Nor is what was set aside: NMI-like requests get it when nothing else is to be had. */
static void init_reserve(struct kunit *test)
{
	struct gophership_buf *bufs[2];
	struct gophership_pool *pool;
	unsigned int i, round;

	skip_unless_wanted(test);
	pool = make_pool(test, 0, 2);
	for (round = 0; round < 3; round++) {
		unsigned long flags;

		/* Nothing is cached, and with interrupts off GFP_NOWAIT asks no allocator. */
		local_irq_save(flags);
		for (i = 0; i < 2; i++)
			bufs[i] = gophership_pool_acquire(pool, GOPHERSHIP_MAX_POOLED, GFP_NOWAIT);
		local_irq_restore(flags);
		for (i = 0; i < 2; i++) {
			KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
			KUNIT_EXPECT_NULL(test, memchr_inv(bufs[i]->data, 0, bufs[i]->capacity));
			memset(bufs[i]->data, BORROWED, bufs[i]->capacity);
			KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
		}
		gophership_pool_trim(pool);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* A pool may say that it does not want it: then the hot path serves its releases. */
static void init_declined(struct kunit *test)
{
	struct gophership_pool *pool;

	skip_unless_wanted(test);
	pool = make_pool(test, GOPHERSHIP_POOL_NO_INIT, 0);
	KUNIT_EXPECT_GT(test, borrow(test, pool, 0, 20), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* A release is a claim then, and two of a buffer are exact. */
static void init_double_release(struct kunit *test)
{
	struct gophership_pool *pool;
	struct gophership_buf *buf;

	skip_unless_wanted(test);
	pool = make_pool(test, 0, 0);
	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	gk_expect_sound(test, pool, 1);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

static struct kunit_case init_cases[] = {
	KUNIT_CASE(init_recycled),
	KUNIT_CASE(init_machine),
	KUNIT_CASE(init_reserve),
	KUNIT_CASE(init_declined),
	KUNIT_CASE(init_double_release),
	{ }
};

static struct kunit_suite init_suite = {
	.name = "gophership_init",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = init_cases,
};

kunit_test_suites(&init_suite);
