// SPDX-License-Identifier: GPL-2.0
/*
 * gophership_inline.h: the hot path in a driver's own code does what the exported
 * functions do, and mixes with them.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kallsyms.h>
#include <linux/string.h>

#include "gophership_inline.h"
#include "support.h"

/* The exported functions, whose names without arguments are not replaced. */
static struct gophership_buf *(*const acquire)(size_t size, gfp_t gfp) = gophership_buf_acquire;
static int (*const release)(struct gophership_buf *buf) = gophership_buf_release;

/* Each size class, by constants. */
static void inline_sizes(struct kunit *test)
{
	struct gophership_buf *buf[GOPHERSHIP_NR_CLASSES + 1];
	unsigned int i;

	buf[0] = gophership_buf_acquire(0, GFP_KERNEL);
	buf[1] = gophership_buf_acquire(PAGE_SIZE + 1, GFP_KERNEL);
	buf[2] = gophership_buf_acquire(4 * PAGE_SIZE, GFP_KERNEL);
	buf[3] = gophership_buf_acquire(8 * PAGE_SIZE, GFP_KERNEL);
	buf[4] = gophership_buf_acquire(16 * PAGE_SIZE, GFP_KERNEL);
	buf[5] = gophership_buf_acquire(16 * PAGE_SIZE + 1, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(buf); i++) {
		KUNIT_ASSERT_NOT_NULL(test, buf[i]);
		KUNIT_EXPECT_EQ(test, buf[i]->len, 0);
		if (i < GOPHERSHIP_NR_CLASSES)
			KUNIT_EXPECT_EQ(test, buf[i]->capacity, gk_capacity(i));
		else
			KUNIT_EXPECT_GT(test, buf[i]->capacity, GOPHERSHIP_MAX_POOLED);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf[i]), 0);
	}
	KUNIT_EXPECT_NULL(test, gophership_buf_acquire(SIZE_MAX, GFP_KERNEL));
}

/* A hit is one of this CPU's magazine, whichever form asks. */
static void inline_hits(struct kunit *test)
{
	struct gophership_class_stats before, after;
	struct gophership_buf *buf;
	unsigned int i;

	buf = gophership_buf_acquire(1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	migrate_disable();
	before = gk_stats(GK_MACHINE, 0);
	for (i = 0; i < 100; i++) {
		buf = i & 1 ? gophership_buf_acquire(1, GFP_ATOMIC) : acquire(1, GFP_ATOMIC);
		if (!buf || (i & 2 ? gophership_buf_release(buf) : release(buf)))
			break;
	}
	after = gk_stats(GK_MACHINE, 0);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, i, 100);
	KUNIT_EXPECT_EQ(test, after.acquires - before.acquires, 100);
	if (!gk_loaded_with("poison", "Y"))
		KUNIT_EXPECT_EQ(test, after.hits - before.hits, 100);
	KUNIT_EXPECT_EQ(test, after.releases - before.releases, 100);
	KUNIT_EXPECT_EQ(test, after.misses, before.misses);
}

static void inline_checks(struct kunit *test)
{
	u64 foreign = gk_foreign(), doubled = gk_doubled();
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);
	struct gophership_buf wild = {};

	KUNIT_ASSERT_NOT_NULL(test, buf);
	buf->len = 7;
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_EQ(test, buf->len, 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 1);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(NULL), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(&wild), -EINVAL);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(ERR_PTR(-ENOMEM)), -EINVAL);
	KUNIT_EXPECT_EQ(test, gophership_buf_release((void *)buf->data), -EINVAL);
	KUNIT_EXPECT_EQ(test, gk_foreign(), foreign + 3);
}

/* The flags that the hot path has no time for. */
static void inline_special_flags(struct kunit *test)
{
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf->data, 0xa5, buf->capacity);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	buf = gophership_buf_acquire(1, GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf->data, 0, buf->capacity));
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_NULL(test, gophership_buf_acquire(1, GFP_KERNEL | __GFP_DMA));
}

static void inline_pools(struct kunit *test)
{
	struct gophership_pool_params params = { .name = "inline" };
	struct gophership_pool *pool = gophership_pool_create(&params);
	struct gophership_class_stats lent, back;
	struct gophership_buf *buf;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	buf = gophership_pool_acquire(pool, 2 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, buf);
	lent = gk_stats(pool, 1);
	KUNIT_EXPECT_EQ(test, lent.leased, 1);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	back = gk_stats(pool, 1);
	KUNIT_EXPECT_EQ(test, back.leased, 0);
	KUNIT_EXPECT_EQ(test, back.cached, lent.cached + 1);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* What a leak's report would name: a place within this function. */
static noinline void acquire_here(struct gophership_buf **buf, unsigned long *from)
{
	*from = _THIS_IP_;
	*buf = gophership_buf_acquire(1, GFP_KERNEL);
}

static void inline_call_site(struct kunit *test)
{
	char site[KSYM_SYMBOL_LEN], here[KSYM_SYMBOL_LEN];
	struct gophership_buf *buf;
	unsigned long from;

	acquire_here(&buf, &from);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	snprintf(site, sizeof(site), "%ps", (void *)buf->acquired_by);
	snprintf(here, sizeof(here), "%ps", (void *)from);
	KUNIT_EXPECT_STREQ(test, site, here);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
}

static struct kunit_case inline_cases[] = {
	KUNIT_CASE(inline_sizes),
	KUNIT_CASE(inline_hits),
	KUNIT_CASE(inline_checks),
	KUNIT_CASE(inline_special_flags),
	KUNIT_CASE(inline_pools),
	KUNIT_CASE(inline_call_site),
	{}
};

static struct kunit_suite inline_suite = {
	.name = "gophership_inline",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = inline_cases,
};

kunit_test_suite(inline_suite);
