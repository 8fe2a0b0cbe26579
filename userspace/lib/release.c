// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Release.
 */
#include <errno.h>

#include "pool.h"
#include "run.h"

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
		depot_shed(gs, cache, chunk->class);
	return 0;
}

/* Release where the cache that this thread used last does not serve. */
static int release_any(struct gophership *gs, void *buf, const void *site)
{
	struct cache *cache;
	struct chunk *chunk;
	int32_t left;
	bits_t bit;
	int ret;

	/* Not on the hot path, which needs no check: no cache has NULL as its handle. */
	if (unlikely(!gs))
		return -EINVAL;
	if (!buf)
		return 0;
	if (unlikely(peek(gs->stale)))
		return -EINVAL;
	if (unlikely(gs->sites[0]))
		return debug_release(gs, buf, site);
	cache = this_thread_locks ? NULL : thread_cache_find(gs);
	left = cache ? thread_cache_enter(gs, cache) : 0;
	if (left > 0) {
		ret = release_into(gs, cache, buf);
		cache_leave(cache, left);
		return ret;
	}
	chunk = chunk_of(gs, buf);
	bit = chunk ? bit_of(chunk, buf) : 0;
	return bit && release_remote(gs, chunk, bit) ? 0 : release_verdict(gs, buf);
}

/* Off the hot path. It may look around, and a system call then may set errno. */
static int __attribute__((noinline))
release_slow(struct gophership *gs, void *buf, const void *site)
{
	int error = errno;
	int ret = release_any(gs, buf, site);

	errno = error;
	return ret;
}

/* The second half of gophership_release(), where it guessed the wrong chunk. */
static int __attribute__((noinline))
release_other(struct gophership *gs, void *buf, struct cache *cache, int32_t left)
{
	int ret = release_into(gs, cache, buf);

	cache_leave(cache, left);
	return ret;
}

HOT_ENTRY
int gophership_release(struct gophership *gs, void *buf)
{
	struct cache *cache = this_cache;
	int32_t left = cache_enter(cache, gs);
	struct chunk *chunk;
	size_t number;
	bits_t free;

	if (unlikely(left <= 0))
		return release_slow(gs, buf, __builtin_return_address(0));
	chunk = cache->hot;
	number = number_of(chunk, buf);
	if (unlikely(number >= NR_BITS))
		return release_other(gs, buf, cache, left);
	free = peek(chunk->free);
	if (unlikely((free | peek(chunk->remote) | peek(chunk->absent)) >> number & 1))
		return release_other(gs, buf, cache, left);
	poke(chunk->free, free | (bits_t)1 << number);
	cache_leave(cache, left);
	return 0;
}

/*
 * How many of @bufs, from the first on, are different buffers of @chunk that
 * are on loan; their bits.
 */
static inline unsigned int __attribute__((always_inline))
take_run(const struct chunk *chunk, void **bufs, unsigned int nr, bits_t *bits)
{
	size_t first = number_of(chunk, bufs[0]);
	bits_t not_on_loan = chunk_not_on_loan(chunk);
	unsigned int most, i;

	*bits = 0;
	if (unlikely(first >= NR_BITS))
		return 0;
	most = nr <= NR_BITS - first ? nr : NR_BITS - first;
	if (run_check(bufs, most, (size_t)1 << chunk->shift)) {
		bits_t mask = run_mask(first, most);

		if (likely(!(mask & not_on_loan))) {
			*bits = mask;
			return most;
		}
	}
	for (i = 0; i < nr; i++) {
		size_t number = number_of(chunk, bufs[i]);

		if (unlikely(number >= NR_BITS) || unlikely((not_on_loan | *bits) >> number & 1))
			break;
		*bits |= (bits_t)1 << number;
	}
	return i;
}

/*
 * Release a run of one chunk from the start of @bufs. Returns its length, 0 if the first
 * pointer is bad; *@done grows by what was released.
 */
static inline unsigned int __attribute__((always_inline))
release_run(struct gophership *gs, struct cache *cache, void **bufs, unsigned int nr,
	    unsigned int *done)
{
	struct chunk *chunk = cache->hot;
	unsigned int run;
	bits_t bits;

	run = take_run(chunk, bufs, nr, &bits);
	if (likely(run)) {
		poke(chunk->free, peek(chunk->free) | bits);
		*done += run;
		return run;
	}
	chunk = chunk_of(gs, bufs[0]);
	run = chunk ? take_run(chunk, bufs, nr, &bits) : 0;
	if (!run)
		return 0;
	if (peek(chunk->owner) != cache) {
		/* Another thread may have released some at this moment. */
		bits = release_remote(gs, chunk, bits);
		count(&gs->doubled, run - __builtin_popcountl(bits));
		*done += __builtin_popcountl(bits);
		return run;
	}
	if (chunk == cache->current[chunk->class])
		cache->hot = chunk;
	if (cache_put(gs, cache, chunk, bits))
		depot_shed(gs, cache, chunk->class);
	*done += run;
	return run;
}

/* The cache is busy, or of another handle: one by one. */
static unsigned int __attribute__((noinline))
release_all_slow(struct gophership *gs, void **bufs, unsigned int nr, const void *site)
{
	unsigned int done = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		done += !release_slow(gs, bufs[i], site);
	return done;
}

/* The pointers are not one run of the guessed chunk: run by run. */
static unsigned int __attribute__((noinline))
release_all_other(struct gophership *gs, struct cache *cache, int32_t left, void **bufs,
		  unsigned int nr)
{
	unsigned int done = 0;
	unsigned int i = 0;

	while (i < nr) {
		unsigned int run = release_run(gs, cache, bufs + i, nr - i, &done);

		i += run;
		if (unlikely(!run))
			done += !release_into(gs, cache, bufs[i++]);
	}
	cache_leave(cache, left);
	return done;
}

HOT_ENTRY
unsigned int gophership_release_bulk(struct gophership *gs, void **bufs, unsigned int nr)
{
	struct cache *cache = this_cache;
	int32_t left = cache_enter(cache, gs);
	struct chunk *chunk;
	bits_t free, mask;
	size_t first;

	if (unlikely(left <= 0))
		return release_all_slow(gs, bufs, nr, __builtin_return_address(0));
	chunk = cache->hot;
	if (unlikely(!nr))
		return release_all_other(gs, cache, left, bufs, nr);
	first = number_of(chunk, bufs[0]);
	if (unlikely(first >= NR_BITS) || unlikely(nr > NR_BITS - first))
		return release_all_other(gs, cache, left, bufs, nr);
	mask = run_mask(first, nr);
	free = peek(chunk->free);
	if (unlikely((free | peek(chunk->remote) | peek(chunk->absent)) & mask) ||
	    unlikely(!run_check(bufs, nr, (size_t)1 << chunk->shift)))
		return release_all_other(gs, cache, left, bufs, nr);
	poke(chunk->free, free | mask);
	cache_leave(cache, left);
	return nr;
}
