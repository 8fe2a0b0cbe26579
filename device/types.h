/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the device and its contexts.
 *
 * One open of /dev/gophership is one context: a trust domain that has buffers
 * of the user pool on loan, shows them in its windows and names them by
 * handles. device/ioctl.c talks to user space, device/context.c knows
 * what is on loan, device/window.c maps and unmaps, device/account.c knows who
 * pays, device/idle.c and device/pinned.c have what is not on loan.
 *
 * Locks, outermost first: mmap_lock or a VMA's lock, context->lock, page table
 * locks. Nothing touches user memory or allocates under context->lock, except
 * that a page fault may allocate page tables under its read side.
 */
#ifndef GOPHERSHIP_CONTEXT_H
#define GOPHERSHIP_CONTEXT_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/rwsem.h>
#include <linux/siphash.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <uapi/linux/gophership.h>

#include "device/account.h"
#include "gophership_buf.h"

/* Loans that one call of gophership_context_release() takes. */
#define GOPHERSHIP_RELEASE_CHUNK	32

/*
 * The windows begin at (class + 1) << GOPHERSHIP_STRIDE_SHIFT bytes: distinct,
 * the same on every machine, and in reach of mmap2() of 32-bit programs. A
 * kernel of 32 bits maps nothing of a device above 4 GiB.
 */
#if BITS_PER_LONG == 64
#define GOPHERSHIP_STRIDE_SHIFT		36
#define GOPHERSHIP_QUOTA_MB_MAX		1024U
#else
#define GOPHERSHIP_STRIDE_SHIFT		29
#define GOPHERSHIP_QUOTA_MB_MAX		512U
#endif

/**
 * struct gophership_loan - a buffer of the device: lent, idle or still pinned
 * @idle: where it lies when it is not lent: in a list of device/idle.c, which
 *	protects it, or of device/pinned.c
 * @buf: the buffer; constant
 * @account: who pays while it is pinned after its lease; constant then
 * @since: when it became idle, in jiffies; constant while it is
 * @handle: what user space names the loan by; 0 while the buffer is on its way
 *	in or out: such a loan can be neither faulted in nor released. Protected
 *	by the context's lock
 * @slot: index in the context's table of @class; constant while it is there
 * @class: size class; constant
 * @faulted: a page of it was mapped at least once. Set under the read side of
 *	the context's lock, read after the write side was held
 */
struct gophership_loan {
	struct list_head idle;
	struct gophership_buf *buf;
	struct gophership_account *account;
	unsigned long since;
	u64 handle;
	u32 slot;
	u8 class;
	bool faulted;
};

/**
 * struct gophership_context - what one open file of the device owns
 * @lock: see the fields
 * @loans: the tables of slots, per class. An entry is added at any time,
 *	becomes live (gets a handle) and is erased under @lock for writing. A
 *	loan that was found under @lock is there until @lock is dropped.
 * @inode: its mapping is the file's mapping: the windows' address space.
 *	Private to the context, so that unmapping here touches no one else
 * @account: what the loans are charged to; constant
 * @key: the secret of the handles; constant
 * @id: for gophership_buf.writer; never the same for two contexts, except
 *	that 0 is nobody in particular; constant
 * @first: where @generation began; constant
 * @generation: that of the youngest handle; protected by @lock
 * @nr_loans: live loans; protected by @lock
 * @acquires: leases granted; protected by @lock
 * @releases: leases given back; protected by @lock
 * @cleared: buffers zeroed at a lease; protected by @lock
 * @retired: buffers whose pages were in use at release, or damaged; protected by @lock
 * @faults: page faults served
 * @foreign: handles refused as none of ours
 * @doubled: handles refused as released before
 */
struct gophership_context {
	struct rw_semaphore lock;
	struct xarray loans[GOPHERSHIP_NR_CLASSES];
	struct inode *inode;
	struct gophership_account *account;
	siphash_key_t key;
	u32 id;
	u64 first;
	u64 generation;
	u64 nr_loans;
	u64 acquires;
	u64 releases;
	u64 cleared;
	u64 retired;
	atomic64_t faults;
	atomic64_t foreign;
	atomic64_t doubled;
};

int gophership_dev_init(void);
void gophership_dev_exit(void);

int gophership_contexts_init(void);
void gophership_contexts_exit(void);

struct gophership_context *gophership_context_new(void);
void gophership_context_free(struct gophership_context *context);
int gophership_context_lease(struct gophership_context *context, unsigned int class,
			     struct gophership_lease *lease);
int gophership_context_release(struct gophership_context *context, const u64 *handles,
			       unsigned int nr, unsigned int *done);
void gophership_context_stats(struct gophership_context *context, struct gophership_stats *stats);

/* device/idle.c: loans, and what lies idle of them */
int gophership_idle_init(void);
void gophership_idle_exit(void);
struct gophership_loan *gophership_loan_acquire(unsigned int class);
void gophership_loan_released(struct gophership_loan *loan);
void gophership_loan_free(struct gophership_loan *loan);
void gophership_loan_forget(struct gophership_loan *loan);
void gophership_idle_add(struct gophership_loan *loan);
void gophership_idle_stats(unsigned int class, struct gophership_class_counters *row);

/* device/pinned.c: what was given back and is still pinned */
bool gophership_loan_pinned(const struct gophership_loan *loan);
void gophership_pinned_add(struct gophership_loan *loan, struct gophership_account *account);
unsigned int gophership_pinned_look(unsigned int max);
void gophership_pinned_exit(void);

u32 gophership_window_slots(unsigned int class);
u64 gophership_window_offset(unsigned int class, u32 slot);
int gophership_window_mmap(struct file *file, struct vm_area_struct *vma);
void gophership_window_unmap(struct gophership_context *context, struct gophership_loan **loans,
			     unsigned int nr);

#endif /* GOPHERSHIP_CONTEXT_H */
