// SPDX-License-Identifier: GPL-2.0
/*
 * Pools with a name. (Who waits for their reserve: fault_wait_test.c.)
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "support.h"

static struct gophership_pool *make_pool(struct kunit *test, unsigned int reserve, size_t size)
{
	static unsigned int number;
	char name[GOPHERSHIP_POOL_NAME_LEN];
	const struct gophership_pool_params params = {
		.name = name, .reserve = reserve, .reserve_size = size,
	};
	struct gophership_pool *pool;

	snprintf(name, sizeof(name), "kunit-pool-%u", number++);
	pool = gophership_pool_create(&params);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	return pool;
}

struct bad_params {
	const char *what;
	struct gophership_pool_params params;
};

static const struct bad_params bad_params[] = {
	{ "no name", { } },
	{ "empty name", { .name = "" } },
	{ "name of 32 bytes", { .name = "0123456789abcdef0123456789abcdef" } },
	{ "name of 40 bytes", { .name = "0123456789abcdef0123456789abcdef01234567" } },
	{ "unknown flag", { .name = "kunit", .flags = BIT(3) } },
	{ "unknown flag beside a known one",
	  { .name = "kunit", .flags = GOPHERSHIP_POOL_ACCOUNT | BIT(31) } },
	{ "reserve + 1", { .name = "kunit", .reserve = GOPHERSHIP_RESERVE_MAX + 1 } },
	{ "reserve of UINT_MAX", { .name = "kunit", .reserve = UINT_MAX } },
	{ "reserve_size + 1",
	  { .name = "kunit", .reserve = 1, .reserve_size = GOPHERSHIP_MAX_POOLED + 1 } },
	{ "reserve_size of SIZE_MAX",
	  { .name = "kunit", .reserve = 1, .reserve_size = SIZE_MAX } },
	{ "reserve_size without a reserve",
	  { .name = "kunit", .reserve_size = GOPHERSHIP_MAX_POOLED + 1 } },
	{ "stock + 1", { .name = "kunit", .stock = GOPHERSHIP_STOCK_MAX + 1 } },
	{ "a stock for which no cgroup pays",
	  { .name = "kunit", .stock = 1, .flags = GOPHERSHIP_POOL_ACCOUNT } },
};

KUNIT_ARRAY_PARAM_DESC(bad_params, bad_params, what);

static void pool_refuses(struct kunit *test)
{
	const struct bad_params *bad = test->param_value;
	struct gophership_pool *pool = gophership_pool_create(&bad->params);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pool), -EINVAL);
	gophership_pool_destroy(pool);
}

static void pool_refuses_no_params(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(gophership_pool_create(NULL)), -EINVAL);
}

/* A name belongs to one pool at a time, from its creation until its end. */
static void pool_name_is_taken(struct kunit *test)
{
	static const char * const names[] = { "kernel", "user", "orphans", "kunit-name" };
	struct gophership_pool_params params = { .name = "kunit-name", .reserve = 2 };
	struct gophership_pool *pool = gophership_pool_create(&params), *other;
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		params.name = names[i];
		other = gophership_pool_create(&params);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(other), -EEXIST, "%s", names[i]);
		gophership_pool_destroy(other);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	pool = gophership_pool_create(&params);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pool), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* The other side of each limit; the params and the name are copied. */
static void pool_at_the_limits(struct kunit *test)
{
	char name[] = "0123456789abcdef0123456789abcde";
	struct gophership_pool_params params = {
		.name = name, .reserve = GOPHERSHIP_RESERVE_MAX, .reserve_size = 1,
		.flags = GOPHERSHIP_POOL_ACCOUNT,
	};
	struct gophership_pool *pool = gophership_pool_create(&params);
	struct gophership_pool_stats stats;
	struct gophership_buf *buf;
	u64 mark;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	memset(name, 'x', sizeof(name) - 1);
	params.name = NULL;
	gophership_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.reserve, GOPHERSHIP_RESERVE_MAX);
	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	mark = gk_log_mark();
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 1);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:",
					   "0123456789abcdef0123456789abcde "), 1);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
}

static void pool_destroy_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(NULL), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(ERR_PTR(-ENOMEM)), 0);
}

/* A new pool has counted nothing; each counts its own buffers only. */
static void pool_apart(struct kunit *test)
{
	struct gophership_pool *pools[3] = { NULL, make_pool(test, 0, 0), make_pool(test, 2, 1) };
	struct gophership_class_stats machine = gk_stats(GK_MACHINE, 1), row;
	struct gophership_buf *bufs[2];
	unsigned int i;

	for (i = 1; i < 3; i++) {
		row = gk_stats(pools[i], 1);
		KUNIT_EXPECT_EQ(test, row.acquires + row.hits + row.misses + row.releases +
				      row.shrunk + row.cached + row.leased, 0);
		bufs[0] = gophership_pool_acquire(pools[i], gk_capacity(1), GFP_KERNEL);
		bufs[1] = gophership_pool_must_acquire(pools[i], gk_capacity(1));
		KUNIT_ASSERT_NOT_NULL(test, bufs[0]);
		KUNIT_ASSERT_NOT_NULL(test, bufs[1]);
		KUNIT_EXPECT_EQ(test, bufs[0]->len + bufs[1]->len, 0);
		KUNIT_EXPECT_EQ(test, gk_stats(pools[i], 1).leased, 2);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 2), 2);
		row = gk_stats(pools[i], 1);
		KUNIT_EXPECT_EQ(test, row.acquires, 2);
		KUNIT_EXPECT_EQ(test, row.releases, 2);
		KUNIT_EXPECT_EQ(test, row.leased, 0);
		KUNIT_EXPECT_GE(test, row.cached, 2);
	}
	row = gk_stats(GK_MACHINE, 1);
	KUNIT_EXPECT_EQ(test, row.acquires, machine.acquires);
	KUNIT_EXPECT_EQ(test, row.releases, machine.releases);
	KUNIT_EXPECT_EQ(test, row.cached, machine.cached);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pools[1]), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pools[2]), 0);
}

/* The reserve is there from the start, and not touched while there is memory. */
static void pool_reserve(struct kunit *test)
{
	static const size_t sizes[] = { 1, 2 * PAGE_SIZE, 0 };
	struct gophership_pool_stats stats;
	struct gophership_pool *pool;
	struct gophership_buf *bufs[40];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		pool = make_pool(test, 5, sizes[i]);
		for (j = 0; j < ARRAY_SIZE(bufs); j++) {
			bufs[j] = gophership_pool_must_acquire(pool, sizes[i]);
			KUNIT_ASSERT_NOT_NULL(test, bufs[j]);
		}
		gophership_pool_stats(pool, &stats);
		KUNIT_EXPECT_EQ(test, stats.reserve, 5);
		KUNIT_EXPECT_EQ(test, stats.waiters, 0);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 40), 40);
		gophership_pool_trim(pool);
		gophership_pool_stats(pool, &stats);
		KUNIT_EXPECT_EQ(test, stats.reserve, 5);
		KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	}
}

static noinline struct gophership_buf *who_leaks(struct gophership_pool *pool, size_t size)
{
	struct gophership_buf *buf = gophership_pool_acquire(pool, size, GFP_KERNEL);

	barrier();	/* no tail call: the call site is here */
	return buf;
}

/*
 * What was not released is counted and named; it stays the holder's, in good
 * order, and goes to the page allocator with its release.
 */
static void pool_leaks(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 1, 0);
	struct gophership_buf *bufs[GK_ROWS];
	u64 mark = gk_log_mark();
	unsigned int row;

	for (row = 0; row < GK_ROWS; row++) {
		bufs[row] = who_leaks(pool, gk_capacity(row));
		KUNIT_ASSERT_NOT_NULL(test, bufs[row]);
		memset(bufs[row]->data, row + 1, bufs[row]->capacity);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), GK_ROWS);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", "who_leaks+"), GK_ROWS);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "kunit-pool", "who_leaks+"), GK_ROWS);
	for (row = 0; row < GK_ROWS; row++) {
		KUNIT_EXPECT_NULL(test, memchr_inv(bufs[row]->data, row + 1, bufs[row]->capacity));
		KUNIT_EXPECT_EQ(test, bufs[row]->capacity, gk_capacity(row));
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[row]), 0);
		KUNIT_EXPECT_LT(test, gophership_buf_release(bufs[row]), 0);
	}
	rcu_barrier();
	for (row = 0; row < GK_ROWS; row++)
		KUNIT_EXPECT_LT(test, gophership_buf_release(bufs[row]), 0);
}

/* No leak, no line. */
static void pool_no_leak_is_silent(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 3, 1);
	struct gophership_buf *buf = who_leaks(pool, 1);
	u64 mark = gk_log_mark();

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", "is destroyed"), 0);
}

/* A hundred leaks: all counted, and the log stays readable. */
static void pool_leaks_many(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 0, 0);
	struct gophership_buf *bufs[100];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		bufs[i] = who_leaks(pool, 1);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 100);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 100), 100);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 100), 0);
}

/* Other users of the pool of the machine do not notice pools that go. */
static void pool_come_and_go(struct kunit *test)
{
	struct gophership_pool *pools[10];
	struct gophership_buf *bufs[10];
	unsigned int round, i;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < 10; i++) {
			pools[i] = make_pool(test, i, 1);
			bufs[i] = gophership_pool_acquire(pools[i], gk_capacity(i % 5), GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
		}
		gk_expect_unique(test, bufs, 10);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 10), 10);
		for (i = 0; i < 10; i++)
			KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pools[i]), 0);
	}
}

/* A release on another CPU while its pool goes: the buffer leaks or not. */

struct farewell {
	struct gophership_pool *pool;
	struct gophership_buf *bufs[32];
	struct gk_gate gate;
	unsigned int delay;
	int leaked;
	unsigned int refused;
	/* Releases by the other CPU: begun, ended. */
	atomic_t begun, ended;
	int ended_before, begun_after;
};

static void farewell_main(unsigned int id, void *arg)
{
	struct farewell *farewell = arg;
	unsigned int i;

	gk_meet(&farewell->gate, 1);
	if (id == 0) {
		farewell->ended_before = atomic_read(&farewell->ended);
		smp_mb();	/* what ended is released before the pool goes */
		farewell->leaked = gophership_pool_destroy(farewell->pool);
		smp_mb();	/* and what has not begun now was leased all the time */
		farewell->begun_after = atomic_read(&farewell->begun);
		return;
	}
	for (i = 0; i < 32; i++) {
		udelay(farewell->delay);
		atomic_inc(&farewell->begun);
		smp_mb__after_atomic();	/* before the release begins */
		farewell->refused += !!gophership_buf_release(farewell->bufs[i]);
		smp_mb__before_atomic();	/* after it has ended */
		atomic_inc(&farewell->ended);
	}
}

static void pool_destroy_races_release(struct kunit *test)
{
	struct farewell *farewell;
	unsigned int round, i;

	for (round = 0; round < 12; round++) {
		farewell = kunit_kzalloc(test, sizeof(*farewell), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, farewell);
		farewell->delay = round * 80;
		farewell->pool = make_pool(test, 0, 0);
		for (i = 0; i < 32; i++) {
			farewell->bufs[i] = gophership_pool_acquire(farewell->pool,
								    gk_capacity(i % 6), GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, farewell->bufs[i]);
		}
		gk_run(test, 2, farewell_main, farewell);
		KUNIT_EXPECT_EQ(test, farewell->refused, 0);
		KUNIT_EXPECT_LE(test, farewell->leaked, 32 - farewell->ended_before);
		KUNIT_EXPECT_GE(test, farewell->leaked, 32 - farewell->begun_after);
		rcu_barrier();
		for (i = 0; i < 32; i++)
			KUNIT_EXPECT_LT(test, gophership_buf_release(farewell->bufs[i]), 0);
		kunit_kfree(test, farewell);
	}
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE_PARAM(pool_refuses, bad_params_gen_params),
	KUNIT_CASE(pool_refuses_no_params),
	KUNIT_CASE(pool_name_is_taken),
	KUNIT_CASE(pool_at_the_limits),
	KUNIT_CASE(pool_destroy_nothing),
	KUNIT_CASE(pool_apart),
	KUNIT_CASE(pool_reserve),
	KUNIT_CASE(pool_leaks),
	KUNIT_CASE(pool_no_leak_is_silent),
	KUNIT_CASE(pool_leaks_many),
	KUNIT_CASE(pool_come_and_go),
	KUNIT_CASE(pool_destroy_races_release),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "gophership_pool",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
