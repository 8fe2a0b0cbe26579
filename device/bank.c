// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the buffers of a port, made and unmade.
 *
 * Each is a loan (device/idle.c), so the program's memory cgroup pays for it. It is filled
 * with zeroes. When the port ends, it lies idle for the next lease or port. A buffer that is
 * pinned then (by a pipe, or direct I/O) is paid for until the pin goes (device/pinned.c).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "device/account.h"
#include "device/bank.h"
#include "device/bank_dma.h"
#include "device/idle.h"
#include "device/loan.h"
#include "device/pinned.h"
#include "pool/report.h"

static int fill_slot(struct gophership_bank *bank, u32 index,
		     const struct gophership_account *account)
{
	struct gophership_loan *loan;
	struct gophership_buf *buf;

	loan = gophership_loan_acquire(bank->class, bank->capacity, account);
	if (!loan)
		return -ENOMEM;
	buf = loan->buf;
	/* Only the device changes such a seal. */
	WARN_ON_ONCE(!gophership_claim(buf, GOPHERSHIP_SEAL_LENT, GOPHERSHIP_SEAL_PORT));
	memset(buf->data, 0, buf->capacity);
	/* So the next context clears it: the bytes of a port belong to no context. */
	buf->writer = 0;
	buf->index = index;
	bank->slots[index].buf = buf;
	bank->loans[index] = loan;
	return 0;
}

/* @loan leaves its bank. Returns true if it is not paid for any more. */
static bool give_back(struct gophership_loan *loan, struct gophership_account *account)
{
	WARN_ON_ONCE(!gophership_claim(loan->buf, GOPHERSHIP_SEAL_PORT, GOPHERSHIP_SEAL_LENT));
	gophership_loan_released(loan, account);
	if (gophership_loan_pinned(loan)) {
		gophership_pinned_add(loan, account);
		return false;
	}
	gophership_idle_add(loan);
	return true;
}

static void *bank_array(u32 count, size_t size)
{
	return kvcalloc(count, size, GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

/**
 * gophership_bank_fill() - make the buffers of a bank
 * @bank: a bank that is all zero; after an error, too, to be given to
 *	gophership_bank_free()
 * @count: how many
 * @class: of what size class
 * @account: who pays
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EINTR if a fatal signal came.
 */
int gophership_bank_fill(struct gophership_bank *bank, u32 count, unsigned int class,
			 const struct gophership_account *account)
{
	int ret;

	bank->class = class;
	bank->capacity = gophership_class_size(class);
	bank->slots = bank_array(count, sizeof(*bank->slots));
	bank->loans = bank_array(count, sizeof(*bank->loans));
	if (!bank->slots || !bank->loans)
		return -ENOMEM;
	for (; bank->count < count; bank->count++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = fill_slot(bank, bank->count, account);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* Page @nr of the bank, or NULL beyond its end. While a mapping of it is there. */
struct page *gophership_bank_page(const struct gophership_bank *bank, unsigned long nr)
{
	unsigned int order = gophership_class_order(bank->class);
	unsigned long index = nr >> order;

	if (index >= bank->count)
		return NULL;
	return virt_to_page(bank->slots[index].buf->data) + (nr & ((1UL << order) - 1));
}

/**
 * gophership_bank_reap() - free what belongs to a program that is gone
 * @bank: the bank; no mapping of it is left, except by a device
 * @map: the mappings for that device
 * @account: the account that pays, also from now on for pinned buffers
 * @pinned: gets the number of pinned buffers
 *
 * Context: process, may sleep. Any number of calls at once.
 * Return: how many buffers this call freed, without the pinned ones.
 */
u32 gophership_bank_reap(struct gophership_bank *bank, struct gophership_bank_dma *map,
			 struct gophership_account *account, u32 *pinned)
{
	u32 i, nr = 0;

	*pinned = 0;
	gophership_bank_dma_settle(map);
	for (i = 0; i < bank->count; i++) {
		cond_resched();
		if (!gophership_slot_claim(&bank->slots[i], GOPHERSHIP_OWNER_PROGRAM,
					   GOPHERSHIP_OWNER_FREED))
			continue;
		gophership_bank_dma_unmap(map, i);
		if (give_back(bank->loans[i], account))
			nr++;
		else
			(*pinned)++;
	}
	return nr;
}

/**
 * gophership_bank_count() - how many buffers each side has
 * @bank: the bank
 * @program: gets the number of the program's
 * @driver: gets the number of the driver's, with those that it never gave back
 *
 * Context: process, may sleep. Buffers change sides meanwhile.
 */
void gophership_bank_count(const struct gophership_bank *bank, u32 *program, u32 *driver)
{
	u32 i, owner;

	*program = 0;
	*driver = 0;
	for (i = 0; i < bank->count; i++) {
		owner = READ_ONCE(bank->slots[i].owner);
		*program += owner == GOPHERSHIP_OWNER_PROGRAM;
		*driver += owner == GOPHERSHIP_OWNER_DRIVER ||
			   owner == GOPHERSHIP_OWNER_DELIVERING ||
			   owner == GOPHERSHIP_OWNER_ABANDONED;
		cond_resched();
	}
}

/**
 * gophership_bank_abandon() - name the buffers that a driver has not given back
 * @bank: the bank of a driver that is gone
 *
 * Context: process, may sleep.
 */
void gophership_bank_abandon(struct gophership_bank *bank)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
	struct gophership_slot *slot = bank->slots;
	struct gophership_site_name name;

	for (; slot < bank->slots + bank->count; slot++) {
		if (gophership_slot_claim(slot, GOPHERSHIP_OWNER_DRIVER,
					  GOPHERSHIP_OWNER_ABANDONED) && __ratelimit(&limit))
			pr_warn("a port is put while its driver has buffer %p (%u bytes): taken by %s\n",
				slot->buf, bank->capacity,
				gophership_site_name(slot->buf->acquired_by, &name));
		cond_resched();
	}
}

/* Abandoned buffers stay, sealed as they are, until the module goes. */
static void forget_abandoned(struct gophership_bank *bank)
{
	u32 i;

	for (i = 0; i < bank->count; i++)
		if (bank->slots[i].owner == GOPHERSHIP_OWNER_ABANDONED)
			gophership_loan_forget(bank->loans[i]);
}

/* The arrays of a bank that was reaped. Context: process, may sleep. */
void gophership_bank_free(struct gophership_bank *bank)
{
	if (bank->slots && bank->loans)
		forget_abandoned(bank);
	kvfree(bank->slots);
	kvfree(bank->loans);
}
