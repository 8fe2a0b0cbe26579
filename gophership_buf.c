// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: acquire and release.
 *
 * The hot path, per call: preemption off, the head's busy mark, one entry of
 * the loaded magazine, one word of the descriptor checked and one stored. What
 * makes that right without a lock or a locked instruction is written at "The
 * seal" and at struct gophership_head in pool/types.h. What the exported
 * functions promise their callers is written in gophership_buf.h.
 */
#include <linux/export.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pool/types.h"
#include "pool/trace.h"

struct gophership_bounds gophership_bounds __read_mostly;

DEFINE_STATIC_KEY_FALSE(gophership_poison_key);
DEFINE_STATIC_KEY_FALSE(gophership_numa_key);

/* Flags that the hot path has no time for. */
#define GOPHERSHIP_GFP_SPECIAL	(__GFP_ZERO | __GFP_DMA | __GFP_DMA32 | __GFP_ACCOUNT)

/* Not with poison=1. */
static bool use_heads(void)
{
	return !static_branch_unlikely(&gophership_poison_key);
}

/*
 * Lease the buffer in @slot. False if it does not confirm that it lies there:
 * it was released twice (the slow path drops it), or @slot is the floor.
 */
static __always_inline bool slot_take(struct gophership_buf **slot, const unsigned long *secret,
				      unsigned long call_site, struct gophership_buf **taken)
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
static __always_inline void slot_put(struct gophership_buf **slot, struct gophership_buf *buf,
				     unsigned long key, unsigned long call_site)
{
	*slot = buf;
	WRITE_ONCE(buf->len, 0);
	WRITE_ONCE(buf->released_by, call_site);
	WRITE_ONCE(buf->seal, key - (unsigned long)slot);
}

static __always_inline bool head_pop(struct gophership_head *head, const unsigned long *secret,
				     unsigned long call_site, struct gophership_buf **popped)
{
	if (unlikely(!slot_take(READ_ONCE(head->top) - 1, secret, call_site, popped)))
		return false;
	/* Who peeks may see an old value. */
	data_race(head->top--);
	/* And who sums the counters up. */
	data_race(head->hits++);
	return true;
}

/* @slot is the top, and there must be room. */
static __always_inline void head_push(struct gophership_head *head, struct gophership_buf **slot,
				      struct gophership_buf *buf, unsigned long key,
				      unsigned long call_site)
{
	slot_put(slot, buf, key, call_site);
	/* As in head_pop(). */
	data_race(head->top++);
}

static __always_inline void count_release(struct gophership_head *head)
{
	/* As the hits. */
	data_race(head->releases++);
}

/*
 * Put buffers that are leased to us into this CPU's magazine, as far as there
 * is room, the others on the inbox. They were never counted as acquired.
 */
void gophership_keep(struct gophership_pool *pool, unsigned int class,
		     struct gophership_buf **bufs, unsigned int nr)
{
	struct gophership_magazine *none = NULL;
	struct gophership_head *head;
	struct gophership_depot *depot;
	unsigned int i = 0;

	preempt_disable();
	head = this_cpu_ptr(pool->heads + class);
	depot = head->depot;
	if (use_heads() && gophership_head_enter(head)) {
		for (; i < nr; i++) {
			if (bufs[i]->nid != depot->node)
				break;
			if (!gophership_head_make_room(head, &none))
				break;
			head_push(head, head->top, bufs[i], gophership_seal(bufs[i], 0), 0);
		}
		gophership_head_leave(head);
	}
	preempt_enable();
	for (; i < nr; i++) {
		depot = gophership_pool_depot(pool, bufs[i]->nid, class);
		preempt_disable();
		if (gophership_claim(bufs[i], GOPHERSHIP_SEAL_LEASED, GOPHERSHIP_SEAL_LISTED))
			gophership_depot_list(depot, bufs[i]);
		preempt_enable();
	}
}

static unsigned int refill_batch(const struct gophership_pool *pool, unsigned int class, gfp_t gfp)
{
	/* Nothing is to lie idle that a cgroup pays for. */
	if ((pool->flags & GOPHERSHIP_POOL_CLAIMS) && (pool->flags & GOPHERSHIP_POOL_ACCOUNT))
		return 1;
	/* Who cannot wait gets the one buffer and no more work. */
	if (!gfpflags_allow_blocking(gfp))
		return 1;
	/* What lies idle above max_cached_mb is given back at once. */
	if (gophership_cached_excess(GOPHERSHIP_REFILL_MAX))
		return 1;
	return max(GOPHERSHIP_REFILL_MAX >> class, 1);
}

/* Ask the page allocator: one buffer for the caller, some for the magazine. */
static struct gophership_buf *refill(struct gophership_pool *pool, unsigned int class, gfp_t gfp)
{
	unsigned int order = gophership_class_order(class), batch, nr;
	struct gophership_buf *buf = NULL, *more[GOPHERSHIP_REFILL_MAX];
	gfp_t modest;

	if (!gophership_may_allocate(gfp)) {
		gophership_refill_buffers(pool, class);
		return NULL;
	}
	gfp = gophership_allocator_gfp(gfp);
	modest = (gfp & ~(__GFP_DIRECT_RECLAIM | __GFP_HIGH | __GFP_MEMALLOC)) |
		 __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_THISNODE;
	/* On other nodes rather a cached one than a new one. */
	if (gophership_many_nodes()) {
		buf = gophership_payload_alloc(pool, class, order, modest);
		if (!buf) {
			buf = gophership_pool_steal_class(pool, class);
			if (buf)
				return buf;
		}
	}
	if (!buf)
		buf = gophership_payload_alloc(pool, class, order, gfp);
	if (!buf)
		return NULL;
	batch = refill_batch(pool, class, gfp);
	nr = gophership_payload_alloc_bulk(pool, class, modest, batch - 1, more);
	if (nr)
		gophership_keep(pool, class, more, nr);
	gophership_reclaim_arm();
	this_cpu_inc(pool->heads[class].misses);
	trace_gophership_refill(pool->name, class, nr + 1);
	return buf;
}

/* With the head's help if it is free, else past it. */
static struct gophership_buf *take_cached(struct gophership_pool *pool, unsigned int class,
					  unsigned long call_site)
{
	const unsigned long *secret = &gophership_bounds.secret;
	struct gophership_buf *buf = NULL;
	struct gophership_head *head;

	preempt_disable();
	head = this_cpu_ptr(pool->heads + class);
	if (use_heads() && gophership_head_enter(head)) {
		while (gophership_head_reload(head) && !head_pop(head, secret, call_site, &buf))
			gophership_head_drop(head);
		gophership_head_leave(head);
	}
	if (!buf) {
		buf = gophership_depot_take_one(head->depot);
		if (buf)
			this_cpu_inc(pool->heads[class].slow_acquires);
	}
	preempt_enable();
	return buf;
}

/* After the magazine had none: the depot, the page allocator, what else there is. */
static struct gophership_buf *acquire_pooled(struct gophership_pool *pool, unsigned int class,
					     gfp_t gfp, unsigned long call_site)
{
	struct gophership_buf *buf;

	gophership_head_equip(pool, class, gfp);
	buf = take_cached(pool, class, call_site);
	if (buf)
		return buf;
	buf = refill(pool, class, gfp);
	if (!buf)
		buf = gophership_pool_steal(pool, class);
	if (!buf && !gfpflags_allow_blocking(gfp) && !(gfp & __GFP_NOMEMALLOC))
		buf = gophership_stock_take(pool, class);
	if (!buf)
		return NULL;
	/* Whatever head the buffer goes back to will count its release. */
	this_cpu_inc(buf->heads->slow_acquires);
	return buf;
}

/* A buffer is in hand: what those want to know who watch. */
struct gophership_buf *gophership_acquired(struct gophership_buf *buf, unsigned long call_site)
{
	if (static_branch_unlikely(&gophership_poison_key))
		gophership_payload_check(buf);
	trace_gophership_acquire(buf, call_site);
	return buf;
}

/*
 * Who may sleep has must_acquire. The reserve of the machine's pool is for that alone:
 * one driver's interrupts must not empty what others wait for.
 */
static bool may_use_reserve(const struct gophership_pool *pool, gfp_t gfp)
{
	return !gfpflags_allow_blocking(gfp) && !(gfp & __GFP_NOMEMALLOC) &&
	       pool != gophership_kernel_pool;
}

/* @head is of the pool and of the size's class, whatever CPU's it is. */
static noinline struct gophership_buf *acquire_slow(size_t size, gfp_t gfp,
						    const struct gophership_head *head,
						    unsigned long call_site)
{
	struct gophership_buf *buf;

	/* The pool's pages are from any zone. */
	if (gfp & (__GFP_DMA | __GFP_DMA32))
		return NULL;
	/* What is charged to a cgroup must not get into a pool that does not know of it. */
	if (gfp & __GFP_ACCOUNT && !(head->pool->flags & GOPHERSHIP_POOL_ACCOUNT))
		return NULL;
	if (head->class == GOPHERSHIP_CLASS_LARGE)
		buf = gophership_large_acquire(head->pool, size, gfp & ~__GFP_ZERO);
	else
		buf = acquire_pooled(head->pool, head->class, gfp & ~__GFP_ZERO, call_site);
	if (!buf && may_use_reserve(head->pool, gfp))
		buf = gophership_reserve_take(head->pool, size);
	if (!buf)
		return NULL;
	WRITE_ONCE(buf->acquired_by, call_site);
	gophership_acquired(buf, call_site);
	if (gfp & __GFP_ZERO)
		memset(buf->data, 0, buf->capacity);
	return buf;
}

/* Apart, so that others need no registers for it. */
static noinline struct gophership_buf *acquire_special(size_t size, gfp_t gfp,
						       struct gophership_head __percpu *row,
						       unsigned long call_site)
{
	return acquire_slow(size, gfp, raw_cpu_ptr(row), call_site);
}

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
		return acquire_special(size, gfp, row, _RET_IP_);

	preempt_disable();
	head = this_cpu_ptr(row);
	if (!gophership_head_enter(head))
		goto slow;
	if (unlikely(!head_pop(head, &gophership_bounds.hot_secret, _RET_IP_, &buf)))
		goto leave;
	gophership_head_leave(head);
	preempt_enable();
	return buf;

leave:
	gophership_head_leave(head);
slow:
	preempt_enable();
	return acquire_slow(size, gfp, head, _RET_IP_);
}

/* Rows without magazines: every release is a claim. */
static int release_unpooled(struct gophership_head *head, struct gophership_buf *buf,
			    unsigned long from, unsigned long call_site)
{
	bool reserve = head->class == GOPHERSHIP_CLASS_RESERVE;
	unsigned long to = reserve ? GOPHERSHIP_SEAL_RESERVED : GOPHERSHIP_SEAL_DOOMED;

	if (!gophership_claim(buf, from, to))
		return -EALREADY;
	WRITE_ONCE(buf->len, 0);
	WRITE_ONCE(buf->released_by, call_site);
	this_cpu_inc(head->pool->heads[head->class].slow_releases);
	if (reserve) {
		gophership_reserve_give(head->pool, buf);
		return 0;
	}
	gophership_large_free(buf);
	return 0;
}

/* Where no head can take it: the inbox of the node that it belongs to. */
static int release_listed(struct gophership_head *head, struct gophership_buf *buf,
			  unsigned long from, unsigned long call_site)
{
	struct gophership_pool *pool = head->pool;
	unsigned int class = head->class;
	struct gophership_depot *depot;

	depot = gophership_pool_depot(pool, buf->nid, class);
	if (from != GOPHERSHIP_SEAL_CLAIMED &&
	    !gophership_claim(buf, from, GOPHERSHIP_SEAL_CLAIMED))
		return -EALREADY;
	/* Once it is listed an old entry of it, of a second release, may lend it. */
	WRITE_ONCE(buf->len, 0);
	WRITE_ONCE(buf->released_by, call_site);
	if (!gophership_claim(buf, GOPHERSHIP_SEAL_CLAIMED, GOPHERSHIP_SEAL_LISTED))
		return -EALREADY;
	this_cpu_inc(pool->heads[class].slow_releases);
	gophership_depot_list(depot, buf);
	gophership_pool_wake(pool, class);
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
	if (!use_heads() || atomic_read(&head->pool->waiters[head->class]) ||
	    buf->nid != head->node || !gophership_head_enter(head))
		return release_listed(head, buf, from, call_site);
	room = gophership_head_make_room(head, IS_ERR(*mag) ? &none : mag);
	if (room) {
		head_push(head, head->top, buf, gophership_seal(buf, 0), call_site);
		count_release(head);
	}
	gophership_head_leave(head);
	if (room)
		return 0;
	if (!IS_ERR(*mag))
		return -EAGAIN;
	gophership_refill_magazine(head->pool, head->class);
	return release_listed(head, buf, from, call_site);
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
		gophership_payload_poison(buf);
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

/* All that the hot path has no time for. Context: any. Returns as gophership_buf_release(). */
noinline int gophership_release_slow(struct gophership_buf *buf, unsigned long call_site)
{
	int ret = -EALREADY;
	bool leased, claim;

	preempt_disable();
	leased = gophership_sealed(buf, GOPHERSHIP_SEAL_LEASED);
	if (leased) {
		trace_gophership_release(buf, call_site);
		claim = wants_claim(buf);
	}
	preempt_enable();
	if (leased && claim)
		ret = release_claimed(buf, call_site);
	else if (leased)
		ret = release_with(buf, GOPHERSHIP_SEAL_LEASED, call_site);
	return ret ? gophership_reject(buf, call_site) : 0;
}

/* May @buf be put into @slot of @head? Only on its own node. */
static __always_inline bool slot_fits(const struct gophership_head *head,
				      struct gophership_buf **slot,
				      const struct gophership_buf *buf)
{
	/* Must_acquire may just be setting it to NULL: the old value will do. */
	if (unlikely(slot >= data_race(head->limit)))
		return false;
	return !gophership_many_nodes() || buf->nid == head->node;
}

/*
 * Beyond the bounds. Whoever got @buf by an address dependency (rcu_dereference())
 * may have read bounds from before it was made: look again.
 */
static noinline int release_implausible(struct gophership_buf *buf, unsigned long call_site)
{
	smp_rmb(); /* pairs with widen_bounds() */
	if (!gophership_plausible(buf))
		return gophership_reject(buf, call_site);
	return gophership_release_slow(buf, call_site);
}

/* As acquire(). */
static __always_inline int release(struct gophership_buf *buf)
{
	struct gophership_head __percpu *heads;
	struct gophership_head *head;
	struct gophership_buf **slot;
	unsigned long key;

	if (unlikely(!gophership_plausible(buf)))
		return release_implausible(buf, _RET_IP_);
	preempt_disable();
	if (unlikely(!gophership_leased(buf, &key, &heads)))
		goto slow;
	head = this_cpu_ptr(heads);
	if (!gophership_head_enter(head))
		goto slow;
	slot = READ_ONCE(head->top);
	if (unlikely(!slot_fits(head, slot, buf)))
		goto leave;
	head_push(head, slot, buf, key, _RET_IP_);
	count_release(head);
	gophership_head_leave(head);
	preempt_enable();
	return 0;

leave:
	gophership_head_leave(head);
slow:
	preempt_enable();
	return gophership_release_slow(buf, _RET_IP_);
}

/* For pool/pool.c, which has its caller's call site, and is in no hurry. */
struct gophership_buf *gophership_pool_acquire_from(struct gophership_pool *pool, size_t size,
						    gfp_t gfp, unsigned long call_site)
{
	return acquire_slow(size, gfp, raw_cpu_ptr(pool->heads + gophership_class(size)),
			    call_site);
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
		for (; next < end && slot_take(slot - 1, &secret, call_site, next); next++)
			slot--;
		WRITE_ONCE(head->top, slot);
		/* As in head_pop(). */
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
	while (slot_fits(head, slot, *next)) {
		slot_put(slot++, *next, key, call_site);
		if (++next == end || !gophership_plausible(*next) ||
		    !gophership_leased(*next, &key, &heads) || heads != row)
			break;
	}
	WRITE_ONCE(head->top, slot);
	/* As in count_release(). */
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
