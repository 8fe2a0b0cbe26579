/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: a CPU's share of a pool, as the hot path sees it.
 */
#ifndef GOPHERSHIP_POOL_HEAD_H
#define GOPHERSHIP_POOL_HEAD_H

#include <linux/compiler.h>
#include <linux/percpu.h>

#include "pool/list.h"
#include "pool/seal.h"
#include "pool/types.h"

/*
 * Own this CPU's head, unless the context that this one interrupted owns it.
 * Preemption is off. What the head holds may be read only after this.
 */
static __always_inline bool gophership_head_enter(struct gophership_head *head)
{
	/*
	 * There is no race with an interrupt: see @idle. The result is 0 or less; after a
	 * comparison with 0 the compiler would keep it in a register as its zero.
	 */
	if (unlikely(data_race(--head->idle) < 0))
		return false;
	barrier();
	return true;
}

static __always_inline void gophership_head_leave(struct gophership_head *head)
{
	barrier();
	WRITE_ONCE(head->idle, 1);
}

/*
 * Lease the buffer in @slot. False if it does not confirm that it lies there:
 * it was released twice (the slow path drops it), or @slot is the sentinel.
 */
static __always_inline bool gophership_slot_take(struct gophership_buf **slot,
						 const unsigned long *secret,
						 unsigned long call_site,
						 struct gophership_buf **taken)
{
	struct gophership_buf *buf = *slot;
	unsigned long key;

	if (unlikely(!gophership_sealed_here(buf, secret, (unsigned long)slot, &key)))
		return false;
	WRITE_ONCE(buf->seal, key);
	WRITE_ONCE(buf->acquired_by, call_site);
	*taken = buf;
	return true;
}

/* Put a buffer that the caller may release into @slot. */
static __always_inline void gophership_slot_put(struct gophership_buf **slot,
						struct gophership_buf *buf, unsigned long key,
						unsigned long call_site)
{
	*slot = buf;
	WRITE_ONCE(buf->len, 0);
	WRITE_ONCE(buf->released_by, call_site);
	WRITE_ONCE(buf->seal, key - (unsigned long)slot);
}

static __always_inline bool gophership_head_pop(struct gophership_head *head,
						const unsigned long *secret,
						unsigned long call_site,
						struct gophership_buf **popped)
{
	if (unlikely(!gophership_slot_take(READ_ONCE(head->top) - 1, secret, call_site, popped)))
		return false;
	/* Lockless readers may see a stale value, */
	data_race(head->top--);
	/* and so may statistics. */
	data_race(head->hits++);
	return true;
}

/* @slot is the top, and there must be room. */
static __always_inline void gophership_head_push(struct gophership_head *head,
						 struct gophership_buf **slot,
						 struct gophership_buf *buf, unsigned long key,
						 unsigned long call_site)
{
	gophership_slot_put(slot, buf, key, call_site);
	/* As in gophership_head_pop(). */
	data_race(head->top++);
}

static __always_inline void gophership_count_release(struct gophership_head *head)
{
	/* As the hits. */
	data_race(head->releases++);
}

/* May @buf be put into @slot of @head? Only on its own node. */
static __always_inline bool gophership_slot_fits(const struct gophership_head *head,
						 struct gophership_buf **slot,
						 const struct gophership_buf *buf)
{
	/* Must_acquire may set it to NULL at this moment: the old value will do. */
	if (unlikely(slot >= data_race(head->limit)))
		return false;
	return !gophership_many_nodes() || buf->nid == head->node;
}

void gophership_head_equip(struct gophership_pool *pool, unsigned int class, gfp_t gfp);
bool gophership_head_equipped(const struct gophership_head *head);
bool gophership_head_reload(struct gophership_head *head);
bool gophership_head_make_room(struct gophership_head *head, struct gophership_magazine **mag);
void gophership_head_drop(struct gophership_head *head);
bool gophership_head_flush(struct gophership_head *head);
unsigned int gophership_head_cached(const struct gophership_head *head);
void gophership_head_init(struct gophership_head *head, struct gophership_pool *pool,
			  unsigned int class);
void gophership_waiters_raise(struct gophership_pool *pool, unsigned int class);
void gophership_waiters_lower(struct gophership_pool *pool, unsigned int class);

#endif /* GOPHERSHIP_POOL_HEAD_H */
