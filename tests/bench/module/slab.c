// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: the slab allocator, and mempool on top of it.
 */
#include <linux/mempool.h>
#include <linux/slab.h>

#include "loops.h"

static struct kmem_cache *page_cache, *line_cache;
static mempool_t *mempool;

/* kmem_cache, objects of a page */

static __always_inline void *cache_acquire(size_t size, gfp_t gfp)
{
	return kmem_cache_alloc(page_cache, gfp);
}

static __always_inline bool cache_release(void *object, size_t size)
{
	kmem_cache_free(page_cache, object);
	return true;
}

static void cache_chill(void)
{
	kmem_cache_shrink(page_cache);
}

BENCH_LOOPS(cache)

const struct bench_contender bench_kmem_cache = {
	.name = "kmem_cache",
	.chill = cache_chill,
	.loop = {
		[LOOP_PAIR] = cache_pair, [LOOP_BURST] = cache_burst, [LOOP_DEEP] = cache_deep,
		[LOOP_PARALLEL] = cache_pair, [LOOP_PRODUCE] = cache_produce,
		[LOOP_CONSUME] = cache_consume,
		[LOOP_ACROSS] = cache_take, [LOOP_BACK] = cache_give,
		[LOOP_TAKE] = cache_take,
		[LOOP_GIVE] = cache_give, [LOOP_NEST] = cache_nest, [LOOP_BELOW] = cache_pair,
	},
};

static bool cache_in_bulk(unsigned int n)
{
	void *objects[BENCH_BULK];

	for (; n; n -= BENCH_BULK) {
		if (unlikely(!kmem_cache_alloc_bulk(page_cache, GFP_KERNEL, BENCH_BULK, objects)))
			return false;
		kmem_cache_free_bulk(page_cache, BENCH_BULK, objects);
	}
	return true;
}

const struct bench_contender bench_kmem_cache_bulk = {
	.name = "kmem_cache-bulk",
	.loop = { [LOOP_BULK] = cache_in_bulk },
};

/* kmem_cache, objects of a cache line: no page behind the object */

static __always_inline void *line_acquire(size_t size, gfp_t gfp)
{
	return kmem_cache_alloc(line_cache, gfp);
}

static __always_inline bool line_release(void *object, size_t size)
{
	kmem_cache_free(line_cache, object);
	return true;
}

BENCH_LOOPS(line)

const struct bench_contender bench_kmem_cache_line = {
	.name = "kmem_cache-64-byte",
	.loop = { [LOOP_PAIR] = line_pair, [LOOP_BURST] = line_burst },
};

/* kmalloc; it has no call that allocates in bulk */

static __always_inline void *kmalloc_acquire(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp);
}

static __always_inline bool kmalloc_release(void *object, size_t size)
{
	kfree(object);
	return true;
}

BENCH_LOOPS(kmalloc)

const struct bench_contender bench_kmalloc = {
	.name = "kmalloc",
	.loop = {
		[LOOP_PAIR] = kmalloc_pair, [LOOP_BURST] = kmalloc_burst,
		[LOOP_BULK] = kmalloc_bulk, [LOOP_MIXED] = kmalloc_mixed,
		[LOOP_PARALLEL] = kmalloc_pair, [LOOP_PRODUCE] = kmalloc_produce,
		[LOOP_CONSUME] = kmalloc_consume,
		[LOOP_ACROSS] = kmalloc_take, [LOOP_BACK] = kmalloc_give,
		[LOOP_NEST] = kmalloc_nest,
		[LOOP_BELOW] = kmalloc_pair,
	},
};

/* mempool, on the cache of pages */

static __always_inline void *mempool_acquire(size_t size, gfp_t gfp)
{
	return mempool_alloc(mempool, gfp);
}

static __always_inline bool mempool_release(void *object, size_t size)
{
	mempool_free(object, mempool);
	return true;
}

BENCH_LOOPS(mempool)

const struct bench_contender bench_mempool = {
	.name = "mempool",
	.loop = {
		[LOOP_PAIR] = mempool_pair, [LOOP_BURST] = mempool_burst,
		[LOOP_BULK] = mempool_bulk, [LOOP_MUST] = mempool_pair,
		[LOOP_PARALLEL] = mempool_pair, [LOOP_PRODUCE] = mempool_produce,
		[LOOP_CONSUME] = mempool_consume, [LOOP_NEST] = mempool_nest,
		[LOOP_BELOW] = mempool_pair,
	},
};

int bench_slab_init(void)
{
	page_cache = kmem_cache_create("gophership_bench_page", PAGE_SIZE, PAGE_SIZE, 0, NULL);
	line_cache = kmem_cache_create("gophership_bench_line", 64, 64, 0, NULL);
	if (!page_cache || !line_cache)
		return -ENOMEM;
	mempool = mempool_create_slab_pool(BENCH_BURST, page_cache);
	return mempool ? 0 : -ENOMEM;
}

void bench_slab_exit(void)
{
	mempool_destroy(mempool);
	kmem_cache_destroy(line_cache);
	kmem_cache_destroy(page_cache);
}
