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

/* The buffer is not on lease. Was it ever? */
static bool was_leased(const struct gophership *gs, const struct chunk *chunk, bits_t bit)
{
	const struct window *window = &gs->windows[chunk->class];
	uint32_t slot = slot_of(gs, chunk, bit);

	return slot < window->slots && peek(window->handles[slot]);
}

/* Under the lock. Another thread may have been faster. */
static int give_exported_back(struct gophership *gs, const struct chunk *chunk, bits_t bit)
{
	const struct window *window = &gs->windows[chunk->class];
	__u64 handle = peek(window->handles[slot_of(gs, chunk, bit)]);
	_Atomic bits_t *words = gs->exported;

	if (!is_exported(gs, chunk, bit))
		return -EALREADY;
	gs->system_calls++;
	if (!device_give_back(gs->fd, &handle, 1))
		return -EBUSY;
	atomic_fetch_and(&words[chunk_index(gs, chunk)], ~bit);
	poke(gs->leased_bytes, peek(gs->leased_bytes) - window->capacity);
	gs->given_back++;
	if (peek(gs->waiting))
		line_tell(gs);
	return 0;
}

/*
 * The release of what was exported: to the kernel, which knows whether the dma-buf is
 * gone. A signal handler on top of the library must not want the lock, and tries again.
 */
static int release_exported(struct gophership *gs, const struct chunk *chunk, bits_t bit)
{
	int error = errno, ret;

	if (this_thread_locks)
		return -EBUSY;
	gs_lock(&gs->lock);
	ret = give_exported_back(gs, chunk, bit);
	gs_unlock(&gs->lock);
	errno = error;
	if (ret == -EALREADY)
		count(&gs->doubled, 1);
	return ret;
}

/* Why @buf cannot be released; or if it was exported, release it: then 0. */
int __attribute__((noinline)) release_verdict(struct gophership *gs, const void *buf)
{
	const struct chunk *chunk = chunk_of(gs, buf);
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;

	if (!buf)
		return 0;
	/* (X) pairs with (X) in mark(). */
	atomic_thread_fence(memory_order_acquire);
	if (bit && is_exported(gs, chunk, bit))
		return release_exported(gs, chunk, bit);
	if (!bit || ((peek(chunk->absent) & bit) && !was_leased(gs, chunk, bit))) {
		count(&gs->foreign, 1);
		return -EINVAL;
	}
	count(&gs->doubled, 1);
	return -EALREADY;
}

/*
 * What cannot be released, for a caller that does not own the chunk. The owner moves
 * bits from remote to free, from free to absent and from absent to free; in each case it
 * sets the new word before it clears the old one. Reads in that order always find a
 * buffer that was released before.
 */
static bits_t not_on_loan(const struct chunk *chunk)
{
	bits_t bits = atomic_load_explicit(&chunk->remote, memory_order_acquire);

	bits |= atomic_load_explicit(&chunk->free, memory_order_acquire);
	bits |= atomic_load_explicit(&chunk->absent, memory_order_acquire);
	return bits | peek(chunk->free);
}

/*
 * Release @bits of a chunk that the caller does not own. Needs no cache and no lock.
 * Returns those that were on loan. The owner may take them over as soon as they are set,
 * so there is no second look. What the owner itself releases at the same moment, it will
 * find set in both words.
 */
bits_t release_remote(struct gophership *gs, struct chunk *chunk, bits_t bits)
{
	bits_t old;

	bits &= ~not_on_loan(chunk);
	if (!bits)
		return 0;
	old = atomic_fetch_or(&chunk->remote, bits);
	cache_push_ready(chunk);
	/* (W) pairs with (W) in line_join(): the waiter sees the chunk, or this sees it wait. */
	if (unlikely(atomic_load(&gs->waiting)))
		line_tell(gs);
	return bits & ~old;
}

/* The bytes of a buffer that is on loan: gophership.h. */
size_t gophership_capacity(struct gophership *gs, const void *buf)
{
	const struct chunk *chunk = gs ? chunk_of(gs, buf) : NULL;
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;

	if (!bit || peek(gs->stale))
		return 0;
	if ((bit & not_on_loan(chunk)) && !is_exported(gs, chunk, bit))
		return 0;
	return (size_t)1 << chunk->shift;
}
