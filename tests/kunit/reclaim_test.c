// SPDX-License-Identifier: GPL-2.0
/*
 * Idle memory goes back to the kernel, and the pool works on.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmstat.h>

#include "support.h"

#define MOST	600

/* @nr buffers of @class lie idle in the pool. */
static void fill(struct kunit *test, struct gophership_pool *pool, unsigned int class,
		 unsigned int nr)
{
	struct gophership_buf **bufs = kunit_kcalloc(test, nr, sizeof(*bufs), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	for (i = 0; i < nr; i++) {
		bufs[i] = gk_acquire(pool, gk_capacity(class), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bufs[i]);
	}
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), nr);
	KUNIT_EXPECT_GE(test, gk_stats(pool, class).cached, nr);
	kunit_kfree(test, bufs);
}

static void reclaim_trim(struct kunit *test)
{
	struct gophership_class_stats before, after;
	u64 cached = 0;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		fill(test, GK_MACHINE, class, MOST >> class);
	before = gk_stats(GK_MACHINE, 0);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		cached += gk_stats(GK_MACHINE, class).cached;
	KUNIT_EXPECT_EQ(test, gophership_pool_trim(GK_MACHINE), cached);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, class).cached, 0);
	after = gk_stats(GK_MACHINE, 0);
	KUNIT_EXPECT_EQ(test, after.shrunk, before.shrunk + before.cached);
	KUNIT_EXPECT_EQ(test, after.releases, before.releases);
	KUNIT_EXPECT_EQ(test, gophership_pool_trim(GK_MACHINE), 0);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		gk_expect_sound(test, GK_MACHINE, gk_capacity(class));
}

static long free_mib(void)
{
	return global_zone_page_state(NR_FREE_PAGES) >> (20 - PAGE_SHIFT);
}

/* The kernel's own count of free pages tells. */
static void reclaim_trim_frees_pages(struct kunit *test)
{
	struct gophership_pool_params params = { .name = "kunit-reclaim" };
	struct gophership_pool *pool = gophership_pool_create(&params);
	long before, filled;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	before = free_mib();
	/* 20 MiB: the depots keep 1/16 of memory. */
	fill(test, pool, 4, 320);
	filled = free_mib();
	KUNIT_EXPECT_LE(test, filled, before - 15);
	gophership_pool_trim(pool);
	KUNIT_EXPECT_GE(test, free_mib(), before - 5);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

static void reclaim_destroy_frees_pages(struct kunit *test)
{
	struct gophership_pool_params params = { .name = "kunit-reclaim", .reserve = 256 };
	struct gophership_pool *pool;
	long before = free_mib();
	unsigned int i;

	for (i = 0; i < 5; i++) {
		pool = gophership_pool_create(&params);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
		fill(test, pool, 4, 256);
		KUNIT_EXPECT_LT(test, free_mib(), before - 10);
		KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	}
	KUNIT_EXPECT_GT(test, free_mib(), before - 8);
}

/* Large buffers go at once. */
static void reclaim_large_frees_pages(struct kunit *test)
{
	long before = free_mib();
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		buf = gophership_buf_acquire(SZ_2M, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
	rcu_barrier();
	KUNIT_EXPECT_GT(test, free_mib(), before - 8);
}

static void reclaim_spares_leased(struct kunit *test)
{
	struct gophership_buf *bufs[10];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, 10, bufs), 10);
	for (i = 0; i < 10; i++)
		memset(bufs[i]->data, i + 1, bufs[i]->capacity);
	gophership_pool_trim(GK_MACHINE);
	/* Whoever gets the memory that was freed writes to it. */
	for (i = 0; i < 50; i++) {
		unsigned long page = __get_free_page(GFP_KERNEL | __GFP_ZERO);

		free_page(page);
	}
	for (i = 0; i < 10; i++) {
		KUNIT_EXPECT_NULL(test, memchr_inv(bufs[i]->data, i + 1, bufs[i]->capacity));
		KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[i]), 0);
	}
}

static void reclaim_trim_one_pool(struct kunit *test)
{
	struct gophership_pool_params params = { .name = "kunit-reclaim" };
	struct gophership_pool *pool = gophership_pool_create(&params);
	u64 cached;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	fill(test, pool, 2, 50);
	fill(test, GK_MACHINE, 2, 50);
	cached = gk_stats(GK_MACHINE, 2).cached;
	KUNIT_EXPECT_GE(test, gophership_pool_trim(pool), 50);
	KUNIT_EXPECT_EQ(test, gk_stats(pool, 2).cached, 0);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 2).cached, cached);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* By the kernel's shrinkers, as when memory is short. */
static void reclaim_shrinker(struct kunit *test)
{
	struct gophership_class_stats before, after;
	unsigned int i;

	gk_skip_without_shell(test);
	fill(test, GK_MACHINE, 3, 300);
	before = gk_stats(GK_MACHINE, 3);
	for (i = 0; i < 20; i++) {
		KUNIT_ASSERT_TRUE(test, gk_shell("echo 2 >/proc/sys/vm/drop_caches"));
		after = gk_stats(GK_MACHINE, 3);
		if (after.cached < 30)
			break;
	}
	KUNIT_EXPECT_LT(test, after.cached, 30);
	KUNIT_EXPECT_GE(test, after.shrunk, before.shrunk + 270);
	KUNIT_EXPECT_EQ(test, after.leased, before.leased);
	gk_expect_sound(test, GK_MACHINE, gk_capacity(3));
}

/* Idle buffers are no reason to run out of memory, wherever they lie. */
static void reclaim_under_pressure(struct kunit *test)
{
	unsigned int nr = (totalram_pages() >> 4) * 3 / 4, got, i;
	struct gophership_buf **bufs = kvcalloc(nr, sizeof(*bufs), GFP_KERNEL);
	unsigned long *pages = kvcalloc(nr, sizeof(*pages), GFP_KERNEL);
	u64 cached;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	/* Three quarters of the memory in buffers of 64 KiB, */
	got = gophership_buf_acquire_bulk(gk_capacity(4), GFP_KERNEL | __GFP_NORETRY, nr, bufs);
	KUNIT_EXPECT_GT(test, got, nr / 2);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, got), got);
	/* that somebody else needs when what was above max_cached_mb has gone. */
	do {
		cached = gk_stats(GK_MACHINE, 4).cached;
		msleep(100);
		rcu_barrier();
	} while (gk_stats(GK_MACHINE, 4).cached != cached);
	for (i = 0; i < got; i++) {
		pages[i] = __get_free_pages(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, 4);
		if (!pages[i])
			break;
	}
	/* Debugging kernels keep records, for which some blocks may be broken up. */
	KUNIT_EXPECT_GE(test, i, got - got / 16);
	while (i--)
		free_pages(pages[i], 4);
	kvfree(pages);
	kvfree(bufs);
	gk_expect_sound(test, GK_MACHINE, gk_capacity(4));
}

/* Takes @nr at once and gives them back: the depot has what is more than the magazines. */
static void use(struct kunit *test, unsigned int class, unsigned int nr,
		struct gophership_buf **bufs)
{
	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(gk_capacity(class), GFP_KERNEL, nr, bufs),
			nr);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), nr);
}

/*
 * What nobody needed for two periods (of 5 s) goes by itself; what is in use
 * stays, in the magazines as in the depot.
 */
static void reclaim_ageing(struct kunit *test)
{
	unsigned long deadline = jiffies + 200 * HZ, start = jiffies;
	struct gophership_buf **bufs = kunit_kcalloc(test, MOST, sizeof(*bufs), GFP_KERNEL);
	u64 shrunk, misses[3];
	unsigned int class;

	KUNIT_ASSERT_NOT_NULL(test, bufs);
	/* What another case left may fill the depots up to max_cached_mb. */
	gophership_pool_trim(GK_MACHINE);
	/* Before a slow machine is so far that the first are old. */
	shrunk = gk_stats(GK_MACHINE, 0).shrunk;
	/* One CPU, which then has what it gave back. */
	migrate_disable();
	/* Each class has more than the magazines hold. */
	for (class = 0; class < 3; class++) {
		fill(test, GK_MACHINE, class, MOST);
		misses[class] = gk_stats(GK_MACHINE, class).misses;
	}
	while (time_before(jiffies, deadline) && gk_stats(GK_MACHINE, 0).cached) {
		/* All of one class, and no more of another than the magazines have. */
		use(test, 1, MOST, bufs);
		use(test, 2, 1, bufs);
		msleep(50);
	}
	kunit_info(test, "idle buffers were gone after %u ms", jiffies_to_msecs(jiffies - start));
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 0).cached, 0);
	KUNIT_EXPECT_GE(test, gk_stats(GK_MACHINE, 0).shrunk, shrunk + MOST);
	KUNIT_EXPECT_TRUE(test, time_after(jiffies, start + 5 * HZ));
	/* The classes in use never had to ask for more. */
	use(test, 1, MOST, bufs);
	use(test, 2, 1, bufs);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 1).misses, misses[1]);
	KUNIT_EXPECT_EQ(test, gk_stats(GK_MACHINE, 2).misses, misses[2]);
	KUNIT_EXPECT_GE(test, gk_stats(GK_MACHINE, 1).cached, MOST);
	KUNIT_EXPECT_GE(test, gk_stats(GK_MACHINE, 2).cached, 1);
}

/* All that lies idle in the machine's pool, in bytes. */
static u64 idle_bytes(void)
{
	unsigned int class;
	u64 bytes = 0;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		bytes += gk_stats(GK_MACHINE, class).cached * gk_capacity(class);
	return bytes;
}

static void fill_all_classes(unsigned int id, void *arg)
{
	struct gophership_buf **bufs = arg;
	unsigned int class, got;

	bufs += id * MOST;
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		got = gophership_buf_acquire_bulk(gk_capacity(class), GFP_KERNEL, MOST >> class,
						  bufs);
		gophership_buf_release_bulk(bufs, got);
	}
}

/*
 * max_cached_mb=1: no more, with what the CPUs have. What is released above it may be
 * on its way for a moment.
 */
static void reclaim_max_cached(struct kunit *test)
{
	struct gophership_buf **bufs;

	if (!gk_loaded_with("max_cached_mb", "1"))
		kunit_skip(test, "gophership was not loaded with max_cached_mb=1");
	bufs = kunit_kcalloc(test, GK_CPUS * MOST, sizeof(*bufs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bufs);
	gk_run(test, GK_CPUS, fill_all_classes, bufs);
	KUNIT_EXPECT_TRUE(test, gk_eventually(idle_bytes() <= SZ_1M));
	/* Not for want of use: there is room for a magazine. */
	fill(test, GK_MACHINE, 4, 8);
	KUNIT_EXPECT_GE(test, idle_bytes(), 8 * gk_capacity(4));
	KUNIT_EXPECT_TRUE(test, gk_eventually(idle_bytes() <= SZ_1M));
	gk_expect_sound(test, GK_MACHINE, gk_capacity(4));
}

static bool set_bound(const char *mb)
{
	char command[100];

	snprintf(command, sizeof(command),
		 "echo %s 2>/dev/null >/sys/module/gophership/parameters/max_cached_mb", mb);
	return gk_shell(command);
}

static void use_one_of_each(unsigned int id, void *unused)
{
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		gophership_buf_release(gophership_buf_acquire(gk_capacity(class), GFP_KERNEL));
}

/* Idle bytes of CPUs that are in use: nothing of theirs grows old. */
static u64 idle_bytes_in_use(struct kunit *test)
{
	gk_run(test, GK_CPUS, use_one_of_each, NULL);
	return idle_bytes();
}

/* max_cached_mb while buffers lie idle, in the depots and with the CPUs. */
static void reclaim_bound_changes(struct kunit *test)
{
	static const char * const wrong[] = { "-1", "1x", "99999999999" };
	struct gophership_buf **bufs;
	unsigned int i;

	gk_skip_without_shell(test);
	bufs = kunit_kcalloc(test, GK_CPUS * MOST, sizeof(*bufs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bufs);
	KUNIT_EXPECT_TRUE(test, set_bound("8"));
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		KUNIT_EXPECT_FALSE(test, set_bound(wrong[i]));
	KUNIT_EXPECT_TRUE(test, gk_loaded_with("max_cached_mb", "8"));
	gk_run(test, GK_CPUS, fill_all_classes, bufs);
	KUNIT_EXPECT_TRUE(test, gk_eventually(idle_bytes() <= SZ_8M));
	KUNIT_EXPECT_GT(test, idle_bytes_in_use(test), SZ_1M);
	/* Lower: also from the CPUs, which are in use. */
	KUNIT_EXPECT_TRUE(test, set_bound("1"));
	KUNIT_EXPECT_TRUE(test, gk_eventually(idle_bytes_in_use(test) <= SZ_1M));
	gk_run(test, GK_CPUS, fill_all_classes, bufs);
	KUNIT_EXPECT_TRUE(test, gk_eventually(idle_bytes() <= SZ_1M));
	/* Higher: at once. */
	KUNIT_EXPECT_TRUE(test, set_bound("16"));
	fill(test, GK_MACHINE, 4, 128);
	KUNIT_EXPECT_GE(test, idle_bytes(), SZ_8M);
	KUNIT_EXPECT_TRUE(test, set_bound("0"));
	gk_expect_sound(test, GK_MACHINE, gk_capacity(4));
}

static long reclaimable(void)
{
	return global_node_page_state_pages(NR_KERNEL_MISC_RECLAIMABLE);
}

/* What lies idle is in the machine's counter, and so in MemAvailable; what is leased not. */
static void reclaim_is_available(struct kunit *test)
{
	long slack = SZ_2M >> PAGE_SHIFT, before, idle;
	struct gophership_pool_params params = { .name = "kunit-reclaim" };
	struct gophership_pool *pool;

	/* None is on its way any more. */
	KUNIT_ASSERT_TRUE(test, gk_eventually(!idle_bytes() && reclaimable() < slack));
	before = reclaimable();
	pool = gophership_pool_create(&params);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	fill(test, pool, 4, 256);
	idle = gk_stats(pool, 4).cached << 4;
	KUNIT_EXPECT_GE(test, idle, SZ_8M >> PAGE_SHIFT);
	KUNIT_EXPECT_TRUE(test, gk_eventually(reclaimable() >= before + idle - slack));
	KUNIT_EXPECT_LE(test, reclaimable(), before + idle + slack);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	KUNIT_EXPECT_TRUE(test, gk_eventually(reclaimable() <= before + slack));
}

struct stall {
	struct completion begun;
	long enough;	/* free pages to wait for */
	bool came;
};

/* No grace period ends while this runs: so long as it takes, or for some seconds. */
static int stall_main(void *data)
{
	unsigned long deadline = jiffies + 5 * HZ;
	struct stall *stall = data;

	preempt_disable();
	complete(&stall->begun);
	while (!stall->came && time_before(jiffies, deadline)) {
		stall->came = global_zone_page_state(NR_FREE_PAGES) >= stall->enough;
		cpu_relax();
	}
	preempt_enable();
	return 0;
}

/* What lay in the depots for a grace period is free at once when the shrinker comes. */
static void reclaim_needs_no_grace_period(struct kunit *test)
{
	struct stall stall = { .came = false };
	struct task_struct *task;

	if (gk_loaded_with("poison", "Y"))
		kunit_skip(test, "with poison=1 all lies on inboxes, and waits");
	gk_skip_without_shell(test);
	init_completion(&stall.begun);
	fill(test, GK_MACHINE, 4, 256);
	synchronize_rcu();
	/* Half of 16 MiB: some is in the CPUs' magazines, some in the allocator's lists. */
	stall.enough = global_zone_page_state(NR_FREE_PAGES) + (SZ_8M >> PAGE_SHIFT);
	task = kthread_create(stall_main, &stall, "gophership/stall");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	get_task_struct(task);
	kthread_bind(task, GK_CPUS - 1);
	wake_up_process(task);
	wait_for_completion(&stall.begun);
	KUNIT_EXPECT_TRUE(test, gk_shell("echo 2 >/proc/sys/vm/drop_caches"));
	kthread_stop(task);
	put_task_struct(task);
	KUNIT_EXPECT_TRUE(test, stall.came);
}

/* Each begins with room below max_cached_mb. */
static int reclaim_init(struct kunit *test)
{
	gophership_pool_trim(GK_MACHINE);
	return gk_init(test);
}

static struct kunit_case reclaim_cases[] = {
	KUNIT_CASE(reclaim_trim),
	KUNIT_CASE(reclaim_trim_frees_pages),
	KUNIT_CASE(reclaim_destroy_frees_pages),
	KUNIT_CASE(reclaim_large_frees_pages),
	KUNIT_CASE(reclaim_spares_leased),
	KUNIT_CASE(reclaim_trim_one_pool),
	KUNIT_CASE(reclaim_shrinker),
	KUNIT_CASE(reclaim_under_pressure),
	KUNIT_CASE_SLOW(reclaim_ageing),
	KUNIT_CASE(reclaim_max_cached),
	KUNIT_CASE(reclaim_bound_changes),
	KUNIT_CASE(reclaim_is_available),
	KUNIT_CASE(reclaim_needs_no_grace_period),
	{}
};

static struct kunit_suite reclaim_suite = {
	.name = "gophership_reclaim",
	.init = reclaim_init,
	.exit = gk_exit,
	.test_cases = reclaim_cases,
};

kunit_test_suite(reclaim_suite);
