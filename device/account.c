// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: accounts, which pay for pages that programs use.
 *
 * Three limits hold at once: the quota of the context, the locked memory of the user
 * that opened it (RLIMIT_MEMLOCK, which counts as memlock_max_mb at most), and the limit
 * of the machine. (The memory cgroup is the fourth: it is charged where pages are
 * allocated.)
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "device/account.h"
#include "device/offsets.h"

static int set_limit(const char *text, const struct kernel_param *param);
static const struct kernel_param_ops limit_ops = {
	.set = set_limit,
	.get = param_get_uint,
};

static unsigned int quota_mb = 256;
module_param_cb(quota_mb, &limit_ops, &quota_mb, 0644);
MODULE_PARM_DESC(quota_mb,
		 "MiB that one open of the device can lease; a new value is for later opens (default 256)");

static unsigned int user_limit_mb;
module_param_cb(user_limit_mb, &limit_ops, &user_limit_mb, 0644);
MODULE_PARM_DESC(user_limit_mb,
		 "MiB that all opens of all users together can lease (default 0: a quarter of the memory)");

static unsigned int memlock_max_mb;
module_param_cb(memlock_max_mb, &limit_ops, &memlock_max_mb, 0644);
MODULE_PARM_DESC(memlock_max_mb,
		 "MiB of locked memory that each user can lease up to where RLIMIT_MEMLOCK is more or unlimited (default 0: RLIMIT_MEMLOCK alone)");

/* Of the contexts that are opened next; as gophership_limit_pages. */
static unsigned long quota_pages __read_mostly;
/* 0 until the module is loaded; then written by set_limit(), read at any time. */
unsigned long gophership_limit_pages __read_mostly;
/* As gophership_limit_pages; LONG_MAX: none. */
static long memlock_max_pages __read_mostly = LONG_MAX;

static atomic_long_t machine_pages = ATOMIC_LONG_INIT(0);

/* Add @pages to @counter unless that takes it above @limit. */
static bool charge(atomic_long_t *counter, long pages, long limit)
{
	long old = atomic_long_read(counter);

	do {
		if (old > limit - pages)
			return false;
	} while (!atomic_long_try_cmpxchg(counter, &old, old + pages));
	return true;
}

static bool charge_owner(struct gophership_account *account, long pages)
{
	long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (!account->owner)
		return true;
	return charge(&account->owner->user->locked_vm, pages,
		      min(limit, READ_ONCE(memlock_max_pages)));
}

static void uncharge_owner(struct gophership_account *account, long pages)
{
	if (account->owner)
		atomic_long_sub(pages, &account->owner->user->locked_vm);
}

/**
 * gophership_account_charge() - charge pages, all of them or none
 * @account: the account
 * @pages: how many
 *
 * Context: any; RLIMIT_MEMLOCK is that of the current task.
 * Return: 0; -EDQUOT if the quota, RLIMIT_MEMLOCK or memlock_max_mb is used up; -ENOMEM
 * if the limit of the machine is.
 */
int gophership_account_charge(struct gophership_account *account, long pages)
{
	if (!charge(&account->pages, pages, account->quota))
		return -EDQUOT;
	if (!charge_owner(account, pages))
		goto uncharge_account;
	if (charge(&machine_pages, pages, READ_ONCE(gophership_limit_pages)))
		return 0;

	uncharge_owner(account, pages);
	atomic_long_sub(pages, &account->pages);
	return -ENOMEM;

uncharge_account:
	atomic_long_sub(pages, &account->pages);
	return -EDQUOT;
}

/**
 * gophership_account_uncharge() - give a charge back
 * @account: the account
 * @pages: how many, all of them charged before
 *
 * Context: any.
 */
void gophership_account_uncharge(struct gophership_account *account, long pages)
{
	atomic_long_sub(pages, &machine_pages);
	uncharge_owner(account, pages);
	atomic_long_sub(pages, &account->pages);
}

/* Pages charged to all accounts together. */
long gophership_account_machine_pages(void)
{
	return atomic_long_read(&machine_pages);
}

/**
 * gophership_account_new() - an account that belongs to the current task's user
 *
 * With CAP_IPC_LOCK it belongs to no user.
 *
 * Context: process, may sleep.
 * Return: the account with one reference, or NULL without memory.
 */
struct gophership_account *gophership_account_new(void)
{
	struct gophership_account *account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);

	if (!account)
		return NULL;
	refcount_set(&account->refs, 1);
	account->quota = READ_ONCE(quota_pages);
	if (!ns_capable_noaudit(&init_user_ns, CAP_IPC_LOCK))
		account->owner = get_current_cred();
	account->opener = get_pid(task_tgid(current));
	get_task_comm(account->comm, current);
	return account;
}

/* One reference more. Context: any. */
void gophership_account_get(struct gophership_account *account)
{
	refcount_inc(&account->refs);
}

/* One reference less; with the last one all charges have been given back. Context: any. */
void gophership_account_put(struct gophership_account *account)
{
	if (!refcount_dec_and_test(&account->refs))
		return;
	if (account->owner)
		put_cred(account->owner);
	put_pid(account->opener);
	kfree(account);
}

/* The kernel reaches payloads at all times: none is in high memory. */
static unsigned long ram_pages(void)
{
	return totalram_pages() - totalhigh_pages();
}

/* User space is told of it: bytes, 0 for none. Context: any. */
u64 gophership_account_memlock_max(void)
{
	long pages = READ_ONCE(memlock_max_pages);

	return pages == LONG_MAX ? 0 : (u64)pages << PAGE_SHIFT;
}

static unsigned long mb_to_pages(unsigned int mb)
{
	return (unsigned long)mb << (20 - PAGE_SHIFT);
}

/* Whether the limit that @mb is may be so; the log is told of one that may not. Only root asks. */
static bool limit_fits(const unsigned int *mb)
{
	unsigned long ram_mb = ram_pages() >> (20 - PAGE_SHIFT);

	if (mb == &quota_mb) {
		if (*mb >= 1 && *mb <= GOPHERSHIP_QUOTA_MB_MAX)
			return true;
		pr_err("quota_mb=%u is out of range: 1 to %u\n", *mb, GOPHERSHIP_QUOTA_MB_MAX);
		return false;
	}
	if (*mb <= ram_mb)
		return true;
	if (mb == &user_limit_mb)
		pr_err("user_limit_mb=%u is out of range: 1 to %lu, or 0 for a quarter of that\n",
		       *mb, ram_mb);
	else
		pr_err("memlock_max_mb=%u is out of range: 1 to %lu, or 0 for no limit but RLIMIT_MEMLOCK\n",
		       *mb, ram_mb);
	return false;
}

static void apply_limit(const unsigned int *mb)
{
	if (mb == &quota_mb)
		WRITE_ONCE(quota_pages, mb_to_pages(*mb));
	else if (mb == &memlock_max_mb)
		WRITE_ONCE(memlock_max_pages, *mb ? mb_to_pages(*mb) : LONG_MAX);
	else
		WRITE_ONCE(gophership_limit_pages, *mb ? mb_to_pages(*mb) : ram_pages() / 4);
}

/*
 * At load gophership_account_init() judges all of them. Later this judges the one that is
 * written, and leaves the others, which may be more than there is memory by now. A value
 * holds from the next charge on, and a quota from the next open on: what is on lease stays.
 * The kernel sets and shows one parameter at a time, so that a value which is refused is
 * not seen.
 */
static int set_limit(const char *text, const struct kernel_param *param)
{
	unsigned int *mb = param->arg;
	unsigned int before = *mb;
	int ret;

	ret = param_set_uint(text, param);
	if (ret || !gophership_limit_pages)
		return ret;
	if (!limit_fits(mb)) {
		*mb = before;
		return -EINVAL;
	}
	apply_limit(mb);
	return 0;
}

/* The bounds, from the parameters. 0, or -EINVAL for one that is out of range. */
int __init gophership_account_init(void)
{
	static const unsigned int * const limits[] = { &quota_mb, &memlock_max_mb, &user_limit_mb };
	unsigned int i;
	bool fit = true;

	/* The files are there already: a value that is written now is judged here or there. */
	kernel_param_lock(THIS_MODULE);
	for (i = 0; i < ARRAY_SIZE(limits) && fit; i++) {
		fit = limit_fits(limits[i]);
		if (fit)
			apply_limit(limits[i]);
	}
	kernel_param_unlock(THIS_MODULE);
	return fit ? 0 : -EINVAL;
}
