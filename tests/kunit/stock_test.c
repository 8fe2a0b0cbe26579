// SPDX-License-Identifier: GPL-2.0
/*
 * Where no allocator may be asked: what is cached and what is in stock, and that it
 * comes back by itself.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>

#include "support.h"

#define SLOTS	4
#define ALL	(SLOTS * GOPHERSHIP_NR_CLASSES)

static struct gophership_pool *make_pool(struct kunit *test, unsigned int stock)
{
	const struct gophership_pool_params params = { .name = "stock_test", .stock = stock };
	struct gophership_pool *pool = gophership_pool_create(&params);

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	return pool;
}

static unsigned int stock_of(struct gophership_pool *pool)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(pool, &stats);
	return stats.stock;
}

/* As a tracer under a lock: with interrupts off, one after the other. */
static unsigned int take_with_irqs_off(struct gophership_pool *pool, unsigned int nr,
				       struct gophership_buf **bufs)
{
	unsigned long flags;
	unsigned int i;

	local_irq_save(flags);
	for (i = 0; i < nr; i++) {
		bufs[i] = gophership_pool_acquire(pool, 1, GFP_NOWAIT);
		if (!bufs[i])
			break;
	}
	local_irq_restore(flags);
	return i;
}

/* Nothing cached, so nothing to be had; but what was wanted is made in the background. */
static void stock_none(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 0);
	struct gophership_buf *buf;
	u64 misses = gk_stats(pool, 0).misses;
	bool came;

	KUNIT_EXPECT_EQ(test, take_with_irqs_off(pool, 1, &buf), 0);
	KUNIT_EXPECT_EQ(test, gk_stats(pool, 0).misses, misses);
	came = gk_eventually(gk_stats(pool, 0).cached > 0);
	KUNIT_EXPECT_TRUE(test, came);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* All of it, larger classes last; no more; and it is filled again. */
static void stock_serves(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, SLOTS);
	struct gophership_buf *bufs[ALL + 1];
	unsigned int nr, i;
	bool came;

	KUNIT_EXPECT_EQ(test, stock_of(pool), ALL);
	nr = take_with_irqs_off(pool, ALL + 1, bufs);
	KUNIT_EXPECT_EQ(test, nr, ALL);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, bufs[i]->capacity, gk_capacity(i / SLOTS));
	came = gk_eventually(stock_of(pool) == ALL);
	KUNIT_EXPECT_TRUE(test, came);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* It is not idle memory: a trim leaves it. Nor is it for those who may wait. */
static void stock_stays(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, SLOTS);
	struct gophership_buf *buf;

	gophership_pool_trim(pool);
	KUNIT_EXPECT_EQ(test, stock_of(pool), ALL);
	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, stock_of(pool), ALL);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

static void stock_has_bounds(struct kunit *test)
{
	const struct gophership_pool_params params = {
		.name = "stock_test", .stock = GOPHERSHIP_STOCK_MAX + 1
	};

	KUNIT_EXPECT_EQ(test, PTR_ERR(gophership_pool_create(&params)), -EINVAL);
}

static struct kunit_case stock_cases[] = {
	KUNIT_CASE(stock_none),
	KUNIT_CASE(stock_serves),
	KUNIT_CASE(stock_stays),
	KUNIT_CASE(stock_has_bounds),
	{}
};

static struct kunit_suite stock_suite = {
	.name = "gophership_stock",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = stock_cases,
};

kunit_test_suite(stock_suite);
