// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the way back of single buffers, and the count of all that wait.
 *
 * The buffers of a magazine go with it (pool/magazine.c). This file frees buffers that go by
 * themselves: large ones, those of the reserve, lent and retired ones. Every release of such
 * a buffer is a claim. So the loser of a race never gets past its cmpxchg(), and the list
 * node may serve as the RCU head.
 */
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>

#include "pool/free.h"
#include "pool/nesting.h"
#include "pool/payload.h"
#include "pool/seal.h"

/* Pages that may wait for others' grace periods; above that one is brought about. */
#define RETIRING_PAGES_MAX	(SZ_4M >> PAGE_SHIFT)

/* Pages of payload that wait for a grace period to be freed; by atomics. */
static atomic_long_t retiring_pages;

/* Are there so many that a grace period must be hurried? RCU counts callbacks, not bytes. */
bool gophership_retiring_add(long pages)
{
	return atomic_long_add_return(pages, &retiring_pages) > RETIRING_PAGES_MAX;
}

/*
 * Leave the freeing of @buf to the CPU that unlinks it from an inbox, or that has unlinked it
 * and looks at it now. False if there is no such CPU.
 */
bool gophership_free_defer(struct gophership_buf *buf)
{
	u16 state = READ_ONCE(buf->inbox_state);

	do {
		/* (M) The caller's stores depend on it: pairs with (M) in claim_unlinked(). */
		if (!state)
			return false;
	} while (!try_cmpxchg(&buf->inbox_state, &state, state | GOPHERSHIP_INBOX_RETIRING));
	return true;
}

/* Pages that go only with the descriptor. */
static long pages_of(const struct gophership_buf *buf)
{
	return buf->data ? buf->capacity >> PAGE_SHIFT : 0;
}

/* After a grace period in which no release of it can have been under way. */
static void free_rcu(struct rcu_head *rcu)
{
	struct gophership_buf *buf = container_of(rcu, struct gophership_buf, rcu);

	gophership_retiring_add(-pages_of(buf));
	gophership_payload_free(buf);
}

/* The RCU head has overwritten @writer, which tells from which cache the descriptor is. */
static void free_mapped_rcu(struct rcu_head *rcu)
{
	container_of(rcu, struct gophership_buf, rcu)->writer = GOPHERSHIP_WRITER_DEVICE;
	free_rcu(rcu);
}

/* One of the reserve that has lost its pool is no larger: a release may still look. */
static bool only_claimed(const struct gophership_buf *buf)
{
	return buf->capacity > GOPHERSHIP_MAX_POOLED;
}

/* @drop: the allocators may be called here. */
static void free_now(struct gophership_buf *buf, bool drop)
{
	if (drop && only_claimed(buf))
		gophership_payload_drop(buf);
	gophership_retiring_add(pages_of(buf));
	gophership_call_rcu(&buf->rcu, gophership_mapped(buf) ? free_mapped_rcu : free_rcu);
}

/* Released in contexts that can neither free anything nor ask for a grace period. */
static LLIST_HEAD(deferred);

static void free_deferred(struct irq_work *work)
{
	struct llist_node *node = llist_del_all(&deferred), *next;

	for (; node; node = next) {
		next = node->next;
		/* No interrupt comes upon a lock of the allocators: they keep interrupts off. */
		free_now(llist_entry(node, struct gophership_buf, node),
			 gophership_may_allocate(GFP_ATOMIC));
	}
}

static DEFINE_IRQ_WORK(deferred_work, free_deferred);

/* Free @buf, which only the caller knows of, after a grace period. Context: any. */
void gophership_free_buf_later(struct gophership_buf *buf)
{
	if (gophership_may_free()) {
		free_now(buf, gophership_may_allocate(0));
		return;
	}
	llist_add(&buf->node, &deferred);
	irq_work_queue(&deferred_work);
}

/**
 * gophership_free_buf() - free a buffer that is sealed as retiring
 * @buf: the buffer; only releases that will be refused can be looking at it
 *
 * The descriptor stays for a grace period, for them; the payload need not.
 *
 * Context: any.
 */
void gophership_free_buf(struct gophership_buf *buf)
{
	/* Retired while an old entry of it is on an inbox. */
	if (gophership_free_defer(buf))
		return;
	gophership_free_buf_later(buf);
}

/* No buffer is left on its way to call_rcu(). */
void gophership_free_sync(void)
{
	irq_work_sync(&deferred_work);
}
