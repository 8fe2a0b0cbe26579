/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: which pools there are, and where their heads are.
 */
#ifndef GOPHERSHIP_POOL_LIST_H
#define GOPHERSHIP_POOL_LIST_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/srcu.h>

#include "pool/types.h"

/* The pool of the machine (gophership_buf_*) and that of the device. */
extern struct gophership_pool *gophership_kernel_pool;
extern struct gophership_head __percpu *gophership_kernel_heads;
extern struct gophership_pool *gophership_user_pool;
/* The pool of buffers that outlive their own. It keeps nothing that is released. */
extern struct gophership_pool *gophership_orphans;

/*
 * Every pool. The list is changed with the lock held; it is walked with the lock held,
 * or in gophership_pools_srcu (by the shrinker, which must not wait for the lock).
 */
extern struct list_head gophership_pools;
extern struct mutex gophership_pools_lock;
extern struct srcu_struct gophership_pools_srcu;

#define gophership_for_each_pool(pool)						\
	list_for_each_entry_srcu(pool, &gophership_pools, entry,		\
				 srcu_read_lock_held(&gophership_pools_srcu) ||	\
				 lockdep_is_held(&gophership_pools_lock))

DECLARE_STATIC_KEY_FALSE(gophership_numa_key);

/* Is there more than one memory node? */
static __always_inline bool gophership_many_nodes(void)
{
	return IS_ENABLED(CONFIG_NUMA) && static_branch_unlikely(&gophership_numa_key);
}

/* Where buffers can be put that are to go: of the pool that keeps nothing. */
static inline struct gophership_depot *gophership_pool_orphanage(int node, unsigned int class)
{
	return gophership_pool_depot(gophership_orphans, node, class);
}

void gophership_pool_place(struct gophership_pool *pool, int cpu);
struct gophership_pool *gophership_list_find(const char *name);
struct gophership_pool *gophership_list_after(const char *name);
int gophership_list_add(struct gophership_pool *pool);
void gophership_list_remove(struct gophership_pool *pool);
void gophership_list_init(void);

#endif /* GOPHERSHIP_POOL_LIST_H */
