// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Acquires that wait for a release.
 *
 * A release on the hot path wakes no waiter: it would have to look for one. So while any
 * thread waits, the caches of all threads are closed, in the same way as a cache is
 * frozen. That costs a hit nothing. What the caches held moves to the depot, and acquires
 * go there. A release then sets the remote bit, looks at @waiting and wakes: see line.c.
 */
#include <errno.h>
#include <time.h>

#include "pool.h"

/* ms until the next look, if a cache was busy, or if membarrier(2) is forbidden. */
#define PERIOD_BUSY	1
#define PERIOD_BLIND	10
/* If the kernel had none: nothing tells when other programs release. */
#define PERIOD_KERNEL	50
#define NO_PERIOD	(-1)

static void add_ms(struct timespec *time, int ms)
{
	time->tv_sec += ms / 1000;
	time->tv_nsec += ms % 1000 * 1000000L;
	if (time->tv_nsec >= 1000000000L) {
		time->tv_nsec -= 1000000000L;
		time->tv_sec++;
	}
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* While @word is 0, and it is before @until (NULL: for ever), and for @period at most. */
static void sleep_on(_Atomic uint32_t *word, const struct timespec *until, int period)
{
	struct timespec soon;

	if (period != NO_PERIOD) {
		clock_gettime(CLOCK_MONOTONIC, &soon);
		add_ms(&soon, period);
		if (!until || is_before(&soon, until))
			until = &soon;
	}
	line_sleep(word, until);
}

static bool is_over(const struct timespec *until)
{
	struct timespec now;

	if (!until)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return !is_before(&now, until);
}

/* The line is empty: threads use their caches again. Under the lock. */
static void open_caches(struct gophership *gs)
{
	struct cache *cache;

	for (cache = gs->caches; cache; cache = cache->next)
		if (cache->attached)
			atomic_store_explicit(&cache->gs, gs, memory_order_release);
}

/* Close every cache. Returns whether all are closed. Under the lock. */
static bool close_caches(struct gophership *gs)
{
	struct cache *cache;
	bool any = false;

	if (!gs->barrier)
		return false;
	for (cache = gs->caches; cache; cache = cache->next)
		if (cache->attached && peek(cache->gs) == gs)
			atomic_store(&cache->gs, NO_HANDLE), any = true;
	if (!any)
		return true;
	gs->system_calls++;
	if (!device_barrier())
		return true;
	open_caches(gs);
	return false;
}

/* Move all that is idle to the depot. Returns when to look again, in ms. */
static int collect(struct gophership *gs)
{
	bool closed = close_caches(gs), busy = false;
	struct cache *cache;

	for (cache = gs->caches; cache; cache = cache->next) {
		if (!cache->attached)
			cache_harvest(gs, cache);
		else if (!closed)
			continue;
		else if (atomic_load_explicit(&cache->state, memory_order_acquire) == BUSY)
			busy = true;
		else
			depot_take_all(gs, cache);
	}
	if (!closed)
		return PERIOD_BLIND;
	return busy ? PERIOD_BUSY : NO_PERIOD;
}

static bool is_limit(int error)
{
	return error == ENOMEM || error == EDQUOT;
}

/* Serve the first in line: a buffer, or an error that is not a limit. */
static bool serve_first(struct gophership *gs)
{
	struct waiter *first = gs->waiters;

	if (!acquire_from(gs, &gs->depot, first->class, 1, &first->buf)) {
		first->error = errno;
		if (is_limit(first->error))
			return false;
	}
	first->served = true;
	gs->waiters = first->next;
	line_call(first);
	return true;
}

/*
 * The first in line serves the line, itself first. No other thread does, as the first one
 * may be about to sleep on @told. Under the lock. Returns when to look again, in ms.
 */
static int serve(struct gophership *gs)
{
	int period = collect(gs);
	const struct window *window;

	while (gs->waiters && serve_first(gs))
		;
	if (!gs->waiters)
		return NO_PERIOD;
	line_call(gs->waiters);
	window = &gs->windows[gs->waiters->class];
	if (period == NO_PERIOD && peek(gs->leased_bytes) + window->capacity <= gs->ceiling)
		return PERIOD_KERNEL;
	return period;
}

static void *wait_in_line(struct gophership *gs, unsigned int class, const struct timespec *until)
{
	struct waiter self = { .class = class, .error = errno };
	int period;

	gs_lock(&gs->lock);
	line_join(gs, &self);
	for (;;) {
		bool first = gs->waiters == &self;

		period = NO_PERIOD;
		if (first) {
			atomic_exchange(&gs->told, 0);
			period = serve(gs);
		}
		if (self.served)
			break;
		if (is_over(until)) {
			line_leave(gs, &self);
			self.error = ETIMEDOUT;
			break;
		}
		gs_unlock(&gs->lock);
		sleep_on(first ? &gs->told : &self.called, until, period);
		gs_lock(&gs->lock);
	}
	if (!gs->waiters) {
		atomic_store(&gs->waiting, 0);
		open_caches(gs);
	}
	gs_unlock(&gs->lock);
	if (!self.buf)
		errno = self.error;
	return self.buf;
}

void *gophership_acquire_wait(struct gophership *gs, size_t size, int timeout_ms)
{
	struct timespec end, *until = timeout_ms < 0 ? NULL : &end;
	int error = errno;
	void *buf;

	if (timeout_ms > 0) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		add_ms(&end, timeout_ms);
	}
	buf = gophership_acquire(gs, size);
	if (buf || !timeout_ms || !is_limit(errno))
		return buf;
	/* More than there can ever be. */
	if (gs->windows[class_of(gs, size)].capacity > gs->ceiling)
		return NULL;
	buf = wait_in_line(gs, class_of(gs, size), until);
	if (!buf)
		return NULL;
	/* gophership_acquire() counted a failure, which it is not after all. */
	count(&gs->failed, -1);
	if (gs->sites[0])
		debug_acquired(gs, &buf, 1, __builtin_return_address(0));
	errno = error;
	return buf;
}
