// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: descriptors with their payloads, made and unmade.
 *
 * A descriptor keeps its payload for life.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pool/dma.h"
#include "pool/list.h"
#include "pool/nesting.h"
#include "pool/payload.h"
#include "pool/poison.h"
#include "pool/registry.h"
#include "pool/seal.h"

static struct kmem_cache *descriptors;

/*
 * Flags that make no sense for memory that outlives the request, or that the
 * page allocator does not like with higher orders.
 */
#define GOPHERSHIP_GFP_STRIP	(__GFP_ZERO | __GFP_ACCOUNT | __GFP_HIGHMEM | \
				 __GFP_MOVABLE | __GFP_RECLAIMABLE | __GFP_COMP | \
				 __GFP_NOFAIL)

static gfp_t descriptor_gfp(gfp_t gfp)
{
	return (gfp & ~(GOPHERSHIP_GFP_STRIP | __GFP_THISNODE)) | __GFP_NOWARN;
}

static gfp_t page_gfp(const struct gophership_pool *pool, gfp_t gfp)
{
	gfp_t account = pool->flags & GOPHERSHIP_POOL_ACCOUNT ? __GFP_ACCOUNT : 0;
	/*
	 * A bounce buffer begins with what the page holds when it is mapped, and shows that
	 * wherever the device has not written: nothing of the page's earlier owners.
	 */
	gfp_t device = pool->dma ? pool->dma->gfp | __GFP_ZERO : 0;

	return (gfp & ~GOPHERSHIP_GFP_STRIP) | __GFP_NOWARN | __GFP_COMP | account | device;
}

/* A descriptor, all zero but for what it knows of a device. */
static struct gophership_buf *descriptor_alloc(struct gophership_pool *pool, gfp_t gfp)
{
	struct gophership_buf *buf;

	if (pool->dma)
		return gophership_dma_buf_alloc(pool->dma, gfp);
	/* A few stores; kmem_cache_zalloc() would call memset(), and a miss take 7 % more. */
	buf = kmem_cache_alloc(descriptors, gfp);
	if (buf)
		memset(buf, 0, sizeof(*buf));
	return buf;
}

static void descriptor_free(struct gophership_buf *buf)
{
	if (gophership_mapped(buf))
		gophership_dma_buf_free(buf);
	else
		kmem_cache_free(descriptors, buf);
}

/* Into the registry, with its pages mapped if a device wants them. 0 or an error. */
static int enroll(struct gophership_buf *buf, gfp_t gfp)
{
	int ret;

	if (!gophership_mapped(buf))
		return gophership_registry_add(buf, gfp);
	ret = gophership_dma_buf_map(buf);
	if (ret)
		return ret;
	ret = gophership_registry_add(buf, gfp);
	if (!ret && !gophership_dma_buf_dead(buf))
		return 0;
	gophership_dma_buf_unmap(buf);
	if (!ret)
		gophership_registry_remove(buf);
	return -ENOMEM;
}

/*
 * Where the buffers of this CPU's heads come from. Not numa_mem_id(): a CPU may have
 * come to another node than where the heads are, and its node may have no memory.
 */
static int home_node(const struct gophership_pool *pool)
{
	int node = raw_cpu_ptr(pool->heads)->node;

	/* It may have gone since, with all of its memory. */
	return node_online(node) ? node : numa_mem_id();
}

/*
 * Pages for drivers are near the CPU, those for programs where the task's memory
 * policy wants them. (Its cpuset holds for both.)
 */
static struct page *payload_pages(const struct gophership_pool *pool, unsigned int order,
				  gfp_t gfp)
{
	if (pool->flags & GOPHERSHIP_POOL_LENDS)
		return alloc_pages(page_gfp(pool, gfp), order);
	return alloc_pages_node(home_node(pool), page_gfp(pool, gfp), order);
}

/* Make a buffer of @page, or give @page back. */
static struct gophership_buf *payload_make(struct gophership_pool *pool, unsigned int class,
					   unsigned int order, gfp_t gfp, struct page *page)
{
	struct gophership_buf *buf = descriptor_alloc(pool, descriptor_gfp(gfp));

	if (!buf)
		goto free_page;

	/* The bounds have no room for it. */
	if (WARN_ON_ONCE(gophership_distance(buf) > LONG_MAX))
		goto free_buf;
	buf->data = page_address(page);
	buf->capacity = PAGE_SIZE << order;
	buf->nid = page_to_nid(page);
	buf->heads = pool->heads + class;
	if (static_branch_unlikely(&gophership_poison_key))
		gophership_poison_fill(buf);
	if (enroll(buf, descriptor_gfp(gfp)))
		goto free_buf;

	gophership_bounds_widen(buf);
	if (class < GOPHERSHIP_NR_CLASSES)
		atomic_long_inc(&pool->nr_bufs);
	/*
	 * (A) A CPU that sees the seal sees the rest: pairs with (A) in gophership_sealed()
	 * and gophership_leased().
	 */
	smp_store_release(&buf->seal, gophership_seal(buf, GOPHERSHIP_SEAL_LEASED));
	return buf;

free_buf:
	descriptor_free(buf);
free_page:
	__free_pages(page, order);
	return NULL;
}

/*
 * A new buffer of @pool, leased to the caller, that will be released to the
 * row @class. NULL without memory; no message from the page allocator. The
 * context must be one that gophership_may_allocate() with @gfp.
 */
struct gophership_buf *gophership_payload_alloc(struct gophership_pool *pool,
						unsigned int class, unsigned int order, gfp_t gfp)
{
	struct gophership_buf *buf = NULL;
	struct page *page;

	gophership_allocator_enter(gfp);
	page = payload_pages(pool, order, gfp);
	if (page)
		buf = payload_make(pool, class, order, gfp, page);
	gophership_allocator_leave(gfp);
	return buf;
}

/*
 * The same for several, as far as there is memory; at most GOPHERSHIP_REFILL_MAX.
 * Single pages come with one call. Returns how many there are.
 */
unsigned int gophership_payload_alloc_bulk(struct gophership_pool *pool, unsigned int class,
					   gfp_t gfp, unsigned int nr,
					   struct gophership_buf **bufs)
{
	unsigned int order = gophership_class_order(class), i, pages_nr = 0, done = 0;
	struct page *pages[GOPHERSHIP_REFILL_MAX] = {};

	if (order == 0 && nr > 1) {
		gophership_allocator_enter(gfp);
		pages_nr = gophership_pages_bulk(page_gfp(pool, gfp), home_node(pool), nr, pages);
		for (i = 0; i < pages_nr; i++) {
			bufs[done] = payload_make(pool, class, order, gfp, pages[i]);
			done += !!bufs[done];
		}
		gophership_allocator_leave(gfp);
	}
	/* The bulk call may end early, and has no large pages. */
	for (; done >= pages_nr && done < nr; done++) {
		bufs[done] = gophership_payload_alloc(pool, class, order, gfp);
		if (!bufs[done])
			break;
	}
	return done;
}

/*
 * Free @buf and drop the pool's reference to its pages. The caller knows that
 * no release of it can be under way: see "The seal".
 */
void gophership_payload_free(struct gophership_buf *buf)
{
	const struct gophership_head *head;

	/* First: what is not in the registry does not change its pool any more. */
	gophership_registry_remove(buf);
	head = raw_cpu_ptr(buf->heads);
	if (head->class < GOPHERSHIP_NR_CLASSES)
		atomic_long_dec(&head->pool->nr_bufs);
	gophership_payload_drop(buf);
	/* No stale pointer shall find a seal that fits. */
	WRITE_ONCE(buf->seal, 0);
	descriptor_free(buf);
}

/* Has the machine reported an error in the memory of @buf? */
bool gophership_payload_damaged(const struct gophership_buf *buf)
{
	struct page *page = virt_to_page(buf->data);
	unsigned int i;

	for (i = 0; i < buf->capacity / PAGE_SIZE; i++)
		if (PageHWPoison(page + i))
			return true;
	return false;
}

/*
 * Has something else a reference to the pages of @buf, or a mapping, which holds one?
 * The caller sees to it that no reference can come from anywhere but another one. (Why
 * one look is enough: device/lease.c.)
 */
bool gophership_payload_shared(const struct gophership_buf *buf)
{
	if (page_count(virt_to_page(buf->data)) > 1)
		return true;
	/*
	 * (N) What others did to the pages before they dropped their references is done
	 * before anything that comes from here on: pairs with the full barrier of put_page().
	 */
	smp_mb();
	return false;
}

/*
 * Drop the pool's reference to @buf's pages. They go with the last reference, and no device
 * reaches them any more. Damaged pages do not go: the page allocator sorts out single ones,
 * but not in each version one in the midst of others. (Their cgroup goes on paying.)
 */
void gophership_payload_drop(struct gophership_buf *buf)
{
	if (!buf->data)
		return;
	gophership_allocator_enter(0);
	if (gophership_mapped(buf))
		gophership_dma_buf_unmap(buf);
	if (buf->capacity == PAGE_SIZE || !gophership_payload_damaged(buf))
		__free_pages(virt_to_page(buf->data), get_order(buf->capacity));
	gophership_allocator_leave(0);
	buf->data = NULL;
}

int gophership_payload_init(void)
{
	descriptors = kmem_cache_create("gophership_buf", sizeof(struct gophership_buf),
					__alignof__(struct gophership_buf),
					GOPHERSHIP_SLAB_NO_MERGE, NULL);
	if (!descriptors)
		return -ENOMEM;
	if (!gophership_dma_init())
		return 0;
	kmem_cache_destroy(descriptors);
	return -ENOMEM;
}

void gophership_payload_exit(void)
{
	rcu_barrier();
	gophership_dma_exit();
	kmem_cache_destroy(descriptors);
}
