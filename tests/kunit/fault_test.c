// SPDX-License-Identifier: GPL-2.0
/*
 * Without memory. Page allocations of a task that says so fail, by the
 * kernel's fault injection (CONFIG_FAIL_PAGE_ALLOC), which is told so here.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/tracepoint.h>
#include <linux/vmstat.h>

#include "fault.h"

#define INJECTION	"/sys/kernel/debug/fail_page_alloc/"

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
