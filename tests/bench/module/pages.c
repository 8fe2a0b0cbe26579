// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: the page allocator, and page_frag on top of it.
 */
#include "compat.h"
#include "loops.h"

static __always_inline void *pages_acquire(size_t size, gfp_t gfp)
{
	return alloc_pages(gfp, get_order(size));
}

static __always_inline bool pages_release(void *object, size_t size)
{
	__free_pages(object, get_order(size));
	return true;
}

/* Its lists on each CPU, which no module can empty, are warm in the misses too. */
static void pages_chill(void)
{
}

BENCH_LOOPS(pages)

const struct bench_contender bench_alloc_pages = {
	.name = "alloc_pages",
	.chill = pages_chill,
	.loop = {
		[LOOP_PAIR] = pages_pair, [LOOP_BURST] = pages_burst,
		[LOOP_MIXED] = pages_mixed, [LOOP_DEEP] = pages_deep,
		[LOOP_PARALLEL] = pages_pair, [LOOP_PRODUCE] = pages_produce,
		[LOOP_CONSUME] = pages_consume,
		[LOOP_ACROSS] = pages_take, [LOOP_BACK] = pages_give,
		[LOOP_TAKE] = pages_take,
		[LOOP_GIVE] = pages_give, [LOOP_NEST] = pages_nest, [LOOP_BELOW] = pages_pair,
	},
};

/* There is no call that frees in bulk. */
static bool pages_in_bulk(unsigned int n)
{
	struct page *pages[BENCH_BULK];
	unsigned long i, nr;

	for (; n; n -= BENCH_BULK) {
		/* It fills what is NULL. */
		memset(pages, 0, sizeof(pages));
		nr = alloc_pages_bulk(GFP_KERNEL, BENCH_BULK, pages);
		for (i = 0; i < nr; i++)
			__free_page(pages[i]);
		if (unlikely(nr != BENCH_BULK))
			return false;
	}
	return true;
}

const struct bench_contender bench_alloc_pages_bulk = {
	.name = "alloc_pages_bulk",
	.loop = { [LOOP_BULK] = pages_in_bulk },
};

/* For one user at a time, who cannot be interrupted by another. */
static struct page_frag_cache frags;

static __always_inline void *frag_acquire(size_t size, gfp_t gfp)
{
	return page_frag_alloc(&frags, size, gfp);
}

static __always_inline bool frag_release(void *object, size_t size)
{
	page_frag_free(object);
	return true;
}

BENCH_LOOPS(frag)

const struct bench_contender bench_page_frag = {
	.name = "page_frag",
	.loop = {
		[LOOP_PAIR] = frag_pair, [LOOP_BURST] = frag_burst, [LOOP_BULK] = frag_bulk,
		[LOOP_PRODUCE] = frag_produce, [LOOP_CONSUME] = frag_consume,
	},
};

void bench_pages_exit(void)
{
	page_frag_cache_drain(&frags);
}
