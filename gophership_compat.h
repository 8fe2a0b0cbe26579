/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what differs between kernel versions, and no other
 * file has a difference in it.
 */
#ifndef GOPHERSHIP_COMPAT_H
#define GOPHERSHIP_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "gophership needs Linux 6.1 or newer"
#endif

#ifdef CONFIG_HAS_DMA
#include <linux/dma-direct.h>
#endif
#include <linux/export.h>
#include <linux/hrtimer.h>
#include <linux/iommu.h>
#include <linux/list_lru.h>
#include <linux/lockdep.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

/* The header has another place since 6.12. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* The largest order of the page allocator: renamed in 6.8, moved by one in 6.4. */
#if defined(MAX_PAGE_ORDER)
#define GOPHERSHIP_MAX_ORDER	MAX_PAGE_ORDER
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define GOPHERSHIP_MAX_ORDER	MAX_ORDER
#else
#define GOPHERSHIP_MAX_ORDER	(MAX_ORDER - 1)
#endif

/*
 * What the inline hot path of drivers needs is exported in a namespace of its own, which
 * gophership_inline.h imports. Its name has been a string since 6.13.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define EXPORT_SYMBOL_GPL_INLINE(symbol)	EXPORT_SYMBOL_NS_GPL(symbol, "GOPHERSHIP_INLINE")
#define GOPHERSHIP_IMPORT_INLINE		MODULE_IMPORT_NS("GOPHERSHIP_INLINE")
#else
#define EXPORT_SYMBOL_GPL_INLINE(symbol)	EXPORT_SYMBOL_NS_GPL(symbol, GOPHERSHIP_INLINE)
#define GOPHERSHIP_IMPORT_INLINE		MODULE_IMPORT_NS(GOPHERSHIP_INLINE)
#endif

/* A cache of objects that others' are not to be mixed with: since 6.5. */
#ifdef SLAB_NO_MERGE
#define GOPHERSHIP_SLAB_NO_MERGE	SLAB_NO_MERGE
#else
#define GOPHERSHIP_SLAB_NO_MERGE	0
#endif

/* The bulk calls that fill an array became the only ones in 6.14. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define gophership_pages_bulk(gfp, node, nr, pages)			\
	alloc_pages_bulk_array_node(gfp, node, nr, pages)
#else
#define gophership_pages_bulk(gfp, node, nr, pages)			\
	alloc_pages_bulk_node(gfp, node, nr, pages)
#endif

/* The names of namespaces are strings since 6.13. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define GOPHERSHIP_IMPORT_DMABUF	MODULE_IMPORT_NS("DMA_BUF")
#else
#define GOPHERSHIP_IMPORT_DMABUF	MODULE_IMPORT_NS(DMA_BUF)
#endif

#if defined(CONFIG_MIPS) || defined(CONFIG_LOONGARCH)
#error "here the direct mapping has no page tables, and a wild pointer may be read from a device"
#endif

/*
 * Load a word of the direct mapping into *@value, or go to @fault if nothing is
 * mapped there. The macro for User-Mode Linux cannot be used from a module (its
 * absolute relocation does not reach), and need not: all of a guest's memory
 * is mapped at all times, from the direct base on.
 */
#ifdef CONFIG_UML
/*
 * The direct mapping begins with the kernel as a program, which has gaps, and
 * where it ends is told to no module: look for the last gap.
 */
static inline unsigned long gophership_direct_base(void)
{
	unsigned long addr, base = PAGE_OFFSET;
	u8 byte;

	for (addr = base; addr < min(PAGE_OFFSET + SZ_128M, high_physmem); addr += PAGE_SIZE)
		if (get_kernel_nofault(byte, (u8 *)addr))
			base = addr + PAGE_SIZE;
	return base;
}

#define gophership_get_nofault(value, word, fault)			\
	do {								\
		if (0)							\
			goto fault;					\
		*(value) = READ_ONCE(*(word));				\
	} while (0)
#else
/*
 * On x86 the first MiB has the memory of the VGA adapter and firmware in it; the kernel
 * keeps all of it to itself (reserve_real_mode()), so no descriptor is there.
 */
static inline unsigned long gophership_direct_base(void)
{
	return PAGE_OFFSET + (IS_ENABLED(CONFIG_X86) ? SZ_1M : 0);
}

#define gophership_get_nofault(value, word, fault)			\
	__get_kernel_nofault(value, word, unsigned long, fault)
#endif

/*
 * May a word be loaded, whose address may be odd? (User-Mode Linux does not say so, but
 * all it runs on can do it.)
 */
static __always_inline bool gophership_may_load(const unsigned long *word)
{
	return IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS) || IS_ENABLED(CONFIG_UML) ||
	       IS_ALIGNED((unsigned long)word, sizeof(*word));
}

/*
 * gophership_load_after() loads *@ptr after @zero was loaded, a value from
 * gophership_hide() that is known to be 0 by now. x86 loads in order by itself
 * (in User-Mode Linux, too, whose smp_rmb() is an lfence all the same). Elsewhere
 * an address dependency is cheaper than a barrier; for that the compiler must not
 * learn that the value is 0.
 */
#if defined(CONFIG_X86) || defined(CONFIG_UML)
#define gophership_hide(value)			(value)
#define gophership_load_after(zero, ptr)	((void)(zero), READ_ONCE(*(ptr)))
#else
#define gophership_hide(value)						\
({									\
	unsigned long hidden__ = (value);				\
									\
	OPTIMIZER_HIDE_VAR(hidden__);					\
	hidden__;							\
})
#define gophership_load_after(zero, ptr)				\
	READ_ONCE(*(typeof(ptr))((unsigned long)(ptr) + (zero)))
#endif

/*
 * Lockdep asks for nesting that PREEMPT_RT allows, and can be told where code is
 * for other kernels alone: since 6.5. Before, it asks only if told to
 * (PROVE_RAW_LOCK_NESTING).
 */
#ifdef DEFINE_WAIT_OVERRIDE_MAP
#define GOPHERSHIP_WAIT_OVERRIDE_MAP(name, type)	DEFINE_WAIT_OVERRIDE_MAP(name, type)
#define gophership_wait_override_begin(map)		lock_map_acquire_try(map)
#define gophership_wait_override_end(map)		lock_map_release(map)
#else
#define GOPHERSHIP_WAIT_OVERRIDE_MAP(name, type)	struct lockdep_map name = {}
#define gophership_wait_override_begin(map)		((void)(map))
#define gophership_wait_override_end(map)		((void)(map))
#endif

/*
 * Does a device that was given @addr for @page reach a copy of it? (To say so is a use of
 * the DMA layer's own header; the layer has no call that tells a bounce buffer from a cache
 * that is not coherent.)
 */
static inline bool gophership_dma_bounced(struct device *dev, dma_addr_t addr, struct page *page)
{
#ifdef CONFIG_HAS_DMA
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	phys_addr_t reached = domain ? iommu_iova_to_phys(domain, addr) : dma_to_phys(dev, addr);

	return reached != page_to_phys(page);
#else
	return false;
#endif
}

/*
 * Is a this_cpu operation one instruction, or else nothing that an NMI can come in the
 * middle of? Architectures say so since 6.2; these two always could have.
 */
#if !defined(CONFIG_HAVE_NMI) || defined(CONFIG_ARCH_HAS_NMI_SAFE_THIS_CPU_OPS) || \
	defined(CONFIG_X86) || defined(CONFIG_ARM64)
#define GOPHERSHIP_NMI_SAFE_THIS_CPU	1
#else
#define GOPHERSHIP_NMI_SAFE_THIS_CPU	0
#endif

/* Shrinkers are allocated by the kernel since 6.7. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *gophership_shrinker_register(struct shrinker *model,
							    const char *name)
{
	struct shrinker *shrinker = shrinker_alloc(model->flags, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = model->count_objects;
	shrinker->scan_objects = model->scan_objects;
	shrinker->seeks = model->seeks;
	shrinker->batch = model->batch;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void gophership_shrinker_unregister(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
static inline struct shrinker *gophership_shrinker_register(struct shrinker *model,
							    const char *name)
{
	return register_shrinker(model, "%s", name) ? NULL : model;
}

static inline void gophership_shrinker_unregister(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
}
#endif

/* One call instead of two since 6.13. */
static inline void gophership_hrtimer_setup(struct hrtimer *timer,
					    enum hrtimer_restart (*function)(struct hrtimer *timer),
					    enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
#endif
}

/* Callbacks wait for others to come along, to save power, since 6.2; not these. */
static inline void gophership_call_rcu(struct rcu_head *rcu, rcu_callback_t func)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	call_rcu_hurry(rcu, func);
#else
	call_rcu(rcu, func);
#endif
}

/*
 * Tell reclaim of pages that a shrinker has freed: wrapped in 6.4. Reclaim does not look
 * at what a shrinker returns; it counts pages of its own lists and what is told here, as
 * slab does for its own. Without, kswapd takes itself for hopeless where all there is to
 * free lies idle here. (Since 6.4 the reclaim of a cgroup counts none of these; it looks
 * at what is left of the limit.)
 */
static inline void gophership_account_reclaimed(unsigned long pages)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	mm_account_reclaimed_pages(pages);
#else
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += pages;
#endif
}

/* The flags of a VMA are changed by a function since 6.3. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
static inline void gophership_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
					   unsigned long clear)
{
	vm_flags_mod(vma, set, clear);
}
#else
static inline void gophership_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
					   unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

/* Memory cgroups charge kernel memory by an option of its own up to 6.10. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define GOPHERSHIP_MEMCG	IS_ENABLED(CONFIG_MEMCG)
#else
#define GOPHERSHIP_MEMCG	IS_ENABLED(CONFIG_MEMCG_KMEM)
#endif

#if GOPHERSHIP_MEMCG
/* Renamed in 6.3. False until there is a cgroup, and with cgroup.memory=nokmem. */
static inline bool gophership_memcg_online(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return memcg_kmem_online();
#else
	return memcg_kmem_enabled();
#endif
}

/* Whether an allocation with __GFP_ACCOUNT is charged to the task's cgroup. */
static inline bool gophership_memcg_charges(void)
{
	return !mem_cgroup_disabled();
}

/* The cgroup that the task is in; NULL for the root. Context: rcu_read_lock(). */
static inline struct mem_cgroup *gophership_memcg_current(void)
{
	struct mem_cgroup *memcg = mem_cgroup_from_task(current);

	return memcg && parent_mem_cgroup(memcg) ? memcg : NULL;
}

/*
 * Whether the cgroup that pays for @page (the head of pages that were allocated
 * with __GFP_ACCOUNT) is the current task's. The root's pages are not paid for.
 */
static inline bool gophership_memcg_match(struct page *page)
{
	bool match;

	if (!gophership_memcg_online())
		return true;
	rcu_read_lock();
	match = page_memcg_check(page) == gophership_memcg_current();
	rcu_read_unlock();
	return match;
}

/* Whether a cgroup (not the root) pays for @page, as above. */
static inline bool gophership_memcg_charged(struct page *page)
{
	struct mem_cgroup *memcg;
	bool charged;

	if (!gophership_memcg_online())
		return false;
	rcu_read_lock();
	/* The charge of one that was removed may have gone up to the root. */
	memcg = page_memcg_check(page);
	charged = memcg && parent_mem_cgroup(memcg);
	rcu_read_unlock();
	return charged;
}

/**
 * struct gophership_memcg_scope - allocations on behalf of one cgroup
 * @memcg: which one, with a reference; NULL if there is nothing to charge
 * @old: the one that was active before
 */
struct gophership_memcg_scope {
	struct mem_cgroup *memcg;
	struct mem_cgroup *old;
};

/* What is allocated from here on is charged to the cgroup that the task is in now. */
static inline void gophership_memcg_enter(struct gophership_memcg_scope *scope)
{
	struct mem_cgroup *memcg;

	scope->memcg = NULL;
	if (!gophership_memcg_online())
		return;
	rcu_read_lock();
	memcg = mem_cgroup_from_task(current);
	if (memcg && css_tryget(&memcg->css))
		scope->memcg = memcg;
	rcu_read_unlock();
	if (scope->memcg)
		scope->old = set_active_memcg(scope->memcg);
}

static inline void gophership_memcg_leave(struct gophership_memcg_scope *scope)
{
	if (!scope->memcg)
		return;
	set_active_memcg(scope->old);
	mem_cgroup_put(scope->memcg);
}
#else
static inline bool gophership_memcg_charges(void)
{
	return false;
}

static inline bool gophership_memcg_match(struct page *page)
{
	return true;
}

static inline bool gophership_memcg_charged(struct page *page)
{
	return false;
}

static inline struct mem_cgroup *gophership_memcg_current(void)
{
	return NULL;
}

struct gophership_memcg_scope {
};

static inline void gophership_memcg_enter(struct gophership_memcg_scope *scope)
{
}

static inline void gophership_memcg_leave(struct gophership_memcg_scope *scope)
{
}
#endif

/* The lists took the cgroup and the node of the item, and can be told them since 6.8. */
static inline void gophership_lru_add(struct list_lru *lru, struct list_head *item)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	/* Up to 6.10 it looks at the item's cgroup, which may go, without a lock of its own. */
	rcu_read_lock();
	list_lru_add_obj(lru, item);
	rcu_read_unlock();
#else
	list_lru_add(lru, item);
#endif
}

/*
 * What a walk of a list_lru calls, with the list's lock held: one of each list since
 * 6.13, one of each node before.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define GOPHERSHIP_LRU_CALLBACK(name, item, list, arg)			\
	enum lru_status name(struct list_head *item, struct list_lru_one *list, void *arg)
#else
#define GOPHERSHIP_LRU_CALLBACK(name, item, list, arg)			\
	enum lru_status name(struct list_head *item, struct list_lru_one *list,	\
			     spinlock_t *lock, void *arg)
#endif

/*
 * What a callback returns when the rest of the list is of no interest. Since 6.13 it
 * drops the lock before. Old kernels cannot end a walk: there the callback is called
 * for the rest, too, and a walk that takes few items at a time would look at the rest
 * again and again. So there it takes many.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define GOPHERSHIP_LRU_WALK	128
#else
#define GOPHERSHIP_LRU_WALK	65536
#endif

static inline enum lru_status gophership_lru_stop(struct list_lru_one *list)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	spin_unlock(&list->lock);
	return LRU_STOP;
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return LRU_STOP;
#else
	return LRU_SKIP;
#endif
}

#endif /* GOPHERSHIP_COMPAT_H */
