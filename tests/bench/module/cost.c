// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's costs: what is in everybody's figures, and what User-Mode Linux
 * makes dear.
 */
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>

#include "loops.h"

static bool empty_loop(unsigned int n)
{
	while (n--)
		barrier();
	return true;
}

static bool irq_loop(unsigned int n)
{
	unsigned long flags;

	while (n--) {
		local_irq_save(flags);
		local_irq_restore(flags);
	}
	return true;
}

static bool clock_loop(unsigned int n)
{
	while (n--)
		ktime_get_ns();
	return true;
}

/* One lock an operation, to see that locks are counted right. */
static bool lock_loop(unsigned int n)
{
	static DEFINE_SPINLOCK(lock);

	while (n--) {
		spin_lock(&lock);
		spin_unlock(&lock);
	}
	return true;
}

/* Handing over alone: every object is the ring itself. */
static __always_inline void *nothing_acquire(size_t size, gfp_t gfp)
{
	return bench_ring;
}

static __always_inline bool nothing_release(void *object, size_t size)
{
	return true;
}

BENCH_LOOPS(nothing)

const struct bench_contender bench_empty = {
	.name = "cost:empty-loop",
	.loop = {
		[LOOP_COST] = empty_loop, [LOOP_PARALLEL] = empty_loop,
		[LOOP_PRODUCE] = nothing_produce, [LOOP_CONSUME] = nothing_consume,
	},
};

/* How much more two CPUs of this machine can do than one. */
const struct bench_contender bench_empty_alone = {
	.name = "cost:empty-loop-one-cpu",
	.one_cpu = true,
	.loop = { [LOOP_PARALLEL] = empty_loop },
};

/* The loop of the case "pair" alone: its two functions do nothing but return. */
static noinline notrace void *hollow(void *object)
{
	barrier();
	return object;
}

static __always_inline void *hollow_acquire(size_t size, gfp_t gfp)
{
	return hollow(bench_ring);
}

static __always_inline bool hollow_release(void *object, size_t size)
{
	return hollow(object);
}

static bool hollow_pair(unsigned int n)
{
	return bench_pair(n, GFP_KERNEL, hollow_acquire, hollow_release);
}

const struct bench_contender bench_calls = {
	.name = "cost:two-calls",
	.loop = { [LOOP_COST] = hollow_pair },
};

const struct bench_contender bench_irq = {
	.name = "cost:irq-save-restore",
	.loop = { [LOOP_COST] = irq_loop },
};

const struct bench_contender bench_clock = {
	.name = "cost:clock",
	.loop = { [LOOP_COST] = clock_loop },
};

const struct bench_contender bench_lock = {
	.name = "cost:spin-lock",
	.loop = { [LOOP_COST] = lock_loop },
};
