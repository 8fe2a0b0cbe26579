// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Is this pointer a buffer that is on loan? And a release that needs no cache and
 * no lock, which asks the same question.
 */
#include <errno.h>

#include "pool.h"

static uint32_t slot_of(const struct gophership *gs, const struct chunk *chunk, bits_t bit)
{
	const struct window *window = &gs->windows[chunk->class];

	return (chunk_index(gs, chunk) - window->first_chunk) * window->per_chunk +
	       lowest_bit(bit);
}

/* Was the buffer, which is not on lease, ever? */
static bool was_leased(const struct gophership *gs, const struct chunk *chunk, bits_t bit)
{
	const struct window *window = &gs->windows[chunk->class];
	uint32_t slot = slot_of(gs, chunk, bit);

	return slot < window->slots && peek(window->handles[slot]);
}

/* Why @buf cannot be released. */
int __attribute__((noinline)) release_verdict(struct gophership *gs, const void *buf)
{
	const struct chunk *chunk = chunk_of(gs, buf);
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;

	if (!buf)
		return 0;
	if (!bit || ((peek(chunk->absent) & bit) && !was_leased(gs, chunk, bit))) {
		count(&gs->foreign, 1);
		return -EINVAL;
	}
	count(&gs->doubled, 1);
	return -EALREADY;
}

/*
 * What cannot be released, for who is not the owner. The owner moves bits from
 * remote to free, from free to absent and from absent to free; in each case the
 * new word has the bit before the old one loses it. Read in that order, a
 * buffer that was released before is always found.
 */
static bits_t not_on_loan(const struct chunk *chunk)
{
	bits_t bits = atomic_load_explicit(&chunk->remote, memory_order_acquire);

	bits |= atomic_load_explicit(&chunk->free, memory_order_acquire);
	bits |= atomic_load_explicit(&chunk->absent, memory_order_acquire);
	return bits | peek(chunk->free);
}

/*
 * Release @bits of a chunk that is not ours. Needs no cache and no lock.
 * Returns those that were on loan. The owner may have them by the time the
 * instruction is over, so there is no second look; what it released itself at
 * this moment it will find in both words.
 */
bits_t release_remote(struct gophership *gs, struct chunk *chunk, bits_t bits)
{
	bits_t old;

	bits &= ~not_on_loan(chunk);
	if (!bits)
		return 0;
	old = atomic_fetch_or(&chunk->remote, bits);
	cache_push_ready(chunk);
	/* (W) A thread that waits sees the chunk, or we see that it waits. */
	if (unlikely(atomic_load(&gs->waiting)))
		line_tell(gs);
	return bits & ~old;
}

size_t gophership_capacity(struct gophership *gs, const void *buf)
{
	const struct chunk *chunk = gs ? chunk_of(gs, buf) : NULL;
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;

	if (!bit || (bit & not_on_loan(chunk)) || peek(gs->stale))
		return 0;
	return (size_t)1 << chunk->shift;
}
