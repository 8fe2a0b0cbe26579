/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the buffers of a port, and which side each belongs to.
 */
#ifndef GOPHERSHIP_DEVICE_BANK_H
#define GOPHERSHIP_DEVICE_BANK_H

#include <linux/atomic.h>
#include <linux/types.h>

#include "pool/seal.h"

struct gophership_account;
struct gophership_bank_dma;
struct gophership_loan;

/*
 * The owner of a buffer. Every change but one is a cmpxchg, in any context. So a buffer
 * is taken once, delivered once and freed once.
 *
 *   PROGRAM -> DRIVER		take
 *   DRIVER -> DELIVERING	deliver: this call alone has it
 *   DELIVERING -> PROGRAM	by a store, after the entry is written and before it is
 *				published: see (A) in types.h
 *   PROGRAM -> FREED		the program is gone
 *   DRIVER -> ABANDONED	the driver is gone, and never gave it back. The driver may
 *				still write to it, so it is never used again
 */
enum gophership_owner {
	GOPHERSHIP_OWNER_PROGRAM,
	GOPHERSHIP_OWNER_DRIVER,
	GOPHERSHIP_OWNER_DELIVERING,
	GOPHERSHIP_OWNER_FREED,
	GOPHERSHIP_OWNER_ABANDONED,
};

/**
 * struct gophership_slot - a buffer of a bank
 * @buf: the buffer; constant. It belongs to another user when @owner is FREED
 * @owner: see enum gophership_owner
 */
struct gophership_slot {
	struct gophership_buf *buf;
	u32 owner;
};

/**
 * struct gophership_bank - the buffers of a port
 * @slots: @count of them; constant
 * @loans: the loan of each; constant. Apart from @slots, since take and deliver do not
 *	read it
 * @count: constant
 * @class: size class of the buffers; constant
 * @capacity: bytes of a buffer; constant
 */
struct gophership_bank {
	struct gophership_slot *slots;
	struct gophership_loan **loans;
	u32 count;
	u32 class;
	u32 capacity;
};

static __always_inline bool gophership_slot_claim(struct gophership_slot *slot, u32 from, u32 to)
{
	return cmpxchg(&slot->owner, from, to) == from;
}

/*
 * The slot of @buf, which may be any value, or NULL if it is no buffer of the bank. The
 * index is read where a descriptor may be. It is believed only if the bank has @buf there.
 */
static __always_inline struct gophership_slot *
gophership_bank_find(const struct gophership_bank *bank, const struct gophership_buf *buf)
{
	unsigned long index;

	if (!gophership_plausible(buf) || !gophership_peek(&buf->index, &index))
		return NULL;
	if (index >= bank->count || bank->slots[index].buf != buf)
		return NULL;
	return bank->slots + index;
}

int gophership_bank_fill(struct gophership_bank *bank, u32 count, unsigned int class,
			 const struct gophership_account *account);
struct page *gophership_bank_page(const struct gophership_bank *bank, unsigned long nr);
u32 gophership_bank_reap(struct gophership_bank *bank, struct gophership_bank_dma *map,
			 struct gophership_account *account, u32 *pinned);
void gophership_bank_count(const struct gophership_bank *bank, u32 *program, u32 *driver);
void gophership_bank_abandon(struct gophership_bank *bank);
void gophership_bank_free(struct gophership_bank *bank);

/* Pages of all buffers. */
static inline unsigned long gophership_bank_pages(const struct gophership_bank *bank)
{
	return gophership_class_pages(bank->count, bank->class);
}

#endif /* GOPHERSHIP_DEVICE_BANK_H */
