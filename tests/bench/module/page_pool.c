// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: the network stack's page_pool.
 *
 * "direct" is its cache without a lock, which is for one softirq context alone;
 * any other context must release through its ring, as whoever frees a packet on
 * another CPU does. Its owner always acquires in softirq context.
 */
#include <linux/err.h>
#include <linux/numa.h>

#include "compat.h"
#include "loops.h"

#ifdef CONFIG_PAGE_POOL
static struct page_pool *page_pool;

static __always_inline void *direct_acquire(size_t size, gfp_t gfp)
{
	return page_pool_alloc_pages(page_pool, GFP_ATOMIC);
}

static __always_inline bool direct_release(void *object, size_t size)
{
	page_pool_put_full_page(page_pool, object, true);
	return true;
}

#define ring_acquire	direct_acquire

static __always_inline bool ring_release(void *object, size_t size)
{
	page_pool_put_full_page(page_pool, object, false);
	return true;
}

BENCH_LOOPS(direct)
BENCH_LOOPS(ring)

const struct bench_contender bench_page_pool_direct = {
	.name = "page_pool-direct",
	.bottom_halves_off = true,
	.loop = {
		[LOOP_PAIR] = direct_pair, [LOOP_BURST] = direct_burst,
		[LOOP_BULK] = direct_bulk,
	},
};

const struct bench_contender bench_page_pool_ring = {
	.name = "page_pool-ring",
	.bottom_halves_off = true,
	.loop = {
		[LOOP_PAIR] = ring_pair, [LOOP_BURST] = ring_burst, [LOOP_BULK] = ring_bulk,
		[LOOP_PRODUCE] = ring_produce, [LOOP_CONSUME] = ring_consume,
	},
};

int bench_page_pool_init(void)
{
	/* Room for a ring of ours and some bursts. */
	struct page_pool_params params = { .pool_size = 1024, .nid = NUMA_NO_NODE };

	page_pool = page_pool_create(&params);
	return PTR_ERR_OR_ZERO(page_pool);
}

void bench_page_pool_exit(void)
{
	if (!IS_ERR_OR_NULL(page_pool))
		page_pool_destroy(page_pool);
}
#else
const struct bench_contender bench_page_pool_direct, bench_page_pool_ring;

int bench_page_pool_init(void)
{
	return 0;
}

void bench_page_pool_exit(void)
{
}
#endif
