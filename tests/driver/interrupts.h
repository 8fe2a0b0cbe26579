/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For test drivers that are at work in every context: NMIs on top of what a CPU does.
 * Included by one file of a module, which has nmi_visit().
 */
#ifndef GOPHERSHIP_TESTS_INTERRUPTS_H
#define GOPHERSHIP_TESTS_INTERRUPTS_H

#include <linux/delay.h>
#include <linux/percpu.h>

#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>

/* What an NMI does. Context: NMI; between nmi_begin() and nmi_end(). */
static void nmi_visit(void);

/* One is on its way: not another one, so that none is left over when this is false. */
static DEFINE_PER_CPU(bool, test_nmi_pending);

static int nmi(unsigned int type, struct pt_regs *regs)
{
	if (!this_cpu_read(test_nmi_pending))
		return NMI_DONE;
	this_cpu_write(test_nmi_pending, false);
	nmi_visit();
	return NMI_HANDLED;
}

static inline int nmi_begin(void)
{
	return register_nmi_handler(NMI_LOCAL, nmi, 0, KBUILD_MODNAME);
}

/* None that is on its way may find that it is nobody's. */
static inline void nmi_wait(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		while (READ_ONCE(per_cpu(test_nmi_pending, cpu)))
			usleep_range(1000, 2000);
}

static inline void nmi_end(void)
{
	nmi_wait();
	unregister_nmi_handler(NMI_LOCAL, KBUILD_MODNAME);
}

/* To this CPU, in the middle of what it does next. Context: hard interrupt. */
static inline void nmi_send(void)
{
	if (this_cpu_read(test_nmi_pending))
		return;
	this_cpu_write(test_nmi_pending, true);
	apic->send_IPI(smp_processor_id(), NMI_VECTOR);
}
#else
static inline int nmi_begin(void)
{
	return 0;
}

static inline void nmi_wait(void)
{
}

static inline void nmi_end(void)
{
}

static inline void nmi_send(void)
{
}
#endif

#endif /* GOPHERSHIP_TESTS_INTERRUPTS_H */
