/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what this CPU is in the middle of, and what may be asked
 * for there.
 *
 * A tracer may call the pool from any line of the kernel: under a run queue's lock,
 * within the allocators, and within the pool itself, which may hold a lock there or have
 * called an allocator. A hit and a release are safe everywhere. All other paths ask here
 * first.
 */
#ifndef GOPHERSHIP_POOL_NESTING_H
#define GOPHERSHIP_POOL_NESTING_H

#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

#include "gophership_compat.h"

/*
 * What the pool is doing on this CPU, a bit each: calling an allocator, from each of
 * the four levels of contexts (a hard interrupt upon a task that does may do so, too);
 * holding or taking one of its raw locks. Written on this CPU only, where the context
 * cannot move to another one. Contexts nest, and each leaves the bits as it found them,
 * so this_cpu operations need no lock.
 */
DECLARE_PER_CPU(unsigned int, gophership_nesting);

#define GOPHERSHIP_NESTING_LOCK		BIT(4)

static inline unsigned int gophership_nesting_level(void)
{
	return BIT(interrupt_context_level());
}

/*
 * May this context have interrupted a part of the pool that holds a lock? Then it may try
 * the pool's locks, but not wait for them.
 */
static inline bool gophership_nested(void)
{
	return in_nmi() || this_cpu_read(gophership_nesting) & GOPHERSHIP_NESTING_LOCK;
}

/* The same, or upon an allocator that the pool has called from this level. */
static inline bool gophership_inside(void)
{
	unsigned int inside = GOPHERSHIP_NESTING_LOCK | gophership_nesting_level();

	return in_nmi() || this_cpu_read(gophership_nesting) & inside;
}

/*
 * Before a raw lock is taken: to take it may call tracers (contention_end), which would
 * wait for it on the CPU that has it. Returns what to give to gophership_nesting_leave().
 * Context: interrupts off, up to that.
 */
static inline unsigned int gophership_nesting_enter(void)
{
	unsigned int before = this_cpu_read(gophership_nesting);

	this_cpu_write(gophership_nesting, before | GOPHERSHIP_NESTING_LOCK);
	return before;
}

static inline void gophership_nesting_leave(unsigned int before)
{
	this_cpu_write(gophership_nesting, before);
}

/*
 * May this context give memory back to the allocators, and ask for a grace period? With
 * interrupts off it may be a tracer under a lock of theirs, or under a run queue's,
 * which call_rcu() may need to wake a thread.
 */
static inline bool gophership_may_free(void)
{
	return !gophership_inside() && !irqs_disabled();
}

/*
 * May this context ask the slab and page allocators with @gfp? The table is in
 * gophership_buf.h.
 *
 * Interrupts are off wherever a lock of the allocators, of the scheduler or of a wait
 * queue that they wake is held. So with interrupts on none is held, in any caller; and with
 * interrupts off the caller must know. A caller that may sleep, and one that takes what
 * is set aside for interrupts (__GFP_HIGH), says that it does. On PREEMPT_RT the
 * allocators' locks sleep, so there it takes preemption.
 */
static inline bool gophership_may_allocate(gfp_t gfp)
{
	if (gophership_inside())
		return false;
	if (preemptible())
		return true;
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	return gfp & (__GFP_DIRECT_RECLAIM | __GFP_HIGH) || !irqs_disabled();
}

/*
 * The flags for them. A task that can be preempted wakes kswapd, and so does a request that may
 * reclaim or has __GFP_HIGH.
 */
static inline gfp_t gophership_allocator_gfp(gfp_t gfp)
{
	if (preemptible() || gfp & (__GFP_DIRECT_RECLAIM | __GFP_HIGH))
		return gfp;
	return gfp & ~__GFP_KSWAPD_RECLAIM;
}

extern struct lockdep_map gophership_allocator_map;

/*
 * Around what asks the allocators, or gives back to them (then @gfp is 0), in a context
 * of which gophership_may_allocate() or gophership_may_free() said that it may.
 *
 * A tracer within them finds the mark and does not ask again. A context that may
 * sleep has none, since it may continue on another CPU; the tracer is not preemptible and
 * has one of its own.
 *
 * Lockdep judges every kernel by the rules of PREEMPT_RT, and must be told that this is
 * not that one. (As debug_objects_fill_pool().) On that one it judges us.
 */
static inline void gophership_allocator_enter(gfp_t gfp)
{
	if (preemptible() || gfp & __GFP_DIRECT_RECLAIM)
		return;
	this_cpu_or(gophership_nesting, gophership_nesting_level());
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		gophership_wait_override_begin(&gophership_allocator_map);
}

/* In the context that entered, with the same @gfp. */
static inline void gophership_allocator_leave(gfp_t gfp)
{
	if (preemptible() || gfp & __GFP_DIRECT_RECLAIM)
		return;
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		gophership_wait_override_end(&gophership_allocator_map);
	this_cpu_and(gophership_nesting, ~gophership_nesting_level());
}

#endif /* GOPHERSHIP_POOL_NESTING_H */
