// SPDX-License-Identifier: GPL-2.0
/*
 * All contexts at once on one CPU: a task that acquires and releases, and upon
 * it soft interrupts, hard ones, and those that cannot be masked, which do the
 * same. The CPU may go and come back meanwhile.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "torture.h"

#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

/* Later ones come upon earlier ones. Not every machine has an NMI to send. */
enum { TASK, SOFTIRQ, HARDIRQ, NMI, NR_CONTEXTS };
static const unsigned int last = IS_ENABLED(CONFIG_X86_LOCAL_APIC) ? NMI : HARDIRQ;

static const char * const context_names[NR_CONTEXTS] = { "task", "softirq", "hardirq", "NMI" };

/* An interrupt takes so many, so that the next kind comes upon it at work. */
#define ROUNDS		8

/**
 * struct visits - what one context did; written by that context on the CPU
 * @active: at it at this moment; read by those that come upon it
 * @nr: pairs
 * @served: buffers that it got
 * @upon: how often it came upon each of the others
 */
struct visits {
	bool active;
	unsigned int nr;
	unsigned int served;
	unsigned int upon[NR_CONTEXTS];
};

/**
 * struct scene - one run
 * @cpu: where; constant
 * @class: of the buffers; constant
 * @end: when it is over; constant
 * @visits: see there
 * @irq_pending: set by the sender, cleared by the hard interrupt
 * @nmi_pending: set by the sender, cleared by the NMI
 * @nmis_lost: by the sender
 * @done: the task has ended
 */
static struct scene {
	unsigned int cpu;
	unsigned int class;
	unsigned long end;
	struct visits visits[NR_CONTEXTS];
	bool irq_pending;
	bool nmi_pending;
	unsigned int nmis_lost;
	struct completion done;
} scene;

static void begin(unsigned int context)
{
	struct visits *visits = &scene.visits[context];
	int below;

	for (below = context - 1; below >= 0; below--) {
		if (READ_ONCE(scene.visits[below].active)) {
			visits->upon[below]++;
			break;
		}
	}
	WRITE_ONCE(visits->active, true);
}

static void end(unsigned int context)
{
	WRITE_ONCE(scene.visits[context].active, false);
}

/* Two in hand, one released, one left in the locker. */
static void visit(unsigned int context)
{
	struct visits *visits = &scene.visits[context];
	size_t size = PAGE_SIZE << scene.class;
	struct gophership_buf *a = torture_take(size, GFP_NOWAIT);
	struct gophership_buf *b = torture_take(size, GFP_NOWAIT);

	visits->served += !!a + !!b;
	torture_put_in_locker(visits->nr++, b);
	if (a)
		torture_give(a);
}

static void visit_rounds(unsigned int context)
{
	unsigned int i;

	begin(context);
	for (i = 0; i < ROUNDS; i++)
		visit(context);
	end(context);
}

static void softirq(struct tasklet_struct *unused)
{
	visit_rounds(SOFTIRQ);
}

static DECLARE_TASKLET(tasklet, softirq);

static void hardirq(void *unused)
{
	/* The call is no longer in use; smp_call_function_single_async() looks. */
	smp_store_release(&scene.irq_pending, false); /* pairs with send() */
	tasklet_schedule(&tasklet);
	visit_rounds(HARDIRQ);
}

#ifdef CONFIG_X86_LOCAL_APIC
static int nmi(unsigned int type, struct pt_regs *regs)
{
	if (raw_smp_processor_id() != scene.cpu)
		return NMI_DONE;
	/* One that was given up may come all the same; nobody else would have it. */
	if (!READ_ONCE(scene.nmi_pending))
		return READ_ONCE(scene.nmis_lost) ? NMI_HANDLED : NMI_DONE;
	begin(NMI);
	visit(NMI);
	end(NMI);
	WRITE_ONCE(scene.nmi_pending, false);
	return NMI_HANDLED;
}

static int nmi_begin(void)
{
	return register_nmi_handler(NMI_LOCAL, nmi, 0, "gophership_torture");
}

static void nmi_end(void)
{
	unregister_nmi_handler(NMI_LOCAL, "gophership_torture");
}

/*
 * Send one, and wait until it is over; for long, since the other CPU may be one of
 * a guest that is not given a processor.
 */
static void nmi_send(void)
{
	unsigned long patience = jiffies + 10 * HZ;

	WRITE_ONCE(scene.nmi_pending, true);
	apic->send_IPI(scene.cpu, NMI_VECTOR);
	while (READ_ONCE(scene.nmi_pending)) {
		if (time_after(jiffies, patience)) {
			WRITE_ONCE(scene.nmis_lost, scene.nmis_lost + 1);
			WRITE_ONCE(scene.nmi_pending, false);
		}
		cpu_relax();
	}
}
#else
static int nmi_begin(void)
{
	return 0;
}

static void nmi_end(void)
{
}

static void nmi_send(void)
{
}
#endif

/* Back to the CPU, if that has gone and come back. */
static void stay(void)
{
	if (raw_smp_processor_id() != scene.cpu && cpu_online(scene.cpu))
		set_cpus_allowed_ptr(current, cpumask_of(scene.cpu));
}

static int task(void *unused)
{
	struct visits *visits = &scene.visits[TASK];
	struct gophership_buf *buf;

	while (time_before(jiffies, scene.end)) {
		stay();
		begin(TASK);
		do {
			buf = torture_take(PAGE_SIZE << scene.class, GFP_KERNEL);
			visits->served += !!buf;
			if (buf && visits->nr % 8 == 0)
				torture_put_in_locker(visits->nr / 8, buf);
			else if (buf)
				torture_give(buf);
		} while (++visits->nr % 256);
		end(TASK);
		cond_resched();
	}
	complete(&scene.done);
	return 0;
}

/* A hard interrupt, with a soft one behind it, and soon an NMI. */
static void send(call_single_data_t *csd, unsigned int i)
{
	if (!smp_load_acquire(&scene.irq_pending)) { /* pairs with hardirq() */
		WRITE_ONCE(scene.irq_pending, true);
		smp_call_function_single_async(scene.cpu, csd);
	}
	ndelay(i * 53 % 3000);
	nmi_send();
}

static void nothing(void *unused)
{
}

/* On another CPU, until the time is over. */
static int sender(void *unused)
{
	static call_single_data_t csd;
	unsigned int i;

	INIT_CSD(&csd, hardirq, NULL);
	for (i = 0; time_before(jiffies, scene.end); i++) {
		cpus_read_lock();
		if (cpu_online(scene.cpu))
			send(&csd, i);
		cpus_read_unlock();
		ndelay(i * 37 % 5000);
		if (i % 64 == 0)
			cond_resched();
	}
	/* Behind the last one; or the CPU has gone, and has done it before. */
	smp_call_function_single(scene.cpu, nothing, NULL, true);
	tasklet_kill(&tasklet);
	return 0;
}

/* Returns whether it got buffers, and met each of those that it can come upon. */
static bool report(unsigned int context)
{
	struct visits *visits = &scene.visits[context];
	char upon[64] = "";
	bool all = visits->nr && visits->served;
	int below, length = 0;

	for (below = 0; below < context; below++) {
		length += scnprintf(upon + length, sizeof(upon) - length, ", %u upon a %s",
				    visits->upon[below], context_names[below]);
		all &= visits->upon[below] > 0;
	}
	pr_info("%s: %u pairs, %u buffers%s\n", context_names[context], visits->nr,
		visits->served, upon);
	return all;
}

static u64 past_the_magazine(void)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(NULL, &stats);
	return stats.class[scene.class].acquires - stats.class[scene.class].hits;
}

static int run(unsigned long milliseconds)
{
	struct task_struct *target = kthread_create(task, NULL, "gophership/task");
	int before = atomic_read(&torture_mistakes);
	u64 slow = past_the_magazine();
	unsigned int context;
	bool all = true;

	if (IS_ERR(target))
		return PTR_ERR(target);
	init_completion(&scene.done);
	scene.end = jiffies + msecs_to_jiffies(milliseconds);
	wake_up_process(target);
	smp_call_on_cpu(0, sender, NULL, false);
	wait_for_completion(&scene.done);

	for (context = 0; context <= last; context++)
		all &= report(context);
	slow = past_the_magazine() - slow;
	pr_info("%llu past the magazine, %u NMIs lost%s\n", slow, scene.nmis_lost,
		all && slow ? ", all met" : "");
	torture_empty_locker();
	if (atomic_read(&torture_mistakes) != before) {
		pr_err("a buffer was in two hands, or was not taken back\n");
		return -EIO;
	}
	return 0;
}

int torture_contexts(unsigned long milliseconds, unsigned long class)
{
	int ret;

	memset(&scene, 0, sizeof(scene));
	scene.cpu = 1;
	scene.class = class;
	/* Full magazines in the depot, for those who cannot use the CPU's own. */
	ret = torture_fill(600 >> class, class);
	if (ret)
		return ret;
	ret = nmi_begin();
	if (ret)
		return ret;
	ret = run(milliseconds);
	nmi_end();
	return ret;
}
