/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The speed lab's module: what differs between kernel versions in the
 * interfaces of the peers.
 */
#ifndef GOPHERSHIP_BENCH_COMPAT_H
#define GOPHERSHIP_BENCH_COMPAT_H

#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/version.h>

/* objpool is new in 6.7. */
#define BENCH_OBJPOOL	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0))

/* page_pool's header moved in 6.6. */
#ifdef CONFIG_PAGE_POOL
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif
#endif

/* The bulk call that fills an array became the only one in 6.14. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define alloc_pages_bulk(gfp, nr, pages)	alloc_pages_bulk_array(gfp, nr, pages)
#endif

/* page_frag_cache got a header and a drain of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#include <linux/page_frag_cache.h>
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline void page_frag_cache_drain(struct page_frag_cache *frags)
{
	if (!frags->va)
		return;
	__page_frag_cache_drain(virt_to_head_page(frags->va), frags->pagecnt_bias);
	frags->va = NULL;
}
#endif

/* One call instead of two since 6.13. */
static inline void bench_hrtimer_setup(struct hrtimer *timer,
				       enum hrtimer_restart (*function)(struct hrtimer *timer))
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = function;
#endif
}

#endif /* GOPHERSHIP_BENCH_COMPAT_H */
