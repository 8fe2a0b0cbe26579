/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what a buffer says of itself, and why it can be believed.
 *
 * The seal
 * --------
 * buf->seal is secret - address - state, one word that carries the magic, the
 * ownership and the place:
 *
 *   state 0                 leased
 *   address of a slot       free, in that slot of a magazine or of the stock
 *   GOPHERSHIP_SEAL_INBOX    free, on a depot's inbox
 *   GOPHERSHIP_SEAL_RESERVED free, in a pool's reserve
 *   GOPHERSHIP_SEAL_CLAIMED made ready (length, poison), on its way to free
 *   address of a slot + 1   on its way back to the page allocator, carried by
 *                           the magazine with that slot
 *   GOPHERSHIP_SEAL_RETIRING the same, by itself (large, reserve, lent)
 *   GOPHERSHIP_SEAL_LENT    the device's: lent to a program, or idle there. No
 *                           release takes it (pool/lent.c)
 *   GOPHERSHIP_SEAL_PORT    the same, in the bank of a port (device/bank.c)
 *
 * A release by the hot path reads the seal and, if it says leased, stores the
 * slot: no locked instruction. Two CPUs that release one buffer at once may
 * both get that far. Both put the pointer into a slot, but the seal can name
 * one slot only, the one that was stored last. A CPU that takes a pointer out of
 * a slot believes it only if the buffer's seal names that very slot. So the
 * buffer is in the pool exactly once, and the other entry is found, dropped
 * and reported when it comes up. An entry that is not believed is not followed
 * either: its buffer may be gone (gophership_peek()).
 *
 * The paths off the hot one (inbox, depot, reserve, large buffers) claim the
 * buffer with cmpxchg() instead. A store by a hot-path release that lost
 * against a claim turns the loser into the one valid entry, by the same rule.
 *
 * What remains is a release that was delayed from before the first release
 * until after the next acquire. It is a release of the new lease, as with any
 * pool that is handed a bare pointer. A release also writes the length and the call
 * site before it knows that it is the valid one (on the hot path the seal decides, off
 * it the second claim). If two releases run at the same time, one of them may write
 * these two words into the next lease.
 *
 * That a delayed release may turn a retiring buffer round is what the payload waits for,
 * too. Such a release read "leased" before the release that the slot stands for, in
 * one section with preemption off, while a head had the magazine. So when the depot
 * gets a magazine, it notes a grace period that begins no earlier (the cookie). Once
 * that is over, so is every such section; any later one reads the slot's state, or a
 * newer one, since no slot is written to while the depot has the magazine. Then a seal
 * that still names the slot stays the trimmer's from its claim on, and the payload is
 * freed at once. The descriptor is not: to look at it is allowed to every entry of an
 * inbox, however old.
 *
 * A descriptor is freed only after an RCU grace period in which the seal said
 * "retiring" by the same carrier throughout (gophership_magazine_retire()). Every
 * look at a seal and the claim or store that follows from it run with
 * preemption off, so none that saw an earlier state is under way by then, and a
 * seal that changed meanwhile keeps the buffer alive.
 *
 * A buffer of a row without magazines (large, reserve) never sees the hot
 * path's plain store: its every release is a claim, and is exact. So is each release
 * in a pool with GOPHERSHIP_POOL_CLAIMS.
 */
#ifndef GOPHERSHIP_POOL_SEAL_H
#define GOPHERSHIP_POOL_SEAL_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/kasan.h>
#include <linux/uaccess.h>

#include "gophership_buf.h"
#include "gophership_compat.h"
#include "pool/types.h"

/* States other than a slot's address, which is never that small. */
#define GOPHERSHIP_SEAL_LEASED		0UL
#define GOPHERSHIP_SEAL_INBOX		2UL
#define GOPHERSHIP_SEAL_RESERVED	4UL
#define GOPHERSHIP_SEAL_RETIRING	6UL
#define GOPHERSHIP_SEAL_CLAIMED		8UL
#define GOPHERSHIP_SEAL_LENT		10UL
#define GOPHERSHIP_SEAL_PORT		12UL
/* With a slot's address: retiring, carried by that slot's magazine. */
#define GOPHERSHIP_SEAL_RETIRING_BIT	1UL

/**
 * struct gophership_bounds - what a pointer is judged by
 * @secret: what the seals are made with; constant after init
 * @hot_secret: what the hot path judges seals by: @secret, or while a tracer
 *	listens something that no seal fits, so that all take the slow path;
 *	protected by watchers_lock (pool/trace.c); read any time
 * @base: where the direct mapping begins, or the memory in it that can be allocated;
 *	constant after init
 * @span: no descriptor ever began that many bytes or more above @base; only rises
 *
 * Descriptors are slab memory, so they lie in the direct mapping. What lies
 * between the bounds is kernel memory that may be unmapped but never user
 * space or non-canonical. Nor is it a device, but for memory of one that a driver has
 * put between the machine's own (ZONE_DEVICE below the highest descriptor). @span is
 * written when a descriptor beyond it is allocated, which soon stops to happen: the line
 * is as good as constant.
 */
struct gophership_bounds {
	unsigned long secret;
	unsigned long hot_secret;
	unsigned long base;
	unsigned long span;
};

extern struct gophership_bounds gophership_bounds;

/**
 * gophership_peek() - read a word that may be gone
 * @word: an address between the bounds that gophership_may_load()
 * @value: the word
 *
 * One load and an entry in the exception table.
 *
 * Return: false if nothing is mapped there.
 */
static __always_inline bool gophership_peek(const unsigned long *word, unsigned long *value)
{
	gophership_get_nofault(value, word, fault);
	return true;
fault:
	return false;
}

/*
 * The seal of @buf in @state. That of a leased buffer is its key: the other
 * states are subtracted from it.
 */
static __always_inline unsigned long gophership_seal(const struct gophership_buf *buf,
						     unsigned long state)
{
	return gophership_bounds.secret - (unsigned long)buf - state;
}

/*
 * Does the seal of @buf, which may be gone, say @state? Then *@key is its key.
 * *@secret is the true one, or the hot path's. There is no barrier: the caller knows
 * that all of a confirmed @buf was written before. @buf comes from a magazine, and the
 * magazine from this CPU or through the depot's lock. (A wild release may have put @buf
 * there while another CPU was making it; then that lease is stolen in any case.)
 */
static __always_inline bool gophership_sealed_here(const struct gophership_buf *buf,
						   const unsigned long *secret,
						   unsigned long state, unsigned long *key)
{
	unsigned long seal;

	/*
	 * Once: a tracer may just come or go. The old value will do, but what is
	 * stored must be made of the one that was compared.
	 */
	*key = READ_ONCE(*secret) - (unsigned long)buf;
	return gophership_peek(&buf->seal, &seal) && seal + state == *key;
}

/* Does the seal of @buf, which may be gone, say @state? */
static __always_inline bool gophership_sealed(const struct gophership_buf *buf,
					      unsigned long state)
{
	unsigned long key;

	if (!gophership_sealed_here(buf, &gophership_bounds.secret, state, &key))
		return false;
	smp_rmb(); /* (A) pairs with (A) in payload_make() */
	return true;
}

/*
 * Is @buf leased, by the hot path's secret? Then *@key is its key and *@heads says
 * where it goes. A wild pointer may hit upon a descriptor that another CPU is
 * just making, so the seal must be read first.
 */
static __always_inline bool gophership_leased(const struct gophership_buf *buf, unsigned long *key,
					      struct gophership_head __percpu **heads)
{
	unsigned long state, zero;

	if (!gophership_peek(&buf->seal, key))
		return false;
	/* A tracer may just come or go: the old value will do. */
	state = data_race(gophership_bounds.hot_secret) - (*key + (unsigned long)buf);
	/* Hidden before the comparison tells the compiler what it is. */
	zero = gophership_hide(state);
	if (state != GOPHERSHIP_SEAL_LEASED)
		return false;
	/* (A) pairs with (A) in payload_make(). */
	*heads = gophership_load_after(zero, &buf->heads);
	return true;
}

/* How far @buf lies above the base. What lies below it is beyond any bound. */
static __always_inline unsigned long gophership_distance(const struct gophership_buf *buf)
{
	return (unsigned long)kasan_reset_tag(buf) - gophership_bounds.base;
}

/*
 * Can there be a descriptor at @buf, as far as looking at its seal is safe? Where
 * machines can load words from odd addresses, these are left to the seal.
 */
static __always_inline bool gophership_plausible(const struct gophership_buf *buf)
{
	if (!gophership_may_load(&buf->seal))
		return false;
	/* It only rises; a stale value is read again: gophership_release_implausible(). */
	return gophership_distance(buf) < data_race(gophership_bounds.span);
}

/* Take the buffer from @from to @to, unless another CPU was faster. */
static inline bool gophership_claim(struct gophership_buf *buf, unsigned long from,
				    unsigned long to)
{
	unsigned long seal = gophership_seal(buf, from);

	return cmpxchg(&buf->seal, seal, gophership_seal(buf, to)) == seal;
}

void gophership_bounds_widen(const struct gophership_buf *buf);
void gophership_bounds_init(void);

#endif /* GOPHERSHIP_POOL_SEAL_H */
