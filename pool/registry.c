// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the registry of every descriptor there is.
 *
 * From birth to death a descriptor of any pool is in here, so
 * that a pool that goes away can name what was never released. An entry is
 * removed before its descriptor is freed: what is found under the lock is
 * alive until the unlock.
 */
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "pool/nesting.h"
#include "pool/registry.h"
#include "pool/seal.h"

/*
 * Keyed by how far, in descriptors, an address is from where all are: that packs those
 * of a slab into a node, and makes the tree as low as the memory is small.
 */
static DEFINE_XARRAY_FLAGS(registry, XA_FLAGS_LOCK_IRQ);

/* Descriptors of the pool that is being destroyed. */
#define DISOWNED	XA_MARK_0
/*
 * Those that a driver's pool has, or had: to destroy such a pool looks at no other ones.
 * The machine's pool and the device's may have millions.
 */
#define NAMED		XA_MARK_1
/* Those of pools that are bound to a device, or were. */
#define MAPPED		XA_MARK_2

static unsigned long key_of(const struct gophership_buf *buf)
{
	return gophership_distance(buf) / __alignof__(*buf);
}

/* What a holder of the registry's lock has to put back. */
struct registry_hold {
	unsigned long flags;
	unsigned int nesting;
};

/*
 * A tracer upon the holder (the slab allocator is called under the lock for a node of
 * the tree) finds the mark, and gets no more than is cached: so none ever comes here.
 * On PREEMPT_RT, where the lock sleeps and interrupts stay on, none does either: it is
 * not preemptible.
 */
static void registry_lock(struct registry_hold *hold)
	__acquires(&registry.xa_lock)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		xa_lock(&registry);
		return;
	}
	local_irq_save(hold->flags);
	hold->nesting = gophership_nesting_enter();
	xa_lock(&registry);
}

static void registry_unlock(const struct registry_hold *hold)
	__releases(&registry.xa_lock)
{
	xa_unlock(&registry);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return;
	gophership_nesting_leave(hold->nesting);
	local_irq_restore(hold->flags);
}

/*
 * 0 or -ENOMEM. The tree grows under the lock as far as that goes without effort; what
 * @gfp allows beyond that is done without the lock.
 */
int gophership_registry_add(struct gophership_buf *buf, gfp_t gfp)
{
	bool named = !(raw_cpu_ptr(buf->heads)->pool->flags & GOPHERSHIP_POOL_PERMANENT);
	XA_STATE(xas, &registry, key_of(buf));
	struct registry_hold hold;

	do {
		registry_lock(&hold);
		xas_store(&xas, buf);
		if (named)
			xas_set_mark(&xas, NAMED);
		if (gophership_mapped(buf))
			xas_set_mark(&xas, MAPPED);
		registry_unlock(&hold);
	} while (xas_nomem(&xas, gfp));
	return xas_error(&xas);
}

void gophership_registry_remove(struct gophership_buf *buf)
{
	struct registry_hold hold;

	registry_lock(&hold);
	__xa_erase(&registry, key_of(buf));
	registry_unlock(&hold);
}

/* Called with the lock held. It returns false to end there, with the key of that one. */
typedef bool (*look_fn)(struct gophership_buf *buf, void *arg);

/*
 * Calls @look for those @among all from *@key on, @nr of them at most, in one hold of the
 * lock. Returns false if there is none left.
 */
static bool walk(unsigned long *key, xa_mark_t among, unsigned int nr, look_fn look, void *arg)
{
	struct gophership_buf *buf = NULL;
	struct registry_hold hold;

	registry_lock(&hold);
	for (; nr; nr--, ++*key) {
		buf = xa_find(&registry, key, ULONG_MAX, among);
		if (!buf || !look(buf, arg))
			break;
	}
	registry_unlock(&hold);
	return buf;
}

/*
 * Is there a descriptor at @buf, which may be any value that is plausible? Looks at
 * nothing but the registry, and that after the pointer: a caller that got @buf by no
 * more than an address dependency could otherwise read it from before @buf was made.
 * Context: any.
 */
bool gophership_registry_has(const struct gophership_buf *buf)
{
	smp_rmb(); /* (A) pairs with (A) in payload_make(), and its caller's handing over */
	return xa_load(&registry, key_of(buf)) == buf;
}

struct reassignment {
	const struct gophership_pool *pool;
	struct gophership_pool *to;
};

static bool reassign_one(struct gophership_buf *buf, void *arg)
{
	const struct gophership_head *head = raw_cpu_ptr(buf->heads);
	const struct reassignment *reassignment = arg;
	unsigned int class = head->class;

	if (head->pool != reassignment->pool)
		return true;
	if (class < GOPHERSHIP_NR_CLASSES)
		atomic_long_inc(&reassignment->to->nr_bufs);
	else
		class = GOPHERSHIP_CLASS_LARGE;
	WRITE_ONCE(buf->heads, reassignment->to->heads + class);
	__xa_set_mark(&registry, key_of(buf), DISOWNED);
	return true;
}

/**
 * gophership_registry_reassign() - turn a pool's buffers over to another pool
 * @pool: the pool that goes away
 * @to: where releases of its buffers go from now on
 *
 * A buffer of a size class stays one of that class: while releases of it by the
 * hot path may be under way, a release is no claim, and only the rules of the
 * classes (see "The seal") sort two of them out.
 *
 * A release that is under way may still use the old heads: wait for a grace
 * period. Until the last gophership_registry_next_leak() for one pool at a time.
 *
 * Context: process.
 */
void gophership_registry_reassign(struct gophership_pool *pool, struct gophership_pool *to)
{
	struct reassignment reassignment = { .pool = pool, .to = to };
	unsigned long key = 0;
	xa_mark_t among;

	among = pool->flags & GOPHERSHIP_POOL_PERMANENT ? XA_PRESENT : NAMED;
	while (walk(&key, among, GOPHERSHIP_LOOK_AT, reassign_one, &reassignment))
		cond_resched();
}

static bool is_leased(const struct gophership_buf *buf)
{
	return gophership_sealed(buf, GOPHERSHIP_SEAL_LEASED) ||
	       gophership_sealed(buf, GOPHERSHIP_SEAL_CLAIMED);
}

static bool find_leak(struct gophership_buf *buf, void *arg)
{
	struct gophership_leak *leak = arg;

	__xa_clear_mark(&registry, key_of(buf), DISOWNED);
	if (!is_leased(buf))
		return true;
	leak->buf = buf;
	leak->acquired_by = READ_ONCE(buf->acquired_by);
	leak->size = buf->capacity;
	return false;
}

/**
 * gophership_registry_next_leak() - the next reassigned buffer that is leased
 * @key: where to look from, 0 at first; moves on
 * @leak: what there is to say of it
 *
 * Each is found once: it is reassigned no more.
 *
 * Context: process.
 * Return: false if there is none left.
 */
bool gophership_registry_next_leak(unsigned long *key, struct gophership_leak *leak)
{
	leak->buf = NULL;
	while (walk(key, DISOWNED, GOPHERSHIP_LOOK_AT, find_leak, leak) && !leak->buf)
		cond_resched();
	return leak->buf;
}

/*
 * Is @buf on loan to a driver? Then *@leased says what there is to say. A buffer that is
 * just being made has no call site yet. Context: the registry's lock held, so that @buf
 * and its pool stay.
 */
static bool describe(const struct gophership_buf *buf, struct gophership_leased *leased)
{
	if (!gophership_sealed(buf, GOPHERSHIP_SEAL_LEASED))
		return false;
	leased->acquired_by = READ_ONCE(buf->acquired_by);
	leased->size = buf->capacity;
	strscpy(leased->pool, raw_cpu_ptr(READ_ONCE(buf->heads))->pool->name,
		sizeof(leased->pool));
	return leased->acquired_by;
}

struct leased_some {
	struct gophership_leased *leased;
	unsigned int nr;
};

static bool add_leased(struct gophership_buf *buf, void *arg)
{
	struct leased_some *some = arg;

	some->nr += describe(buf, &some->leased[some->nr]);
	return true;
}

/**
 * gophership_registry_leased() - buffers that are on loan to drivers now
 * @key: where to look from, 0 at first; moves on
 * @leased: room for GOPHERSHIP_LOOK_AT of them
 * @more: whether there are others after these
 *
 * Looks at GOPHERSHIP_LOOK_AT descriptors. A buffer that is acquired or released meanwhile
 * may be told of or not, and with its last call site but one.
 *
 * Context: process.
 * Return: how many there are in @leased.
 */
unsigned int gophership_registry_leased(unsigned long *key, struct gophership_leased *leased,
					bool *more)
{
	struct leased_some some = { .leased = leased };

	*more = walk(key, XA_PRESENT, GOPHERSHIP_LOOK_AT, add_leased, &some);
	return some.nr;
}

struct renaming {
	gophership_rename rename;
	void *arg;
};

static bool rename_one(struct gophership_buf *buf, void *arg)
{
	unsigned long from = READ_ONCE(buf->acquired_by), to = from;
	struct renaming *renaming = arg;

	if (!renaming->rename(&to, renaming->arg))
		return false;
	if (to != from)
		cmpxchg(&buf->acquired_by, from, to);
	return true;
}

/**
 * gophership_registry_rename() - other words for the call sites of acquires
 * @key: where to look from, 0 at first; moves on
 * @rename: called with the registry's lock held for each call site, to change it or not.
 *	After it has returned false, it is the first to be asked next time
 * @arg: for @rename
 *
 * Looks at GOPHERSHIP_LOOK_AT descriptors, on loan or not. A buffer that is acquired
 * anew meanwhile keeps the new call site.
 *
 * Context: process.
 * Return: false if there are no others after these.
 */
bool gophership_registry_rename(unsigned long *key, gophership_rename rename, void *arg)
{
	struct renaming renaming = { .rename = rename, .arg = arg };

	return walk(key, XA_PRESENT, GOPHERSHIP_LOOK_AT, rename_one, &renaming);
}

/**
 * gophership_registry_next() - a buffer, in any state
 * @key: where to look from, 0 at first; moves on
 *
 * Context: process; no user of the pool is left.
 * Return: the buffer, or NULL if there is none left.
 */
struct gophership_buf *gophership_registry_next(unsigned long *key)
{
	return xa_find(&registry, key, ULONG_MAX, XA_PRESENT);
}

struct mapped_call {
	void (*call)(struct gophership_buf *buf, void *arg);
	void *arg;
};

static bool call_one(struct gophership_buf *buf, void *arg)
{
	const struct mapped_call *mapped = arg;

	mapped->call(buf, mapped->arg);
	return true;
}

/**
 * gophership_registry_for_mapped() - call for each buffer that has, or had, a mapping
 * @call: called with the registry's lock held: the buffer stays until it returns
 * @arg: for @call
 *
 * Context: process.
 */
void gophership_registry_for_mapped(void (*call)(struct gophership_buf *buf, void *arg), void *arg)
{
	struct mapped_call mapped = { .call = call, .arg = arg };
	unsigned long key = 0;

	/* To unmap may take its time: one with each hold. */
	while (walk(&key, MAPPED, 1, call_one, &mapped))
		cond_resched();
}

/*
 * What was under way with the registry's lock held is over. Context: as for
 * gophership_registry_remove().
 */
void gophership_registry_pass(void)
{
	struct registry_hold hold;

	registry_lock(&hold);
	registry_unlock(&hold);
}

/* No buffer is left. */
void gophership_registry_exit(void)
{
	xa_destroy(&registry);
}
