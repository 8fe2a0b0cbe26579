// SPDX-License-Identifier: GPL-2.0
/*
 * The counters: each is moved by what it counts, and by nothing else. (The
 * reserve and who waits: fault_reserve_test.c. What poison=1 finds: poison_test.c.)
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "support.h"

static struct gophership_pool *make_pool(struct kunit *test)
{
	const struct gophership_pool_params params = { .name = "kunit-stats" };
	struct gophership_pool *pool = gophership_pool_create(&params);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	return pool;
}

/*
 * Expects the counters of @row to be these, and all others of the pool to be 0.
 * All zeros are the pool's before its first use.
 */
static void expect_row(struct kunit *test, struct gophership_pool *pool, unsigned int row,
		       const struct gophership_class_stats *expected)
{
	struct gophership_pool_stats stats;
	unsigned int i;

	gophership_pool_stats(pool, &stats);
	for (i = 0; i < GK_ROWS; i++) {
		struct gophership_class_stats wanted = {};

		if (i == row)
			wanted = *expected;
		KUNIT_EXPECT_EQ(test, stats.class[i].acquires, wanted.acquires);
		KUNIT_EXPECT_EQ(test, stats.class[i].hits, wanted.hits);
		KUNIT_EXPECT_EQ(test, stats.class[i].misses, wanted.misses);
		KUNIT_EXPECT_EQ(test, stats.class[i].releases, wanted.releases);
		KUNIT_EXPECT_EQ(test, stats.class[i].shrunk, wanted.shrunk);
		KUNIT_EXPECT_EQ(test, stats.class[i].cached, wanted.cached);
		KUNIT_EXPECT_EQ(test, stats.class[i].leased, wanted.leased);
		KUNIT_EXPECT_EQ(test, stats.class[i].capacity, i == GK_LARGE ? 0 : gk_capacity(i));
	}
	KUNIT_EXPECT_EQ(test, stats.reserve, 0);
	KUNIT_EXPECT_EQ(test, stats.waiters, 0);
}

/*
 * One buffer's life, step by step. With GFP_ATOMIC a miss brings that one alone,
 * and with poison=1 no acquire is a hit.
 */
static void stats_of_one_buffer(struct kunit *test)
{
	bool hits = !gk_loaded_with("poison", "Y");
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		struct gophership_pool *pool = make_pool(test);
		struct gophership_class_stats row = {};
		struct gophership_buf *buf;

		expect_row(test, pool, class, &row);
		migrate_disable();
		buf = gophership_pool_acquire(pool, gk_capacity(class), GFP_ATOMIC);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		row = (struct gophership_class_stats){ .acquires = 1, .misses = 1, .leased = 1 };
		expect_row(test, pool, class, &row);

		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
		row = (struct gophership_class_stats){
			.acquires = 1, .misses = 1, .releases = 1, .cached = 1,
		};
		expect_row(test, pool, class, &row);

		KUNIT_EXPECT_PTR_EQ(test, buf,
				    gophership_pool_acquire(pool, gk_capacity(class), GFP_ATOMIC));
		row = (struct gophership_class_stats){
			.acquires = 2, .hits = hits, .misses = 1, .releases = 1, .leased = 1,
		};
		expect_row(test, pool, class, &row);

		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
		migrate_enable();
		KUNIT_EXPECT_EQ(test, gophership_pool_trim(pool), 1);
		row = (struct gophership_class_stats){
			.acquires = 2, .hits = hits, .misses = 1, .releases = 2, .shrunk = 1,
		};
		expect_row(test, pool, class, &row);
		KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	}
}

/* Above the classes each is a miss, and none lies in the pool. */
static void stats_of_large_buffers(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test);
	struct gophership_class_stats row = {};
	struct gophership_buf *bufs[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		bufs[i] = gophership_pool_acquire(pool, GOPHERSHIP_MAX_POOLED + 1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
		row.acquires++;
		row.misses++;
		row.leased++;
		expect_row(test, pool, GK_LARGE, &row);
	}
	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
		row.releases++;
		row.leased--;
		expect_row(test, pool, GK_LARGE, &row);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* In one call as one by one: what the magazine has are hits. */
static void stats_of_bulk_calls(struct kunit *test)
{
	u64 acquires = gk_loaded_with("poison", "Y") ? 0 : 3, hits, releases;
	struct gophership_buf *bufs[3];
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		migrate_disable();
		KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(gk_capacity(class), GFP_KERNEL,
								  3, bufs), 3);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 3), 3);
		hits = gk_stats(GK_MACHINE, class).hits;
		releases = gk_stats(GK_MACHINE, class).releases;
		KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(gk_capacity(class), GFP_KERNEL,
								  3, bufs), 3);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).hits, hits + acquires);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).releases, releases);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 3), 3);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).hits, hits + acquires);
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).releases, releases + 3);
		migrate_enable();
	}
}

struct errand {
	struct gophership_pool *pool;
	struct gophership_buf *buf;
};

static int acquire_there(void *arg)
{
	struct errand *errand = arg;

	errand->buf = gophership_pool_acquire(errand->pool, 1, GFP_ATOMIC);
	return errand->buf ? 0 : -ENOMEM;
}

static int release_there(void *arg)
{
	struct errand *errand = arg;

	return gophership_buf_release(errand->buf);
}

/* The counters of all CPUs are one sum, whichever takes and whichever gives. */
static void stats_of_all_cpus(struct kunit *test)
{
	struct gophership_class_stats row = {};
	struct errand errand = { .pool = make_pool(test) };
	unsigned int cpu;

	for (cpu = 0; cpu < GK_CPUS; cpu++) {
		KUNIT_ASSERT_EQ(test, smp_call_on_cpu(cpu, acquire_there, &errand, false), 0);
		row.acquires++;
		row.misses++;
		row.leased++;
		expect_row(test, errand.pool, 0, &row);
		KUNIT_EXPECT_EQ(test, smp_call_on_cpu(!cpu, release_there, &errand, false), 0);
		row.releases++;
		row.leased--;
		row.cached++;
		expect_row(test, errand.pool, 0, &row);
		/* Or the next one is no miss. */
		KUNIT_EXPECT_EQ(test, gophership_pool_trim(errand.pool), 1);
		row.cached--;
		row.shrunk++;
		expect_row(test, errand.pool, 0, &row);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(errand.pool), 0);
}

/* What is refused is counted by its kind, for all pools at once, and moves nothing else. */
static void stats_of_refusals(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test);
	struct gophership_pool_stats before, after;
	struct gophership_class_stats row = {
		.acquires = 1, .misses = 1, .releases = 1, .cached = 1,
	};
	struct gophership_buf *buf, look_alike;

	buf = gophership_pool_acquire(pool, 1, GFP_ATOMIC);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	look_alike = *buf;
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	gophership_pool_stats(GK_MACHINE, &before);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	gophership_pool_stats(GK_MACHINE, &after);
	KUNIT_EXPECT_EQ(test, after.doubled, before.doubled + 1);
	KUNIT_EXPECT_EQ(test, after.foreign, before.foreign);
	KUNIT_EXPECT_EQ(test, after.poisoned, before.poisoned);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(&look_alike), -EINVAL);
	gophership_pool_stats(pool, &after);
	KUNIT_EXPECT_EQ(test, after.doubled, before.doubled + 1);
	KUNIT_EXPECT_EQ(test, after.foreign, before.foreign + 1);
	KUNIT_EXPECT_EQ(test, after.poisoned, before.poisoned);
	expect_row(test, pool, 0, &row);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

static struct kunit_case stats_cases[] = {
	KUNIT_CASE(stats_of_one_buffer),
	KUNIT_CASE(stats_of_large_buffers),
	KUNIT_CASE(stats_of_bulk_calls),
	KUNIT_CASE(stats_of_all_cpus),
	KUNIT_CASE(stats_of_refusals),
	{}
};

static struct kunit_suite stats_suite = {
	.name = "gophership_stats",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = stats_cases,
};

kunit_test_suite(stats_suite);
