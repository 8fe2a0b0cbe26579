// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that takes all the memory there is: reclaim runs, and gives back
 * what lies idle. Nobody is killed for it (__GFP_NORETRY).
 *
 * The pages are linked by their lru, and their private is their order.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include "torture.h"

/* What is given back comes after a grace period, so there is more to try for. */
#define PATIENCE	40

/* Pages next to each other in the list are so in memory, by and large. */
#define APART		32

/* So many are left to the rest of the machine. */
#define PAGES_LEFT	1024

static LIST_HEAD(taken);
static unsigned long nr_taken;
static DEFINE_MUTEX(lock);	/* taken, nr_taken */

/* Free @nr blocks, no two of them neighbours; 0: all. */
static void give_back(unsigned long nr)
{
	unsigned long left = nr ?: ULONG_MAX, i = 0;
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &taken, lru) {
		if (nr && i++ % APART)
			continue;
		list_del(&page->lru);
		nr_taken -= 1UL << page_private(page);
		__free_pages(page, page_private(page));
		if (!--left)
			break;
	}
}

/*
 * Take blocks of pages until none was to be had so many times. Meanwhile some
 * single pages are left to others.
 */
static void take(unsigned int order, unsigned int patience)
{
	struct page *page;
	unsigned long i;

	for (i = 0; patience; i++) {
		page = alloc_pages(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, order);
		if (!page) {
			patience--;
			if (order == 0)
				give_back(PAGES_LEFT);
			msleep(50);
			continue;
		}
		set_page_private(page, order);
		list_add(&page->lru, &taken);
		nr_taken += 1UL << order;
		if (i % 64 == 0)
			cond_resched();
	}
}

void torture_hog(void)
{
	mutex_lock(&lock);
	take(0, PATIENCE);
	pr_info("hog has %lu KiB\n", nr_taken << (PAGE_SHIFT - 10));
	mutex_unlock(&lock);
}

/* The blocks of @order that are among what the hog has left. */
void torture_hog_blocks(unsigned int order)
{
	mutex_lock(&lock);
	take(order, 1);
	mutex_unlock(&lock);
}

void torture_unhog(void)
{
	mutex_lock(&lock);
	give_back(0);
	mutex_unlock(&lock);
}
