// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Release.
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
 * Release @bits of a chunk that is not ours. Needs no cache and no lock.
 * Returns those that were on loan. A bit that turns out to be free when the
 * remote one is set already stays for the owner to drop.
 */
bits_t release_remote(struct gophership *gs, struct chunk *chunk, bits_t bits)
{
	bits_t old;

	(void)gs;
	bits &= ~chunk_not_on_loan(chunk);
	if (!bits)
		return 0;
	old = atomic_fetch_or(&chunk->remote, bits);
	cache_push_ready(chunk);
	return bits & ~(old | peek(chunk->free) | peek(chunk->absent));
}

/* The worker of @cache releases. */
static int release_into(struct gophership *gs, struct cache *cache, void *buf)
{
	struct chunk *chunk = chunk_of(gs, buf);
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;

	if (unlikely(!bit))
		return release_verdict(gs, buf);
	if (peek(chunk->owner) != cache)
		return release_remote(gs, chunk, bit) ? 0 : release_verdict(gs, buf);
	if (unlikely(chunk_not_on_loan(chunk) & bit))
		return release_verdict(gs, buf);
	if (chunk == cache->current[chunk->class])
		cache->hot = chunk;
	if (unlikely(cache_put(gs, cache, chunk, bit)))
		cache_shed(gs, cache, chunk->class);
	return 0;
}

/* Not with the cache that this thread used last. */
static int __attribute__((noinline))
release_slow(struct gophership *gs, void *buf, const void *site)
{
	struct cache *cache;
	struct chunk *chunk;
	bits_t bit;
	int ret;

	if (!buf)
		return 0;
	if (unlikely(peek(gs->stale)))
		return -EINVAL;
	if (unlikely(gs->sites[0]))
		return debug_release(gs, buf, site);
	cache = this_thread_locks ? NULL : thread_cache_find(gs);
	if (cache && cache_enter(cache, gs)) {
		ret = release_into(gs, cache, buf);
		cache_leave(cache);
		return ret;
	}
	chunk = chunk_of(gs, buf);
	bit = chunk ? bit_of(chunk, buf) : 0;
	return bit && release_remote(gs, chunk, bit) ? 0 : release_verdict(gs, buf);
}

int gophership_release(struct gophership *gs, void *buf)
{
	struct cache *cache = this_cache;
	int ret;

	if (likely(cache_enter(cache, gs))) {
		struct chunk *chunk = cache->hot;
		size_t offset = (uintptr_t)buf - (uintptr_t)chunk->base;
		bits_t bit;

		if (likely(offset < gs->chunk_bytes)) {
			bit = bit_of(chunk, buf);
			if (likely(bit & ~chunk_not_on_loan(chunk))) {
				poke(chunk->free, peek(chunk->free) | bit);
				cache_leave(cache);
				return 0;
			}
		}
		ret = release_into(gs, cache, buf);
		cache_leave(cache);
		return ret;
	}
	return release_slow(gs, buf, __builtin_return_address(0));
}

/* Are the @nr buffers from @bufs on neighbours? */
static inline bool is_run(void **bufs, unsigned int nr, size_t capacity)
{
	uintptr_t buf = (uintptr_t)bufs[0];
	uintptr_t differences = 0;
	unsigned int i;

	if ((uintptr_t)bufs[nr - 1] != buf + (nr - 1) * capacity)
		return false;
	for (; nr >= 8; nr -= 8, bufs += 8, buf += 8 * capacity)
		for (i = 0; i < 8; i++)
			differences |= (uintptr_t)bufs[i] ^ (buf + i * capacity);
	for (i = 0; i < nr; i++)
		differences |= (uintptr_t)bufs[i] ^ (buf + i * capacity);
	return !differences;
}

/*
 * How many of @bufs, from the first on, are different buffers of @chunk that
 * are on loan; their bits.
 */
static inline unsigned int take_run(const struct chunk *chunk, size_t chunk_bytes, void **bufs,
				    unsigned int nr, bits_t *bits)
{
	bits_t first = bit_of(chunk, bufs[0]);
	bits_t not_on_loan = chunk_not_on_loan(chunk);
	unsigned int most, i;

	*bits = 0;
	if (unlikely(!first))
		return 0;
	most = NR_BITS - lowest_bit(first);
	if (most > nr)
		most = nr;
	if (is_run(bufs, most, (size_t)1 << chunk->shift)) {
		bits_t mask = ~(bits_t)0 >> (NR_BITS - most) << lowest_bit(first);

		if (likely(!(mask & not_on_loan))) {
			*bits = mask;
			return most;
		}
	}
	for (i = 0; i < nr; i++) {
		size_t offset = (uintptr_t)bufs[i] - (uintptr_t)chunk->base;
		bits_t bit;

		if (offset >= chunk_bytes)
			break;
		bit = bit_of(chunk, bufs[i]);
		if (!(bit & ~(not_on_loan | *bits)))
			break;
		*bits |= bit;
	}
	return i;
}

/* A run of one chunk at a time, from the start of @bufs; 0: the first is bad. */
static inline unsigned int release_run(struct gophership *gs, struct cache *cache, void **bufs,
				       unsigned int nr)
{
	struct chunk *chunk = cache->hot;
	unsigned int run;
	bits_t bits;

	if (likely((uintptr_t)bufs[0] - (uintptr_t)chunk->base < gs->chunk_bytes)) {
		run = take_run(chunk, gs->chunk_bytes, bufs, nr, &bits);
		poke(chunk->free, peek(chunk->free) | bits);
		return run;
	}
	chunk = chunk_of(gs, bufs[0]);
	if (!chunk)
		return 0;
	run = take_run(chunk, gs->chunk_bytes, bufs, nr, &bits);
	if (!run)
		return 0;
	if (peek(chunk->owner) != cache)
		/* Some may have been released this moment: one by one tells which. */
		return release_remote(gs, chunk, bits) == bits ? run : 0;
	if (chunk == cache->current[chunk->class])
		cache->hot = chunk;
	if (cache_put(gs, cache, chunk, bits))
		cache_shed(gs, cache, chunk->class);
	return run;
}

unsigned int gophership_release_bulk(struct gophership *gs, void **bufs, unsigned int nr)
{
	struct cache *cache = this_cache;
	unsigned int done = 0;
	unsigned int i = 0;

	if (likely(cache_enter(cache, gs))) {
		while (i < nr) {
			unsigned int run = release_run(gs, cache, bufs + i, nr - i);

			done += run;
			if (likely(run))
				i += run;
			else
				done += !release_into(gs, cache, bufs[i++]);
		}
		cache_leave(cache);
		return done;
	}
	for (; i < nr; i++)
		done += !release_slow(gs, bufs[i], __builtin_return_address(0));
	return done;
}

size_t gophership_capacity(struct gophership *gs, const void *buf)
{
	const struct chunk *chunk = chunk_of(gs, buf);
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;

	if (!(bit & ~(chunk ? chunk_not_on_loan(chunk) : 0)) || peek(gs->stale))
		return 0;
	return (size_t)1 << chunk->shift;
}
