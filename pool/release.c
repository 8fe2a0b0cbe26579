// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: release, where the magazine at hand cannot take it.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/string.h>

#include "gophership_compat.h"
#include "pool/depot.h"
#include "pool/free.h"
#include "pool/head.h"
#include "pool/kick.h"
#include "pool/magazine.h"
#include "pool/poison.h"
#include "pool/refill.h"
#include "pool/reject.h"
#include "pool/release.h"
#include "pool/reserve.h"
#include "pool/retire.h"
#include "pool/seal.h"
#include "pool/trace.h"

/* Rows without magazines: every release is a claim. */
static int release_unpooled(struct gophership_head *head, struct gophership_buf *buf,
			    unsigned long from, unsigned long call_site)
{
	bool reserve = head->class == GOPHERSHIP_CLASS_RESERVE;
	unsigned long to = reserve ? GOPHERSHIP_SEAL_RESERVED : GOPHERSHIP_SEAL_RETIRING;

	if (!gophership_claim(buf, from, to))
		return -EALREADY;
	WRITE_ONCE(buf->len, 0);
	WRITE_ONCE(buf->released_by, call_site);
	this_cpu_inc(head->pool->heads[head->class].slow_releases);
	if (reserve) {
		gophership_reserve_give(head->pool, buf);
		return 0;
	}
	gophership_free_buf(buf);
	return 0;
}

/* Where no head can take it: the inbox of the node that it belongs to. */
static int release_to_inbox(struct gophership_head *head, struct gophership_buf *buf,
			    unsigned long from, unsigned long call_site)
{
	struct gophership_pool *pool = head->pool;
	unsigned int class = head->class;
	struct gophership_depot *depot;

	depot = gophership_pool_depot(pool, buf->nid, class);
	if (from != GOPHERSHIP_SEAL_CLAIMED &&
	    !gophership_claim(buf, from, GOPHERSHIP_SEAL_CLAIMED))
		return -EALREADY;
	/*
	 * Before it is on the inbox: a stale entry of it, of a second release, may be taken for a
	 * lease from then on.
	 */
	WRITE_ONCE(buf->len, 0);
	WRITE_ONCE(buf->released_by, call_site);
	if (!gophership_claim(buf, GOPHERSHIP_SEAL_CLAIMED, GOPHERSHIP_SEAL_INBOX))
		return -EALREADY;
	this_cpu_inc(pool->heads[class].slow_releases);
	gophership_depot_list(depot, buf);
	gophership_kick_waiters(pool, class);
	return 0;
}

/*
 * One try; -EAGAIN asks for a magazine. @mag is one that may be used, or an
 * error pointer where there is none to be had.
 */
static int release_try(struct gophership_buf *buf, unsigned long from, unsigned long call_site,
		       struct gophership_magazine **mag, unsigned int *class)
{
	struct gophership_magazine *none = NULL;
	struct gophership_head *head;
	bool room;

	if (!gophership_sealed(buf, from))
		return -EALREADY;
	head = this_cpu_ptr(READ_ONCE(buf->heads));
	*class = head->class;
	if (head->class >= GOPHERSHIP_NR_CLASSES)
		return release_unpooled(head, buf, from, call_site);
	if (!gophership_use_heads() || atomic_read(&head->pool->waiters[head->class]) ||
	    buf->nid != head->node || !gophership_head_enter(head))
		return release_to_inbox(head, buf, from, call_site);
	room = gophership_head_make_room(head, IS_ERR(*mag) ? &none : mag);
	if (room) {
		gophership_head_push(head, head->top, buf, gophership_seal(buf, 0), call_site);
		gophership_count_release(head);
	}
	gophership_head_leave(head);
	if (room)
		return 0;
	if (!IS_ERR(*mag))
		return -EAGAIN;
	gophership_refill_magazine(head->pool, head->class);
	return release_to_inbox(head, buf, from, call_site);
}

static int release_with(struct gophership_buf *buf, unsigned long from, unsigned long call_site)
{
	struct gophership_magazine *mag = NULL;
	bool asked = false;
	unsigned int class;
	int ret;

	for (;;) {
		preempt_disable();
		ret = release_try(buf, from, call_site, &mag, &class);
		preempt_enable();
		if (ret != -EAGAIN)
			break;
		/* Once: if the head has still no room, it may have no more (max_cached_mb). */
		if (mag)
			gophership_magazine_free(mag);
		mag = asked ? NULL : gophership_magazine_alloc(class, 0);
		asked = true;
		if (!mag)
			mag = ERR_PTR(-ENOMEM);
	}
	if (!IS_ERR_OR_NULL(mag))
		gophership_magazine_free(mag);
	return ret;
}

/* Is the payload of @buf to be cleared before it lies idle? Context: preemption off. */
static bool wants_zeroes(const struct gophership_buf *buf)
{
	const struct gophership_head *head = this_cpu_ptr(READ_ONCE(buf->heads));

	/* What goes to the page allocator at once is cleared there. */
	return head->pool->flags & GOPHERSHIP_POOL_CLEARS && head->class != GOPHERSHIP_CLASS_LARGE;
}

/* Claim @buf first: its payload is looked at, or filled. */
static int release_claimed(struct gophership_buf *buf, unsigned long call_site)
{
	bool mine, zeroes;

	preempt_disable();
	mine = gophership_sealed(buf, GOPHERSHIP_SEAL_LEASED) &&
	       gophership_claim(buf, GOPHERSHIP_SEAL_LEASED, GOPHERSHIP_SEAL_CLAIMED);
	zeroes = mine && wants_zeroes(buf);
	preempt_enable();
	if (!mine)
		return -EALREADY;
	if (gophership_retire_claimed(buf, call_site))
		return 0;
	if (static_branch_unlikely(&gophership_poison_key))
		gophership_poison_fill(buf);
	else if (zeroes)
		memset(buf->data, 0, buf->capacity);
	return release_with(buf, GOPHERSHIP_SEAL_CLAIMED, call_site);
}

/* Must the release of @buf claim it first? Context: preemption off. */
static bool wants_claim(const struct gophership_buf *buf)
{
	if (static_branch_unlikely(&gophership_poison_key))
		return true;
	return this_cpu_ptr(READ_ONCE(buf->heads))->pool->flags & GOPHERSHIP_POOL_CLAIMS;
}

/* Tell tracers. Context: preemption off, so that the pool of @buf, which is leased, stays. */
static void trace_release(const struct gophership_buf *buf, unsigned long call_site)
{
	if (!trace_gophership_release_enabled())
		return;
	trace_gophership_release(this_cpu_ptr(READ_ONCE(buf->heads))->pool->name, buf, 0, 0,
				 call_site);
}

/* Releases that the hot path cannot do. Context: any. Returns as gophership_buf_release(). */
int gophership_release_slow(struct gophership_buf *buf, unsigned long call_site)
{
	int ret = -EALREADY;
	bool leased, claim;

	preempt_disable();
	leased = gophership_sealed(buf, GOPHERSHIP_SEAL_LEASED);
	if (leased) {
		trace_release(buf, call_site);
		claim = wants_claim(buf);
	}
	preempt_enable();
	if (leased && claim)
		ret = release_claimed(buf, call_site);
	else if (leased)
		ret = release_with(buf, GOPHERSHIP_SEAL_LEASED, call_site);
	return ret ? gophership_reject(buf, call_site) : 0;
}
EXPORT_SYMBOL_GPL_INLINE(gophership_release_slow);

/*
 * Beyond the bounds. A caller that got @buf by an address dependency (rcu_dereference())
 * may have read bounds from before it was made: look again.
 */
int gophership_release_implausible(struct gophership_buf *buf, unsigned long call_site)
{
	smp_rmb(); /* (B) pairs with (B) in gophership_bounds_widen() */
	if (!gophership_plausible(buf))
		return gophership_reject(buf, call_site);
	return gophership_release_slow(buf, call_site);
}
EXPORT_SYMBOL_GPL_INLINE(gophership_release_implausible);

static bool of_reserve(struct gophership_buf *buf)
{
	bool reserve;

	preempt_disable();
	reserve = gophership_sealed(buf, GOPHERSHIP_SEAL_LEASED) &&
		  this_cpu_ptr(READ_ONCE(buf->heads))->class == GOPHERSHIP_CLASS_RESERVE;
	preempt_enable();
	return reserve;
}

/* Described in gophership_buf.h, as all that is exported. */
int gophership_buf_retire(struct gophership_buf *buf)
{
	int ret;

	if (!gophership_plausible(buf)) {
		smp_rmb(); /* (B) pairs with (B) in gophership_bounds_widen() */
		if (!gophership_plausible(buf))
			return gophership_reject(buf, _RET_IP_);
	}
	/* The reserve looks for references before it hands a buffer out: see pop(). */
	if (of_reserve(buf))
		return gophership_release_slow(buf, _RET_IP_);
	ret = gophership_retire(buf, _RET_IP_);
	return ret ? gophership_reject(buf, _RET_IP_) : 0;
}
EXPORT_SYMBOL_GPL(gophership_buf_retire);
