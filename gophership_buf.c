// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: acquire and release, exported.
 *
 * The hot path is pool/hot.h. gophership_buf.h and gophership_pool.h describe the exported
 * functions.
 */
#include <linux/export.h>
#include <linux/preempt.h>

/* The hot path is inlined into an exported function: its return address is the call site. */
#define GOPHERSHIP_CALL_SITE	_RET_IP_

#include "pool/hot.h"
#include "pool/list.h"
#include "pool/must.h"

struct gophership_buf *gophership_buf_acquire(size_t size, gfp_t gfp)
{
	return gophership_hot_acquire(gophership_kernel_heads, size, gfp);
}
EXPORT_SYMBOL_GPL(gophership_buf_acquire);

struct gophership_buf *gophership_pool_acquire(struct gophership_pool *pool, size_t size,
					       gfp_t gfp)
{
	return gophership_hot_acquire(pool->heads, size, gfp);
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
	buf = gophership_hot_acquire(heads, size, GOPHERSHIP_GFP_MUST);
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
	return gophership_hot_release(buf);
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
		bufs[i] = gophership_hot_acquire(heads, size, gfp);
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
			done += bufs[i] && !gophership_hot_release(bufs[i]);
			i++;
		}
	}
	return done;
}
EXPORT_SYMBOL_GPL(gophership_buf_release_bulk);
