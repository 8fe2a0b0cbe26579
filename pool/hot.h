/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the hot path, composed of what head.h and seal.h have.
 *
 * Per call: preemption off, the head's busy mark, one entry of the loaded magazine, one
 * word of the descriptor checked and one stored. What makes that right without a lock or
 * a locked instruction is written at "The seal" in pool/seal.h and at struct
 * gophership_head in pool/types.h.
 *
 * The exported functions are made of it, and so is the code of drivers that include
 * gophership_inline.h: what it reads and writes is part of pool/layout.h.
 *
 * A file that includes this defines GOPHERSHIP_CALL_SITE before: the address that a
 * report names. It is evaluated where it is needed, and takes no register before.
 */
#ifndef GOPHERSHIP_POOL_HOT_H
#define GOPHERSHIP_POOL_HOT_H

#include <linux/preempt.h>

#include "pool/acquire.h"
#include "pool/head.h"
#include "pool/release.h"
#include "pool/seal.h"

/* Flags that the hot path has no time for. */
#define GOPHERSHIP_GFP_SPECIAL	(__GFP_ZERO | __GFP_DMA | __GFP_DMA32 | __GFP_ACCOUNT)

/* Short enough to need no stack: all that is rare is a tail call. */
static __always_inline struct gophership_buf *
gophership_hot_acquire(struct gophership_head __percpu *row, size_t size, gfp_t gfp)
{
	struct gophership_head *head;
	struct gophership_buf *buf;

	if (size > PAGE_SIZE)
		row += gophership_class(size);
	if (unlikely(gfp & GOPHERSHIP_GFP_SPECIAL))
		return gophership_acquire_special(size, gfp, row, GOPHERSHIP_CALL_SITE);

	preempt_disable();
	head = this_cpu_ptr(row);
	if (!gophership_head_enter(head))
		goto slow;
	if (unlikely(!gophership_head_pop(head, &gophership_bounds.hot_secret,
					  GOPHERSHIP_CALL_SITE, &buf)))
		goto leave;
	gophership_head_leave(head);
	preempt_enable();
	/* A buffer that its seal confirms: where this is inline the caller's check is known. */
	if (!buf)
		__builtin_unreachable();
	return buf;

leave:
	gophership_head_leave(head);
slow:
	preempt_enable();
	return gophership_acquire_slow(size, gfp, head, GOPHERSHIP_CALL_SITE);
}

/* As gophership_hot_acquire(). */
static __always_inline int gophership_hot_release(struct gophership_buf *buf)
{
	struct gophership_head __percpu *heads;
	struct gophership_head *head;
	struct gophership_buf **slot;
	unsigned long key;

	if (unlikely(!gophership_plausible(buf)))
		return gophership_release_implausible(buf, GOPHERSHIP_CALL_SITE);
	preempt_disable();
	if (unlikely(!gophership_leased(buf, &key, &heads)))
		goto slow;
	head = this_cpu_ptr(heads);
	if (!gophership_head_enter(head))
		goto slow;
	slot = READ_ONCE(head->top);
	if (unlikely(!gophership_slot_fits(head, slot, buf)))
		goto leave;
	gophership_head_push(head, slot, buf, key, GOPHERSHIP_CALL_SITE);
	gophership_count_release(head);
	gophership_head_leave(head);
	preempt_enable();
	return 0;

leave:
	gophership_head_leave(head);
slow:
	preempt_enable();
	return gophership_release_slow(buf, GOPHERSHIP_CALL_SITE);
}

#endif /* GOPHERSHIP_POOL_HOT_H */
