// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: buffers that were given back while they were pinned.
 *
 * A pipe, direct I/O or io_uring keeps the pages as long as it likes. Until it lets
 * go they are paid for as if they were still on loan: by the context's quota, its
 * user's locked memory and the machine's limit. Otherwise a program could lease,
 * pin and give back without end. The account outlives the context for that.
 *
 * The kernel does not tell when a pin goes, so the list is searched: at each ACQUIRE, and
 * further if that is about to fail; when reclaim looks for memory; and once a second. Each
 * search is bounded. It goes on where the one before ended, as loans that are still pinned
 * move to the end of the list.
 *
 * After its last pin a buffer is as one whose pages were never pinned. This is a later step 3
 * of "When a buffer leaves its context" in device/lease.c. A new reference can only come from
 * an old one or a PTE, and here is neither.
 *
 * @pinned_lock is innermost and is never held while a loan is freed.
 */
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "device/account.h"
#include "device/idle.h"
#include "device/loan.h"
#include "device/pinned.h"
#include "pool/kick.h"
#include "pool/list.h"
#include "pool/payload.h"
#include "pool/trace.h"

/* Loans that are looked at with the lock held. */
#define LOOK_BATCH	32

static void look_at_all(struct work_struct *work);
static DECLARE_DEFERRABLE_WORK(look_work, look_at_all);

static DEFINE_SPINLOCK(pinned_lock);
/* Linked by @idle; the account of each has a reference. Protected by pinned_lock. */
static LIST_HEAD(pinned);
/* Their number. Protected by pinned_lock; others may peek. */
static unsigned long nr_pinned;

/**
 * gophership_pinned_add() - keep a loan until its last pin goes
 * @loan: one that is mapped nowhere
 * @account: the account that goes on paying
 *
 * Context: process.
 */
void gophership_pinned_add(struct gophership_loan *loan, struct gophership_account *account)
{
	if (trace_gophership_retire_enabled())
		trace_gophership_retire(gophership_user_pool->name, loan->buf, account->context,
					pid_nr(account->opener), 0);
	gophership_account_get(account);
	loan->account = account;
	spin_lock(&pinned_lock);
	list_add_tail(&loan->idle, &pinned);
	WRITE_ONCE(nr_pinned, nr_pinned + 1);
	spin_unlock(&pinned_lock);
	queue_delayed_work(gophership_reclaim_wq, &look_work, HZ);
}

/* The lease is over for good: the pages are paid for no more. */
static void settle(struct gophership_loan *loan)
{
	gophership_account_uncharge(loan->account, gophership_class_pages(1, loan->class));
	gophership_account_put(loan->account);
	loan->account = NULL;
}

static void let_go(struct gophership_loan *loan)
{
	list_del_init(&loan->idle);
	settle(loan);
	gophership_idle_add(loan);
}

/**
 * gophership_loan_pinned() - has something else a reference to the pages of a loan?
 * @loan: one that is mapped nowhere
 *
 * Damaged pages do not count: the machine itself keeps a reference to these.
 *
 * Context: any.
 * Return: true if the loan belongs into gophership_pinned_add().
 */
bool gophership_loan_pinned(const struct gophership_loan *loan)
{
	return gophership_payload_shared(loan->buf) && !gophership_payload_damaged(loan->buf);
}

/* Look at the next @max. Returns how many are pinned no more. */
static unsigned int look(unsigned int max)
{
	struct gophership_loan *loan, *next;
	unsigned int free = 0;
	LIST_HEAD(found);

	spin_lock(&pinned_lock);
	while (max-- && !list_empty(&pinned)) {
		loan = list_first_entry(&pinned, struct gophership_loan, idle);
		if (gophership_loan_pinned(loan)) {
			list_move_tail(&loan->idle, &pinned);
			continue;
		}
		list_move_tail(&loan->idle, &found);
		free++;
	}
	WRITE_ONCE(nr_pinned, nr_pinned - free);
	spin_unlock(&pinned_lock);

	list_for_each_entry_safe(loan, next, &found, idle)
		let_go(loan);
	return free;
}

/**
 * gophership_pinned_look() - look for buffers that are pinned no more
 * @max: how many to look at
 *
 * Context: process, may sleep.
 * Return: how many there were; they are paid for no more.
 */
unsigned int gophership_pinned_look(unsigned int max)
{
	unsigned int left = min_t(unsigned long, max, READ_ONCE(nr_pinned));
	unsigned int found = 0, batch;

	for (; left; left -= batch) {
		batch = min_t(unsigned int, left, LOOK_BATCH);
		found += look(batch);
		cond_resched();
	}
	return found;
}

static void look_at_all(struct work_struct *work)
{
	gophership_pinned_look(UINT_MAX);
	if (READ_ONCE(nr_pinned))
		queue_delayed_work(gophership_reclaim_wq, &look_work, HZ);
}

/*
 * No context is left. Pages that are still pinned go with their last reference. Their
 * users pay no more: nothing could count these pages from now on.
 */
void gophership_pinned_exit(void)
{
	struct gophership_loan *loan, *next;

	cancel_delayed_work_sync(&look_work);
	list_for_each_entry_safe(loan, next, &pinned, idle) {
		settle(loan);
		gophership_loan_free(loan);
		cond_resched();
	}
}
