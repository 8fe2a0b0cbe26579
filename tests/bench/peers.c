// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: ours, and what else a driver could use.
 *
 * Each loop is a template that is always inlined with the calls of one
 * contender, so that no contender pays for an indirect call. Ours are the
 * exported functions, with every check.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/slab.h>

#ifdef CONFIG_PAGE_POOL
/* It moved in 6.6. */
#if __has_include("net/page_pool/helpers.h")
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif
#endif
/* New in 6.7. */
#if __has_include("linux/objpool.h")
#include <linux/objpool.h>
#define HAVE_OBJPOOL	1
#endif

#include "bench.h"
#include "gophership_buf.h"

/* Objects that a peer sets aside where it wants to know: a ring full and a burst. */
#define STOCK	512

static struct gophership_pool *pool;
static struct kmem_cache *cache, *small_cache;
static mempool_t *mempool;

typedef void *(*acquire_call)(size_t size);
typedef bool (*release_call)(void *object, size_t size);

static __always_inline bool pair(unsigned int n, acquire_call acquire, release_call release)
{
	void *object;

	while (n--) {
		object = acquire(PAGE_SIZE);
		if (unlikely(!object || !release(object, PAGE_SIZE)))
			return false;
	}
	return true;
}

static __always_inline bool batch(unsigned int n, unsigned int size, acquire_call acquire,
				  release_call release)
{
	void *objects[BENCH_BURST];
	unsigned int i;
	bool ok = true;

	for (; n; n -= size) {
		for (i = 0; i < size; i++) {
			objects[i] = acquire(PAGE_SIZE);
			if (unlikely(!objects[i]))
				break;
		}
		ok = i == size;
		while (i--)
			ok &= release(objects[i], PAGE_SIZE);
		if (unlikely(!ok))
			break;
	}
	return ok;
}

static __always_inline bool mixed(unsigned int n, acquire_call acquire, release_call release)
{
	void *object;
	size_t size;

	while (n--) {
		size = bench_sizes[n % BENCH_SIZES];
		object = acquire(size);
		if (unlikely(!object || !release(object, size)))
			return false;
	}
	return true;
}

static __always_inline bool produce(unsigned int n, acquire_call acquire, release_call release)
{
	void *object;

	while (n--) {
		object = acquire(PAGE_SIZE);
		if (unlikely(!object))
			goto broken;
		if (unlikely(!bench_ring_put(object))) {
			release(object, PAGE_SIZE);
			goto broken;
		}
	}
	return true;
broken:
	WRITE_ONCE(bench_ring.broken, true);
	return false;
}

static __always_inline bool consume(unsigned int n, release_call release)
{
	void *object;

	while (n--) {
		object = bench_ring_get();
		if (unlikely(!object || !release(object, PAGE_SIZE))) {
			WRITE_ONCE(bench_ring.broken, true);
			return false;
		}
	}
	return true;
}

static __always_inline bool take(unsigned int n, acquire_call acquire, release_call release)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		bench_kept[i] = acquire(PAGE_SIZE);
		if (likely(bench_kept[i]))
			continue;
		while (i--)
			release(bench_kept[i], PAGE_SIZE);
		return false;
	}
	return true;
}

static __always_inline bool give(unsigned int n, release_call release)
{
	bool ok = true;

	while (n--)
		ok &= release(bench_kept[n], PAGE_SIZE);
	return ok;
}

/* The loops of a contender, from its two calls. */
#define BENCH_PAIR(name)						\
	static bool name##_pair(unsigned int n)				\
	{								\
		return pair(n, name##_acquire, name##_release);		\
	}

#define BENCH_BURSTS(name)						\
	static bool name##_burst(unsigned int n)			\
	{								\
		return batch(n, BENCH_BURST, name##_acquire, name##_release); \
	}

#define BENCH_BULKS(name)						\
	static bool name##_bulk(unsigned int n)				\
	{								\
		return batch(n, BENCH_BULK, name##_acquire, name##_release); \
	}

#define BENCH_MIXED(name)						\
	static bool name##_mixed(unsigned int n)			\
	{								\
		return mixed(n, name##_acquire, name##_release);	\
	}

#define BENCH_RING(name)						\
	static bool name##_produce(unsigned int n)			\
	{								\
		return produce(n, name##_acquire, name##_release);	\
	}								\
	static bool name##_consume(unsigned int n)			\
	{								\
		return consume(n, name##_release);			\
	}

#define BENCH_MISS(name)						\
	static bool name##_take(unsigned int n)				\
	{								\
		return take(n, name##_acquire, name##_release);		\
	}								\
	static bool name##_give(unsigned int n)				\
	{								\
		return give(n, name##_release);				\
	}

/* Ours: the pool of the machine */

static __always_inline void *ours_acquire(size_t size)
{
	return gophership_buf_acquire(size, GFP_KERNEL);
}

static __always_inline bool ours_release(void *object, size_t size)
{
	return !gophership_buf_release(object);
}

static __always_inline void *must_acquire(size_t size)
{
	return gophership_buf_must_acquire(size);
}

static bool must_pair(unsigned int n)
{
	return pair(n, must_acquire, ours_release);
}

static bool ours_bulk(unsigned int n)
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

BENCH_PAIR(ours)
BENCH_BURSTS(ours)
BENCH_MIXED(ours)
BENCH_RING(ours)

/* Its own pool for the misses: trimming that of the machine would chill other cases. */

static __always_inline void *pool_acquire(size_t size)
{
	return gophership_pool_acquire(pool, size, GFP_KERNEL);
}

static void pool_chill(void)
{
	gophership_pool_trim(pool);
}

#define pool_release ours_release
BENCH_MISS(pool)

static const struct bench_contender ours = {
	.name = "gophership",
	.chill = pool_chill,
	.loop = {
		[LOOP_PAIR] = ours_pair, [LOOP_BURST] = ours_burst, [LOOP_BULK] = ours_bulk,
		[LOOP_MIXED] = ours_mixed, [LOOP_MUST] = must_pair, [LOOP_TWO] = ours_pair,
		[LOOP_PRODUCE] = ours_produce, [LOOP_CONSUME] = ours_consume,
		[LOOP_TAKE] = pool_take, [LOOP_GIVE] = pool_give,
	},
};

/* What two CPUs do at once against what one does: 0.5 if neither disturbs the other. */
static const struct bench_contender ours_alone = {
	.name = "gophership-one-cpu",
	.one_cpu = true,
	.loop = { [LOOP_TWO] = ours_pair },
};

/* kmem_cache, objects of a page */

static __always_inline void *cache_acquire(size_t size)
{
	return kmem_cache_alloc(cache, GFP_KERNEL);
}

static __always_inline bool cache_release(void *object, size_t size)
{
	kmem_cache_free(cache, object);
	return true;
}

static void cache_chill(void)
{
	kmem_cache_shrink(cache);
}

static bool cache_bulk(unsigned int n)
{
	void *objects[BENCH_BULK];

	for (; n; n -= BENCH_BULK) {
		if (unlikely(!kmem_cache_alloc_bulk(cache, GFP_KERNEL, BENCH_BULK, objects)))
			return false;
		kmem_cache_free_bulk(cache, BENCH_BULK, objects);
	}
	return true;
}

BENCH_PAIR(cache)
BENCH_BURSTS(cache)
BENCH_RING(cache)
BENCH_MISS(cache)

static const struct bench_contender kmem_cache_peer = {
	.name = "kmem_cache",
	.chill = cache_chill,
	.loop = {
		[LOOP_PAIR] = cache_pair, [LOOP_BURST] = cache_burst, [LOOP_BULK] = cache_bulk,
		[LOOP_TWO] = cache_pair, [LOOP_PRODUCE] = cache_produce,
		[LOOP_CONSUME] = cache_consume, [LOOP_TAKE] = cache_take,
		[LOOP_GIVE] = cache_give,
	},
};

/* kmem_cache, objects of a cache line: no page to clear or to cache */

static __always_inline void *small_acquire(size_t size)
{
	return kmem_cache_alloc(small_cache, GFP_KERNEL);
}

static __always_inline bool small_release(void *object, size_t size)
{
	kmem_cache_free(small_cache, object);
	return true;
}

BENCH_PAIR(small)
BENCH_BURSTS(small)

static const struct bench_contender small_peer = {
	.name = "kmem_cache-64-byte",
	.loop = { [LOOP_PAIR] = small_pair, [LOOP_BURST] = small_burst },
};

/* kmalloc */

static __always_inline void *kmalloc_acquire(size_t size)
{
	return kmalloc(size, GFP_KERNEL);
}

static __always_inline bool kmalloc_release(void *object, size_t size)
{
	kfree(object);
	return true;
}

BENCH_PAIR(kmalloc)
BENCH_BURSTS(kmalloc)
BENCH_BULKS(kmalloc)
BENCH_MIXED(kmalloc)
BENCH_RING(kmalloc)

static const struct bench_contender kmalloc_peer = {
	.name = "kmalloc",
	.loop = {
		[LOOP_PAIR] = kmalloc_pair, [LOOP_BURST] = kmalloc_burst,
		[LOOP_BULK] = kmalloc_bulk, [LOOP_MIXED] = kmalloc_mixed,
		[LOOP_TWO] = kmalloc_pair, [LOOP_PRODUCE] = kmalloc_produce,
		[LOOP_CONSUME] = kmalloc_consume,
	},
};

/* mempool, on the kmem_cache */

static __always_inline void *mempool_acquire(size_t size)
{
	return mempool_alloc(mempool, GFP_KERNEL);
}

static __always_inline bool mempool_release(void *object, size_t size)
{
	mempool_free(object, mempool);
	return true;
}

BENCH_PAIR(mempool)
BENCH_BURSTS(mempool)
BENCH_RING(mempool)

static const struct bench_contender mempool_peer = {
	.name = "mempool",
	.loop = {
		[LOOP_PAIR] = mempool_pair, [LOOP_BURST] = mempool_burst,
		[LOOP_MUST] = mempool_pair, [LOOP_TWO] = mempool_pair,
		[LOOP_PRODUCE] = mempool_produce, [LOOP_CONSUME] = mempool_consume,
	},
};

/* The page allocator; its per-CPU lists are warm in the misses, too. */

static __always_inline void *pages_acquire(size_t size)
{
	return alloc_pages(GFP_KERNEL, get_order(size));
}

static __always_inline bool pages_release(void *object, size_t size)
{
	__free_pages(object, get_order(size));
	return true;
}

static void pages_chill(void)
{
}

BENCH_PAIR(pages)
BENCH_BURSTS(pages)
BENCH_BULKS(pages)
BENCH_MIXED(pages)
BENCH_RING(pages)
BENCH_MISS(pages)

static const struct bench_contender pages_peer = {
	.name = "alloc_pages",
	.chill = pages_chill,
	.loop = {
		[LOOP_PAIR] = pages_pair, [LOOP_BURST] = pages_burst, [LOOP_BULK] = pages_bulk,
		[LOOP_MIXED] = pages_mixed, [LOOP_TWO] = pages_pair,
		[LOOP_PRODUCE] = pages_produce, [LOOP_CONSUME] = pages_consume,
		[LOOP_TAKE] = pages_take, [LOOP_GIVE] = pages_give,
	},
};

#ifdef CONFIG_PAGE_POOL
/*
 * page_pool. "direct" is its cache without a lock, which is for one softirq
 * context alone; any other context must release through its ring.
 */
static struct page_pool *page_pool;

static __always_inline void *direct_acquire(size_t size)
{
	return page_pool_alloc_pages(page_pool, GFP_ATOMIC);
}

static __always_inline bool direct_release(void *object, size_t size)
{
	page_pool_put_full_page(page_pool, object, true);
	return true;
}

#define page_ring_acquire direct_acquire

static __always_inline bool page_ring_release(void *object, size_t size)
{
	page_pool_put_full_page(page_pool, object, false);
	return true;
}

BENCH_PAIR(direct)
BENCH_BURSTS(direct)
BENCH_BULKS(direct)
BENCH_PAIR(page_ring)
BENCH_BURSTS(page_ring)
BENCH_RING(page_ring)

static const struct bench_contender direct_peer = {
	.name = "page_pool-direct",
	.bottom_halves_off = true,
	.loop = {
		[LOOP_PAIR] = direct_pair, [LOOP_BURST] = direct_burst,
		[LOOP_BULK] = direct_bulk,
	},
};

static const struct bench_contender page_ring_peer = {
	.name = "page_pool-ring",
	.bottom_halves_off = true,
	.loop = {
		[LOOP_PAIR] = page_ring_pair, [LOOP_BURST] = page_ring_burst,
		[LOOP_PRODUCE] = page_ring_produce, [LOOP_CONSUME] = page_ring_consume,
	},
};

static int page_pool_start(void)
{
	struct page_pool_params params = {
		.pool_size = STOCK, .nid = NUMA_NO_NODE,
	};

	page_pool = page_pool_create(&params);
	return PTR_ERR_OR_ZERO(page_pool);
}

static void page_pool_stop(void)
{
	if (!IS_ERR_OR_NULL(page_pool))
		page_pool_destroy(page_pool);
}
#else
static int page_pool_start(void)
{
	return 0;
}

static void page_pool_stop(void)
{
}
#endif

#ifdef HAVE_OBJPOOL
/* objpool: objects that are never more nor fewer, of a cache line */
static struct objpool_head objpool;
static bool objpool_there;

static __always_inline void *objpool_acquire(size_t size)
{
	return objpool_pop(&objpool);
}

static __always_inline bool objpool_release(void *object, size_t size)
{
	return !objpool_push(object, &objpool);
}

BENCH_PAIR(objpool)
BENCH_BURSTS(objpool)
BENCH_RING(objpool)

static const struct bench_contender objpool_peer = {
	.name = "objpool-64-byte",
	.loop = {
		[LOOP_PAIR] = objpool_pair, [LOOP_BURST] = objpool_burst,
		[LOOP_TWO] = objpool_pair, [LOOP_PRODUCE] = objpool_produce,
		[LOOP_CONSUME] = objpool_consume,
	},
};

static int objpool_start(void)
{
	int err = objpool_init(&objpool, STOCK, 64, GFP_KERNEL, NULL, NULL, NULL);

	objpool_there = !err;
	return err;
}

static void objpool_stop(void)
{
	if (objpool_there)
		objpool_fini(&objpool);
}
#else
static int objpool_start(void)
{
	return 0;
}

static void objpool_stop(void)
{
}
#endif

/* What is in everybody's figures, and what User-Mode Linux makes dear. */

static bool empty_loop(unsigned int n)
{
	while (n--)
		barrier();
	return true;
}

static bool irq_loop(unsigned int n)
{
	unsigned long flags;

	while (n--) {
		local_irq_save(flags);
		local_irq_restore(flags);
	}
	return true;
}

static bool clock_loop(unsigned int n)
{
	while (n--)
		ktime_get_ns();
	return true;
}

static const struct bench_contender empty_cost = {
	.name = "empty-loop",
	.loop = { [LOOP_COST] = empty_loop },
};

static const struct bench_contender irq_cost = {
	.name = "irq-save-restore",
	.loop = { [LOOP_COST] = irq_loop },
};

static const struct bench_contender clock_cost = {
	.name = "clock",
	.loop = { [LOOP_COST] = clock_loop },
};

const struct bench_contender * const bench_contenders[] = {
	&ours,
	&ours_alone,
	&kmem_cache_peer,
	&small_peer,
	&kmalloc_peer,
	&mempool_peer,
	&pages_peer,
#ifdef CONFIG_PAGE_POOL
	&direct_peer,
	&page_ring_peer,
#endif
#ifdef HAVE_OBJPOOL
	&objpool_peer,
#endif
	&empty_cost,
	&irq_cost,
	&clock_cost,
};

const unsigned int bench_nr_contenders = ARRAY_SIZE(bench_contenders);

static int ours_start(void)
{
	struct gophership_pool_params params = { .name = "bench" };

	pool = gophership_pool_create(&params);
	return PTR_ERR_OR_ZERO(pool);
}

static int caches_start(void)
{
	cache = kmem_cache_create("gophership_bench_page", PAGE_SIZE, PAGE_SIZE, 0, NULL);
	small_cache = kmem_cache_create("gophership_bench_line", 64, 64, 0, NULL);
	if (!cache || !small_cache)
		return -ENOMEM;
	mempool = mempool_create_slab_pool(BENCH_BURST, cache);
	return mempool ? 0 : -ENOMEM;
}

int bench_peers_init(void)
{
	int err;

	BUILD_BUG_ON(ARRAY_SIZE(bench_contenders) > BENCH_CONTENDERS);
	err = ours_start();
	if (!err)
		err = caches_start();
	if (!err)
		err = page_pool_start();
	if (!err)
		err = objpool_start();
	if (err)
		bench_peers_exit();
	return err;
}

void bench_peers_exit(void)
{
	objpool_stop();
	page_pool_stop();
	mempool_destroy(mempool);
	kmem_cache_destroy(small_cache);
	kmem_cache_destroy(cache);
	if (!IS_ERR_OR_NULL(pool))
		gophership_pool_destroy(pool);
}
