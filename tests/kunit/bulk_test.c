// SPDX-License-Identifier: GPL-2.0
/*
 * Many at once.
 */
#include <linux/gfp.h>
#include <linux/mm.h>

#include "support.h"

#define MOST	1000

struct count {
	const char *name;
	unsigned int nr;
};

static const struct count counts[] = {
	{ "1", 1 }, { "2", 2 }, { "7", 7 }, { "64", 64 }, { "129", 129 }, { "1000", MOST },
};

KUNIT_ARRAY_PARAM_DESC(count, counts, name);

/* All that was asked for, each once, clean; all of it goes back. */
static void bulk_pairs(struct kunit *test)
{
	const struct count *count = test->param_value;
	struct gophership_buf **bufs = kunit_kcalloc(test, MOST, sizeof(*bufs), GFP_KERNEL);
	unsigned int class, nr, i, wrong;
	struct gophership_class_stats before, after;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		nr = min(count->nr, MOST >> class);
		before = gk_stats(GK_MACHINE, class);
		KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(gk_capacity(class), GFP_KERNEL,
								  nr, bufs), nr);
		for (wrong = 0, i = 0; i < nr; i++) {
			wrong += bufs[i]->len || bufs[i]->capacity != gk_capacity(class);
			bufs[i]->len = 1;
		}
		KUNIT_EXPECT_EQ(test, wrong, 0);
		gk_expect_unique(test, bufs, nr);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).leased, before.leased + nr);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), nr);
		after = gk_stats(GK_MACHINE, class);
		KUNIT_EXPECT_EQ(test, after.acquires, before.acquires + nr);
		KUNIT_EXPECT_EQ(test, after.releases, before.releases + nr);
	}
}

static void bulk_none(struct kunit *test)
{
	struct gophership_class_stats before = gk_stats(GK_MACHINE, 0);

	KUNIT_EXPECT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, 0, NULL), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 0).acquires, before.acquires);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 0).releases, before.releases);
}

static void bulk_large(struct kunit *test)
{
	struct gophership_buf *bufs[4];

	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(GOPHERSHIP_MAX_POOLED + 1, GFP_KERNEL,
							  4, bufs), 4);
	gk_expect_unique(test, bufs, 4);
	KUNIT_EXPECT_GT(test, (size_t)bufs[3]->capacity, GOPHERSHIP_MAX_POOLED);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 4), 4);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, GK_LARGE).cached, 0);
}

/* From a pool with a name, in any class, as many as were asked for. */
static void bulk_of_a_pool(struct kunit *test)
{
	const struct gophership_pool_params params = { .name = "kunit-bulk" };
	struct gophership_pool *pool = gophership_pool_create(&params);
	struct gophership_class_stats machine, row;
	struct gophership_buf *bufs[70];
	unsigned int i, round, nr;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	for (i = 0; i < GK_ROWS; i++) {
		machine = gk_stats(GK_MACHINE, i);
		for (round = 0; round < 3; round++) {
			nr = gophership_pool_acquire_bulk(pool, gk_capacity(i), GFP_KERNEL, 70,
							  bufs);
			KUNIT_ASSERT_EQ(test, nr, 70);
			gk_expect_unique(test, bufs, 70);
			KUNIT_EXPECT_EQ(test, bufs[69]->capacity, gk_capacity(i));
			KUNIT_EXPECT_EQ(test, gk_stats(pool, i).leased, 70);
			KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 70), 70);
		}
		row = gk_stats(pool, i);
		KUNIT_EXPECT_EQ(test, row.acquires, 210);
		KUNIT_EXPECT_EQ(test, row.releases, 210);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, i).acquires, machine.acquires);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_acquire_bulk(pool, 1, GFP_KERNEL, 0, bufs), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* One release of buffers of every class, of two pools, and large ones. */
static void bulk_mixed(struct kunit *test)
{
	const struct gophership_pool_params params = { .name = "kunit-bulk" };
	struct gophership_pool *pool = gophership_pool_create(&params);
	struct gophership_buf *bufs[60];
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		bufs[i] = gk_acquire(i % 2 ? pool : NULL, gk_capacity(i % 6), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
	}
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, ARRAY_SIZE(bufs)), 60);
	for (i = 0; i < GK_ROWS; i++) {
		KUNIT_EXPECT_EQ(test, gk_stats(pool, i).leased, 0);
		KUNIT_EXPECT_EQ(test, gk_stats(pool, i).releases, i % 2 ? 10 : 0);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* What is refused does not stop the others, wherever it stands. */
static void bulk_refuses_one(struct kunit *test)
{
	struct gophership_buf *bufs[20], *good[20], look_alike;
	u64 foreign = gk_foreign(), doubled = gk_doubled();
	unsigned int place, i;

	static const unsigned int places[] = { 0, 1, 10, 18, 19 };

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		place = places[i];
		KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, 20, good), 20);
		memcpy(bufs, good, sizeof(bufs));
		look_alike = *good[place];
		bufs[place] = &look_alike;
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 20), 19);
		KUNIT_EXPECT_EQ(test, gk_foreign(), foreign + i + 1);
		/* Only the one that it stood for is still on loan. */
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(good, 20), 1);
		KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + (i + 1) * 19);
	}
	gk_expect_sound(test, GK_MACHINE, 1);
}

/* NULL is nothing to do and no mistake; it counts as not taken back. */
static void bulk_null(struct kunit *test)
{
	u64 foreign = gk_foreign(), doubled = gk_doubled();
	struct gophership_buf *bufs[5] = {};

	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, 2, &bufs[1]), 2);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 5), 2);
	KUNIT_EXPECT_EQ(test, gk_foreign(), foreign);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled);
}

/* The same buffer several times in one call. */
static void bulk_repeats(struct kunit *test)
{
	u64 doubled = gk_doubled();
	struct gophership_buf *bufs[6];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, 2, bufs), 2);
	for (i = 2; i < ARRAY_SIZE(bufs); i++)
		bufs[i] = bufs[i % 2];
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 6), 2);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 4);
	gk_expect_sound(test, GK_MACHINE, 1);
}

static struct kunit_case bulk_cases[] = {
	KUNIT_CASE_PARAM(bulk_pairs, count_gen_params),
	KUNIT_CASE(bulk_none),
	KUNIT_CASE(bulk_large),
	KUNIT_CASE(bulk_of_a_pool),
	KUNIT_CASE(bulk_mixed),
	KUNIT_CASE(bulk_refuses_one),
	KUNIT_CASE(bulk_null),
	KUNIT_CASE(bulk_repeats),
	{}
};

static struct kunit_suite bulk_suite = {
	.name = "gophership_bulk",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = bulk_cases,
};

kunit_test_suite(bulk_suite);
