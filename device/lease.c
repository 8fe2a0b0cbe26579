// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: buffers leased to a context, and given back.
 *
 * When a buffer leaves its context
 * --------------------------------
 * 1. Its handle is cleared under the context's lock: from now on it is neither
 *    faulted in nor released once more.
 * 2. If a page of it was ever faulted in, it is unmapped from everywhere. No
 *    PTE for it can appear after that: see device/window.c.
 * 3. If the pages have a reference beyond the pool's own, its holder may still
 *    read or write them (O_DIRECT or io_uring in flight, a pipe, a debugger):
 *    the buffer is kept aside and paid for until that is over
 *    (device/pinned.c). Otherwise it lies idle for the next lease
 *    (device/idle.c), and is paid for no more.
 * 4. The slot is free as soon as nothing of it is mapped.
 *
 * A buffer that a dma-buf shows cannot be released (EBUSY). If its context is closed, the
 * loan leaves the table, and step 3 comes when the dma-buf is gone. Until then only the
 * export has the loan, and the context's account goes on paying.
 *
 * One look at the reference count is enough in step 3:
 *  - A mapped page has a reference for each PTE. The CPU that clears a
 *    PTE drops its reference after the flush of the TLBs. So a
 *    count of 1 also says that no TLB holds a translation.
 *  - A slow get_user_pages() takes its reference under the page table lock,
 *    while the PTE is there. A fast one takes the reference first and keeps it
 *    only if it then finds the PTE unchanged. With the full barriers in
 *    between, on both sides, a reference that was kept was taken before the
 *    PTE's own was dropped; a CPU that sees the second sees the first.
 *  - A fast one that finds the PTE changed drops its reference without a look
 *    at the page, and so does code that tries pages by their number. Seen at
 *    step 3, such a reference costs a needless wait; later it does nothing at
 *    all. The last reference frees the pages.
 *  - New references come from old references or from PTEs only, and there are
 *    none of either.
 *
 * The bytes in a buffer
 * ---------------------
 * buf->writer is the id of the context that had the buffer last; for any other
 * context the whole payload is cleared before the loan becomes live. Ids are
 * not used twice, however long the machine runs: when the 32 bits are used up
 * (4 billion opens), further contexts get 0, and 0 matches nothing. An exported buffer gets
 * 0, too: an importer may write to it, and show it to others, as long as the lease lasts.
 */
#include <linux/bitops.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "device/account.h"
#include "device/counts.h"
#include "device/handle.h"
#include "device/idle.h"
#include "device/lease.h"
#include "device/pinned.h"
#include "device/window.h"
#include "pool/payload.h"

/* At the end of memory, or of the cgroup's, the caller gets ENOMEM: no OOM kill. */
#define GFP_SLOT	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * Leasing
 */

/*
 * Clear the bytes of other contexts. vm_insert_page() does the cache flushes that some
 * architectures need between this and user space. Returns true if it has cleared.
 */
static bool clear_buf(const struct gophership_context *context, struct gophership_buf *buf)
{
	if (context->id && buf->writer == context->id)
		return false;
	memset(buf->data, 0, buf->capacity);
	buf->writer = context->id;
	return true;
}

static int lease_charged(struct gophership_context *context, size_t size,
			 struct gophership_lease *lease)
{
	unsigned int class = gophership_class(size);
	struct gophership_loan *loan;
	bool cleared;
	int ret;

	loan = gophership_loan_acquire(class, size, context->account);
	if (!loan)
		return -ENOBUFS;
	cleared = clear_buf(context, loan->buf);

	ret = xa_alloc(&context->loans[class], &loan->slot, loan,
		       XA_LIMIT(0, gophership_window_slots(context, class) - 1), GFP_SLOT);
	if (ret)
		goto give_back;

	lease->offset = gophership_window_offset(class, loan->slot);
	lease->capacity = loan->buf->capacity;
	lease->reserved = 0;

	down_write(&context->lock);
	loan->handle = gophership_handle_next(context, loan);
	lease->handle = loan->handle;
	context->nr_loans++;
	context->acquires++;
	context->cleared += cleared;
	up_write(&context->lock);
	gophership_count(GOPHERSHIP_COUNT_CLEARED, cleared);
	return 0;

give_back:
	gophership_loan_released(loan, context->account);
	gophership_idle_add(loan);
	/* The charge bounds the slots, so none is missing; be correct anyway. */
	return ret == -EBUSY ? -EDQUOT : -ENOBUFS;
}

/**
 * gophership_context_lease() - lease one buffer
 * @context: the context that gets it
 * @size: bytes it must hold, at most those of the largest class
 * @lease: where to tell of it
 *
 * Idle buffers are no reason to refuse: a cgroup at its limit, or the machine, gets them
 * back while it looks for memory for this one.
 *
 * Context: process, may sleep.
 * Return: 0; -EDQUOT if the context's quota or the owner's RLIMIT_MEMLOCK is
 * used up; -ENOMEM if the machine's limit is; -ENOBUFS if there is no memory.
 */
int gophership_context_lease(struct gophership_context *context, size_t size,
			     struct gophership_lease *lease)
{
	unsigned long pages = gophership_class_pages(1, gophership_class(size));
	int ret;

	ret = gophership_account_charge(context->account, pages);
	if (ret)
		return ret;
	ret = lease_charged(context, size, lease);
	if (ret)
		gophership_account_uncharge(context->account, pages);
	return ret;
}

/*
 * Giving back
 */

/*
 * Part with a loan that is not mapped and cannot be: step 3 above. Returns the
 * pages that are paid for no more.
 */
static long give_back(struct gophership_context *context, struct gophership_loan *loan,
		      bool pinned)
{
	long pages = gophership_class_pages(1, loan->class);

	gophership_loan_released(loan, context->account);
	if (pinned) {
		gophership_pinned_add(loan, context->account);
		return 0;
	}
	gophership_idle_add(loan);
	return pages;
}

/*
 * Take the loans that @handles name out of service: step 1. Stops at the first
 * bad handle. Returns the number of loans.
 */
static unsigned int detach_loans(struct gophership_context *context, const u64 *handles,
				 unsigned int nr, struct gophership_loan **loans, int *error)
{
	unsigned int i;

	*error = 0;
	down_write(&context->lock);
	for (i = 0; i < nr; i++) {
		loans[i] = gophership_handle_find(context, handles[i]);
		if (!loans[i]) {
			*error = gophership_handle_verdict(context, handles[i]);
			break;
		}
		if (loans[i]->exported) {
			*error = -EBUSY;
			break;
		}
		loans[i]->handle = 0;
	}
	context->nr_loans -= i;
	context->releases += i;
	up_write(&context->lock);
	return i;
}

/*
 * Which of the loans are pinned, a bit for each; *@retired: how many cannot be used
 * again now. (The machine itself may keep a reference to damaged pages, for ever.)
 */
static u32 find_pinned(struct gophership_loan **loans, unsigned int nr, unsigned int *retired)
{
	u32 pinned = 0;
	unsigned int i;

	*retired = 0;
	for (i = 0; i < nr; i++) {
		if (gophership_payload_damaged(loans[i]->buf))
			++*retired;
		else if (gophership_payload_shared(loans[i]->buf))
			pinned |= BIT(i);
	}
	*retired += hweight32(pinned);
	gophership_count(GOPHERSHIP_COUNT_RETIRED, *retired);
	return pinned;
}

/* Step 4. */
static void free_slots(struct gophership_context *context, struct gophership_loan **loans,
		       unsigned int nr, unsigned int retired)
{
	unsigned int i;

	down_write(&context->lock);
	context->retired += retired;
	for (i = 0; i < nr; i++)
		xa_erase(&context->loans[loans[i]->class], loans[i]->slot);
	up_write(&context->lock);
}

/**
 * gophership_context_release() - give buffers back
 * @context: the context that has them
 * @handles: their handles, taken in order up to the first bad one
 * @nr: number of handles, at most GOPHERSHIP_RELEASE_CHUNK
 * @done: the number of buffers given back
 *
 * Context: process, may sleep; not under an mmap_lock.
 * Return: 0; -EINVAL for a handle that the context did not give out, -EALREADY
 * for one that was released before, -EBUSY for one that a dma-buf shows.
 */
int gophership_context_release(struct gophership_context *context, const u64 *handles,
			       unsigned int nr, unsigned int *done)
{
	struct gophership_loan *loans[GOPHERSHIP_RELEASE_CHUNK];
	unsigned int retired, i;
	long pages = 0;
	u32 pinned;
	int error;

	nr = detach_loans(context, handles, nr, loans, &error);
	*done = nr;
	if (!nr)
		return error;
	gophership_window_unmap(context, loans, nr);
	pinned = find_pinned(loans, nr, &retired);
	free_slots(context, loans, nr, retired);
	for (i = 0; i < nr; i++)
		pages += give_back(context, loans[i], pinned & BIT(i));
	gophership_account_uncharge(context->account, pages);
	return error;
}

/* The same for one that is in no table and mapped nowhere. */
static void give_back_last(struct gophership_context *context, struct gophership_loan *loan)
{
	unsigned int retired;
	long pages = give_back(context, loan, find_pinned(&loan, 1, &retired));

	gophership_account_uncharge(context->account, pages);
	cond_resched();
}

static void free_loans(struct gophership_context *context, struct xarray *loans)
{
	struct gophership_loan *loan;
	unsigned long slot;

	xa_for_each(loans, slot, loan)
		give_back_last(context, loan);
	xa_destroy(loans);
}

/* From here on the dma-bufs alone have the loans that they show; the rest counts as released. */
static void part_with_exported(struct gophership_context *context)
{
	struct gophership_loan *loan;
	unsigned long slot, kept = 0;
	unsigned int class;

	down_write(&context->lock);
	context->closed = true;
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		xa_for_each(&context->loans[class], slot, loan) {
			if (!loan->exported)
				continue;
			xa_erase(&context->loans[class], slot);
			kept++;
		}
	}
	context->releases += context->nr_loans - kept;
	context->nr_loans = kept;
	up_write(&context->lock);
}

/**
 * gophership_context_release_all() - give back everything that a context has
 * @context: as gophership_context_close()
 *
 * Context: process, may sleep.
 */
void gophership_context_release_all(struct gophership_context *context)
{
	unsigned int class;

	part_with_exported(context);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		free_loans(context, &context->loans[class]);
}

/*
 * Shown by dma-bufs
 */

/* Mark up to @nr loans. Returns how many; *@error: why not more. Context: lock held. */
static u32 mark_exported(struct gophership_context *context, const u64 *handles, u32 nr,
			 struct gophership_loan **loans, int *error)
{
	u32 i;

	lockdep_assert_held_write(&context->lock);
	*error = 0;
	for (i = 0; i < nr; i++) {
		loans[i] = gophership_handle_find(context, handles[i]);
		if (!loans[i])
			*error = gophership_handle_verdict(context, handles[i]);
		else if (loans[i]->exported)
			*error = -EBUSY;
		if (*error)
			break;
		loans[i]->exported = true;
		loans[i]->buf->writer = 0;
	}
	return i;
}

static void unmark_exported(struct gophership_context *context, struct gophership_loan **loans,
			    u32 nr)
{
	lockdep_assert_held_write(&context->lock);
	while (nr--)
		loans[nr]->exported = false;
}

/**
 * gophership_context_export() - keep leases from being released
 * @context: the context that has them
 * @handles: their handles
 * @nr: number of handles
 * @loans: gets the loans; after an error it has nothing
 *
 * All of them, or none.
 *
 * Context: process, may sleep.
 * Return: 0; -EINVAL and -EALREADY as gophership_context_release(); -EBUSY if one is
 * exported, or named twice.
 */
int gophership_context_export(struct gophership_context *context, const u64 *handles, u32 nr,
			      struct gophership_loan **loans)
{
	u32 marked;
	int error;

	down_write(&context->lock);
	marked = mark_exported(context, handles, nr, loans, &error);
	if (error)
		unmark_exported(context, loans, marked);
	up_write(&context->lock);
	return error;
}

/**
 * gophership_context_unexport() - the dma-buf of leases is gone
 * @context: the context that they are from, with a reference
 * @loans: what gophership_context_export() gave
 * @nr: number of loans
 *
 * They can be released again, or if the context is closed, they are.
 *
 * Context: process, may sleep.
 */
void gophership_context_unexport(struct gophership_context *context,
				 struct gophership_loan **loans, u32 nr)
{
	bool closed;
	u32 i;

	down_write(&context->lock);
	closed = context->closed;
	unmark_exported(context, loans, nr);
	if (closed) {
		context->nr_loans -= nr;
		context->releases += nr;
	}
	up_write(&context->lock);
	/* Else they are the context's again, and may be gone by now. */
	for (i = 0; closed && i < nr; i++)
		give_back_last(context, loans[i]);
}
