// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: buffers that leave the pool with their release.
 *
 * In a pool with GOPHERSHIP_POOL_CLAIMS every release is a claim: of two releases at once,
 * one does not get past its cmpxchg(). The winner may look at the payload, drop
 * it at once, and use the list node as the RCU head. In other pools a release by
 * the hot path may be under way while the buffer is retired. So a magazine with that
 * one buffer carries it, and the grace period's end decides, as for each buffer that
 * is trimmed.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

#include "pool/depot.h"
#include "pool/free.h"
#include "pool/list.h"
#include "pool/magazine.h"
#include "pool/nesting.h"
#include "pool/payload.h"
#include "pool/retire.h"
#include "pool/seal.h"
#include "pool/trace.h"

/* Free a buffer that has no owner. It does not come back, so the pages need not wait. */
static void drop(struct gophership_buf *buf)
{
	if (gophership_may_allocate(0))
		gophership_payload_drop(buf);
	gophership_free_buf(buf);
}

static void count_retired(const struct gophership_head *head)
{
	struct gophership_head __percpu *heads = head->pool->heads + head->class;

	this_cpu_inc(heads->slow_releases);
	this_cpu_inc(heads->shrunk);
}

/* May a buffer that was claimed for its release lie idle in the pool of @head? */
static bool may_keep(const struct gophership_head *head, const struct gophership_buf *buf)
{
	unsigned int flags = head->pool->flags;

	/* Large ones are not kept, and those of the reserve are looked at when they leave it. */
	if (head->class >= GOPHERSHIP_NR_CLASSES)
		return true;
	if (flags & GOPHERSHIP_POOL_CHECK_REFS && gophership_payload_shared(buf))
		return false;
	return !(flags & GOPHERSHIP_POOL_ACCOUNT) ||
	       !gophership_memcg_charged(virt_to_page(buf->data));
}

/**
 * gophership_retire_claimed() - let go of a buffer that its pool may not keep
 * @buf: sealed as claimed, by the caller, in a pool with GOPHERSHIP_POOL_CLAIMS
 * @call_site: of the release
 *
 * Context: any.
 * Return: true if it is gone; else the caller goes on with the release.
 */
bool gophership_retire_claimed(struct gophership_buf *buf, unsigned long call_site)
{
	const struct gophership_head *head;
	bool keep;

	/* The pool stays for as long as preemption is off: see pool_destroy(). */
	preempt_disable();
	head = this_cpu_ptr(READ_ONCE(buf->heads));
	keep = may_keep(head, buf);
	if (!keep) {
		WRITE_ONCE(buf->released_by, call_site);
		WRITE_ONCE(buf->seal, gophership_seal(buf, GOPHERSHIP_SEAL_RETIRING));
		count_retired(head);
		trace_gophership_retire(head->pool->name, buf, 0, 0, call_site);
	}
	preempt_enable();
	if (!keep)
		drop(buf);
	return !keep;
}

/* Is each release of @head's buffers a claim? */
static bool is_exact(const struct gophership_head *head)
{
	return head->class >= GOPHERSHIP_NR_CLASSES || head->pool->flags & GOPHERSHIP_POOL_CLAIMS;
}

/* In @mag, which is empty, @buf goes for good; without, by the inbox of no pool. */
static bool retire_carried(const struct gophership_head *head, struct gophership_buf *buf,
			   struct gophership_magazine *mag, unsigned long call_site)
{
	unsigned long to = mag ? (unsigned long)&mag->slot[0] : GOPHERSHIP_SEAL_INBOX;

	if (mag)
		mag->slot[0] = buf;
	if (!gophership_claim(buf, GOPHERSHIP_SEAL_LEASED, to))
		return false;
	WRITE_ONCE(buf->released_by, call_site);
	if (mag) {
		this_cpu_inc(head->pool->heads[head->class].slow_releases);
		mag->nr = 1;
		gophership_magazine_retire(gophership_pool_depot(head->pool, buf->nid, head->class),
					   mag);
		return true;
	}
	/*
	 * If an old entry of it, of a second release, is on an inbox still, that entry
	 * stands for this retirement, and the buffer is leased once more.
	 */
	count_retired(head);
	gophership_depot_list(gophership_pool_orphanage(buf->nid, head->class), buf);
	return true;
}

/* Sets *@mag to NULL if it was used. */
static int retire(struct gophership_buf *buf, struct gophership_magazine **mag,
		  unsigned long call_site)
{
	const struct gophership_head *head;
	bool exact, done = false;

	preempt_disable();
	if (!gophership_sealed(buf, GOPHERSHIP_SEAL_LEASED))
		goto out;
	head = this_cpu_ptr(READ_ONCE(buf->heads));
	exact = is_exact(head);
	if (!exact) {
		done = retire_carried(head, buf, *mag, call_site);
		if (!done)
			goto out;
		*mag = NULL;
		/* The descriptor is there until preemption is on. */
		trace_gophership_retire(head->pool->name, buf, 0, 0, call_site);
		goto out;
	}
	done = gophership_claim(buf, GOPHERSHIP_SEAL_LEASED, GOPHERSHIP_SEAL_RETIRING);
	if (!done)
		goto out;
	WRITE_ONCE(buf->released_by, call_site);
	count_retired(head);
	trace_gophership_retire(head->pool->name, buf, 0, 0, call_site);
	preempt_enable();
	drop(buf);
	return 0;
out:
	preempt_enable();
	return done ? 0 : -EALREADY;
}

/**
 * gophership_retire() - let go of a buffer, even if its pool might keep it
 * @buf: plausible; none of a reserve
 * @call_site: of the call
 *
 * Context: any.
 * Return: 0, or -EALREADY if it was not leased.
 */
int gophership_retire(struct gophership_buf *buf, unsigned long call_site)
{
	struct gophership_magazine *mag = gophership_magazine_alloc(GOPHERSHIP_CLASS_MAX, 0);
	int ret = retire(buf, &mag, call_site);

	if (mag)
		gophership_magazine_free(mag);
	return ret;
}
