// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that takes all the memory there is: reclaim runs, and gives back
 * what lies idle. Nobody is killed for it (__GFP_NORETRY), or only by mistake.
 *
 * The pages are linked by their lru, and their private is their order.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "torture.h"

/* What is given back comes after a grace period, so there is more to try for. */
#define PATIENCE	(5 * HZ)

/* Pages next to each other in the list are so in memory, by and large. */
#define APART		32

static LIST_HEAD(taken);
static unsigned long nr_taken;
static DEFINE_MUTEX(lock);	/* taken, nr_taken */

static void keep(struct page *page, unsigned int order)
{
	set_page_private(page, order);
	list_add(&page->lru, &taken);
	nr_taken += 1UL << order;
}

static void let_go(struct page *page)
{
	unsigned int order = page_private(page);

	list_del(&page->lru);
	nr_taken -= 1UL << order;
	__free_pages(page, order);
}

/*
 * Take pages until no more than @left are free for a while. What others need
 * meanwhile is among those.
 */
void torture_hog(unsigned long left)
{
	unsigned long end = jiffies + PATIENCE;
	bool waited = false;
	struct page *page;

	mutex_lock(&lock);
	for (;;) {
		page = NULL;
		if (global_zone_page_state(NR_FREE_PAGES) > left)
			page = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (page) {
			keep(page, 0);
			end = jiffies + PATIENCE;
			waited = false;
			if (nr_taken % 64 == 0)
				cond_resched();
		} else if (time_before(jiffies, end)) {
			msleep(20);
		} else if (!waited) {
			/* On a busy machine a grace period takes longer than that. */
			rcu_barrier();
			waited = true;
		} else {
			break;
		}
	}
	pr_info("hog has %lu KiB\n", nr_taken << (PAGE_SHIFT - 10));
	mutex_unlock(&lock);
}

/* Take all pages of one memory node, as far as reclaim of that node alone has some. */
void torture_hog_node(unsigned long nid)
{
	struct page *page;

	mutex_lock(&lock);
	while ((page = alloc_pages_node(nid, GFP_KERNEL | __GFP_THISNODE | __GFP_NORETRY |
					     __GFP_NOWARN, 0))) {
		keep(page, 0);
		cond_resched();
	}
	mutex_unlock(&lock);
}

/* The stall and the grab that it is for wait for each other so long, in seconds. */
#define MEETING		15

static bool stalled, grabbing;

/*
 * A CPU at work in the kernel for that long, from when memory is grabbed: no grace
 * period ends meanwhile.
 */
void torture_stall(unsigned long milliseconds)
{
	unsigned long end = jiffies + MEETING * HZ;

	rcu_read_lock();
	WRITE_ONCE(stalled, true);
	while (!READ_ONCE(grabbing) && time_before(jiffies, end))
		mdelay(1);
	while (milliseconds--)
		mdelay(1);
	WRITE_ONCE(stalled, false);
	rcu_read_unlock();
}

/* Until grace periods do not end; -EBUSY if they do. */
static int wait_for_stall(void)
{
	unsigned long end = jiffies + MEETING * HZ;

	while (!READ_ONCE(stalled) && time_before(jiffies, end))
		msleep(20);
	return READ_ONCE(stalled) ? 0 : -EBUSY;
}

/*
 * Take @nr pages as fast as it goes, whatever it costs: somebody may be killed for it.
 * The last @nr_stalled of them while grace periods do not end (-EBUSY if they do).
 * -ENOMEM if it was us who was killed.
 */
int torture_grab(unsigned long nr, unsigned long nr_stalled)
{
	struct page *page;
	LIST_HEAD(grabbed);
	int ret = 0;

	for (; nr && !ret; nr--) {
		if (nr == nr_stalled) {
			ret = wait_for_stall();
			WRITE_ONCE(grabbing, true);
		}
		page = ret ? NULL : alloc_page(GFP_KERNEL);
		if (page) {
			set_page_private(page, 0);
			list_add(&page->lru, &grabbed);
		} else if (!ret) {
			ret = -ENOMEM;
		}
	}
	WRITE_ONCE(grabbing, false);
	mutex_lock(&lock);
	list_for_each_entry(page, &grabbed, lru)
		nr_taken++;
	list_splice(&grabbed, &taken);
	mutex_unlock(&lock);
	return ret;
}

/*
 * Take the blocks of @order among what the hog has left, down to the last one,
 * and give as many single pages for them, no two of them neighbours.
 */
void torture_hog_blocks(unsigned int order)
{
	unsigned long nr = 0, i = 0;
	struct page *page, *next;

	mutex_lock(&lock);
	while ((page = alloc_pages(__GFP_MEMALLOC | __GFP_NOWARN, order))) {
		keep(page, order);
		nr += 1UL << order;
	}
	list_for_each_entry_safe(page, next, &taken, lru) {
		if (page_private(page) || i++ % APART)
			continue;
		if (!nr--)
			break;
		let_go(page);
	}
	mutex_unlock(&lock);
}

void torture_unhog(void)
{
	struct page *page, *next;

	mutex_lock(&lock);
	list_for_each_entry_safe(page, next, &taken, lru)
		let_go(page);
	mutex_unlock(&lock);
}
