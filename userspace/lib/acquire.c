// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Acquire.
 */
#include <errno.h>

#include "pool.h"
#include "run.h"

/**
 * fill_locked() - get buffers for a cache that has none left
 * @gs: the handle
 * @cache: the cache; the caller is its worker
 * @class: size class
 * @direct: as for depot_lease()
 *
 * If the kernel or the ceiling gives none, this looks for idle buffers elsewhere: in
 * other threads' caches, then in the depot's other classes.
 *
 * Return: false, with errno, if there is none.
 */
static bool fill_locked(struct gophership *gs, struct cache *cache, unsigned int class,
			void **direct)
{
	int ret;

	ret = depot_fill(gs, cache, class, direct);
	if (!ret)
		return true;
	/* First the buffers that can be used as they are. */
	if (reclaim_caches(gs, cache, false)) {
		ret = depot_fill(gs, cache, class, direct);
		if (!ret)
			return true;
	}
	if (cache_refill(gs, cache, class))
		return true;
	/* Then those that make room below the ceiling. */
	if (cache != &gs->depot)
		depot_take_all(gs, cache);
	if (reclaim_all(gs, NULL))
		ret = depot_fill(gs, cache, class, direct);
	errno = -ret;
	return !ret;
}

/* The same, for a caller that may or may not have the lock. */
static bool fill(struct gophership *gs, struct cache *cache, unsigned int class, void **direct)
{
	bool filled;

	*direct = NULL;
	if (cache == &gs->depot)
		return fill_locked(gs, cache, class, direct);
	gs_lock(&gs->lock);
	reclaim_look_locked(gs, cache);
	filled = fill_locked(gs, cache, class, direct);
	gs_unlock(&gs->lock);
	return filled;
}

/*
 * Acquire up to @nr buffers by every means. The caller is the worker of @cache; if
 * that is the depot, it holds the lock.
 */
unsigned int acquire_from(struct gophership *gs, struct cache *cache, unsigned int class,
			  unsigned int nr, void **bufs)
{
	unsigned int got = 0;

	while (got < nr) {
		struct chunk *chunk = cache->current[class];
		bits_t usable = chunk_usable(chunk);
		void *direct;

		if (usable) {
			cache->hot = chunk;
			bufs[got++] = chunk_pop(chunk, usable);
			continue;
		}
		poke(cache->refills, peek(cache->refills) + 1);
		if (cache_refill(gs, cache, class)) {
			if (cache->nr_idle[class] > IDLE_CHUNKS && cache != &gs->depot)
				depot_shed(gs, cache, class);
			continue;
		}
		if (!fill(gs, cache, class, &direct))
			break;
		if (direct)
			bufs[got++] = direct;
	}
	poke(cache->acquired, peek(cache->acquired) + got);
	return got;
}

static unsigned int acquire_locked(struct gophership *gs, unsigned int class, unsigned int nr,
				   void **bufs)
{
	unsigned int got = 0;
	int error;

	gs_lock(&gs->lock);
	if (!(++gs->depot.looks % LOOK_PERIOD))
		reclaim_look_locked(gs, NULL);
	/* Threads that wait come first. */
	error = line_error(gs);
	if (error)
		errno = error;
	else
		got = acquire_from(gs, &gs->depot, class, nr, bufs);
	gs_unlock(&gs->lock);
	return got;
}

/* The thread of @cache acquires. */
static unsigned int acquire_with(struct gophership *gs, struct cache *cache, unsigned int class,
				 unsigned int nr, void **bufs)
{
	int32_t left = thread_cache_enter(gs, cache);
	unsigned int got;

	/* Threads wait for a buffer, so all caches are closed. */
	if (unlikely(!left))
		return acquire_locked(gs, class, nr, bufs);
	if (left < 0) {
		errno = EAGAIN;
		return 0;
	}
	got = acquire_from(gs, cache, class, nr, bufs);
	cache_leave(cache, left);
	return got;
}

static unsigned int acquire_any(struct gophership *gs, size_t size, unsigned int nr, void **bufs)
{
	struct cache *cache = NULL;
	unsigned int class, got;

	/* Not on the hot path, which needs no check: no cache has NULL as its handle. */
	if (unlikely(!gs)) {
		errno = EINVAL;
		return 0;
	}
	if (unlikely(peek(gs->stale))) {
		errno = ESTALE;
		return 0;
	}
	class = class_of(gs, size);
	if (unlikely(class >= gs->nr_classes)) {
		errno = EMSGSIZE;
		return 0;
	}
	/* A signal handler that interrupted the library must not touch its state. */
	if (unlikely(this_thread_locks)) {
		errno = EAGAIN;
		return 0;
	}
	if (!(gs->flags & GOPHERSHIP_NO_THREAD_CACHE))
		cache = thread_cache(gs);
	if (cache)
		got = acquire_with(gs, cache, class, nr, bufs);
	else
		got = acquire_locked(gs, class, nr, bufs);
	if (got < nr)
		count(&gs->failed, nr - got);
	return got;
}

/* Off the hot path. */
static unsigned int __attribute__((noinline))
acquire_slow(struct gophership *gs, size_t size, unsigned int nr, void **bufs, const void *site)
{
	int error = errno;
	unsigned int got = acquire_any(gs, size, nr, bufs);

	if (got == nr)
		errno = error;
	/* Without a buffer (EAGAIN, ESTALE) the lock may never be free. */
	if (got && gs->sites[0])
		debug_acquired(gs, bufs, got, site);
	return got;
}

static void __attribute__((noinline)) *
acquire_slow_one(struct gophership *gs, size_t size, const void *site)
{
	void *buf;

	return acquire_slow(gs, size, 1, &buf, site) ? buf : NULL;
}

HOT_ENTRY
void *gophership_acquire(struct gophership *gs, size_t size)
{
	struct cache *cache = this_cache;
	int32_t left = cache_enter(cache, gs);
	unsigned int number;
	struct chunk *chunk;
	bits_t free, usable;

	/* @gs may be NULL: nothing has looked at *@gs yet. */
	if (unlikely(left <= 0))
		return acquire_slow_one(gs, size, __builtin_return_address(0));
	/* For a size above the largest class this is no_chunk. */
	chunk = cache->current[class_of(gs, size)];
	free = peek(chunk->free);
	usable = free & ~peek(chunk->remote);
	if (unlikely(!usable)) {
		cache_leave(cache, left);
		return acquire_slow_one(gs, size, __builtin_return_address(0));
	}
	number = lowest_bit(usable);
	poke(chunk->free, free ^ (bits_t)1 << number);
	cache->hot = chunk;
	cache_leave(cache, left - 1);
	return chunk->base + ((size_t)number << chunk->shift);
}

/* Take @nr neighbours of one chunk at once, if its lowest free buffers are neighbours. */
static inline bool pop_run(struct chunk *chunk, bits_t free, bits_t usable, unsigned int nr,
			   void **bufs)
{
	unsigned int first = lowest_bit(usable);
	unsigned int shift = chunk->shift;
	bits_t mask;

	if (unlikely(nr - 1 >= NR_BITS - first))
		return false;
	mask = run_mask(first, nr);
	if (unlikely(mask & ~usable))
		return false;
	poke(chunk->free, free ^ mask);
	run_write(bufs, nr, (uintptr_t)chunk->base + ((size_t)first << shift), (size_t)1 << shift);
	return true;
}

/* Take what the chunk has, up to @nr. */
static unsigned int __attribute__((noinline))
pop_some(struct chunk *chunk, bits_t usable, unsigned int nr, void **bufs)
{
	unsigned int got = 0;

	for (; usable && got < nr; usable &= usable - 1)
		bufs[got++] = chunk_pop(chunk, usable);
	return got;
}

HOT_ENTRY
unsigned int gophership_acquire_bulk(struct gophership *gs, size_t size, unsigned int nr,
				     void **bufs)
{
	struct cache *cache = this_cache;
	int32_t left = cache_enter(cache, gs);
	unsigned int got = 0;
	struct chunk *chunk;
	bits_t free, usable;

	if (likely(left > 0)) {
		chunk = cache->current[class_of(gs, size)];
		free = peek(chunk->free);
		usable = free & ~peek(chunk->remote);
		if (likely(usable)) {
			cache->hot = chunk;
			if (likely(pop_run(chunk, free, usable, nr, bufs)))
				got = nr;
			else
				got = pop_some(chunk, usable, nr, bufs);
		}
		/* Time to look around: now. What goes beyond @left is counted here. */
		if (unlikely(left <= (int32_t)got)) {
			poke(cache->acquired, peek(cache->acquired) + got - left);
			cache_leave(cache, 0);
		} else {
			cache_leave(cache, left - got);
			if (likely(got == nr))
				return nr;
		}
	}
	return got + acquire_slow(gs, size, nr - got, bufs + got, __builtin_return_address(0));
}
