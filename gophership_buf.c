// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: acquire and release.
 *
 * The hot path, per call: preemption off, the head's busy mark, one entry of
 * the loaded magazine, one word of the descriptor checked and one stored. What
 * makes that right without a lock or a locked instruction is written at "The
 * seal" in pool/seal.h and at struct gophership_head in pool/types.h. What the exported
 * functions promise their callers is written in gophership_buf.h.
 */
#include <linux/export.h>
#include <linux/preempt.h>

#include "pool/acquire.h"
#include "pool/head.h"
#include "pool/list.h"
#include "pool/must.h"
#include "pool/release.h"
#include "pool/seal.h"

/* Flags that the hot path has no time for. */
#define GOPHERSHIP_GFP_SPECIAL	(__GFP_ZERO | __GFP_DMA | __GFP_DMA32 | __GFP_ACCOUNT)

/*
 * Short enough to need no stack: all that is rare is a tail call. The call site is
 * the caller's of the exported function that this becomes part of; it is read
 * where it is needed, and takes no register before.
 */
static __always_inline struct gophership_buf *acquire(struct gophership_head __percpu *row,
						      size_t size, gfp_t gfp)
{
	struct gophership_head *head;
	struct gophership_buf *buf;

	if (size > PAGE_SIZE)
		row += gophership_class(size);
	if (unlikely(gfp & GOPHERSHIP_GFP_SPECIAL))
		return gophership_acquire_special(size, gfp, row, _RET_IP_);

	preempt_disable();
	head = this_cpu_ptr(row);
	if (!gophership_head_enter(head))
		goto slow;
	if (unlikely(!gophership_head_pop(head, &gophership_bounds.hot_secret, _RET_IP_, &buf)))
		goto leave;
	gophership_head_leave(head);
	preempt_enable();
	return buf;

leave:
	gophership_head_leave(head);
slow:
	preempt_enable();
	return gophership_acquire_slow(size, gfp, head, _RET_IP_);
}

/* As acquire(). */
static __always_inline int release(struct gophership_buf *buf)
{
	struct gophership_head __percpu *heads;
	struct gophership_head *head;
	struct gophership_buf **slot;
	unsigned long key;

	if (unlikely(!gophership_plausible(buf)))
		return gophership_release_implausible(buf, _RET_IP_);
	preempt_disable();
	if (unlikely(!gophership_leased(buf, &key, &heads)))
		goto slow;
	head = this_cpu_ptr(heads);
	if (!gophership_head_enter(head))
		goto slow;
	slot = READ_ONCE(head->top);
	if (unlikely(!gophership_slot_fits(head, slot, buf)))
		goto leave;
	gophership_head_push(head, slot, buf, key, _RET_IP_);
	gophership_count_release(head);
	gophership_head_leave(head);
	preempt_enable();
	return 0;

leave:
	gophership_head_leave(head);
slow:
	preempt_enable();
	return gophership_release_slow(buf, _RET_IP_);
}

struct gophership_buf *gophership_buf_acquire(size_t size, gfp_t gfp)
{
	return acquire(gophership_kernel_heads, size, gfp);
}
EXPORT_SYMBOL_GPL(gophership_buf_acquire);

struct gophership_buf *gophership_pool_acquire(struct gophership_pool *pool, size_t size,
					       gfp_t gfp)
{
	return acquire(pool->heads, size, gfp);
}
EXPORT_SYMBOL_GPL(gophership_pool_acquire);

/*
 * As mempool_alloc() does: first without effort, then with some, then from
 * what was set aside, then wait until something comes back.
 */
static __always_inline struct gophership_buf *must_acquire(struct gophership_head __percpu *heads,
							   size_t size)
{
	struct gophership_buf *buf;

	if (unlikely(size > GOPHERSHIP_MAX_POOLED))
		return NULL;
	might_sleep();
	buf = acquire(heads, size, GOPHERSHIP_GFP_MUST);
	if (likely(buf))
		return buf;
	return gophership_pool_must_acquire_slow(raw_cpu_ptr(heads)->pool, size, _RET_IP_);
}

struct gophership_buf *gophership_buf_must_acquire(size_t size)
{
	return must_acquire(gophership_kernel_heads, size);
}
EXPORT_SYMBOL_GPL(gophership_buf_must_acquire);

struct gophership_buf *gophership_pool_must_acquire(struct gophership_pool *pool, size_t size)
{
	return must_acquire(pool->heads, size);
}
EXPORT_SYMBOL_GPL(gophership_pool_must_acquire);

int gophership_buf_release(struct gophership_buf *buf)
{
	return release(buf);
}
EXPORT_SYMBOL_GPL(gophership_buf_release);

/* Acquire what the magazine at hand has, at most @nr. Returns how many. */
static unsigned int acquire_run(struct gophership_head __percpu *row, gfp_t gfp, unsigned int nr,
				struct gophership_buf **bufs, unsigned long call_site)
{
	unsigned long secret = READ_ONCE(gophership_bounds.hot_secret);
	struct gophership_buf **slot, **next = bufs, **end = bufs + nr;
	struct gophership_head *head;

	if (unlikely(gfp & GOPHERSHIP_GFP_SPECIAL))
		return 0;
	preempt_disable();
	head = this_cpu_ptr(row);
	if (gophership_head_enter(head)) {
		slot = head->top;
		for (; next < end; next++, slot--)
			if (!gophership_slot_take(slot - 1, &secret, call_site, next))
				break;
		WRITE_ONCE(head->top, slot);
		/* As in gophership_head_pop(). */
		data_race(head->hits += next - bufs);
		gophership_head_leave(head);
	}
	preempt_enable();
	return next - bufs;
}

static __always_inline unsigned int acquire_bulk(struct gophership_head __percpu *heads,
						 size_t size, gfp_t gfp, unsigned int nr,
						 struct gophership_buf **bufs)
{
	unsigned int i = 0, run;

	while (i < nr) {
		run = acquire_run(heads + gophership_class(size), gfp, nr - i, bufs + i, _RET_IP_);
		i += run;
		if (i == nr)
			break;
		bufs[i] = acquire(heads, size, gfp);
		if (!bufs[i])
			break;
		i++;
	}
	return i;
}

unsigned int gophership_buf_acquire_bulk(size_t size, gfp_t gfp, unsigned int nr,
					 struct gophership_buf **bufs)
{
	return acquire_bulk(gophership_kernel_heads, size, gfp, nr, bufs);
}
EXPORT_SYMBOL_GPL(gophership_buf_acquire_bulk);

unsigned int gophership_pool_acquire_bulk(struct gophership_pool *pool, size_t size, gfp_t gfp,
					  unsigned int nr, struct gophership_buf **bufs)
{
	return acquire_bulk(pool->heads, size, gfp, nr, bufs);
}
EXPORT_SYMBOL_GPL(gophership_pool_acquire_bulk);

/*
 * Release from the start of @bufs while that is simple: leased buffers that go
 * where the first one goes, and there is room. Returns how many were.
 */
static unsigned int release_run(struct gophership_buf **bufs, unsigned int nr,
				unsigned long call_site)
{
	struct gophership_buf **next = bufs, **end = bufs + nr, **slot;
	struct gophership_head __percpu *heads, *row;
	struct gophership_head *head;
	unsigned long key;

	if (!gophership_plausible(*next))
		return 0;
	preempt_disable();
	if (!gophership_leased(*next, &key, &row))
		goto out;
	head = this_cpu_ptr(row);
	if (!gophership_head_enter(head))
		goto out;
	slot = head->top;
	while (gophership_slot_fits(head, slot, *next)) {
		gophership_slot_put(slot++, *next, key, call_site);
		if (++next == end || !gophership_plausible(*next) ||
		    !gophership_leased(*next, &key, &heads) || heads != row)
			break;
	}
	WRITE_ONCE(head->top, slot);
	/* As in gophership_count_release(). */
	data_race(head->releases += next - bufs);
	gophership_head_leave(head);
out:
	preempt_enable();
	return next - bufs;
}

unsigned int gophership_buf_release_bulk(struct gophership_buf **bufs, unsigned int nr)
{
	unsigned int i = 0, done = 0, run;

	while (i < nr) {
		run = release_run(bufs + i, nr - i, _RET_IP_);
		i += run;
		done += run;
		if (i < nr) {
			done += bufs[i] && !release(bufs[i]);
			i++;
		}
	}
	return done;
}
EXPORT_SYMBOL_GPL(gophership_buf_release_bulk);
