// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: memory goes back.
 *
 * By the shrinker when memory is short, at the latest before the kernel kills
 * somebody for it; by ageing when it lies idle, by CPU hotplug when nobody is left who could
 * use it. Everything leaves by way of a depot; what lies in a CPU's head is first
 * flushed there, by that CPU.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "gophership_pool.h"
#include "gophership_pressure.h"

/* The ageing looks that often, and an idle magazine goes at the second look. */
#define AGE_SECONDS	5
#define AGE_QUIET	2

static void age_pools(struct work_struct *work);
static void limit_pools(struct work_struct *work);
static DECLARE_DEFERRABLE_WORK(age_work, age_pools);
static DECLARE_WORK(limit_work, limit_pools);
static struct shrinker *shrinker;
static int hotplug_state;

/* The loaded magazines of this CPU; an interrupt, or with preemption off. */
static void flush_cpu(void *data)
{
	struct gophership_pool *pool = data;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		gophership_head_flush(this_cpu_ptr(pool->heads + class));
}

static bool cpu_has_any(int cpu, void *data)
{
	struct gophership_pool *pool = data;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		if (gophership_head_cached(per_cpu_ptr(pool->heads + class, cpu)))
			return true;
	return false;
}

/**
 * gophership_pool_flush() - move what the CPUs' heads hold to the depots
 * @pool: the pool
 *
 * A head that is at work at this moment keeps its magazines.
 *
 * Context: process, interrupts on.
 */
void gophership_pool_flush(struct gophership_pool *pool)
{
	on_each_cpu_cond(cpu_has_any, flush_cpu, pool, true);
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

static bool head_ages(struct gophership_head *head)
{
	u64 used = READ_ONCE(head->hits) + READ_ONCE(head->releases);

	if (!gophership_head_cached(head) || used != head->aged_use) {
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

static unsigned long pool_cached_pages(struct gophership_pool *pool)
{
	unsigned int class;
	unsigned long pages = 0;
	int cpu, node;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		unsigned long nr = 0;

		for_each_possible_cpu(cpu)
			nr += gophership_head_cached(per_cpu_ptr(pool->heads + class, cpu));
		for (node = 0; node < nr_node_ids; node++)
			nr += gophership_depot_cached(gophership_pool_depot(pool, node, class));
		pages += nr << gophership_class_order(class);
	}
	return pages;
}

/* Inboxes that are over the limit. */
static void limit_pools(struct work_struct *work)
{
	struct gophership_pool *pool;
	unsigned int i;

	mutex_lock(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry)
		for (i = 0; i < gophership_pool_nr_depots(); i++)
			gophership_depot_limit(&pool->depots[i]);
	mutex_unlock(&gophership_pools_lock);
}

/* Returns how much there is that has yet to grow old. */
static unsigned long age_pool(struct gophership_pool *pool)
{
	unsigned int i;

	/* Again what there was no memory for. */
	for (i = 0; i < gophership_pool_nr_depots(); i++)
		gophership_depot_limit(&pool->depots[i]);
	/* What is leased of it is leaked, and no reason to come back. */
	if (pool->flags & GOPHERSHIP_POOL_KEEPS_NOTHING)
		return pool_cached_pages(pool);

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
	schedule_work(&limit_work);
}

static DEFINE_IRQ_WORK(hurry_work, start_limit);

/* An inbox holds more than it may. Any context, under any lock. */
void gophership_reclaim_hurry(void)
{
	if (!work_pending(&limit_work))
		irq_work_queue(&hurry_work);
}

static unsigned long count_objects(struct shrinker *unused, struct shrink_control *sc)
{
	struct gophership_pool *pool;
	unsigned long pages = 0;

	/* Also if the pool has nothing to give: what is on lease may lie idle. */
	gophership_pressure_raise();
	if (!mutex_trylock(&gophership_pools_lock))
		return 0;
	list_for_each_entry(pool, &gophership_pools, entry)
		pages += pool_cached_pages(pool);
	mutex_unlock(&gophership_pools_lock);
	return pages ?: SHRINK_EMPTY;
}

/* Pages of @pool on their way to the page allocator, about @want. */
static unsigned long shrink_depots(struct gophership_pool *pool, unsigned long want)
{
	unsigned long pages = 0;
	unsigned int i, order;

	for (i = 0; i < gophership_pool_nr_depots() && pages < want; i++) {
		struct gophership_depot *depot = &pool->depots[i];

		order = gophership_class_order(depot->class);
		pages += (unsigned long)gophership_depot_trim(depot,
				((want - pages - 1) >> order) + 1) << order;
	}
	return pages;
}

static unsigned long scan_objects(struct shrinker *unused, struct shrink_control *sc)
{
	struct gophership_pool *pool;
	unsigned long want = sc->nr_to_scan, pages = 0;

	if (!mutex_trylock(&gophership_pools_lock))
		return SHRINK_STOP;
	list_for_each_entry(pool, &gophership_pools, entry) {
		if (pages < want)
			pages += shrink_depots(pool, want - pages);
		if (pages >= want)
			break;
		gophership_pool_flush(pool);
		pages += shrink_depots(pool, want - pages);
	}
	mutex_unlock(&gophership_pools_lock);
	/* A grace period away, but progress. */
	gophership_account_reclaimed(pages);
	return pages ?: SHRINK_STOP;
}

static struct shrinker shrinker_model = {
	.count_objects = count_objects,
	.scan_objects = scan_objects,
	.seeks = DEFAULT_SEEKS,
};

/* About @want pages on their way to the page allocator, from whatever pool. */
static unsigned long trim_pools(unsigned long want)
{
	struct gophership_pool *pool;
	unsigned long pages = 0;

	mutex_lock(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry) {
		gophership_pool_flush(pool);
		if (pages < want)
			pages += shrink_depots(pool, min(want - pages, pool_cached_pages(pool)));
		cond_resched();
	}
	mutex_unlock(&gophership_pools_lock);
	return pages;
}

static unsigned long cached_pages(void)
{
	struct gophership_pool *pool;
	unsigned long pages = 0;

	mutex_lock(&gophership_pools_lock);
	list_for_each_entry(pool, &gophership_pools, entry)
		pages += pool_cached_pages(pool);
	mutex_unlock(&gophership_pools_lock);
	return pages;
}

/*
 * All that is idle now, until it is free, or for a second. In rounds: without any
 * memory an inbox gives back no more than one magazine's worth in a grace period. What
 * is released meanwhile does not count. Returns the pages.
 */
static unsigned long give_all(void)
{
	unsigned long pages = gophership_doomed_pages(), want = cached_pages(), more;
	unsigned long end = jiffies + HZ;

	do {
		more = trim_pools(want);
		want -= min(want, more);
		pages += more;
		if (pages)
			rcu_barrier();
	} while (more && want && time_before(jiffies, end));
	return pages;
}

/* So many times in a row a kill is put off: until a second has passed without one. */
#define OOM_TRIES	8

/*
 * The machine (not a memory cgroup) has no memory left for somebody, and the next step
 * is to kill. What the shrinker gave back may still wait for a grace period, for which
 * reclaim has no patience; and a shrinker that finds the list locked gives up. Here
 * there is time for both, though who else runs out of memory waits for us.
 *
 * Not for ever: drivers may fill the pool again as fast as this empties it, and what
 * comes back need not be of the node or the order that is wanted.
 */
static int oom_notify(struct notifier_block *unused, unsigned long zero, void *freed)
{
	/* Both protected by oom_lock. */
	static unsigned long last;
	static unsigned int tries;
	unsigned long pages;

	if (jiffies - last >= HZ)
		tries = 0;
	if (tries == OOM_TRIES)
		return NOTIFY_DONE;
	pages = give_all();
	if (!pages)
		return NOTIFY_DONE;
	tries++;
	last = jiffies;
	*(unsigned long *)freed += pages;
	return NOTIFY_OK;
}

static struct notifier_block oom_block = { .notifier_call = oom_notify };

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
	register_oom_notifier(&oom_block);
	return 0;
}

void gophership_reclaim_exit(void)
{
	unregister_oom_notifier(&oom_block);
	gophership_shrinker_unregister(shrinker);
	cpuhp_remove_state_nocalls(hotplug_state);
	/* No pool is left, so from here on neither work starts anything. */
	cancel_delayed_work_sync(&age_work);
	cancel_work_sync(&limit_work);
	irq_work_sync(&clock_work);
	irq_work_sync(&hurry_work);
	cancel_delayed_work_sync(&age_work);
	cancel_work_sync(&limit_work);
}
