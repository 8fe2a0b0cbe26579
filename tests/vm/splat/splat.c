// SPDX-License-Identifier: GPL-2.0
/*
 * A module that misbehaves as its parameter says, so that the bench can be
 * shown to notice: insmod splat.ko kind=warn|oops|lockup|pinned
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/string.h>

static char *kind = "none";
module_param(kind, charp, 0);
MODULE_PARM_DESC(kind, "what to do wrong: none, warn, oops, lockup or pinned");

/* Until the watchdog, set to a second by the self test, has fired. */
#define LOCKUP_SECONDS 6

/* By the clock and not with mdelay(), which a loaded host calibrates wrong. */
static void lock_up(void)
{
	u64 end = ktime_get_ns() + LOCKUP_SECONDS * NSEC_PER_SEC;

	preempt_disable();
	while (ktime_get_ns() < end)
		cpu_relax();
	preempt_enable();
}

static int __init splat_init(void)
{
	/* An address in the first page, which the compiler cannot know. */
	int *nothing = (int *)(unsigned long)READ_ONCE(kind)[0];

	if (!strcmp(kind, "warn"))
		WARN(1, "splat: as asked\n");
	else if (!strcmp(kind, "oops"))
		WRITE_ONCE(*nothing, 1);
	else if (!strcmp(kind, "lockup"))
		lock_up();
	else if (!strcmp(kind, "pinned"))
		__module_get(THIS_MODULE);
	return 0;
}
module_init(splat_init);

static void __exit splat_exit(void)
{
}
module_exit(splat_exit);

MODULE_DESCRIPTION("Planted faults for the self test of tests/vm");
MODULE_LICENSE("GPL");
