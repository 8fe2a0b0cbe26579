// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: pools, made and destroyed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pool/depot.h"
#include "pool/dma.h"
#include "pool/free.h"
#include "pool/head.h"
#include "pool/idle.h"
#include "pool/kick.h"
#include "pool/list.h"
#include "pool/magazine.h"
#include "pool/payload.h"
#include "pool/poison.h"
#include "pool/pool.h"
#include "pool/refill.h"
#include "pool/registry.h"
#include "pool/report.h"
#include "pool/reserve.h"
#include "pool/stock.h"

static unsigned int reserve = 4;
module_param(reserve, uint, 0444);
MODULE_PARM_DESC(reserve,
		 "Buffers of 16 pages set aside for gophership_buf_must_acquire(), 0 to 1024 (default 4)");

static unsigned int stock;
module_param(stock, uint, 0444);
MODULE_PARM_DESC(stock,
		 "Buffers of each size class kept idle for requests to the machine's pool that may not allocate, 0 to 1024 (default 0)");

static void init_heads(struct gophership_pool *pool)
{
	unsigned int class;
	int cpu;

	for_each_possible_cpu(cpu) {
		for (class = 0; class < GOPHERSHIP_NR_HEADS; class++)
			gophership_head_init(per_cpu_ptr(pool->heads + class, cpu), pool, class);
		gophership_pool_place(pool, cpu);
	}
}

static void init_depots(struct gophership_pool *pool)
{
	unsigned int class;
	int node;

	for (node = 0; node < nr_node_ids; node++)
		for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
			gophership_depot_init(gophership_pool_depot(pool, node, class), pool,
					      class, node);
}

/* End all mappings, also of leased buffers. Takes @dma over, which may be NULL. */
static void end_mappings(struct gophership_dma *dma)
{
	if (!dma)
		return;
	gophership_dma_end(dma);
	gophership_dma_put(dma);
}

/* Of a pool that is empty and in no list. */
static void pool_free(struct gophership_pool *pool)
{
	free_percpu(pool->heads);
	kvfree(pool->depots);
	kfree(pool->reserve);
	kvfree(pool->stock);
	kfree(pool);
}

static struct gophership_pool *pool_alloc(const char *name, unsigned int flags)
{
	struct gophership_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return NULL;
	strscpy(pool->name, name, sizeof(pool->name));
	pool->flags = flags;
	init_waitqueue_head(&pool->wait);
	gophership_kick_pool_init(pool);
	gophership_refill_init(pool);
	INIT_LIST_HEAD(&pool->entry);
	pool->heads = __alloc_percpu(sizeof(struct gophership_head) * GOPHERSHIP_NR_HEADS,
				     __alignof__(struct gophership_head));
	pool->depots = kvcalloc(gophership_pool_nr_depots(), sizeof(struct gophership_depot),
				GFP_KERNEL);
	if (!pool->heads || !pool->depots) {
		pool_free(pool);
		return NULL;
	}
	init_depots(pool);
	init_heads(pool);
	return pool;
}

/*
 * Free all idle buffers of a pool that is not used any more. Without memory the
 * inboxes need several rounds.
 */
static void pool_empty(struct gophership_pool *pool)
{
	gophership_refill_stop(pool);
	do {
		gophership_pool_flush_unused(pool);
		gophership_stock_drain(pool);
		gophership_pool_trim_all(pool);
		gophership_reserve_drain(pool);
		gophership_free_sync();
		gophership_retiring_settle();
		rcu_barrier();
	} while (!gophership_pool_is_empty(pool));
}

/* Name the reassigned buffers that are still leased. Returns how many. */
static int name_leaks(const char *pool)
{
	struct gophership_leak leak;
	unsigned long key = 0;
	int nr = 0;

	for (; gophership_registry_next_leak(&key, &leak); nr++)
		gophership_report_leak(pool, &leak);
	return nr;
}

/*
 * First no release may find the pool any more. Then it is emptied. Buffers that are still
 * leased then were leaked.
 */
static int pool_destroy(struct gophership_pool *pool)
{
	static DEFINE_MUTEX(one_at_a_time);	/* the registry's marks */
	int leaked;

	gophership_list_remove(pool);
	mutex_lock(&one_at_a_time);
	gophership_registry_reassign(pool, gophership_orphans);
	synchronize_rcu();
	pool_empty(pool);
	/* No device reaches the leaked buffers, either. */
	end_mappings(pool->dma);
	leaked = name_leaks(pool->name);
	mutex_unlock(&one_at_a_time);

	irq_work_sync(&pool->wake);
	pool_free(pool);
	return leaked;
}

/* @flags, and those that follow from them, and from what the kernel was booted with. */
static unsigned int all_flags(unsigned int flags)
{
	const unsigned int never = GOPHERSHIP_POOL_NO_INIT | GOPHERSHIP_POOL_LENDS;

	/* As the slab allocators: poison instead of zeroes. The device clears by itself. */
	if (gophership_use_heads() && !(flags & never) &&
	    (want_init_on_alloc(0) || want_init_on_free()))
		flags |= GOPHERSHIP_POOL_CLEARS;
	if (flags & (GOPHERSHIP_POOL_CLEARS | GOPHERSHIP_POOL_CHECK_REFS | GOPHERSHIP_POOL_ACCOUNT))
		flags |= GOPHERSHIP_POOL_CLAIMS;
	return flags;
}

/* @dma may be NULL; after an error it is still the caller's. */
static struct gophership_pool *pool_create(const char *name, unsigned int nr_reserve,
					   size_t reserve_size, unsigned int nr_stock,
					   unsigned int flags, struct gophership_dma *dma)
{
	struct gophership_pool *pool = pool_alloc(name, all_flags(flags));
	int ret;

	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->dma = dma;
	ret = gophership_reserve_fill(pool, nr_reserve, reserve_size);
	if (!ret)
		ret = gophership_stock_init(pool, nr_stock);
	if (!ret)
		ret = gophership_list_add(pool);
	if (!ret)
		return pool;
	pool_empty(pool);
	pool_free(pool);
	return ERR_PTR(ret);
}

/* Of checked @params. */
static struct gophership_pool *create(const struct gophership_pool_params *params)
{
	struct gophership_dma *dma = NULL;
	struct gophership_pool *pool;

	if (params->dev)
		dma = gophership_dma_bind_pool(params->dev, params->dma_dir);
	if (IS_ERR(dma))
		return ERR_CAST(dma);
	pool = pool_create(params->name, params->reserve,
			   params->reserve_size ?: GOPHERSHIP_MAX_POOLED, params->stock,
			   params->flags, dma);
	if (IS_ERR(pool))
		end_mappings(dma);
	return pool;
}

struct gophership_pool *gophership_pool_create(const struct gophership_pool_params *params)
{
	unsigned int flags;
	size_t len;

	if (!params || !params->name)
		return ERR_PTR(-EINVAL);
	len = strnlen(params->name, GOPHERSHIP_POOL_NAME_LEN);
	if (!len || len == GOPHERSHIP_POOL_NAME_LEN)
		return ERR_PTR(-EINVAL);
	flags = params->flags;
	if (flags & ~(GOPHERSHIP_POOL_ACCOUNT | GOPHERSHIP_POOL_CHECK_REFS |
		      GOPHERSHIP_POOL_NO_INIT) ||
	    params->reserve > GOPHERSHIP_RESERVE_MAX ||
	    params->reserve_size > GOPHERSHIP_MAX_POOLED || params->stock > GOPHERSHIP_STOCK_MAX)
		return ERR_PTR(-EINVAL);
	/* A kernel thread makes the stock, and its cgroup is not that of the request. */
	if (params->stock && flags & GOPHERSHIP_POOL_ACCOUNT)
		return ERR_PTR(-EINVAL);
	return create(params);
}
EXPORT_SYMBOL_GPL(gophership_pool_create);

int gophership_pool_destroy(struct gophership_pool *pool)
{
	if (IS_ERR_OR_NULL(pool))
		return 0;
	return pool_destroy(pool);
}
EXPORT_SYMBOL_GPL(gophership_pool_destroy);

static int __init orphans_init(void)
{
	gophership_orphans = pool_alloc("orphans", GOPHERSHIP_POOL_KEEPS_NOTHING);
	if (!gophership_orphans)
		return -ENOMEM;
	gophership_waiters_raise(gophership_orphans, 0);
	return gophership_list_add(gophership_orphans);
}

/* The last users are gone: nothing holds what is left. */
static void free_leaks(void)
{
	struct gophership_buf *buf;
	unsigned long key = 0;

	while ((buf = gophership_registry_next(&key)))
		gophership_payload_free(buf);
	gophership_registry_exit();
}

static void orphans_free(void)
{
	gophership_list_remove(gophership_orphans);
	pool_empty(gophership_orphans);
	free_leaks();
	irq_work_sync(&gophership_orphans->wake);
	pool_free(gophership_orphans);
}

int __init gophership_pools_init(void)
{
	if (reserve > GOPHERSHIP_RESERVE_MAX) {
		pr_err("reserve=%u is out of range: 0 to %d\n", reserve, GOPHERSHIP_RESERVE_MAX);
		return -EINVAL;
	}
	if (stock > GOPHERSHIP_STOCK_MAX) {
		pr_err("stock=%u is out of range: 0 to %d\n", stock, GOPHERSHIP_STOCK_MAX);
		return -EINVAL;
	}
	if (orphans_init())
		return -ENOMEM;
	gophership_kernel_pool = pool_create("kernel", reserve, GOPHERSHIP_MAX_POOLED, stock,
					     GOPHERSHIP_POOL_PERMANENT, NULL);
	if (IS_ERR(gophership_kernel_pool))
		goto free_orphans;
	gophership_kernel_heads = gophership_kernel_pool->heads;
	gophership_user_pool = pool_create("user", 0, GOPHERSHIP_MAX_POOLED, 0,
					   GOPHERSHIP_POOL_PERMANENT | GOPHERSHIP_POOL_ACCOUNT |
					   GOPHERSHIP_POOL_LENDS, NULL);
	if (IS_ERR(gophership_user_pool))
		goto destroy_kernel;
	return 0;

destroy_kernel:
	pool_destroy(gophership_kernel_pool);
free_orphans:
	orphans_free();
	return -ENOMEM;
}

/* Of drivers that are gone. The orphans are the first in the list, and remain. */
static void destroy_forgotten(void)
{
	struct gophership_pool *pool;

	while (!list_is_singular(&gophership_pools)) {
		pool = list_last_entry(&gophership_pools, struct gophership_pool, entry);
		pr_warn("pool %s was never destroyed by its driver\n", pool->name);
		pool_destroy(pool);
	}
}

void gophership_pools_exit(void)
{
	pool_destroy(gophership_user_pool);
	pool_destroy(gophership_kernel_pool);
	destroy_forgotten();
	orphans_free();
}
