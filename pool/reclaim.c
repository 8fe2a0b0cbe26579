// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: memory goes back.
 *
 * By the shrinker when memory is short, by ageing when it lies idle, by CPU hotplug
 * when no CPU is left to use it. Everything leaves by way of a depot; what lies in a
 * CPU's head is first flushed there, by that CPU.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mmzone.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/smp.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include "pool/types.h"
#include "device/pressure.h"

/* The ageing looks that often, and an idle magazine goes at the second look. */
#define AGE_SECONDS	5
#define AGE_QUIET	2
/* The machine's counter of what lies idle follows that often. */
#define TELL_JIFFIES	max(HZ / 10, 1)

static void age_pools(struct work_struct *work);
static void limit_pools(struct work_struct *work);
static DECLARE_DEFERRABLE_WORK(age_work, age_pools);
static void tell_pools(struct work_struct *work);
static DECLARE_DELAYED_WORK(limit_work, limit_pools);
static DECLARE_DELAYED_WORK(tell_work, tell_pools);
static void free_doomed(struct work_struct *work);
static DECLARE_WORK(doomed_work, free_doomed);
static struct shrinker *shrinker;
static int hotplug_state;

/**
 * struct flush - which heads are flushed
 * @pool: of that pool
 * @class: of that class and the larger ones
 * @nid: on the CPUs whose buffers are of that memory node, or NUMA_NO_NODE
 */
struct flush {
	struct gophership_pool *pool;
	unsigned int class;
	int nid;
};

/* The magazines of this CPU; an interrupt, or with preemption off. */
static void flush_cpu(void *data)
{
	const struct flush *flush = data;
	unsigned int class;

	for (class = flush->class; class < GOPHERSHIP_NR_CLASSES; class++)
		gophership_head_flush(this_cpu_ptr(flush->pool->heads + class));
}

static bool cpu_has_any(int cpu, void *data)
{
	const struct flush *flush = data;
	const struct gophership_head *heads = per_cpu_ptr(flush->pool->heads, cpu);
	unsigned int class;

	if (flush->nid != NUMA_NO_NODE && heads->node != flush->nid)
		return false;
	for (class = flush->class; class < GOPHERSHIP_NR_CLASSES; class++)
		if (gophership_head_cached(heads + class))
			return true;
	return false;
}

/**
 * gophership_pool_flush() - move what the CPUs' heads hold to the depots
 * @pool: the pool
 * @class: the smallest class of which they do; all larger ones follow
 *
 * A head that is at work at this moment keeps its magazines.
 *
 * Context: process, interrupts on.
 */
void gophership_pool_flush(struct gophership_pool *pool, unsigned int class)
{
	struct flush flush = { .pool = pool, .class = class, .nid = NUMA_NO_NODE };

	on_each_cpu_cond(cpu_has_any, flush_cpu, &flush, true);
}

/* All classes, for the CPUs whose buffers are of one memory node. */
static void flush_node(struct gophership_pool *pool, int nid)
{
	struct flush flush = { .pool = pool, .nid = nid };

	on_each_cpu_cond(cpu_has_any, flush_cpu, &flush, true);
}

/**
 * gophership_pool_flush_unused() - the same for a pool that nobody uses
 * @pool: one that is no longer in the list, with a grace period gone since
 *
 * Every head is ours: those of CPUs that are offline, and those that have no
 * buffer but magazines, too.
 *
 * Context: process.
 */
void gophership_pool_flush_unused(struct gophership_pool *pool)
{
	unsigned int class;
	int cpu;

	for_each_possible_cpu(cpu)
		for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
			gophership_head_flush(per_cpu_ptr(pool->heads + class, cpu));
}

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

/* What lies idle of a class on a node; a peek. */
static unsigned long class_cached(struct gophership_pool *pool, unsigned int class, int node)
{
	unsigned long nr = gophership_depot_cached(gophership_pool_depot(pool, node, class));
	struct gophership_head *head;
	int cpu;

	for_each_possible_cpu(cpu) {
		head = per_cpu_ptr(pool->heads + class, cpu);
		if (head->node == node)
			nr += gophership_head_cached(head);
	}
	return nr;
}

static unsigned long pool_cached_pages(struct gophership_pool *pool, int node)
{
	unsigned long pages = 0;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		pages += class_cached(pool, class, node) << gophership_class_order(class);
	return pages;
}

static bool depots_are_empty(struct gophership_pool *pool)
{
	unsigned int i;

	for (i = 0; i < gophership_pool_nr_depots(); i++)
		if (gophership_depot_cached(&pool->depots[i]))
			return false;
	return true;
}

/*
 * More lies idle than may, or a head got no magazine for that reason. What the depots
 * have goes first: that is how a CPU that begins to use a pool comes to its own.
 */
static void limit_pools(struct work_struct *work)
{
	unsigned long room = gophership_cached_headroom();
	struct gophership_pool *pool;
	unsigned int i;

	mutex_lock(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry)
		for (i = 0; i < gophership_pool_nr_depots(); i++)
			gophership_depot_limit(&pool->depots[i], room);
	mutex_unlock(&gophership_pools_lock);
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
			pages += pool_cached_pages(pool, node);
		gophership_cached_tell(node, pages);
		cond_resched();
	}
	mutex_unlock(&gophership_pools_lock);
}

/* Returns how much there is that has yet to grow old. */
static unsigned long age_pool(struct gophership_pool *pool)
{
	unsigned int i;

	/* Again what there was no memory for. */
	for (i = 0; i < gophership_pool_nr_depots(); i++)
		gophership_depot_limit(&pool->depots[i], 0);
	/* What is leased of it is leaked, or the device's, and no reason to come back. */
	if (pool->flags & (GOPHERSHIP_POOL_KEEPS_NOTHING | GOPHERSHIP_POOL_LENDS))
		return !depots_are_empty(pool);

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
		gophership_reclaim_arm();
	/* What the heads have changes without a charge. */
	schedule_delayed_work(&tell_work, 0);
}

static void start_clock(struct irq_work *work)
{
	queue_delayed_work(system_power_efficient_wq, &age_work, AGE_SECONDS * HZ);
}

static DEFINE_IRQ_WORK(clock_work, start_clock);

/*
 * There is something that can grow old. Any context, under any lock: to queue a
 * delayed work takes a timer's lock, to queue an irq_work does not.
 */
void gophership_reclaim_arm(void)
{
	if (!delayed_work_pending(&age_work))
		irq_work_queue(&clock_work);
}

static void start_limit(struct irq_work *work)
{
	/* Not for each buffer that is released above the limit. */
	schedule_delayed_work(&limit_work, 1);
}

static DEFINE_IRQ_WORK(hurry_work, start_limit);

/* An inbox holds more than it may. Any context, under any lock. */
void gophership_reclaim_hurry(void)
{
	if (!delayed_work_pending(&limit_work))
		irq_work_queue(&hurry_work);
}

static void free_doomed(struct work_struct *work)
{
	gophership_doomed_expedite();
}

static void start_doomed(struct irq_work *work)
{
	queue_work(system_unbound_wq, &doomed_work);
}

static DEFINE_IRQ_WORK(doomed_irq_work, start_doomed);

/* Something waits for gophership_doomed_expedite(). Any context, under any lock. */
void gophership_reclaim_expedite(void)
{
	irq_work_queue(&doomed_irq_work);
}

/* What was doomed before is free, or waits for rcu_barrier(). Context: process. */
void gophership_reclaim_settle(void)
{
	irq_work_sync(&doomed_irq_work);
	flush_work(&doomed_work);
}

static void start_tell(struct irq_work *work)
{
	schedule_delayed_work(&tell_work, TELL_JIFFIES);
}

static DEFINE_IRQ_WORK(tell_irq_work, start_tell);

/* The machine's counter is not up to date. Any context, under any lock. */
void gophership_reclaim_tell(void)
{
	if (!delayed_work_pending(&tell_work))
		irq_work_queue(&tell_irq_work);
}

static unsigned long count_objects(struct shrinker *unused, struct shrink_control *sc)
{
	/* Also if the pool has nothing to give: what is on lease may lie idle. */
	gophership_pressure_raise();
	return gophership_cached_pages(sc->nid) ?: SHRINK_EMPTY;
}

/*
 * Pages that @nid lacks to be above kswapd's mark, in the zones that payloads come from.
 * Reclaim ends when it has a few pages; of a machine that lacks more, somebody may be
 * killed while the rest lies idle here.
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
				 struct gophership_doomed *doomed)
{
	unsigned long pages = 0;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES && pages < want; class++)
		pages += gophership_depot_trim(gophership_pool_depot(pool, nid, class),
					       want - pages, doomed);
	return pages;
}

/* First what lies in the depots, then what the CPUs have. Context: in pools_srcu. */
static unsigned long shrink_pools(int nid, unsigned long want, struct gophership_doomed *doomed)
{
	struct gophership_pool *pool;
	unsigned long pages = 0;

	gophership_for_each_pool(pool)
		if (pages < want)
			pages += shrink_pool(pool, nid, want - pages, doomed);
	gophership_for_each_pool(pool) {
		if (pages >= want)
			break;
		flush_node(pool, nid);
		pages += shrink_pool(pool, nid, want - pages, doomed);
	}
	return pages;
}

/*
 * What this returns is free: most at once, since its grace period has gone by while it
 * lay in the depot, the rest after one that is waited for here. No lock is held for it
 * that others wait for: a pool that is destroyed waits for this.
 */
static unsigned long scan_objects(struct shrinker *unused, struct shrink_control *sc)
{
	unsigned long want = max(sc->nr_to_scan, lacking_pages(sc->nid)), pages;
	struct gophership_doomed doomed = {};
	int idx;

	idx = srcu_read_lock(&gophership_pools_srcu);
	shrink_pools(sc->nid, want, &doomed);
	pages = gophership_doomed_free(&doomed);
	srcu_read_unlock(&gophership_pools_srcu, idx);
	sc->nr_scanned = max(sc->nr_scanned, pages);
	gophership_account_reclaimed(pages);
	return pages ?: SHRINK_STOP;
}

static struct shrinker shrinker_model = {
	.count_objects = count_objects,
	.scan_objects = scan_objects,
	.seeks = DEFAULT_SEEKS,
	.flags = SHRINKER_NUMA_AWARE,
	/* Pages a scan: several magazines for one grace period. */
	.batch = 1024,
};

/* @cpu is dead: its heads are ours. What interrupts it had are over, too. */
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

int __init gophership_reclaim_init(void)
{
	hotplug_state = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "gophership:prepare",
						  cpu_prepare, cpu_dead);
	if (hotplug_state < 0)
		return hotplug_state;
	shrinker = gophership_shrinker_register(&shrinker_model, "gophership");
	if (!shrinker) {
		cpuhp_remove_state_nocalls(hotplug_state);
		return -ENOMEM;
	}
	return 0;
}

void gophership_reclaim_exit(void)
{
	gophership_shrinker_unregister(shrinker);
	cpuhp_remove_state_nocalls(hotplug_state);
	/* No pool is left, so from here on no work starts anything. */
	cancel_delayed_work_sync(&age_work);
	cancel_delayed_work_sync(&limit_work);
	irq_work_sync(&clock_work);
	irq_work_sync(&hurry_work);
	irq_work_sync(&tell_irq_work);
	cancel_delayed_work_sync(&age_work);
	cancel_delayed_work_sync(&limit_work);
	cancel_delayed_work_sync(&tell_work);
}
