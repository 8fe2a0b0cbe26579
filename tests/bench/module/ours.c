// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: the pool. Always the exported functions, with every
 * check.
 */
#include <linux/err.h>

#include "gophership_buf.h"
#include "loops.h"

/*
 * For what would disturb the other cases (a miss empties its pool), and for what
 * the counters of the machine's pool cannot tell.
 */
struct gophership_pool *bench_pool;

static __always_inline void *ours_acquire(size_t size, gfp_t gfp)
{
	return gophership_buf_acquire(size, gfp);
}

static __always_inline bool ours_release(void *object, size_t size)
{
	return !gophership_buf_release(object);
}

static __always_inline void *must_acquire(size_t size, gfp_t gfp)
{
	return gophership_buf_must_acquire(size);
}

static __always_inline void *pool_acquire(size_t size, gfp_t gfp)
{
	return gophership_pool_acquire(bench_pool, size, gfp);
}

#define must_release	ours_release
#define pool_release	ours_release

BENCH_LOOPS(ours)
BENCH_LOOPS(must)
BENCH_LOOPS(pool)

static bool ours_in_bulk(unsigned int n)
{
	struct gophership_buf *bufs[BENCH_BULK];
	unsigned int nr;

	for (; n; n -= BENCH_BULK) {
		nr = gophership_buf_acquire_bulk(PAGE_SIZE, GFP_KERNEL, BENCH_BULK, bufs);
		if (unlikely(gophership_buf_release_bulk(bufs, nr) != BENCH_BULK))
			return false;
	}
	return true;
}

static void pool_chill(void)
{
	gophership_pool_trim(bench_pool);
}

/* Only the nest case uses the pool then, on one CPU. */
static bool pool_was_busy(void)
{
	static u64 slow_before;
	struct gophership_pool_stats stats;
	u64 slow, before = slow_before;

	gophership_pool_stats(bench_pool, &stats);
	slow = stats.class[0].acquires - stats.class[0].hits;
	slow_before = slow;
	return slow != before;
}

const struct bench_contender bench_ours = {
	.name = "gophership",
	.ours = true,
	.chill = pool_chill,
	.loop = {
		[LOOP_PAIR] = ours_pair, [LOOP_BURST] = ours_burst, [LOOP_BULK] = ours_in_bulk,
		[LOOP_MIXED] = ours_mixed, [LOOP_MUST] = must_pair, [LOOP_DEEP] = ours_deep,
		[LOOP_STOCK] = ours_stock, [LOOP_UNSTOCK] = ours_unstock,
		[LOOP_PARALLEL] = ours_pair, [LOOP_PRODUCE] = ours_produce,
		[LOOP_CONSUME] = ours_consume,
		[LOOP_ACROSS] = ours_take, [LOOP_BACK] = ours_give,
		[LOOP_TAKE] = pool_take, [LOOP_GIVE] = pool_give,
		[LOOP_NEST] = pool_nest, [LOOP_BELOW] = pool_pair,
	},
};

/* What several CPUs do at once against what one does. */
const struct bench_contender bench_ours_alone = {
	.name = "gophership-one-cpu",
	.ours = true,
	.one_cpu = true,
	.loop = { [LOOP_PARALLEL] = ours_pair },
};

const struct bench_contender bench_ours_nest_free = {
	.name = "gophership-free-head",
	.ours = true,
	.nest = NEST_FREE,
	.nest_was_busy = pool_was_busy,
	.loop = { [LOOP_NEST] = pool_nest, [LOOP_BELOW] = pool_pair },
};

const struct bench_contender bench_ours_nest_busy = {
	.name = "gophership-busy-head",
	.ours = true,
	.nest = NEST_BUSY,
	.nest_was_busy = pool_was_busy,
	.loop = { [LOOP_NEST] = pool_nest, [LOOP_BELOW] = pool_pair },
};

int bench_ours_init(void)
{
	struct gophership_pool_params params = { .name = "bench" };

	bench_pool = gophership_pool_create(&params);
	return PTR_ERR_OR_ZERO(bench_pool);
}

void bench_ours_exit(void)
{
	if (!IS_ERR_OR_NULL(bench_pool))
		gophership_pool_destroy(bench_pool);
}
