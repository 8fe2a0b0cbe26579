// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's count of lock acquisitions: probes on the kernel's spinlock
 * functions, where it has kprobes. Stock kernels have no lock statistics.
 */
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

#include "bench.h"

#ifdef CONFIG_KPROBES

/* Whether this CPU's task is in a stretch, and the locks it took there. */
static DEFINE_PER_CPU(bool, counting);
static DEFINE_PER_CPU(u64, counted);

static int count(struct kprobe *probe, struct pt_regs *regs)
{
	if (__this_cpu_read(counting) && in_task())
		__this_cpu_inc(counted);
	return 0;
}

static struct kprobe probes[] = {
	{ .pre_handler = count, .symbol_name = "_raw_spin_lock" },
	{ .pre_handler = count, .symbol_name = "_raw_spin_lock_bh" },
	{ .pre_handler = count, .symbol_name = "_raw_spin_lock_irq" },
	{ .pre_handler = count, .symbol_name = "_raw_spin_lock_irqsave" },
	{ .pre_handler = count, .symbol_name = "_raw_spin_trylock" },
};

int bench_locks_arm(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		/* What it was given when it was armed last. */
		probes[i].addr = NULL;
		probes[i].flags = 0;
		err = register_kprobe(&probes[i]);
		if (!err)
			continue;
		while (i--)
			unregister_kprobe(&probes[i]);
		return err;
	}
	return 0;
}

void bench_locks_disarm(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		unregister_kprobe(&probes[i]);
}

void bench_locks_count(bool on)
{
	this_cpu_write(counting, on);
}

u64 bench_locks_counted(void)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(counted, cpu);
	return sum;
}

#else

int bench_locks_arm(void)
{
	return -EOPNOTSUPP;
}

void bench_locks_disarm(void)
{
}

void bench_locks_count(bool on)
{
}

u64 bench_locks_counted(void)
{
	return 0;
}

#endif
