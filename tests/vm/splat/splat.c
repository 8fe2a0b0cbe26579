// SPDX-License-Identifier: GPL-2.0
/*
 * A module that misbehaves as its parameter says, so that the bench can be
 * shown to notice: insmod splat.ko kind=KIND, with a KIND of the table below.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

static char *kind = "none";
module_param(kind, charp, 0);
MODULE_PARM_DESC(kind, "what to do wrong");

static void warn(void)
{
	WARN(1, "splat: as asked\n");
}

static void oops(void)
{
	/* An address in the first page, which the compiler cannot know. */
	int *nothing = (int *)(unsigned long)READ_ONCE(kind)[0];

	WRITE_ONCE(*nothing, 1);
}

/* Until the watchdog, set to a second by the self test, has fired. */
#define LOCKUP_SECONDS 6

/* By the clock and not with mdelay(), which a loaded host calibrates wrong. */
static void lockup(void)
{
	u64 end = ktime_get_ns() + LOCKUP_SECONDS * NSEC_PER_SEC;

	preempt_disable();
	while (ktime_get_ns() < end)
		cpu_relax();
	preempt_enable();
}

static void pinned(void)
{
	__module_get(THIS_MODULE);
}

/* KASAN: a read of memory that was freed. */
static void use_after_free(void)
{
	int *memory = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	kfree(memory);
	if (memory)
		READ_ONCE(*memory);
}

/* UBSAN: a shift by more bits than there are. */
static void shift(void)
{
	int bits = 64 + (READ_ONCE(kind)[0] & 1);

	OPTIMIZER_HIDE_VAR(bits);
	bits = 1 << bits;
	OPTIMIZER_HIDE_VAR(bits);
}

static DEFINE_SPINLOCK(first_lock);
static DEFINE_SPINLOCK(second_lock);
static DEFINE_RAW_SPINLOCK(raw_lock);

/* PROVE_LOCKING: two locks in both orders. */
static void lock_order(void)
{
	spin_lock(&first_lock);
	spin_lock(&second_lock);
	spin_unlock(&second_lock);
	spin_unlock(&first_lock);

	spin_lock(&second_lock);
	spin_lock(&first_lock);
	spin_unlock(&first_lock);
	spin_unlock(&second_lock);
}

static DEFINE_MUTEX(reclaim_mutex);

/* PROVE_LOCKING: who holds a lock that reclaim takes asks for memory. */
static void reclaim_lock(void)
{
	fs_reclaim_acquire(GFP_KERNEL);
	mutex_lock(&reclaim_mutex);
	mutex_unlock(&reclaim_mutex);
	fs_reclaim_release(GFP_KERNEL);

	mutex_lock(&reclaim_mutex);
	kfree(kmalloc(64, GFP_KERNEL));
	mutex_unlock(&reclaim_mutex);
}

/* PREEMPT_RT: a lock that may sleep, under one that spins. */
static void lock_nesting(void)
{
	raw_spin_lock(&raw_lock);
	spin_lock(&first_lock);
	spin_unlock(&first_lock);
	raw_spin_unlock(&raw_lock);
}

/* DEBUG_ATOMIC_SLEEP: an allocation that may sleep, where nothing may. */
static void atomic_sleep(void)
{
	preempt_disable();
	kfree(kmalloc(64, GFP_KERNEL));
	preempt_enable();
}

/* DEBUG_LIST: an entry is taken out twice. */
static void list_twice(void)
{
	struct list_head list, entry;

	INIT_LIST_HEAD(&list);
	list_add(&entry, &list);
	list_del(&entry);
	list_del(&entry);
}

static void no_timer(struct timer_list *unused)
{
}

/* DEBUG_OBJECTS: memory is freed with an active timer in it. */
static void active_timer(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, no_timer, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

/* More than a per-CPU cache of SLUB holds: its array still points to the last. */
#define LEAKS 512

/* kmemleak. Cleared: what memory held when it was free may point to the next. */
static void leak(void)
{
	unsigned int i;
	int *memory;

	for (i = 0; i < LEAKS; i++) {
		memory = kzalloc(64, GFP_KERNEL);
		/* Or the compiler would drop the allocation. */
		if (memory)
			WRITE_ONCE(*memory, 1);
	}
}

/* DEBUG_VM: a page is given back twice. */
static void free_twice(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return;
	put_page(page);
	put_page(page);
}

static int raced;

/* In memory each time, and by its name in the report. */
static noinline void race_a_while(void)
{
	unsigned long end = jiffies + 2 * HZ;

	while (time_before(jiffies, end)) {
		raced++;
		barrier();
		cond_resched();
	}
}

static int race_thread(void *unused)
{
	race_a_while();
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* KCSAN: two tasks, one variable. */
static void data_race_of_two(void)
{
	struct task_struct *other = kthread_run(race_thread, NULL, "splat");

	if (IS_ERR(other))
		return;
	race_a_while();
	kthread_stop(other);
}

static const struct {
	const char *kind;
	void (*commit)(void);
} mistakes[] = {
	{ "warn", warn },
	{ "oops", oops },
	{ "lockup", lockup },
	{ "pinned", pinned },
	{ "use_after_free", use_after_free },
	{ "shift", shift },
	{ "lock_order", lock_order },
	{ "reclaim_lock", reclaim_lock },
	{ "lock_nesting", lock_nesting },
	{ "atomic_sleep", atomic_sleep },
	{ "list_twice", list_twice },
	{ "active_timer", active_timer },
	{ "leak", leak },
	{ "free_twice", free_twice },
	{ "data_race", data_race_of_two },
};

static int __init splat_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (strcmp(kind, mistakes[i].kind))
			continue;
		mistakes[i].commit();
		return 0;
	}
	return -EINVAL;
}
module_init(splat_init);

static void __exit splat_exit(void)
{
}
module_exit(splat_exit);

MODULE_DESCRIPTION("Planted faults for the self test of tests/vm");
MODULE_LICENSE("GPL");
