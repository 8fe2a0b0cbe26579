// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: which pools there are, and where their heads are.
 */
#include <linux/init.h>
#include <linux/lockdep.h>
#include <linux/nodemask.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "gophership_compat.h"
#include "pool/list.h"

struct gophership_pool *gophership_kernel_pool __ro_after_init;
/* Its heads: one step less on the hot path. */
struct gophership_head __percpu *gophership_kernel_heads __ro_after_init;
EXPORT_SYMBOL_GPL_INLINE(gophership_kernel_heads);
struct gophership_pool *gophership_user_pool __ro_after_init;

struct gophership_pool *gophership_orphans __ro_after_init;

DEFINE_STATIC_KEY_FALSE(gophership_numa_key);
EXPORT_SYMBOL_GPL_INLINE(gophership_numa_key);

LIST_HEAD(gophership_pools);
/* Protects the list: a pool stays while it is held. */
DEFINE_MUTEX(gophership_pools_lock);
/* The same for the shrinker. */
DEFINE_SRCU(gophership_pools_srcu);

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

/* Context: gophership_pools_lock held. */
static bool name_is_taken(const char *name)
{
	struct gophership_pool *pool;

	lockdep_assert_held(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry)
		if (!strcmp(pool->name, name))
			return true;
	return false;
}

/* 0, or -EEXIST if another pool has that name. Context: process. */
int gophership_list_add(struct gophership_pool *pool)
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

/*
 * The pool with that name, or NULL. The orphans are not found. Context:
 * gophership_pools_srcu, in which the pool stays.
 */
struct gophership_pool *gophership_list_find(const char *name)
{
	struct gophership_pool *pool;

	gophership_for_each_pool(pool)
		if (pool != gophership_orphans && !strcmp(pool->name, name))
			return pool;
	return NULL;
}

/* The pool with the next name after @name, or NULL. Context: as gophership_list_find(). */
struct gophership_pool *gophership_list_after(const char *name)
{
	struct gophership_pool *pool, *next = NULL;

	gophership_for_each_pool(pool)
		if (pool != gophership_orphans && strcmp(pool->name, name) > 0 &&
		    (!next || strcmp(pool->name, next->name) < 0))
			next = pool;
	return next;
}

void gophership_list_remove(struct gophership_pool *pool)
{
	mutex_lock(&gophership_pools_lock);
	list_del_rcu(&pool->entry);
	mutex_unlock(&gophership_pools_lock);
	/* A shrinker may still use it, or free some of its buffers. */
	synchronize_srcu(&gophership_pools_srcu);
}

void __init gophership_list_init(void)
{
	if (num_possible_nodes() > 1)
		static_branch_enable(&gophership_numa_key);
}
