// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that leave the pool with their release: by gophership_buf_retire(), and by
 * pools that look at references (GOPHERSHIP_POOL_CHECK_REFS).
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "support.h"

static struct gophership_pool *make_pool(struct kunit *test, unsigned int flags)
{
	const struct gophership_pool_params params = { .name = "kunit-retire", .flags = flags };
	struct gophership_pool *pool = gophership_pool_create(&params);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	return pool;
}

/* Does the pool ever hand out @data again, to any CPU? It gives all that it has. */
struct search {
	struct gophership_pool *pool;
	size_t size;
	const void *data;
	unsigned int found;
	struct gophership_buf *bufs[200];
};

static int search_here(void *arg)
{
	struct search *search = arg;
	unsigned int i, nr;

	nr = gophership_pool_acquire_bulk(search->pool, search->size, GFP_KERNEL,
					  ARRAY_SIZE(search->bufs), search->bufs);
	for (i = 0; i < nr; i++)
		search->found += search->bufs[i]->data == search->data;
	return gophership_buf_release_bulk(search->bufs, nr) == nr ? 0 : -EIO;
}

static bool lends_again(struct kunit *test, struct gophership_pool *pool, size_t size,
			const void *data)
{
	struct search *search = kunit_kzalloc(test, sizeof(*search), GFP_KERNEL);
	unsigned int cpu, found;

	KUNIT_ASSERT_NOT_NULL(test, search);
	*search = (struct search){ .pool = pool, .size = size, .data = data };
	for (cpu = 0; cpu < GK_CPUS; cpu++)
		KUNIT_EXPECT_EQ(test, smp_call_on_cpu(cpu, search_here, search, false), 0);
	found = search->found;
	kunit_kfree(test, search);
	return found;
}

/* The pages stay with the one who refers to them, whatever the class. */
static void retire_referenced(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, 0);
	struct gophership_buf *buf;
	struct page *page;
	unsigned int row;
	void *data;

	for (row = 0; row < GK_ROWS; row++) {
		buf = gophership_pool_acquire(pool, gk_capacity(row), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		data = buf->data;
		page = virt_to_page(data);
		memset(data, 0x51, gk_capacity(row));
		get_page(page);
		KUNIT_EXPECT_EQ(test, gophership_buf_retire(buf), 0);
		rcu_barrier();
		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		KUNIT_EXPECT_FALSE(test, lends_again(test, pool, gk_capacity(row), data));
		if (!gk_loaded_with("poison", "Y"))
			KUNIT_EXPECT_NULL(test, memchr_inv(data, 0x51, gk_capacity(row)));
		put_page(page);
		KUNIT_EXPECT_EQ(test, gk_stats(pool, row).leased, 0);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* It judges what it is handed as a release does, with the same words. */
static void retire_judges(struct kunit *test)
{
	static const unsigned long values[] = { 1, 64, 0x1000, 0xdead0100, (unsigned long)-64 };
	struct gophership_pool *pool = make_pool(test, 0);
	struct gophership_buf *buf = gophership_pool_acquire(pool, 1, GFP_KERNEL), copy;
	u64 foreign = gk_foreign(), doubled = gk_doubled();
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	copy = *buf;
	KUNIT_EXPECT_EQ(test, gophership_buf_retire(NULL), 0);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		KUNIT_EXPECT_EQ(test, gophership_buf_retire((void *)values[i]), -EINVAL);
	KUNIT_EXPECT_EQ(test, gophership_buf_retire(&copy), -EINVAL);
	KUNIT_EXPECT_EQ(test, gophership_buf_retire((void *)buf + 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, gk_foreign(), foreign + ARRAY_SIZE(values) + 2);

	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_retire(buf), -EALREADY);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 1);

	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_retire(buf), 0);
	KUNIT_EXPECT_LT(test, gophership_buf_retire(buf), 0);
	KUNIT_EXPECT_LT(test, gophership_buf_release(buf), 0);
	rcu_barrier();
	KUNIT_EXPECT_LT(test, gophership_buf_retire(buf), 0);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* Two CPUs end one lease at the same moment, one by each of the two calls. */
struct duel {
	struct gophership_pool *pool;
	struct gophership_buf *buf;
	struct gk_gate gate;
	unsigned int rounds;
	unsigned int wrong;
};

static void duel_main(unsigned int id, void *arg)
{
	struct duel *duel = arg;
	unsigned int round;
	int meeting = 0, ret;

	for (round = 0; round < duel->rounds; round++) {
		if (id == 0) {
			duel->buf = gophership_pool_acquire(duel->pool, 1, GFP_KERNEL);
			duel->wrong += !duel->buf;
		}
		gk_meet(&duel->gate, ++meeting);
		ndelay(id ? round * 7 % 400 : round * 13 % 400);
		ret = id ? gophership_buf_retire(duel->buf) : gophership_buf_release(duel->buf);
		if (ret && ret != -EALREADY && ret != -EINVAL)
			duel->wrong++;
		gk_meet(&duel->gate, ++meeting);
	}
}

static void retire_races_release(struct kunit *test)
{
	struct duel *duel = kunit_kzalloc(test, sizeof(*duel), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, duel);
	duel->pool = make_pool(test, 0);
	duel->rounds = gk_rounds(3000);
	gk_run(test, 2, duel_main, duel);
	KUNIT_EXPECT_EQ(test, duel->wrong, 0);
	gk_expect_sound(test, duel->pool, 1);
	gophership_pool_destroy(duel->pool);
}

/* A release of a page that a pipe, say, still holds: nobody borrows it again. */
static void refs_are_checked(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, GOPHERSHIP_POOL_CHECK_REFS);
	struct gophership_class_stats row;
	struct gophership_buf *bufs[2];
	struct page *page;
	unsigned int class, last;
	void *data;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		KUNIT_ASSERT_EQ(test, gophership_pool_acquire_bulk(pool, gk_capacity(class),
								   GFP_KERNEL, 2, bufs), 2);
		data = bufs[0]->data;
		last = bufs[0]->capacity / PAGE_SIZE - 1;
		page = virt_to_page(data) + last;
		memset(data, 0x52, gk_capacity(class));
		get_page(page);
		/* Alone, or in bulk. */
		if (class % 2) {
			KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, 2), 2);
		} else {
			KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[0]), 0);
			KUNIT_EXPECT_EQ(test, gophership_buf_release(bufs[1]), 0);
		}
		KUNIT_EXPECT_LT(test, gophership_buf_release(bufs[0]), 0);
		KUNIT_EXPECT_FALSE(test, lends_again(test, pool, gk_capacity(class), data));
		KUNIT_EXPECT_NULL(test, memchr_inv(data, 0x52, gk_capacity(class)));
		rcu_barrier();
		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		put_page(page);
		row = gk_stats(pool, class);
		/* The limit and the ageing may have taken some that lay idle. */
		KUNIT_EXPECT_GE(test, row.shrunk, 1);
		KUNIT_EXPECT_EQ(test, row.leased, 0);
		KUNIT_EXPECT_EQ(test, row.acquires, row.releases);
	}
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* What nothing refers to is cached as ever. */
static void refs_unreferenced_is_kept(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, GOPHERSHIP_POOL_CHECK_REFS);
	struct gophership_buf *buf;
	unsigned int i;
	u64 misses;

	migrate_disable();
	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	misses = gk_stats(pool, 0).misses;
	for (i = 0; i < 1000; i++) {
		buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	}
	migrate_enable();
	/* Reclaim and the ageing may come by once or twice, not a hundred times. */
	KUNIT_EXPECT_LT(test, gk_stats(pool, 0).misses, misses + 100);
	KUNIT_EXPECT_LT(test, gk_stats(pool, 0).shrunk, 1000);
	gk_expect_sound(test, pool, 1);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

/* Where each release claims, two of them at once are exact. */
static void refs_double_release(struct kunit *test)
{
	struct gophership_pool *pool = make_pool(test, GOPHERSHIP_POOL_CHECK_REFS);
	struct gophership_buf *buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
}

static struct kunit_case retire_cases[] = {
	KUNIT_CASE(retire_referenced),
	KUNIT_CASE(retire_judges),
	KUNIT_CASE(retire_races_release),
	KUNIT_CASE(refs_are_checked),
	KUNIT_CASE(refs_unreferenced_is_kept),
	KUNIT_CASE(refs_double_release),
	{}
};

static struct kunit_suite retire_suite = {
	.name = "gophership_retire",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = retire_cases,
};

kunit_test_suite(retire_suite);
