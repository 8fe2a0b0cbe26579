/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: accounts, which pay for pages that programs use.
 */
#ifndef GOPHERSHIP_DEVICE_ACCOUNT_H
#define GOPHERSHIP_DEVICE_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched.h>

/**
 * struct gophership_account - what the pages of one context are charged to
 * @refs: the context, each of its ports, and each loan that is still pinned after its
 *	lease (pinned.c): those may outlive it
 * @owner: the user whose locked memory the pages count as, or NULL: no user's.
 *	Constant
 * @opener: the process that opened the device. Constant
 * @comm: its name then. Constant
 * @context: the id of the context, for tracers. Constant from when that is open
 * @quota: pages that may be; it bounds the windows, too. Constant
 * @pages: pages charged; by atomics
 */
struct gophership_account {
	refcount_t refs;
	const struct cred *owner;
	struct pid *opener;
	char comm[TASK_COMM_LEN];
	u32 context;
	unsigned long quota;
	atomic_long_t pages;
};

/* The bound on all charged pages, set before the first account; it may change later */
extern unsigned long gophership_limit_pages;

int gophership_account_init(void);
struct gophership_account *gophership_account_new(void);
void gophership_account_get(struct gophership_account *account);
void gophership_account_put(struct gophership_account *account);
int gophership_account_charge(struct gophership_account *account, long pages);
void gophership_account_uncharge(struct gophership_account *account, long pages);
long gophership_account_machine_pages(void);
u64 gophership_account_memlock_max(void);

#endif /* GOPHERSHIP_DEVICE_ACCOUNT_H */
