// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: GOPHERSHIP_IOC_STATS, counters of a context, of the machine
 * and of any pool.
 */
#include <linux/build_bug.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "device/argument.h"
#include "device/context.h"
#include "device/counts.h"
#include "device/idle.h"
#include "device/stats.h"
#include "pool/list.h"

/* The size of the structure as it was first published. */
#define STATS_SIZE_VER0		640

static_assert(sizeof(struct gophership_stats) >= STATS_SIZE_VER0);
static_assert(GOPHERSHIP_STATS_NAME_LEN == GOPHERSHIP_POOL_NAME_LEN);

/* The pool's part of @stats. */
static noinline_for_stack void pool_stats(struct gophership_stats *stats,
					  struct gophership_pool *pool)
{
	struct gophership_pool_stats from;
	unsigned int class;

	gophership_pool_stats(pool, &from);
	strscpy(stats->name, pool->name, sizeof(stats->name));
	stats->pool_foreign = from.foreign;
	stats->pool_doubled = from.doubled;
	stats->pool_poisoned = from.poisoned;
	stats->reserve = from.reserve;
	stats->stock = from.stock;
	stats->waiters = from.waiters;
	stats->nr_classes = ARRAY_SIZE(from.class);
	for (class = 0; class < ARRAY_SIZE(from.class); class++) {
		stats->classes[class] = (struct gophership_class_counters) {
			.capacity = from.class[class].capacity,
			.acquires = from.class[class].acquires,
			.hits = from.class[class].hits,
			.misses = from.class[class].misses,
			.releases = from.class[class].releases,
			.shrunk = from.class[class].shrunk,
			.cached = from.class[class].cached,
			.leased = from.class[class].leased,
		};
	}
}

static void idle_stats(struct gophership_stats *stats)
{
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		gophership_idle_stats(class, &stats->classes[class]);
}

/* The pool that @which and @name mean, or NULL. In gophership_pools_srcu. */
static struct gophership_pool *find_pool(u32 which, const char *name)
{
	switch (which) {
	case GOPHERSHIP_POOL_USER:
		return gophership_user_pool;
	case GOPHERSHIP_POOL_KERNEL:
		return gophership_kernel_pool;
	case GOPHERSHIP_POOL_NAMED:
		return gophership_list_find(name);
	default:
		return gophership_list_after(name);
	}
}

/* 0 or -ENOENT. Takes no lock: a program that asks all the time delays no other task. */
static int fill_pool(struct gophership_stats *stats, u32 which, const char *name)
{
	struct gophership_pool *pool;
	int reading;

	reading = srcu_read_lock(&gophership_pools_srcu);
	pool = find_pool(which, name);
	if (pool) {
		pool_stats(stats, pool);
		if (pool == gophership_user_pool)
			idle_stats(stats);
	}
	srcu_read_unlock(&gophership_pools_srcu, reading);
	return pool ? 0 : -ENOENT;
}

static bool names_a_pool(const struct gophership_stats *stats, size_t size)
{
	return size >= offsetofend(struct gophership_stats, name) &&
	       strnlen(stats->name, sizeof(stats->name)) < sizeof(stats->name);
}

/**
 * gophership_ioctl_stats() - GOPHERSHIP_IOC_STATS
 * @context: the caller's
 * @arg: struct gophership_stats, in and out
 *
 * Context: process, may sleep.
 * Return: 0, or an error as told there.
 */
long gophership_ioctl_stats(struct gophership_context *context, void __user *arg)
{
	char name[GOPHERSHIP_STATS_NAME_LEN];
	struct gophership_stats stats;
	ssize_t size;
	u32 which;
	int ret;

	size = gophership_argument(&stats, sizeof(stats), STATS_SIZE_VER0, arg);
	if (size < 0)
		return size;
	which = stats.pool;
	if (stats.flags || which > GOPHERSHIP_POOL_AFTER)
		return -EINVAL;
	if (which >= GOPHERSHIP_POOL_NAMED && !names_a_pool(&stats, size))
		return -EINVAL;
	memcpy(name, stats.name, sizeof(name));

	memset(&stats, 0, sizeof(stats));
	stats.size = sizeof(stats);
	stats.pool = which;
	ret = fill_pool(&stats, which, name);
	if (ret)
		return ret;
	gophership_context_stats(context, &stats);
	stats.machine_cleared = gophership_counted(GOPHERSHIP_COUNT_CLEARED);
	stats.machine_retired = gophership_counted(GOPHERSHIP_COUNT_RETIRED);
	stats.machine_faults = gophership_counted(GOPHERSHIP_COUNT_FAULTS);
	return copy_to_user(arg, &stats, min_t(size_t, size, sizeof(stats))) ? -EFAULT : 0;
}
