// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: idle loans.
 *
 * A loan is a buffer with the device's data about it. It is made when a context
 * leases and no suitable loan lies idle. From then on the two stay together until
 * the memory goes back to the machine.
 *
 * The charge of idle memory, and its way back
 * -------------------------------------------
 * The pages are charged to the memory cgroup of the task that leased them first,
 * and stay so while they lie idle. Therefore an idle loan is on a list of that
 * cgroup: a list_lru, which is the kernel's list for each cgroup and memory node,
 * with a shrinker that reclaim calls for the one cgroup and node that is short:
 *
 *  - a cgroup at its limit gets its own idle pages, at once, before its OOM killer;
 *    nothing is taken from others;
 *  - a lease looks at the list of the task's own cgroup, so the charge is right, and
 *    cgroups that take turns on a CPU do not disturb each other;
 *  - memory that is short on one node is taken from that node;
 *  - where a cgroup dies, the kernel hands its lists to the parent, as the charges.
 *
 * A loan is found by the cgroup and the node of its own memory, not its buffer's:
 * both are allocated on behalf of one cgroup (gophership_memcg_enter()), and on the
 * same node (device/loan.c). A lease believes neither and looks at the page. The list
 * must exist in the cgroup before anything is added to it, or some kernels follow a
 * NULL pointer: kmem_cache_alloc_lru() sees to that.
 *
 * The alternative would be to leave idle pages without a charge, and to charge them anew at
 * each lease. A module cannot do that: only the page allocator charges pages.
 *
 * Order. Loans are added at the tail. A lease takes the youngest, which may still be
 * in the CPU's caches; the shrinker and the ageing take the oldest.
 *
 * Locks: the lists have their own, which are innermost. Nothing here takes a mutex, so
 * the shrinker never waits for a task that allocates.
 */
#include <linux/cpuset.h>
#include <linux/jiffies.h>
#include <linux/list_lru.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <linux/workqueue.h>

#include "device/account.h"
#include "device/idle.h"
#include "device/loan.h"
#include "gophership_compat.h"
#include "pool/cached.h"
#include "pool/list.h"
#include "pool/payload.h"
#include "pool/poison.h"
#include "pool/trace.h"

/* The ageing looks that often, and what lay idle since the look before last goes. */
#define AGE_JIFFIES	(5 * HZ)
#define AGE_QUIET	2

/* Idle loans that turn out to be unfit before a lease gives up and allocates. */
#define TAKE_TRIES	4

/* Idle loans per class. Each list has a lock of its own. */
static struct list_lru idle[GOPHERSHIP_NR_CLASSES];
/* The lists exist. Before that the shrinker, which they need, finds nothing. */
static bool ready;
static struct shrinker *shrinker;

/* Pages of payload on the lists; by atomics. */
static atomic_long_t idle_pages;

/* Leases that the lists served, per class; this_cpu operations. */
struct idle_counters {
	u64 hits[GOPHERSHIP_NR_CLASSES];
};

static DEFINE_PER_CPU(struct idle_counters, idle_hits);

static void age_idle(struct work_struct *work);
static DECLARE_DEFERRABLE_WORK(age_work, age_idle);

/*
 * The pages of @buf come (1) to what lies idle, or go (-1). False: there would be more
 * than max_cached_mb, or than the device's share of it, and nothing was counted.
 */
static bool account_idle(const struct gophership_buf *buf, int sign)
{
	long pages = sign * (long)(buf->capacity >> PAGE_SHIFT);

	if (!gophership_cached_add(buf->nid, pages))
		return false;
	atomic_long_add(pages, &idle_pages);
	return true;
}

/* A list of them, linked by @idle. Returns the pages. */
static unsigned long free_loans(struct list_head *loans)
{
	struct gophership_loan *loan, *next;
	unsigned long pages = 0;

	list_for_each_entry_safe(loan, next, loans, idle) {
		pages += loan->buf->capacity >> PAGE_SHIFT;
		account_idle(loan->buf, -1);
		gophership_loan_free(loan);
	}
	return pages;
}

/*
 * Which node
 */

#ifdef CONFIG_NUMA
/* The one of @nodes that is nearest to @from, or NUMA_NO_NODE. */
static int nearest_node(int from, const nodemask_t *nodes)
{
	int best = NUMA_NO_NODE, node;

	if (node_isset(from, *nodes))
		return from;
	for_each_node_mask(node, *nodes)
		if (best == NUMA_NO_NODE || node_distance(from, node) < node_distance(from, best))
			best = node;
	return best;
}

/*
 * The node that the page allocator would take a page from for the current task, or
 * NUMA_NO_NODE if that is not plain (interleaving): then the page allocator is asked.
 *
 * The task alone sets its policy. A cpuset may change the nodes under our eyes; a
 * lease that sees the old ones is one that came a moment earlier.
 */
static int wanted_node(void)
{
	struct mempolicy *policy = current->mempolicy;
	nodemask_t nodes = cpuset_current_mems_allowed;

	if (!policy || policy->mode == MPOL_LOCAL)
		return nearest_node(numa_mem_id(), &nodes);
	switch (policy->mode) {
	case MPOL_PREFERRED:
	case MPOL_PREFERRED_MANY:
	case MPOL_BIND:
		nodes_and(nodes, nodes, policy->nodes);
		return nearest_node(numa_mem_id(), &nodes);
	default:
		return NUMA_NO_NODE;
	}
}
#else
static int wanted_node(void)
{
	return numa_mem_id();
}
#endif

/*
 * Out of the lists
 */

/**
 * struct walk - what a walk of the lists wants and finds
 * @loans: what was taken
 * @left: loans that may still be taken
 * @before: only what was idle before that time, in jiffies
 */
struct walk {
	struct list_head loans;
	unsigned int left;
	unsigned long before;
};

/* Context: the list's lock held, as in all that follow. */
static enum lru_status take(struct list_head *item, struct list_lru_one *list, struct walk *walk)
{
	list_lru_isolate_move(list, item, &walk->loans);
	walk->left--;
	return LRU_REMOVED;
}

static GOPHERSHIP_LRU_CALLBACK(take_oldest, item, list, walk)
{
	return take(item, list, walk);
}

/*
 * The walk goes from the oldest on and would next look at its neighbour. That one is
 * the youngest if there are two; it is linked in walk->loans then, and the walk, which
 * may take one step, ends before it looks at it.
 */
static GOPHERSHIP_LRU_CALLBACK(take_youngest, oldest, list, walk)
{
	return take(list->list.prev, list, walk);
}

/* From the oldest on, up to the first that is too young. */
static GOPHERSHIP_LRU_CALLBACK(take_aged, item, list, walk)
{
	const struct walk *limits = walk;

	if (!limits->left ||
	    time_after(list_entry(item, struct gophership_loan, idle)->since, limits->before))
		return gophership_lru_stop(list);
	return take(item, list, walk);
}

/* The youngest of the task's own cgroup on @node, or NULL. */
static struct gophership_loan *pop(unsigned int class, int node)
{
	struct walk walk = { .loans = LIST_HEAD_INIT(walk.loans), .left = 1 };
	struct gophership_loan *loan;
	unsigned long steps = 1;

	if (!list_lru_count_node(&idle[class], node))
		return NULL;
	rcu_read_lock();
	list_lru_walk_one(&idle[class], node, gophership_memcg_current(), take_youngest, &walk,
			  &steps);
	rcu_read_unlock();
	loan = list_first_entry_or_null(&walk.loans, struct gophership_loan, idle);
	if (!loan)
		return NULL;
	list_del_init(&loan->idle);
	account_idle(loan->buf, -1);
	return loan;
}

/* May the current task have this one, of @node? */
static bool fits(const struct gophership_loan *loan, int node)
{
	return loan->buf->nid == node &&
	       gophership_memcg_match(virt_to_page(loan->buf->data)) &&
	       !gophership_payload_damaged(loan->buf);
}

static struct gophership_loan *take_idle(unsigned int class)
{
	int node = wanted_node(), tries;
	struct gophership_loan *loan;

	if (node == NUMA_NO_NODE)
		return NULL;
	for (tries = 0; tries < TAKE_TRIES; tries++) {
		loan = pop(class, node);
		if (!loan)
			return NULL;
		if (fits(loan, node)) {
			this_cpu_inc(idle_hits.hits[class]);
			return loan;
		}
		gophership_loan_free(loan);
	}
	return NULL;
}

/**
 * gophership_loan_acquire() - a loan for the current task
 * @class: size class of the buffer
 * @size: bytes that were asked for
 * @account: of the context that gets it
 *
 * An idle one that its cgroup pays for, on the node that its memory policy and cpuset
 * want; else a new one.
 *
 * Context: process, may sleep.
 * Return: the loan, or NULL without memory.
 */
struct gophership_loan *gophership_loan_acquire(unsigned int class, size_t size,
						const struct gophership_account *account)
{
	struct gophership_loan *loan = take_idle(class);

	if (!loan)
		loan = gophership_loan_new(class, &idle[class]);
	if (!loan)
		return NULL;
	loan->handle = 0;
	loan->faulted = false;
	this_cpu_inc(gophership_user_pool->heads[class].slow_acquires);
	WRITE_ONCE(loan->buf->acquired_by, _RET_IP_);
	if (static_branch_unlikely(&gophership_poison_key))
		gophership_poison_check(loan->buf);
	if (trace_gophership_acquire_enabled())
		trace_gophership_acquire(gophership_user_pool->name, loan->buf, size,
					 account->context, pid_nr(account->opener), 0);
	return loan;
}

/**
 * gophership_loan_released() - count that a loan's lease has ended
 * @loan: the loan, wherever it goes then
 * @account: of the context that had it
 *
 * Context: process.
 */
void gophership_loan_released(struct gophership_loan *loan,
			      const struct gophership_account *account)
{
	if (trace_gophership_release_enabled())
		trace_gophership_release(gophership_user_pool->name, loan->buf, account->context,
					 pid_nr(account->opener), 0);
	WRITE_ONCE(loan->buf->released_by, _RET_IP_);
	this_cpu_inc(gophership_user_pool->heads[loan->class].slow_releases);
}

/*
 * Into the lists
 */

/**
 * gophership_idle_add() - keep a loan for the next lease
 * @loan: one that is not mapped, not pinned and not lent
 *
 * Unless enough lies idle, or the machine has reported an error in its memory.
 *
 * Context: process, may sleep.
 */
void gophership_idle_add(struct gophership_loan *loan)
{
	struct gophership_buf *buf = loan->buf;
	struct list_lru *lru = &idle[loan->class];

	if (gophership_payload_damaged(buf) || !account_idle(buf, 1)) {
		gophership_loan_free(loan);
		return;
	}
	if (static_branch_unlikely(&gophership_poison_key))
		gophership_poison_fill(buf);
	loan->since = jiffies;
	/* From here on another task may have it. */
	gophership_lru_add(lru, &loan->idle);
	if (!delayed_work_pending(&age_work))
		queue_delayed_work(system_power_efficient_wq, &age_work, AGE_JIFFIES);
}

/*
 * Memory goes back
 */

/* All of @class that was idle before @before, a bounded number at a time. Returns the pages. */
static unsigned long free_aged(unsigned int class, unsigned long before)
{
	struct walk walk = { .before = before };
	unsigned long pages = 0;
	int node;

	for_each_node_state(node, N_MEMORY) {
		do {
			unsigned long steps = ULONG_MAX;

			INIT_LIST_HEAD(&walk.loans);
			walk.left = GOPHERSHIP_LRU_WALK;
			list_lru_walk_node(&idle[class], node, take_aged, &walk, &steps);
			pages += free_loans(&walk.loans);
			cond_resched();
		} while (!walk.left);
	}
	return pages;
}

static void age_idle(struct work_struct *work)
{
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		free_aged(class, jiffies - AGE_QUIET * AGE_JIFFIES);
	if (atomic_long_read(&idle_pages))
		queue_delayed_work(system_power_efficient_wq, &age_work, AGE_JIFFIES);
}

/**
 * gophership_idle_trim() - give back all that lies idle
 *
 * Context: process, may sleep.
 * Return: pages.
 */
unsigned long gophership_idle_trim(void)
{
	unsigned long pages = 0;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		pages += free_aged(class, jiffies);
	return pages;
}

static unsigned long count_objects(struct shrinker *unused, struct shrink_control *sc)
{
	unsigned long pages = 0;
	unsigned int class;

	/* (G) pairs with (G) in gophership_idle_init(). */
	if (!smp_load_acquire(&ready))
		return 0;
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		pages += gophership_class_pages(list_lru_shrink_count(&idle[class], sc), class);
	return pages ?: SHRINK_EMPTY;
}

/* Of one cgroup on one node. Large ones first: they are worth the most a step. */
static unsigned long scan_objects(struct shrinker *unused, struct shrink_control *sc)
{
	unsigned long want = sc->nr_to_scan, pages = 0, steps;
	struct walk walk = { .left = UINT_MAX };
	int class;

	for (class = GOPHERSHIP_NR_CLASSES - 1; class >= 0 && pages < want; class--) {
		INIT_LIST_HEAD(&walk.loans);
		steps = DIV_ROUND_UP(want - pages, gophership_class_pages(1, class));
		list_lru_walk_one(&idle[class], sc->nid, sc->memcg, take_oldest, &walk, &steps);
		pages += free_loans(&walk.loans);
	}
	sc->nr_scanned = pages;
	gophership_account_reclaimed(pages);
	return pages ?: SHRINK_STOP;
}

static struct shrinker shrinker_model = {
	.count_objects = count_objects,
	.scan_objects = scan_objects,
	.seeks = DEFAULT_SEEKS,
	.flags = SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE,
};

/**
 * gophership_idle_stats() - counters of one size class
 * @class: the class
 * @row: has the counters of the pool, and gets the idle ones
 *
 * Context: process.
 */
void gophership_idle_stats(unsigned int class, struct gophership_class_counters *row)
{
	int cpu;

	row->cached += list_lru_count(&idle[class]);
	for_each_possible_cpu(cpu)
		row->hits += READ_ONCE(per_cpu_ptr(&idle_hits, cpu)->hits[class]);
}

static void destroy_lists(unsigned int nr)
{
	while (nr--)
		list_lru_destroy(&idle[nr]);
}

int __init gophership_idle_init(void)
{
	unsigned int class;

	if (gophership_loans_init())
		return -ENOMEM;
	/* The lists need its number. Up to 6.6 it is in use from then on. */
	shrinker = gophership_shrinker_register(&shrinker_model, "gophership-idle");
	if (!shrinker)
		goto exit_loans;
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		if (list_lru_init_memcg(&idle[class], shrinker))
			goto destroy_lists;
	/* (G) pairs with (G) in count_objects(). */
	smp_store_release(&ready, true);
	return 0;

destroy_lists:
	gophership_shrinker_unregister(shrinker);
	destroy_lists(class);
exit_loans:
	gophership_loans_exit();
	return -ENOMEM;
}

/* No context is left. */
void gophership_idle_exit(void)
{
	unsigned int class;

	cancel_delayed_work_sync(&age_work);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		free_aged(class, jiffies);
	gophership_shrinker_unregister(shrinker);
	destroy_lists(GOPHERSHIP_NR_CLASSES);
	gophership_loans_exit();
}
