// SPDX-License-Identifier: GPL-2.0
/*
 * Without memory. Page allocations of a task that says so fail, by the
 * kernel's fault injection (CONFIG_FAIL_PAGE_ALLOC), which is told so here.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/vmstat.h>

#include "support.h"

#define INJECTION	"/sys/kernel/debug/fail_page_alloc/"

static void starve(bool yes)
{
	current->make_it_fail = yes;
}

static int fault_suite_init(struct kunit_suite *suite)
{
	unsigned long page;

	if (!gk_shell("set -e; cd " INJECTION ";"
		      "echo Y >task-filter; echo N >ignore-gfp-wait; echo 0 >min-order;"
		      "echo 0 >verbose; echo 1 >interval; echo -1 >times; echo 100 >probability")) {
		pr_err("no fault injection\n");
		return -ENODEV;
	}
	starve(true);
	page = __get_free_page(GFP_KERNEL);
	starve(false);
	if (!page)
		return 0;
	pr_err("fault injection does not work\n");
	free_page(page);
	return -ENODEV;
}

static void fault_suite_exit(struct kunit_suite *suite)
{
	gk_shell("echo 0 >" INJECTION "probability");
}

static void fault_exit(struct kunit *test)
{
	starve(false);
	gk_exit(test);
}

static struct gophership_pool *make_pool(struct kunit *test, unsigned int reserve, size_t size)
{
	const struct gophership_pool_params params = {
		.name = "kunit-fault", .reserve = reserve, .reserve_size = size,
	};
	struct gophership_pool *pool = gophership_pool_create(&params);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	return pool;
}

static struct gophership_pool_stats stats_of(struct gophership_pool *pool)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(pool, &stats);
	return stats;
}

/* NULL, quietly, and nothing is left behind. */
static void fault_acquire(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 0, 0);
	struct gophership_buf *bufs[4];
	struct gophership_class_stats row;
	u64 mark = gk_log_mark();
	unsigned int i, round, served = 0;

	gophership_pool_trim(GK_MACHINE);
	starve(true);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < GK_ROWS; i++) {
			served += !!gophership_buf_acquire(gk_capacity(i), GFP_KERNEL);
			served += !!gophership_pool_acquire(pool, gk_capacity(i), GFP_ATOMIC);
			served += gophership_buf_acquire_bulk(gk_capacity(i), GFP_KERNEL, 4, bufs);
		}
	}
	starve(false);
	KUNIT_EXPECT_EQ(test, served, 0);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "page allocation failure", ""), 0);
	for (i = 0; i < GK_ROWS; i++) {
		row = gk_stats(pool, i);
		KUNIT_EXPECT_EQ(test, row.acquires + row.releases + row.cached + row.leased, 0);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	gk_expect_sound(test, GK_MACHINE, 1);
}

static long slab_pages(void)
{
	return global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
}

/*
 * Memory for the descriptor but none for the payload, which takes more than a
 * page: the descriptor goes back. (The slab allocator may have merged the
 * descriptors' cache with others, and then misses none when the module goes.)
 */
static void fault_payload(struct kunit *test)
{
	unsigned int round, class, served = 0;
	long slabs;

	KUNIT_ASSERT_TRUE(test, gk_shell("echo 1 >" INJECTION "min-order"));
	gophership_pool_trim(GK_MACHINE);
	slabs = slab_pages();
	starve(true);
	for (round = 0; round < 10000; round++)
		for (class = 1; class < GK_ROWS; class++)
			served += !!gophership_buf_acquire(gk_capacity(class), GFP_KERNEL);
	starve(false);
	KUNIT_EXPECT_TRUE(test, gk_shell("echo 0 >" INJECTION "min-order"));
	KUNIT_EXPECT_EQ(test, served, 0);
	/* 50000 descriptors would be 3 MiB. (KASAN keeps some for a while.) */
	KUNIT_EXPECT_LT(test, slab_pages(), slabs + 400);
}

/* What is cached is served without any memory, for as long as it lasts. */
static void fault_cached(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 0, 0);
	struct gophership_buf *bufs[200];
	unsigned int nr, i, round, failed = 0;

	migrate_disable();
	for (nr = 0; nr < ARRAY_SIZE(bufs); nr++) {
		bufs[nr] = gophership_pool_acquire(pool, 1, GFP_KERNEL);
		if (!bufs[nr])
			break;
	}
	failed += gophership_buf_release_bulk(bufs, nr) != nr;
	starve(true);
	for (round = 0; round < 50; round++) {
		for (i = 0; i < nr; i++) {
			bufs[i] = gophership_pool_acquire(pool, 1, GFP_KERNEL);
			failed += !bufs[i];
		}
		for (i = 0; i < nr; i++)
			failed += !!gophership_buf_release(bufs[i]);
	}
	starve(false);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, nr, ARRAY_SIZE(bufs));
	KUNIT_EXPECT_EQ(test, failed, 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* A class that ran dry is served from a larger one, if that has some. */
static void fault_larger_class(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 0, 0);
	struct gophership_buf *bufs[64];
	unsigned int i, nr = 0;

	/* Enough for whole magazines to lie where everybody can take from. */
	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		bufs[i] = gophership_pool_acquire(pool, gk_capacity(4), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
	}
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 64), 64);
	starve(true);
	while (nr < ARRAY_SIZE(bufs)) {
		bufs[nr] = gophership_pool_acquire(pool, 1, GFP_KERNEL);
		if (!bufs[nr])
			break;
		nr++;
	}
	starve(false);
	KUNIT_EXPECT_GT(test, nr, 0);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ(test, bufs[i]->capacity, gk_capacity(4));
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
	}
	KUNIT_EXPECT_EQ(test, gk_stats(pool, 0).leased, 0);
	KUNIT_EXPECT_EQ(test, gk_stats(pool, 4).leased, 0);
	KUNIT_EXPECT_EQ(test, gk_stats(pool, 0).acquires + gk_stats(pool, 4).acquires, 64 + nr);
	gk_expect_sound(test, pool, gk_capacity(4));
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* Part of what was asked for, from the start of the array. */
static void fault_bulk(struct kunit *test)
{
	struct gophership_buf *bufs[64];
	unsigned int nr;

	gophership_pool_trim(GK_MACHINE);
	migrate_disable();
	nr = gophership_buf_acquire_bulk(gk_capacity(2), GFP_ATOMIC, 10, bufs);
	gophership_buf_release_bulk(bufs, nr);
	starve(true);
	nr = gophership_buf_acquire_bulk(gk_capacity(2), GFP_KERNEL, ARRAY_SIZE(bufs), bufs);
	starve(false);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, nr, 10);
	gk_expect_unique(test, bufs, nr);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), nr);
}

/* A release needs no memory, however many there are: none is lost. */
static void fault_release(struct kunit *test)
{
	struct gophership_buf **bufs = kunit_kcalloc(test, 1000, sizeof(*bufs), GFP_KERNEL);
	struct gophership_pool *pool = make_pool(test, 0, 0);
	unsigned int class, i, failed = 0;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		unsigned int nr = 1000 >> class;

		for (i = 0; i < nr; i++) {
			bufs[i] = gophership_pool_acquire(pool, gk_capacity(class), GFP_ATOMIC);
			KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
		}
		starve(true);
		for (i = 0; i < nr; i++)
			failed += !!gophership_buf_release(bufs[i]);
		starve(false);
		KUNIT_EXPECT_EQ(test, gk_stats(pool, class).leased, 0);
		gk_expect_sound(test, pool, gk_capacity(class));
	}
	KUNIT_EXPECT_EQ(test, failed, 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

static void fault_create(struct kunit *test)
{
	const struct gophership_pool_params params = { .name = "kunit-fault", .reserve = 3 };
	struct gophership_pool *pool;
	unsigned int i;

	for (i = 0; i < 50; i++) {
		starve(true);
		pool = gophership_pool_create(&params);
		starve(false);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pool), -ENOMEM);
		gophership_pool_destroy(pool);
	}
}

/* Every second, third ... allocation fails: half-way errors undo themselves. */
static void fault_now_and_then(struct kunit *test)
{
	struct gophership_buf *bufs[50];
	struct gophership_pool *pool;
	char command[80];
	unsigned int step, i, round;
	const struct gophership_pool_params params = { .name = "kunit-fault", .reserve = 5 };

	for (step = 2; step < 12; step++) {
		snprintf(command, sizeof(command), "echo %u >" INJECTION "interval", step);
		KUNIT_ASSERT_TRUE(test, gk_shell(command));
		for (round = 0; round < 2; round++) {
			starve(true);
			pool = gophership_pool_create(&params);
			for (i = 0; i < ARRAY_SIZE(bufs) && !IS_ERR(pool); i++)
				bufs[i] = gk_acquire(pool, gk_capacity((i + step) % 6), GFP_KERNEL);
			while (i--)
				if (bufs[i])
					KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
			KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
			starve(false);
		}
	}
	KUNIT_EXPECT_TRUE(test, gk_shell("echo 1 >" INJECTION "interval"));
}

/* The reserve is not for those who may sleep, and what it gave comes back to it. */
static void fault_reserve(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 3, gk_capacity(1));
	struct gophership_buf *bufs[3];
	unsigned int i, round;

	for (round = 0; round < 20; round++) {
		starve(true);
		KUNIT_EXPECT_NULL(test, gophership_pool_acquire(pool, 1, GFP_KERNEL));
		for (i = 0; i < 3; i++) {
			bufs[i] = gophership_pool_must_acquire(pool, gk_capacity(i % 2));
			KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
			KUNIT_EXPECT_EQ(test, bufs[i]->capacity, gk_capacity(1));
			KUNIT_EXPECT_EQ(test, bufs[i]->len, 0);
			bufs[i]->len = 5;
			KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 2 - i);
		}
		gk_expect_unique(test, bufs, 3);
		KUNIT_EXPECT_EQ(test, gk_stats(pool, 1).leased, 3);
		for (i = 0; i < 3; i++) {
			KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
			KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), -EALREADY);
			KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, i + 1);
		}
		starve(false);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/*
 * Who may not sleep gets from the reserve, too, as from a mempool: any flags without
 * reclaim, cleared if wanted, alone or in bulk; but not what is too large, nor with
 * __GFP_NOMEMALLOC.
 */
static void fault_reserve_atomic(struct kunit *test)
{
	static const gfp_t flags[] = { GFP_ATOMIC, GFP_NOWAIT, 0, GFP_ATOMIC | __GFP_ZERO };
	struct gophership_pool *pool = make_pool(test, 3, gk_capacity(1));
	struct gophership_buf *bufs[4];
	unsigned int round, i;

	for (round = 0; round < ARRAY_SIZE(flags) * 5; round++) {
		gfp_t gfp = flags[round % ARRAY_SIZE(flags)];
		void *dirty;

		starve(true);
		KUNIT_EXPECT_NULL(test, gophership_pool_acquire(pool, 1, gfp | __GFP_NOMEMALLOC));
		KUNIT_EXPECT_NULL(test, gophership_pool_acquire(pool, 1,
								gfp | __GFP_DIRECT_RECLAIM));
		KUNIT_EXPECT_NULL(test, gophership_pool_acquire(pool, gk_capacity(2), gfp));
		KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 3);
		bufs[0] = gophership_pool_acquire(pool, gk_capacity(1), gfp);
		KUNIT_ASSERT_NOT_NULL(test, bufs[0]);
		KUNIT_ASSERT_EQ(test, gophership_pool_acquire_bulk(pool, 1, gfp, 3, bufs + 1), 2);
		starve(false);
		KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 0);
		gk_expect_unique(test, bufs, 3);
		for (i = 0; i < 3; i++) {
			KUNIT_EXPECT_EQ(test, bufs[i]->capacity, gk_capacity(1));
			KUNIT_EXPECT_EQ(test, bufs[i]->len, 0);
			dirty = memchr_inv(bufs[i]->data, 0, gk_capacity(1));
			KUNIT_EXPECT_TRUE(test, !dirty || !(gfp & __GFP_ZERO));
			bufs[i]->len = 9;
			memset(bufs[i]->data, 9, gk_capacity(1));
		}
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 3), 3);
		KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 3);
		KUNIT_EXPECT_EQ(test, gk_stats(pool, 1).leased, 0);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* What others wait for in the pool of the machine no interrupt takes away. */
static void fault_reserve_of_machine_atomic(struct kunit *test)
{
	u32 reserve = stats_of(GK_MACHINE).reserve;

	KUNIT_ASSERT_GT(test, reserve, 0);
	gophership_pool_trim(GK_MACHINE);
	starve(true);
	KUNIT_EXPECT_NULL(test, gophership_buf_acquire(GOPHERSHIP_MAX_POOLED, GFP_ATOMIC));
	starve(false);
	KUNIT_EXPECT_EQ(test, stats_of(GK_MACHINE).reserve, reserve);
}

/* Two CPUs at once, giving and taking: each buffer has one holder, and none is lost. */
struct scramble {
	struct gophership_pool *pool;
	struct gk_ledger ledger;
	unsigned int rounds;
	unsigned int served[GK_CPUS];
};

static void scramble_main(unsigned int id, void *arg)
{
	struct scramble *scramble = arg;
	struct gophership_buf *bufs[2];
	unsigned int round, i;

	starve(true);
	for (round = 0; round < scramble->rounds; round++) {
		for (i = 0; i < 2; i++) {
			bufs[i] = gophership_pool_acquire(scramble->pool, 1, GFP_ATOMIC);
			if (bufs[i])
				gk_note(&scramble->ledger, bufs[i], 1);
		}
		for (i = 0; i < 2; i++) {
			if (!bufs[i])
				continue;
			scramble->served[id]++;
			gk_give(&scramble->ledger, bufs[i]);
		}
	}
	starve(false);
}

static void fault_reserve_scramble(struct kunit *test)
{
	struct scramble scramble = { .rounds = gk_rounds(20000) };

	gk_ledger_init(&scramble.ledger);
	scramble.pool = make_pool(test, 3, 1);
	gk_run(test, 2, scramble_main, &scramble);
	gk_ledger_expect_clean(test, &scramble.ledger);
	KUNIT_EXPECT_GT(test, scramble.served[0], 0);
	KUNIT_EXPECT_GT(test, scramble.served[1], 0);
	KUNIT_EXPECT_EQ(test, stats_of(scramble.pool).reserve, 3);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(scramble.pool), 0);
}

/* What something still refers to lies in the reserve, and is handed out afterwards. */
static void fault_reserve_referenced(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 2, 1);
	struct gophership_buf *bufs[2], *buf;
	struct page *page;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		starve(true);
		KUNIT_ASSERT_EQ(test, gophership_pool_acquire_bulk(pool, 1, GFP_ATOMIC, 2,
								   bufs), 2);
		page = virt_to_page(bufs[0]->data);
		get_page(page);
		/* By either call. */
		KUNIT_EXPECT_EQ(test, i ? gophership_buf_retire(bufs[0])
					: gophership_buf_release(bufs[0]), 0);
		KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 1);
		KUNIT_EXPECT_NULL(test, gophership_pool_acquire(pool, 1, GFP_ATOMIC));
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[1]), 0);
		buf = gophership_pool_acquire(pool, 1, GFP_ATOMIC);
		KUNIT_EXPECT_PTR_EQ(test, buf, bufs[1]);
		put_page(page);
		KUNIT_EXPECT_PTR_EQ(test, gophership_pool_acquire(pool, 1, GFP_ATOMIC), bufs[0]);
		starve(false);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 2), 2);
		KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 2);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* A second release of what came from the reserve: refused, counted, and it is there once. */
static void fault_reserve_released_twice(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 2, 1);
	u64 doubled = gk_doubled(), foreign = gk_foreign();
	struct gophership_buf *bufs[2], *buf;
	unsigned int i;

	starve(true);
	buf = gophership_pool_must_acquire(pool, 1);
	KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 1);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 5);
	KUNIT_EXPECT_EQ(test, gk_foreign(), foreign);
	KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 2);
	for (i = 0; i < 2; i++)
		bufs[i] = gophership_pool_must_acquire(pool, 1);
	starve(false);
	KUNIT_EXPECT_PTR_NE(test, bufs[0], bufs[1]);
	KUNIT_EXPECT_PTR_NE(test, bufs[0]->data, bufs[1]->data);
	KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 2), 2);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* A buffer of the reserve counts in the class of its capacity, whatever size was asked for. */
static void fault_reserve_counts(struct kunit *test)
{
	const size_t sizes[] = { 1, PAGE_SIZE - 1, PAGE_SIZE + 1, 3 * PAGE_SIZE + 5,
				 GOPHERSHIP_MAX_POOLED - 1, GOPHERSHIP_MAX_POOLED };
	unsigned int i, row, ours;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct gophership_pool *pool = make_pool(test, 1, sizes[i]);
		struct gophership_buf *buf;

		starve(true);
		buf = gophership_pool_must_acquire(pool, sizes[i]);
		starve(false);
		ours = get_order(sizes[i]);
		KUNIT_EXPECT_EQ(test, buf->capacity, gk_capacity(ours));
		KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 0);
		for (row = 0; row < GK_ROWS; row++) {
			KUNIT_EXPECT_EQ(test, gk_stats(pool, row).acquires, row == ours);
			KUNIT_EXPECT_EQ(test, gk_stats(pool, row).leased, row == ours);
			KUNIT_EXPECT_EQ(test, gk_stats(pool, row).releases, 0);
		}
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
		for (row = 0; row < GK_ROWS; row++) {
			KUNIT_EXPECT_EQ(test, gk_stats(pool, row).acquires, row == ours);
			KUNIT_EXPECT_EQ(test, gk_stats(pool, row).releases, row == ours);
			KUNIT_EXPECT_EQ(test, gk_stats(pool, row).leased, 0);
			KUNIT_EXPECT_EQ(test, gk_stats(pool, row).cached, 0);
		}
		KUNIT_EXPECT_EQ(test, stats_of(pool).reserve, 1);
		KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	}
}

/* The pool of the machine has a reserve, too. */
static void fault_reserve_of_machine(struct kunit *test)
{
	unsigned int nr = stats_of(GK_MACHINE).reserve, i;
	struct gophership_buf *bufs[16];

	KUNIT_ASSERT_GT(test, nr, 0);
	KUNIT_ASSERT_LE(test, nr, ARRAY_SIZE(bufs));
	gophership_pool_trim(GK_MACHINE);
	starve(true);
	for (i = 0; i < nr; i++)
		bufs[i] = gophership_buf_must_acquire(GOPHERSHIP_MAX_POOLED);
	starve(false);
	KUNIT_EXPECT_EQ(test, stats_of(GK_MACHINE).reserve, 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), nr);
	KUNIT_EXPECT_EQ(test, stats_of(GK_MACHINE).reserve, nr);
}

/* A buffer of the reserve that is on loan when its pool goes. */
static void fault_reserve_leaks(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 2, 1);
	struct gophership_buf *buf;

	starve(true);
	buf = gophership_pool_must_acquire(pool, 1);
	starve(false);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 1);
	memset(buf->data, 1, buf->capacity);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_LT(test, gophership_buf_release(buf), 0);
}

/*
 * Scopes: requests have no flags, or the wrong ones, and the task's scope decides what
 * the page allocator gets to see.
 */

struct watch {
	struct task_struct *task;
	gfp_t seen;
	unsigned int nr;
};

static void page_allocated(void *data, struct page *page, unsigned int order, gfp_t gfp,
			   int migratetype)
{
	struct watch *watch = data;

	if (current != watch->task || !(gfp & __GFP_DIRECT_RECLAIM))
		return;
	watch->seen |= gfp;
	watch->nr++;
}

static void find_tracepoint(struct tracepoint *tracepoint, void *found)
{
	if (!strcmp(tracepoint->name, "mm_page_alloc"))
		*(struct tracepoint **)found = tracepoint;
}

/* Each way to ask for memory that may sleep. */
static void ask_all(struct kunit *test, struct gophership_pool *pool)
{
	struct gophership_buf *bufs[8];
	unsigned int row, nr;

	for (row = 0; row < GK_ROWS; row++) {
		nr = 0;
		if (row < GK_LARGE)
			bufs[nr++] = gophership_pool_must_acquire(pool, gk_capacity(row));
		bufs[nr++] = gophership_pool_acquire(pool, gk_capacity(row), GFP_KERNEL);
		nr += gophership_pool_acquire_bulk(pool, gk_capacity(row), GFP_KERNEL, 4,
						   bufs + nr);
		KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), nr);
	}
	gophership_pool_trim(pool);
}

static void fault_scope(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 0, 0);
	struct watch watch = { .task = current };
	struct tracepoint *tracepoint = NULL;
	unsigned int scope;

	for_each_kernel_tracepoint(find_tracepoint, &tracepoint);
	KUNIT_ASSERT_NOT_NULL(test, tracepoint);
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(tracepoint, page_allocated, &watch), 0);
	/* What may not reclaim fails, so that must_acquire comes to its second try. */
	KUNIT_EXPECT_TRUE(test, gk_shell("echo Y >" INJECTION "ignore-gfp-wait"));
	for (scope = 0; scope < 3; scope++) {
		unsigned int flags = scope == 0 ? 0 :
				     scope == 1 ? memalloc_nofs_save() : memalloc_noio_save();

		watch.seen = 0;
		watch.nr = 0;
		starve(true);
		ask_all(test, pool);
		starve(false);
		if (scope == 1)
			memalloc_nofs_restore(flags);
		if (scope == 2)
			memalloc_noio_restore(flags);
		KUNIT_EXPECT_GE(test, watch.nr, 2 * GOPHERSHIP_NR_CLASSES);
		KUNIT_EXPECT_EQ(test, !!(watch.seen & __GFP_FS), scope < 1);
		KUNIT_EXPECT_EQ(test, !!(watch.seen & __GFP_IO), scope < 2);
	}
	KUNIT_EXPECT_TRUE(test, gk_shell("echo N >" INJECTION "ignore-gfp-wait"));
	tracepoint_probe_unregister(tracepoint, page_allocated, &watch);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/*
 * Waiting
 */

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

static void fault_wait_reserve(struct kunit *test)
{
	wait_for_one(test, false, GIVE_HERE);
}

/* What one who may not sleep has of the reserve serves a waiter when it comes back. */
static void fault_wait_for_atomic(struct kunit *test)
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

static void fault_wait_pooled(struct kunit *test)
{
	wait_for_one(test, true, GIVE_HERE);
}

static void fault_wait_reserve_irq(struct kunit *test)
{
	wait_for_one(test, false, GIVE_FROM_IRQ);
}

static void fault_wait_pooled_irq(struct kunit *test)
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
static void fault_wait_is_narrow(struct kunit *test)
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

static void fault_wake_reserve(struct kunit *test)
{
	wake_rounds(test, false);
}

static void fault_wake_pooled(struct kunit *test)
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

static void fault_crowd(struct kunit *test)
{
	struct crowd crowd = { .pool = make_pool(test, 3, gk_capacity(2)) };

	gk_run(test, 16, crowd_main, &crowd);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd.served), 16 * 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd.failed), 0);
	KUNIT_EXPECT_EQ(test, stats_of(crowd.pool).waiters, 0);
	KUNIT_EXPECT_EQ(test, stats_of(crowd.pool).reserve, 3);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(crowd.pool), 0);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(fault_acquire),
	KUNIT_CASE(fault_payload),
	KUNIT_CASE(fault_cached),
	KUNIT_CASE(fault_larger_class),
	KUNIT_CASE(fault_bulk),
	KUNIT_CASE(fault_release),
	KUNIT_CASE(fault_create),
	KUNIT_CASE(fault_now_and_then),
	KUNIT_CASE(fault_reserve),
	KUNIT_CASE(fault_reserve_atomic),
	KUNIT_CASE(fault_reserve_of_machine_atomic),
	KUNIT_CASE(fault_reserve_scramble),
	KUNIT_CASE(fault_reserve_referenced),
	KUNIT_CASE(fault_wait_for_atomic),
	KUNIT_CASE(fault_wait_is_narrow),
	KUNIT_CASE(fault_reserve_released_twice),
	KUNIT_CASE(fault_reserve_counts),
	KUNIT_CASE(fault_reserve_of_machine),
	KUNIT_CASE(fault_reserve_leaks),
	KUNIT_CASE(fault_scope),
	KUNIT_CASE(fault_wait_reserve),
	KUNIT_CASE(fault_wait_pooled),
	KUNIT_CASE(fault_wait_reserve_irq),
	KUNIT_CASE(fault_wait_pooled_irq),
	KUNIT_CASE(fault_wake_reserve),
	KUNIT_CASE(fault_wake_pooled),
	KUNIT_CASE(fault_crowd),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "gophership_fault",
	.suite_init = fault_suite_init,
	.suite_exit = fault_suite_exit,
	.init = gk_init,
	.exit = fault_exit,
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);
