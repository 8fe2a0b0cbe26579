// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: how much lies idle on each memory node, the bound of all
 * of it (max_cached_mb), and the machine's counter that shows it (MemAvailable).
 *
 * Three things are charged: a magazine that holds buffers or may get some, as if it were
 * full, whether a head has it or a depot; each buffer of an inbox; and what users other than
 * the pools add, up to a share of the bound. A charge writes two or three words off the hot
 * path: a head charges when it gets a magazine, not when it puts a buffer into it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cache.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "pool/cached.h"
#include "pool/kick.h"

/* Pages that may come or go before the machine's counter follows. */
#define TELL_PAGES	(SZ_1M >> PAGE_SHIFT)

/**
 * struct idle_node - what lies idle on a memory node
 * @charged: pages that count against the bound; by atomics, any context
 * @others: of those, the pages that are not the pools'; as @charged
 * @told_at: @charged when the counter was last brought up to date, written by
 *	gophership_cached_tell() alone; others may see a stale value
 * @told: pages in the machine's counter; protected as gophership_cached_tell() says
 */
struct idle_node {
	atomic_long_t charged;
	atomic_long_t others;
	long told_at;
	long told;
} ____cacheline_aligned;

static struct idle_node *idle_nodes;

static int set_max_cached(const char *text, const struct kernel_param *param);
static const struct kernel_param_ops max_cached_ops = {
	.set = set_max_cached,
	.get = param_get_ulong,
};

static unsigned long max_cached_mb;
module_param_cb(max_cached_mb, &max_cached_ops, &max_cached_mb, 0644);
MODULE_PARM_DESC(max_cached_mb,
		 "MiB of idle payload that the magazines of all CPUs, the depots, the inboxes and the device may keep together (0, the default: 1/16 of memory)");

/*
 * The same in pages: 0 until the module is loaded, never 0 again. Written under the lock of
 * the module's parameters, read at any time. It is the only word of its kind: what follows
 * from it is computed by the reader.
 */
static unsigned long max_cached __read_mostly;
/* Is told that the bound is lower than before, or NULL; as max_cached, and read there only. */
static void (*is_lower)(void);

/* The share of the bound that users other than the pools may have. */
static unsigned long max_others(void)
{
	return READ_ONCE(max_cached) / 4 * 3;
}

/* Pages charged on all nodes. */
static unsigned long charged_pages(void)
{
	unsigned long pages = 0;
	int node;

	for (node = 0; node < nr_node_ids; node++)
		pages += atomic_long_read(&idle_nodes[node].charged);
	return pages;
}

/* Pages on all nodes that are not the pools'. */
static unsigned long others_pages(void)
{
	unsigned long pages = 0;
	int node;

	for (node = 0; node < nr_node_ids; node++)
		pages += atomic_long_read(&idle_nodes[node].others);
	return pages;
}

static void tell_later(const struct idle_node *idle, long charged)
{
	if (abs(charged - READ_ONCE(idle->told_at)) >= TELL_PAGES)
		gophership_kick_tell();
}

/**
 * gophership_cached_charge() - count pages as idle if the bound allows it
 * @nid: their memory node
 * @pages: how many
 *
 * Exact: each of two callers at the same time adds before it sums up, so at least one of
 * them sees both. (atomic_long_add_return() is fully ordered.)
 *
 * Context: any.
 * Return: false if they would be too many; then nothing is charged.
 */
bool gophership_cached_charge(int nid, unsigned long pages)
{
	struct idle_node *idle = &idle_nodes[nid];
	long charged = atomic_long_add_return(pages, &idle->charged);

	if (charged_pages() > READ_ONCE(max_cached)) {
		atomic_long_sub(pages, &idle->charged);
		return false;
	}
	tell_later(idle, charged);
	return true;
}

/**
 * gophership_cached_force() - count pages as idle, even above the bound
 * @nid: their memory node
 * @pages: how many
 *
 * For buffers that have no other place to go to. A work gives back what is above the bound:
 * gophership_kick_limit().
 *
 * Context: any.
 */
void gophership_cached_force(int nid, unsigned long pages)
{
	struct idle_node *idle = &idle_nodes[nid];

	tell_later(idle, atomic_long_add_return(pages, &idle->charged));
	if (charged_pages() > READ_ONCE(max_cached))
		gophership_kick_limit();
}

/**
 * gophership_cached_uncharge() - pages are idle no more
 * @nid: their memory node
 * @pages: how many were charged
 *
 * Context: any.
 */
void gophership_cached_uncharge(int nid, unsigned long pages)
{
	struct idle_node *idle = &idle_nodes[nid];

	tell_later(idle, atomic_long_sub_return(pages, &idle->charged));
}

/**
 * gophership_cached_add() - pages come to what lies idle outside of the pools, or go
 * @nid: the memory node of the pages
 * @pages: how many more; less than 0: how many less
 *
 * They count against max_cached_mb, of which they can have three quarters, and, within
 * a second, in the machine's counter NR_KERNEL_MISC_RECLAIMABLE. The pool's shrinker
 * neither counts nor frees them: the caller has one of its own.
 *
 * Context: any.
 * Return: false if they would be too many; then nothing has changed, and the caller
 * must not keep them. Always true for less than 0.
 */
bool gophership_cached_add(int nid, long pages)
{
	atomic_long_t *others = &idle_nodes[nid].others;

	/* Exact, as gophership_cached_charge(): first the sum, then the look. */
	atomic_long_add_return(pages, others);
	if (pages < 0) {
		gophership_cached_uncharge(nid, -pages);
		return true;
	}
	if (others_pages() <= max_others() && gophership_cached_charge(nid, pages))
		return true;
	atomic_long_sub(pages, others);
	return false;
}

/**
 * gophership_cached_excess() - pages that must go for @room more to fit
 * @room: pages
 *
 * Context: any; a peek.
 * Return: their number, 0 if there is room.
 */
unsigned long gophership_cached_excess(unsigned long room)
{
	unsigned long pages = charged_pages() + room, bound = READ_ONCE(max_cached);

	return pages > bound ? pages - bound : 0;
}

/**
 * gophership_cached_headroom() - what is made free when there was no room
 *
 * Return: pages: an eighth of the bound.
 */
unsigned long gophership_cached_headroom(void)
{
	return READ_ONCE(max_cached) / 8;
}

/**
 * gophership_cached_pages() - what the pools may have idle on a node
 * @nid: the memory node
 *
 * Context: any; a peek.
 * Return: pages, magazines counted as if they were full.
 */
unsigned long gophership_cached_pages(int nid)
{
	long pages = atomic_long_read(&idle_nodes[nid].charged) -
		     atomic_long_read(&idle_nodes[nid].others);

	return max(pages, 0L);
}

/**
 * gophership_cached_tell() - bring the machine's counter up to date
 * @nid: a memory node
 * @pages: what lies idle in the pools there
 *
 * Context: process, one at a time: the work of gophership_kick_tell(), or the end of the
 * module.
 */
void gophership_cached_tell(int nid, unsigned long pages)
{
	struct idle_node *idle = &idle_nodes[nid];
	long now;

	WRITE_ONCE(idle->told_at, atomic_long_read(&idle->charged));
	now = pages + atomic_long_read(&idle->others);
	if (now == idle->told)
		return;
	mod_node_page_state(NODE_DATA(nid), NR_KERNEL_MISC_RECLAIMABLE, now - idle->told);
	idle->told = now;
}

/* The bound, from the parameter. False for one that is out of range; the log is told. */
static bool apply_max_cached(void)
{
	unsigned long ram_mb = (totalram_pages() - totalhigh_pages()) >> (20 - PAGE_SHIFT);

	if (max_cached_mb > ram_mb) {
		pr_err("max_cached_mb=%lu is out of range: 0 to %lu (all memory)\n",
		       max_cached_mb, ram_mb);
		return false;
	}
	WRITE_ONCE(max_cached, (max_cached_mb ?: max(ram_mb / 16, 1UL)) << (20 - PAGE_SHIFT));
	return true;
}

/*
 * At load gophership_cached_init() judges the value. A later one holds from the next charge
 * on. What lies idle above it goes soon, by a work: this does not wait. The kernel sets and
 * shows one parameter at a time, so that a value which is refused is not seen.
 */
static int set_max_cached(const char *text, const struct kernel_param *param)
{
	unsigned long before_mb = max_cached_mb, before = max_cached;
	int ret;

	ret = param_set_ulong(text, param);
	if (ret || !before)
		return ret;
	if (!apply_max_cached()) {
		max_cached_mb = before_mb;
		return -EINVAL;
	}
	if (max_cached < before && is_lower)
		is_lower();
	return 0;
}

/**
 * gophership_cached_watch() - ask to be told when the bound is lowered
 * @lower: called under the lock of the module's parameters, and must not wait; NULL: none
 *
 * The file of the parameter is there before the module is loaded, and still there when it
 * goes. With NULL no call is under way any more when this returns.
 *
 * Context: process, may sleep.
 */
void gophership_cached_watch(void (*lower)(void))
{
	kernel_param_lock(THIS_MODULE);
	is_lower = lower;
	kernel_param_unlock(THIS_MODULE);
}

/* 0, -EINVAL for a parameter that is out of range, or -ENOMEM. */
int __init gophership_cached_init(void)
{
	bool fits;

	/* The file is there already: a value that is written now is judged here or there. */
	kernel_param_lock(THIS_MODULE);
	fits = apply_max_cached();
	kernel_param_unlock(THIS_MODULE);
	if (!fits)
		return -EINVAL;
	idle_nodes = kvcalloc(nr_node_ids, sizeof(*idle_nodes), GFP_KERNEL);
	return idle_nodes ? 0 : -ENOMEM;
}

/* Nothing lies idle any more, and gophership_cached_tell() is not called. */
void gophership_cached_exit(void)
{
	int node;

	for (node = 0; node < nr_node_ids; node++) {
		WARN_ON_ONCE(atomic_long_read(&idle_nodes[node].charged));
		if (idle_nodes[node].told)
			gophership_cached_tell(node, 0);
	}
	kvfree(idle_nodes);
}
