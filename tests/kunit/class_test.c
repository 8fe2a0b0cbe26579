// SPDX-License-Identifier: GPL-2.0
/*
 * Which size gets which buffer.
 */
#include <linux/gfp.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "support.h"

struct request {
	const char *name;
	size_t size;
	unsigned int class;
};

static const struct request requests[] = {
	{ "0", 0, 0 },
	{ "1", 1, 0 },
	{ "1 page - 1", PAGE_SIZE - 1, 0 },
	{ "1 page", PAGE_SIZE, 0 },
	{ "1 page + 1", PAGE_SIZE + 1, 1 },
	{ "2 pages - 1", 2 * PAGE_SIZE - 1, 1 },
	{ "2 pages", 2 * PAGE_SIZE, 1 },
	{ "2 pages + 1", 2 * PAGE_SIZE + 1, 2 },
	{ "4 pages - 1", 4 * PAGE_SIZE - 1, 2 },
	{ "4 pages", 4 * PAGE_SIZE, 2 },
	{ "4 pages + 1", 4 * PAGE_SIZE + 1, 3 },
	{ "8 pages - 1", 8 * PAGE_SIZE - 1, 3 },
	{ "8 pages", 8 * PAGE_SIZE, 3 },
	{ "8 pages + 1", 8 * PAGE_SIZE + 1, 4 },
	{ "16 pages - 1", 16 * PAGE_SIZE - 1, 4 },
	{ "16 pages", 16 * PAGE_SIZE, 4 },
};

KUNIT_ARRAY_PARAM_DESC(request, requests, name);

/* The smallest class that holds the request, and its own row of counters. */
static void class_fits(struct kunit *test)
{
	const struct request *request = test->param_value;
	struct gophership_class_stats before = gk_stats(GK_MACHINE, request->class), after;
	struct gophership_buf *buf = gophership_buf_acquire(request->size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, buf->capacity, gk_capacity(request->class));
	KUNIT_EXPECT_EQ(test, buf->len, 0);
	KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(buf->data));
	after = gk_stats(GK_MACHINE, request->class);
	KUNIT_EXPECT_EQ(test, after.capacity, gk_capacity(request->class));
	KUNIT_EXPECT_EQ(test, after.acquires, before.acquires + 1);
	KUNIT_EXPECT_EQ(test, after.leased, before.leased + 1);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	after = gk_stats(GK_MACHINE, request->class);
	KUNIT_EXPECT_EQ(test, after.releases, before.releases + 1);
	KUNIT_EXPECT_EQ(test, after.leased, before.leased);
}

/* The same by must_acquire, which differs in what it does without memory. */
static void class_fits_must(struct kunit *test)
{
	const struct request *request = test->param_value;
	struct gophership_buf *buf = gophership_buf_must_acquire(request->size);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, buf->capacity, gk_capacity(request->class));
	KUNIT_EXPECT_EQ(test, buf->len, 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
}

/* All of the payload is the holder's, and nobody else's. */
static void class_payload(struct kunit *test)
{
	struct gophership_buf *bufs[2 * GOPHERSHIP_NR_CLASSES];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		bufs[i] = gophership_buf_acquire(gk_capacity(i / 2), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
		memset(bufs[i]->data, i + 1, bufs[i]->capacity);
		bufs[i]->len = bufs[i]->capacity;
	}
	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		KUNIT_EXPECT_NULL(test, memchr_inv(bufs[i]->data, i + 1, bufs[i]->capacity));
		KUNIT_EXPECT_EQ(test, bufs[i]->len, gk_capacity(i / 2));
		KUNIT_EXPECT_EQ(test, bufs[i]->capacity, gk_capacity(i / 2));
	}
	for (i = 0; i < ARRAY_SIZE(bufs); i++)
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
}

/* User space can map the payload only if it is no slab page, and compound. */
static void class_payload_pages(struct kunit *test)
{
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		struct gophership_buf *buf = gophership_buf_acquire(gk_capacity(class), GFP_KERNEL);
		struct page *page;

		KUNIT_ASSERT_NOT_NULL(test, buf);
		KUNIT_EXPECT_TRUE(test, virt_addr_valid(buf->data));
		page = virt_to_page(buf->data);
		KUNIT_EXPECT_FALSE(test, PageSlab(page));
		KUNIT_EXPECT_PTR_EQ(test, page_address(page), buf->data);
		KUNIT_EXPECT_EQ(test, compound_order(page), class);
		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
}

static const struct request large_requests[] = {
	{ "largest class + 1", GOPHERSHIP_MAX_POOLED + 1 },
	{ "two times the largest class", 2 * GOPHERSHIP_MAX_POOLED },
	{ "1 MiB", SZ_1M },
	{ "1 MiB + 1", SZ_1M + 1 },
};

KUNIT_ARRAY_PARAM_DESC(large_request, large_requests, name);

/* Above the classes: served, usable, and gone with its release. */
static void class_large(struct kunit *test)
{
	const struct request *request = test->param_value;
	struct gophership_class_stats before = gk_stats(GK_MACHINE, GK_LARGE), after;
	struct gophership_buf *buf;
	unsigned int round;

	for (round = 0; round < 3; round++) {
		buf = gophership_buf_acquire(request->size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		KUNIT_EXPECT_GE(test, (size_t)buf->capacity, request->size);
		KUNIT_EXPECT_EQ(test, buf->len, 0);
		KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(buf->data));
		memset(buf->data, 0x5a, buf->capacity);
		buf->len = buf->capacity;
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, GK_LARGE).leased, before.leased + 1);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
	after = gk_stats(GK_MACHINE, GK_LARGE);
	KUNIT_EXPECT_EQ(test, after.capacity, 0);
	KUNIT_EXPECT_EQ(test, after.acquires, before.acquires + 3);
	KUNIT_EXPECT_EQ(test, after.releases, before.releases + 3);
	KUNIT_EXPECT_EQ(test, after.misses, before.misses + 3);
	KUNIT_EXPECT_EQ(test, after.hits, 0);
	KUNIT_EXPECT_EQ(test, after.cached, 0);
}

static const struct request absurd_requests[] = {
	{ "SIZE_MAX", SIZE_MAX },
	{ "SIZE_MAX - 1", SIZE_MAX - 1 },
	{ "SIZE_MAX - page size", SIZE_MAX - PAGE_SIZE },
	{ "SIZE_MAX - page size + 2", SIZE_MAX - PAGE_SIZE + 2 },
	{ "half of SIZE_MAX", SIZE_MAX / 2 },
	{ "half of SIZE_MAX + 1", SIZE_MAX / 2 + 1 },
	{ "1 TiB", 1UL << 40 },
	{ "4 GiB + 1", SZ_4G + 1 },
	{ "4 GiB", SZ_4G },
	{ "4 GiB - 1", SZ_4G - 1 },
	{ "2 GiB", SZ_2G },
};

KUNIT_ARRAY_PARAM_DESC(absurd_request, absurd_requests, name);

/* NULL, at once, and (see gk_exit()) without a warning of the page allocator. */
static void class_absurd(struct kunit *test)
{
	const struct request *request = test->param_value;
	struct gophership_buf *bufs[2] = {};
	u64 mark = gk_log_mark();

	KUNIT_EXPECT_NULL(test, gophership_buf_acquire(request->size, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, gophership_buf_acquire(request->size, GFP_ATOMIC));
	KUNIT_EXPECT_NULL(test, gophership_buf_acquire(request->size, GFP_KERNEL | __GFP_NOFAIL));
	KUNIT_EXPECT_NULL(test, gophership_buf_must_acquire(request->size));
	KUNIT_EXPECT_EQ(test, gophership_buf_acquire_bulk(request->size, GFP_KERNEL, 2, bufs), 0);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "page allocation failure", ""), 0);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "WARNING", ""), 0);
}

/* must_acquire promises nothing above the classes, and does not wait there. */
static void class_must_above(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, gophership_buf_must_acquire(GOPHERSHIP_MAX_POOLED + 1));
}

/* Flags that make no sense for memory that is shared do no harm. */
static void class_odd_flags(struct kunit *test)
{
	static const gfp_t flags[] = {
		0, GFP_NOWAIT, GFP_ATOMIC, GFP_NOIO, GFP_NOFS, GFP_HIGHUSER, GFP_HIGHUSER_MOVABLE,
		GFP_KERNEL | __GFP_ZERO, GFP_KERNEL | __GFP_COMP,
		GFP_KERNEL | __GFP_RECLAIMABLE, GFP_KERNEL | __GFP_NOWARN,
	};
	struct gophership_buf *bufs[ARRAY_SIZE(flags)];
	unsigned int i;

	/* An empty pool, so that the page allocator gets to see them. */
	gophership_pool_trim(GK_MACHINE);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		bufs[i] = gophership_buf_acquire(gk_capacity(3), flags[i]);
		KUNIT_ASSERT_NOT_NULL_MSG(test, bufs[i], "flags number %u", i);
		KUNIT_EXPECT_TRUE(test, virt_addr_valid(bufs[i]->data));
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
}

/* Who asks for a charge gets one, or no buffer: but in a pool that charges, NULL. */
static void class_account(struct kunit *test)
{
	const struct gophership_pool_params params = {
		.name = "kunit-account", .flags = GOPHERSHIP_POOL_ACCOUNT,
	};
	struct gophership_pool *pool = gophership_pool_create(&params);
	struct gophership_buf *bufs[2], *buf;
	unsigned int row;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	for (row = 0; row < GK_ROWS; row++) {
		/* There would be one. */
		buf = gophership_buf_acquire(gk_capacity(row), GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
		KUNIT_EXPECT_NULL(test, gophership_buf_acquire(gk_capacity(row),
							       GFP_KERNEL_ACCOUNT));
		KUNIT_EXPECT_EQ(test, gophership_buf_acquire_bulk(gk_capacity(row),
								  GFP_KERNEL_ACCOUNT, 2, bufs), 0);
		buf = gophership_pool_acquire(pool, gk_capacity(row), GFP_KERNEL_ACCOUNT);
		KUNIT_EXPECT_NOT_NULL(test, buf);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* The holder's word stays as he wrote it until the release, whatever others do. */
static void class_cookie(struct kunit *test)
{
	struct gophership_buf *bufs[2 * GK_ROWS];
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(bufs); i++) {
			bufs[i] = gophership_buf_acquire(gk_capacity(i / 2), GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
			bufs[i]->cookie = ~(unsigned long)bufs[i] + round;
		}
		for (i = 0; i < ARRAY_SIZE(bufs); i += 2)
			KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
		gophership_pool_trim(GK_MACHINE);
		for (i = 1; i < ARRAY_SIZE(bufs); i += 2) {
			KUNIT_EXPECT_EQ(test, bufs[i]->cookie, ~(unsigned long)bufs[i] + round);
			KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
		}
	}
}

/* Of the buffers, those that have a byte other than 0. */
static unsigned int dirty_buffers(struct gophership_buf **bufs, unsigned int nr)
{
	unsigned int i, dirty = 0;

	for (i = 0; i < nr; i++)
		dirty += !!memchr_inv(bufs[i]->data, 0, bufs[i]->capacity);
	return dirty;
}

#define CLEARED		6

/* So that the next acquires of the size find what somebody has written. */
static void leave_dirty(struct kunit *test, struct gophership_pool *pool, size_t size)
{
	struct gophership_buf *bufs[CLEARED];
	unsigned int i;

	for (i = 0; i < CLEARED; i++) {
		bufs[i] = gk_acquire(pool, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
		memset(bufs[i]->data, 0x5a, bufs[i]->capacity);
	}
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, CLEARED), CLEARED);
}

/*
 * __GFP_ZERO clears the whole capacity, whatever was asked for, by each way to a
 * buffer, and without the flag nothing is cleared.
 */
static void expect_zero(struct kunit *test, struct gophership_pool *pool, size_t size)
{
	struct gophership_buf *bufs[CLEARED];
	unsigned int i;

	leave_dirty(test, pool, size);
	for (i = 0; i < CLEARED; i++) {
		bufs[i] = gk_acquire(pool, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
	}
	KUNIT_EXPECT_EQ(test, dirty_buffers(bufs, CLEARED), CLEARED);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, CLEARED), CLEARED);
	for (i = 0; i < CLEARED; i++) {
		bufs[i] = gk_acquire(pool, size, GFP_ATOMIC | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
	}
	KUNIT_EXPECT_EQ(test, dirty_buffers(bufs, CLEARED), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, CLEARED), CLEARED);
	if (pool)
		return;

	leave_dirty(test, pool, size);
	KUNIT_EXPECT_EQ(test, gophership_buf_acquire_bulk(size, GFP_KERNEL | __GFP_ZERO, CLEARED,
							  bufs), CLEARED);
	KUNIT_EXPECT_EQ(test, dirty_buffers(bufs, CLEARED), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, CLEARED), CLEARED);
}

static void class_zero(struct kunit *test)
{
	const struct gophership_pool_params params = { .name = "kunit-class" };
	struct gophership_pool *pool = gophership_pool_create(&params);
	unsigned int class;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	migrate_disable();
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		expect_zero(test, GK_MACHINE, gk_capacity(class));
		expect_zero(test, GK_MACHINE, gk_capacity(class) / 2 + 1);
		expect_zero(test, pool, gk_capacity(class) - 1);
	}
	migrate_enable();
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* What comes fresh from the page allocator is cleared, too, at any size. */
static void class_zero_fresh(struct kunit *test)
{
	struct gophership_buf *buf;
	unsigned int row, round;

	for (round = 0; round < 3; round++) {
		gophership_pool_trim(GK_MACHINE);
		for (row = 0; row < GK_ROWS; row++) {
			buf = gophership_buf_acquire(gk_capacity(row) - 1, GFP_KERNEL | __GFP_ZERO);
			KUNIT_ASSERT_NOT_NULL(test, buf);
			KUNIT_EXPECT_EQ(test, dirty_buffers(&buf, 1), 0);
			memset(buf->data, 0x5a, buf->capacity);
			KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
		}
	}
}

static struct kunit_case class_cases[] = {
	KUNIT_CASE_PARAM(class_fits, request_gen_params),
	KUNIT_CASE_PARAM(class_fits_must, request_gen_params),
	KUNIT_CASE(class_payload),
	KUNIT_CASE(class_payload_pages),
	KUNIT_CASE_PARAM(class_large, large_request_gen_params),
	KUNIT_CASE_PARAM(class_absurd, absurd_request_gen_params),
	KUNIT_CASE(class_must_above),
	KUNIT_CASE(class_odd_flags),
	KUNIT_CASE(class_account),
	KUNIT_CASE(class_cookie),
	KUNIT_CASE(class_zero),
	KUNIT_CASE(class_zero_fresh),
	{}
};

static struct kunit_suite class_suite = {
	.name = "gophership_class",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = class_cases,
};

kunit_test_suite(class_suite);
