// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: pools, those who wait, statistics.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "pool/types.h"

struct gophership_pool *gophership_kernel_pool __ro_after_init;
/* Its heads: one step less on the hot path. */
struct gophership_head __percpu *gophership_kernel_heads __ro_after_init;
struct gophership_pool *gophership_user_pool __ro_after_init;

/* Where buffers go that outlive their pool. Nothing that is released stays here. */
static struct gophership_pool *orphans __ro_after_init;

LIST_HEAD(gophership_pools);
/* Protects the list, and so keeps a pool alive for those who walk it. */
DEFINE_MUTEX(gophership_pools_lock);
/* The same for the shrinker. */
DEFINE_SRCU(gophership_pools_srcu);

static unsigned int reserve = 4;
module_param(reserve, uint, 0444);
MODULE_PARM_DESC(reserve,
		 "Buffers of 16 pages set aside for gophership_buf_must_acquire(), 0 to 1024 (default 4)");

static unsigned int stock;
module_param(stock, uint, 0444);
MODULE_PARM_DESC(stock,
		 "Buffers of each size class kept idle for requests to the machine's pool that may not allocate, 0 to 1024 (default 0)");

static bool poison;
module_param(poison, bool, 0444);
MODULE_PARM_DESC(poison,
		 "Fill released buffers and report who writes to them (slow; default off)");

#define GFP_MUST_NEXT	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOMEMALLOC)

/* How long a waiter sleeps before it looks again by itself. */
#define WAIT_JIFFIES	max(HZ / 10, 1)

/* Length of a pool's array of depots. */
unsigned int gophership_pool_nr_depots(void)
{
	return nr_node_ids * GOPHERSHIP_NR_CLASSES;
}

struct gophership_depot *gophership_pool_depot(struct gophership_pool *pool, int node,
					       unsigned int class)
{
	return &pool->depots[node * GOPHERSHIP_NR_CLASSES + class];
}

/* Where buffers can be put that are to go: of the pool that keeps nothing. */
struct gophership_depot *gophership_pool_orphanage(int node, unsigned int class)
{
	return gophership_pool_depot(orphans, node, class);
}

static void wake_waiters(struct irq_work *work)
{
	wake_up_all(&container_of(work, struct gophership_pool, wake)->wait);
}

/* A buffer of @class came back where a waiter can find it. In any context. */
void gophership_pool_wake(struct gophership_pool *pool, unsigned int class)
{
	if (unlikely(atomic_read(&pool->waiters[class])))
		irq_work_queue(&pool->wake);
}

/* The node that @cpu's buffers come from: its own, or the nearest that has memory. */
static int memory_node(int cpu)
{
	int own = cpu_to_mem(cpu), nearest = NUMA_NO_NODE, node;

	if (node_state(own, N_MEMORY))
		return own;
	for_each_node_state(node, N_MEMORY)
		if (nearest == NUMA_NO_NODE ||
		    node_distance(own, node) < node_distance(own, nearest))
			nearest = node;
	return nearest;
}

/**
 * gophership_pool_place() - tell a CPU's heads which memory node is theirs
 * @pool: the pool
 * @cpu: a CPU that does not run, with nothing in its heads, or a new pool's
 *
 * For a CPU that is not there yet the kernel has made a node up; it learns the true one
 * when the CPU comes. Memory that a node gets or loses later moves no heads.
 *
 * Context: process.
 */
void gophership_pool_place(struct gophership_pool *pool, int cpu)
{
	struct gophership_head *heads = per_cpu_ptr(pool->heads, cpu);
	int node = memory_node(cpu);
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		heads[class].depot = gophership_pool_depot(pool, node, class);
		heads[class].node = node;
	}
}

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

/* Of a pool that is empty, and that nobody can find. */
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
	init_irq_work(&pool->wake, wake_waiters);
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

/* Context: gophership_pools_lock held. */
static bool name_is_taken(const char *name)
{
	struct gophership_pool *pool;

	list_for_each_entry(pool, &gophership_pools, entry)
		if (!strcmp(pool->name, name))
			return true;
	return false;
}

/* 0, or -EEXIST if another pool has that name. */
static int pool_list(struct gophership_pool *pool)
{
	int cpu;

	mutex_lock(&gophership_pools_lock);
	if (name_is_taken(pool->name)) {
		mutex_unlock(&gophership_pools_lock);
		return -EEXIST;
	}
	/* Again: a CPU may have come since, and not have seen the pool. */
	for_each_possible_cpu(cpu)
		gophership_pool_place(pool, cpu);
	list_add_tail_rcu(&pool->entry, &gophership_pools);
	mutex_unlock(&gophership_pools_lock);
	return 0;
}

static void pool_unlist(struct gophership_pool *pool)
{
	mutex_lock(&gophership_pools_lock);
	list_del_rcu(&pool->entry);
	mutex_unlock(&gophership_pools_lock);
	/* A shrinker may be at it, or have some of its buffers on their way. */
	synchronize_srcu(&gophership_pools_srcu);
}

/**
 * gophership_pool_steal_class() - a buffer of the class, from any node
 * @pool: the pool
 * @class: its class
 *
 * Context: any.
 * Return: a leased buffer that is not counted as acquired yet, or NULL.
 */
struct gophership_buf *gophership_pool_steal_class(struct gophership_pool *pool,
						   unsigned int class)
{
	struct gophership_depot *depot;
	struct gophership_buf *buf;
	int node;

	for_each_node_state(node, N_MEMORY) {
		depot = gophership_pool_depot(pool, node, class);
		if (!gophership_depot_cached(depot))
			continue;
		buf = gophership_depot_take_one(depot);
		if (buf)
			return buf;
	}
	return NULL;
}

/**
 * gophership_pool_steal() - a buffer from where nobody looks first
 * @pool: the pool
 * @class: the class that it must at least have
 *
 * When the page allocator has failed: the depots of all nodes, and of the
 * larger classes.
 *
 * Context: any.
 * Return: a leased buffer that is not counted as acquired yet, or NULL.
 */
struct gophership_buf *gophership_pool_steal(struct gophership_pool *pool, unsigned int class)
{
	struct gophership_buf *buf = NULL;

	for (; !buf && class < GOPHERSHIP_NR_CLASSES; class++)
		buf = gophership_pool_steal_class(pool, class);
	return buf;
}

/*
 * A task waits for a buffer of @class or a larger one. Soon every release of those
 * takes the slow path, sees the waiter and puts the buffer where the waiter can get it;
 * one that read the limit before this goes into a magazine, for which the waiter's
 * timeout is there. A CPU that restores its limit at this very moment sees the count:
 * the barrier pairs with the one in set_limit(). What is too small for the task stays
 * on the hot path.
 */
static void waiters_raise(struct gophership_pool *pool, unsigned int class)
{
	unsigned int i;
	int cpu;

	for (i = class; i < GOPHERSHIP_NR_CLASSES; i++)
		atomic_inc(&pool->waiters[i]);
	smp_mb__after_atomic(); /* pairs with set_limit() */
	for_each_possible_cpu(cpu) {
		struct gophership_head *heads = per_cpu_ptr(pool->heads, cpu);

		for (i = class; i < GOPHERSHIP_NR_CLASSES; i++)
			WRITE_ONCE(heads[i].limit, NULL);
	}
}

/*
 * The first release on a CPU finds no limit, takes the slow path and restores it for
 * the others. (Only the head's own CPU knows which magazine it has, and an interrupt
 * for each CPU would cost more than that one release.)
 */
static void waiters_lower(struct gophership_pool *pool, unsigned int class)
{
	for (; class < GOPHERSHIP_NR_CLASSES; class++)
		atomic_dec(&pool->waiters[class]);
}

static struct gophership_buf *must_try(struct gophership_pool *pool, size_t size, gfp_t gfp,
				       unsigned long call_site)
{
	struct gophership_buf *buf = gophership_pool_acquire_from(pool, size, gfp, call_site);

	if (buf)
		return buf;
	buf = gophership_reserve_take(pool, size);
	if (!buf)
		return NULL;
	WRITE_ONCE(buf->acquired_by, call_site);
	return gophership_acquired(buf, call_site);
}

static struct gophership_buf *must_wait(struct gophership_pool *pool, size_t size,
					unsigned long call_site)
{
	unsigned int class = gophership_class(size);
	unsigned long flush_at = jiffies;
	struct gophership_buf *buf;
	DEFINE_WAIT(wait);

	waiters_raise(pool, class);
	for (;;) {
		/*
		 * What lies in other CPUs' magazines is out of reach. Not only after
		 * an undisturbed sleep: releases of what is too small for us wake us
		 * if another task waits for that.
		 */
		if (time_after_eq(jiffies, flush_at)) {
			gophership_pool_flush(pool, class);
			flush_at = jiffies + WAIT_JIFFIES;
		}
		prepare_to_wait(&pool->wait, &wait, TASK_UNINTERRUPTIBLE);
		buf = must_try(pool, size, GOPHERSHIP_GFP_MUST, call_site);
		if (buf)
			break;
		io_schedule_timeout(WAIT_JIFFIES);
		finish_wait(&pool->wait, &wait);
		buf = must_try(pool, size, GFP_MUST_NEXT, call_site);
		if (buf)
			break;
	}
	finish_wait(&pool->wait, &wait);
	waiters_lower(pool, class);
	return buf;
}

/* The first try of must_acquire, without effort, has failed: see gophership_buf.c. */
struct gophership_buf *gophership_pool_must_acquire_slow(struct gophership_pool *pool, size_t size,
							 unsigned long call_site)
{
	struct gophership_buf *buf = must_try(pool, size, GFP_MUST_NEXT, call_site);

	return buf ?: must_wait(pool, size, call_site);
}

/* Everything idle back to the page allocator. Returns the number of buffers. */
static unsigned long pool_trim(struct gophership_pool *pool)
{
	struct gophership_depot *depot;
	unsigned long nr = 0, pages;
	unsigned int i;

	gophership_pool_flush(pool, 0);
	for (i = 0; i < gophership_pool_nr_depots(); i++) {
		depot = &pool->depots[i];
		pages = gophership_depot_trim(depot, ULONG_MAX, NULL);
		nr += pages >> gophership_class_order(depot->class);
		cond_resched();
	}
	return nr;
}

unsigned long gophership_pool_trim(struct gophership_pool *pool)
{
	unsigned long nr = pool_trim(pool ?: gophership_kernel_pool);

	gophership_reclaim_settle();
	rcu_barrier();
	return nr;
}
EXPORT_SYMBOL_GPL(gophership_pool_trim);

static bool pool_is_empty(struct gophership_pool *pool)
{
	unsigned int i, class;
	int cpu;

	for_each_possible_cpu(cpu)
		for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
			if (gophership_head_cached(per_cpu_ptr(pool->heads + class, cpu)))
				return false;
	for (i = 0; i < gophership_pool_nr_depots(); i++)
		if (gophership_depot_cached(&pool->depots[i]))
			return false;
	return true;
}

/*
 * Free what lies in the pool, which nobody uses any more. Without memory the
 * inboxes need several rounds.
 */
static void pool_empty(struct gophership_pool *pool)
{
	gophership_refill_stop(pool);
	do {
		gophership_pool_flush_unused(pool);
		gophership_stock_drain(pool);
		pool_trim(pool);
		gophership_reserve_drain(pool);
		gophership_large_sync();
		gophership_reclaim_settle();
		rcu_barrier();
	} while (!pool_is_empty(pool));
}

/*
 * First no release may find the pool any more, then it is emptied, and what is
 * leased then was leaked.
 */
static int pool_destroy(struct gophership_pool *pool)
{
	static DEFINE_MUTEX(one_at_a_time);	/* the registry's marks */
	int leaked;

	pool_unlist(pool);
	mutex_lock(&one_at_a_time);
	gophership_registry_disown(pool, orphans);
	synchronize_rcu();
	pool_empty(pool);
	leaked = gophership_registry_name(pool->name);
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
	if (!poison && !(flags & never) && (want_init_on_alloc(0) || want_init_on_free()))
		flags |= GOPHERSHIP_POOL_CLEARS;
	if (flags & (GOPHERSHIP_POOL_CLEARS | GOPHERSHIP_POOL_CHECK_REFS | GOPHERSHIP_POOL_ACCOUNT))
		flags |= GOPHERSHIP_POOL_CLAIMS;
	return flags;
}

static struct gophership_pool *pool_create(const char *name, unsigned int nr_reserve,
					   size_t reserve_size, unsigned int nr_stock,
					   unsigned int flags)
{
	struct gophership_pool *pool = pool_alloc(name, all_flags(flags));
	int ret;

	if (!pool)
		return ERR_PTR(-ENOMEM);
	ret = gophership_reserve_fill(pool, nr_reserve, reserve_size);
	if (!ret)
		ret = gophership_stock_init(pool, nr_stock);
	if (!ret)
		ret = pool_list(pool);
	if (!ret)
		return pool;
	pool_empty(pool);
	pool_free(pool);
	return ERR_PTR(ret);
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
	/* The stock is made by a kernel thread, whose cgroup is not the taker's. */
	if (params->stock && flags & GOPHERSHIP_POOL_ACCOUNT)
		return ERR_PTR(-EINVAL);
	return pool_create(params->name, params->reserve,
			   params->reserve_size ?: GOPHERSHIP_MAX_POOLED, params->stock, flags);
}
EXPORT_SYMBOL_GPL(gophership_pool_create);

int gophership_pool_destroy(struct gophership_pool *pool)
{
	if (IS_ERR_OR_NULL(pool))
		return 0;
	return pool_destroy(pool);
}
EXPORT_SYMBOL_GPL(gophership_pool_destroy);

static void add_head(struct gophership_class_stats *row, const struct gophership_head *head)
{
	u64 hits = READ_ONCE(head->hits);

	row->acquires += hits + READ_ONCE(head->slow_acquires);
	row->hits += hits;
	row->misses += READ_ONCE(head->misses);
	row->releases += READ_ONCE(head->releases) + READ_ONCE(head->slow_releases);
	row->shrunk += READ_ONCE(head->shrunk);
	row->cached += gophership_head_cached(head);
}

static void class_stats(struct gophership_pool *pool, unsigned int class,
			struct gophership_class_stats *row)
{
	int cpu, node;

	row->capacity = class < GOPHERSHIP_NR_CLASSES ? gophership_class_size(class) : 0;
	for_each_possible_cpu(cpu)
		add_head(row, per_cpu_ptr(pool->heads + class, cpu));
	/* A buffer of the reserve counts in the class of its size. */
	if (row->capacity == pool->reserve_size)
		for_each_possible_cpu(cpu)
			add_head(row, per_cpu_ptr(pool->heads + GOPHERSHIP_CLASS_RESERVE, cpu));
	if (class < GOPHERSHIP_NR_CLASSES)
		for (node = 0; node < nr_node_ids; node++)
			row->cached += gophership_depot_cached(gophership_pool_depot(pool, node,
										    class));
	if (class < GOPHERSHIP_NR_CLASSES)
		row->cached += gophership_stock_cached(pool, class);
	if (row->acquires > row->releases)
		row->leased = row->acquires - row->releases;
}

void gophership_pool_stats(struct gophership_pool *pool, struct gophership_pool_stats *stats)
{
	unsigned int class;

	if (!pool)
		pool = gophership_kernel_pool;
	memset(stats, 0, sizeof(*stats));
	for (class = 0; class < ARRAY_SIZE(stats->class); class++)
		class_stats(pool, class, &stats->class[class]);
	gophership_reject_stats(stats);
	stats->reserve = atomic_read(&pool->nr_reserve);
	stats->waiters = atomic_read(&pool->waiters[GOPHERSHIP_CLASS_MAX]);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		stats->stock += gophership_stock_cached(pool, class);
}
EXPORT_SYMBOL_GPL(gophership_pool_stats);

static int __init orphans_init(void)
{
	orphans = pool_alloc("orphans", GOPHERSHIP_POOL_KEEPS_NOTHING);
	if (!orphans)
		return -ENOMEM;
	waiters_raise(orphans, 0);
	return pool_list(orphans);
}

static void orphans_free(void)
{
	pool_unlist(orphans);
	pool_empty(orphans);
	gophership_registry_empty();
	irq_work_sync(&orphans->wake);
	pool_free(orphans);
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
	gophership_bounds.base = gophership_direct_base();
	get_random_bytes(&gophership_bounds.secret, sizeof(gophership_bounds.secret));
	gophership_watch_init();
	gophership_floor_init();
	if (poison)
		static_branch_enable(&gophership_poison_key);
	if (num_possible_nodes() > 1)
		static_branch_enable(&gophership_numa_key);

	if (orphans_init())
		return -ENOMEM;
	gophership_kernel_pool = pool_create("kernel", reserve, GOPHERSHIP_MAX_POOLED, stock,
					     GOPHERSHIP_POOL_PERMANENT);
	if (IS_ERR(gophership_kernel_pool))
		goto free_orphans;
	gophership_kernel_heads = gophership_kernel_pool->heads;
	gophership_user_pool = pool_create("user", 0, GOPHERSHIP_MAX_POOLED, 0,
					   GOPHERSHIP_POOL_PERMANENT | GOPHERSHIP_POOL_ACCOUNT |
					   GOPHERSHIP_POOL_LENDS);
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
