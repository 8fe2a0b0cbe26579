// SPDX-License-Identifier: GPL-2.0
/*
 * Without memory: the reserve, of a pool and of the machine.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "fault.h"

/* The reserve is not for those who may sleep, and what it gave comes back to it. */
void fault_reserve(struct kunit *test)
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
void fault_reserve_atomic(struct kunit *test)
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
void fault_reserve_of_machine_atomic(struct kunit *test)
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

void fault_reserve_scramble(struct kunit *test)
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
void fault_reserve_referenced(struct kunit *test)
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
void fault_reserve_released_twice(struct kunit *test)
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
void fault_reserve_counts(struct kunit *test)
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
void fault_reserve_of_machine(struct kunit *test)
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
void fault_reserve_leaks(struct kunit *test)
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
