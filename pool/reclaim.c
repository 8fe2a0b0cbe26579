// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: memory goes back.
 *
 * By the shrinker when memory is short, by ageing when it lies idle, by CPU hotplug
 * when its CPU is gone. Everything leaves by way of a depot. Buffers in a CPU's head are
 * first flushed to the depot, by that CPU.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mmzone.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include "pool/cached.h"
#include "pool/depot.h"
#include "pool/head.h"
#include "pool/idle.h"
#include "pool/kick.h"
#include "pool/list.h"
#include "pool/magazine.h"
#include "pool/reclaim.h"

/* An idle magazine goes at the second look of the ageing. */
#define AGE_QUIET	2

/* When the bound was lowered: looks at the heads, for those that are at work, and how often. */
#define UNEQUIP_TRIES	8
#define UNEQUIP_JIFFIES	max(HZ / 10, 1)

static void age_pools(struct work_struct *work);
static void limit_pools(struct work_struct *work);
static DECLARE_DEFERRABLE_WORK(age_work, age_pools);
static void tell_pools(struct work_struct *work);
static DECLARE_DELAYED_WORK(limit_work, limit_pools);
static DECLARE_DELAYED_WORK(tell_work, tell_pools);
static struct shrinker *shrinker;
static int hotplug_state;

/*
 * Looks at the heads that are left since the bound was lowered; by atomics. bound_is_lower()
 * sets it, limit_pools() takes it.
 */
static atomic_t unequip_tries;

/* Is told when reclaim looks for memory, or NULL; constant while the shrinker is there. */
static void (*notify)(void);

/* Only the heads that were quiet long enough. */
static void flush_quiet_cpu(void *data)
{
	struct gophership_pool *pool = data;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		struct gophership_head *head = this_cpu_ptr(pool->heads + class);

		if (READ_ONCE(head->quiet) >= AGE_QUIET)
			gophership_head_flush(head);
	}
}

/* An empty magazine ages, too: it takes the room of a full one. */
static bool head_ages(struct gophership_head *head)
{
	u64 used = READ_ONCE(head->hits) + READ_ONCE(head->releases);

	if (!gophership_head_equipped(head) || used != head->aged_use) {
		head->aged_use = used;
		WRITE_ONCE(head->quiet, 0);
		return false;
	}
	WRITE_ONCE(head->quiet, head->quiet + 1);
	return head->quiet >= AGE_QUIET;
}

static bool cpu_ages(int cpu, void *data)
{
	struct gophership_pool *pool = data;
	unsigned int class;
	bool ages = false;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		ages |= head_ages(per_cpu_ptr(pool->heads + class, cpu));
	return ages;
}

/* Context: pools_lock. */
static void limit_depots(unsigned long room)
{
	struct gophership_pool *pool;
	unsigned int i;

	list_for_each_entry(pool, &gophership_pools, entry)
		for (i = 0; i < gophership_pool_nr_depots(); i++)
			gophership_depot_limit(&pool->depots[i], room);
}

/*
 * The heads got their magazines below the bound as it was; now they give all of them, and get
 * as many as the new one allows. One that is at work keeps its magazines until the next look.
 * Context: pools_lock.
 */
static void unequip_heads(void)
{
	int left = atomic_xchg(&unequip_tries, 0);
	struct gophership_pool *pool;

	if (!left || !gophership_cached_excess(0))
		return;
	list_for_each_entry(pool, &gophership_pools, entry)
		gophership_pool_unequip(pool);
	limit_depots(0);
	if (left == 1 || !gophership_cached_excess(0))
		return;
	/* Unless the bound was lowered once more meanwhile. */
	atomic_cmpxchg(&unequip_tries, 0, left - 1);
	queue_delayed_work(gophership_reclaim_wq, &limit_work, UNEQUIP_JIFFIES);
}

/*
 * More buffers lie idle than max_cached_mb, or a head got no magazine for that reason. The
 * depots give first: so a CPU that begins to use a pool gets its share.
 */
static void limit_pools(struct work_struct *work)
{
	/* Memory is allocated under the lock, and may have to wait for this very worker. */
	if (!mutex_trylock(&gophership_pools_lock)) {
		queue_delayed_work(gophership_reclaim_wq, &limit_work, 1);
		return;
	}
	limit_depots(gophership_cached_headroom());
	unequip_heads();
	mutex_unlock(&gophership_pools_lock);
}

/* Context: process, under the lock of the module's parameters. */
static void bound_is_lower(void)
{
	/* Fully ordered: a work that is still pending sees it. */
	atomic_xchg(&unequip_tries, UNEQUIP_TRIES);
	gophership_kick_limit();
}

/* Bring the machine's counter up to date. */
static void tell_pools(struct work_struct *work)
{
	struct gophership_pool *pool;
	unsigned long pages;
	int node;

	mutex_lock(&gophership_pools_lock);
	for_each_online_node(node) {
		pages = 0;
		list_for_each_entry(pool, &gophership_pools, entry)
			pages += gophership_pool_cached_pages(pool, node);
		gophership_cached_tell(node, pages);
		cond_resched();
	}
	mutex_unlock(&gophership_pools_lock);
}

/* Returns how much there is that has yet to grow old. */
static unsigned long age_pool(struct gophership_pool *pool)
{
	unsigned int i;

	/* Once more, for inboxes that could not be emptied without memory. */
	for (i = 0; i < gophership_pool_nr_depots(); i++)
		gophership_depot_limit(&pool->depots[i], 0);
	/* Its leased buffers are leaks, or the device's: they are no reason to look again. */
	if (pool->flags & (GOPHERSHIP_POOL_KEEPS_NOTHING | GOPHERSHIP_POOL_LENDS))
		return !gophership_pool_depots_are_empty(pool);

	on_each_cpu_cond(cpu_ages, flush_quiet_cpu, pool, true);
	for (i = 0; i < gophership_pool_nr_depots(); i++)
		gophership_depot_age(&pool->depots[i]);
	return atomic_long_read(&pool->nr_bufs);
}

static void age_pools(struct work_struct *work)
{
	struct gophership_pool *pool;
	unsigned long left = 0;

	mutex_lock(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry) {
		left += age_pool(pool);
		cond_resched();
	}
	mutex_unlock(&gophership_pools_lock);
	/*
	 * Without a buffer there is nothing to look at, and an idle machine is
	 * left alone; the next refill starts the clock again.
	 */
	if (left)
		gophership_kick_age();
	/* What the heads have changes without a charge. */
	schedule_delayed_work(&tell_work, 0);
}

static unsigned long count_objects(struct shrinker *unused, struct shrink_control *sc)
{
	/* Also if the pool has nothing to give: what is on lease may lie idle. */
	if (notify)
		notify();
	return gophership_cached_pages(sc->nid) ?: SHRINK_EMPTY;
}

/*
 * Pages that @nid lacks to be above kswapd's mark, in the zones that payloads come from.
 * Reclaim ends when it has a few pages; on a machine that lacks more, the OOM killer may
 * run while the rest lies idle here.
 */
static unsigned long lacking_pages(int nid)
{
	unsigned long pages = 0, free, mark;
	struct zone *zone;
	int i;

	for (i = 0; i <= gfp_zone(GFP_KERNEL); i++) {
		zone = &NODE_DATA(nid)->node_zones[i];
		if (!populated_zone(zone))
			continue;
		free = zone_page_state(zone, NR_FREE_PAGES);
		mark = low_wmark_pages(zone);
		pages += mark > free ? mark - free : 0;
	}
	return pages;
}

/* About @want pages of @pool on @nid; see gophership_depot_trim(). */
static unsigned long shrink_pool(struct gophership_pool *pool, int nid, unsigned long want,
				 struct gophership_retiring *retiring)
{
	unsigned long pages = 0;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES && pages < want; class++)
		pages += gophership_depot_trim(gophership_pool_depot(pool, nid, class),
					       want - pages, retiring);
	return pages;
}

/* First what lies in the depots, then what the CPUs have. Context: in pools_srcu. */
static unsigned long shrink_pools(int nid, unsigned long want, struct gophership_retiring *retiring)
{
	struct gophership_pool *pool;
	unsigned long pages = 0;

	gophership_for_each_pool(pool)
		if (pages < want)
			pages += shrink_pool(pool, nid, want - pages, retiring);
	gophership_for_each_pool(pool) {
		if (pages >= want)
			break;
		gophership_pool_flush_node(pool, nid);
		pages += shrink_pool(pool, nid, want - pages, retiring);
	}
	return pages;
}

/*
 * The pages that this returns are free. Most are free at once, since their grace period has
 * gone by while they lay in the depot; this waits for a grace period for the rest. It holds
 * no lock meanwhile. Only the destruction of a pool waits for it.
 */
static unsigned long give_back(int nid, unsigned long want)
{
	struct gophership_retiring retiring = {};
	unsigned long pages;
	int idx;

	idx = srcu_read_lock(&gophership_pools_srcu);
	shrink_pools(nid, want, &retiring);
	pages = gophership_retiring_free(&retiring);
	srcu_read_unlock(&gophership_pools_srcu, idx);
	return pages;
}

static unsigned long scan_objects(struct shrinker *unused, struct shrink_control *sc)
{
	unsigned long want = max(sc->nr_to_scan, lacking_pages(sc->nid)), pages;

	pages = give_back(sc->nid, want);
	sc->nr_scanned = max(sc->nr_scanned, pages);
	gophership_account_reclaimed(pages);
	return pages ?: SHRINK_STOP;
}

/**
 * gophership_reclaim_trim() - give back all that lies idle in the pools
 *
 * But for what a pool keeps by promise: its reserve and its stock. A head that is at work at
 * this moment keeps its magazines. Only the destruction of a pool waits for this.
 *
 * Context: process; waits for grace periods.
 * Return: pages that are free now.
 */
unsigned long gophership_reclaim_trim(void)
{
	unsigned long pages = 0;
	int nid;

	/* Also of nodes that are offline by now. */
	for_each_node(nid)
		pages += give_back(nid, ULONG_MAX);
	return pages;
}

static struct shrinker shrinker_model = {
	.count_objects = count_objects,
	.scan_objects = scan_objects,
	.seeks = DEFAULT_SEEKS,
	.flags = SHRINKER_NUMA_AWARE,
	/* Pages a scan: several magazines for one grace period. */
	.batch = 1024,
};

/* @cpu is dead, and so are its interrupts: this CPU owns its heads. */
static int cpu_dead(unsigned int cpu)
{
	struct gophership_pool *pool;
	unsigned int class;

	mutex_lock(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry) {
		for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
			gophership_head_flush(per_cpu_ptr(pool->heads + class, cpu));
	}
	mutex_unlock(&gophership_pools_lock);
	return 0;
}

/* @cpu is about to come, for the first time perhaps: its node is known by now. */
static int cpu_prepare(unsigned int cpu)
{
	struct gophership_pool *pool;

	mutex_lock(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry)
		gophership_pool_place(pool, cpu);
	mutex_unlock(&gophership_pools_lock);
	return 0;
}

/**
 * gophership_reclaim_notify() - ask to be told when memory is looked for
 * @short_of_memory: called for each look of the shrinker, in its context
 *
 * Context: process, before gophership_reclaim_init().
 */
void __init gophership_reclaim_notify(void (*short_of_memory)(void))
{
	notify = short_of_memory;
}

int __init gophership_reclaim_init(void)
{
	int ret = gophership_kick_init(&age_work, &limit_work, &tell_work);

	if (ret)
		return ret;
	ret = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "gophership:prepare",
					cpu_prepare, cpu_dead);
	if (ret < 0)
		goto exit_kick;
	hotplug_state = ret;
	shrinker = gophership_shrinker_register(&shrinker_model, "gophership");
	if (shrinker) {
		gophership_cached_watch(bound_is_lower);
		return 0;
	}
	ret = -ENOMEM;
	cpuhp_remove_state_nocalls(hotplug_state);
exit_kick:
	gophership_kick_exit();
	return ret;
}

void gophership_reclaim_exit(void)
{
	gophership_cached_watch(NULL);
	gophership_shrinker_unregister(shrinker);
	cpuhp_remove_state_nocalls(hotplug_state);
	/* No pool is left, so from here on no work starts anything. */
	cancel_delayed_work_sync(&age_work);
	cancel_delayed_work_sync(&limit_work);
	gophership_kick_settle();
	cancel_delayed_work_sync(&age_work);
	cancel_delayed_work_sync(&limit_work);
	cancel_delayed_work_sync(&tell_work);
	gophership_kick_exit();
}
