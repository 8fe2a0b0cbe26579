// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Acquires that wait for a release.
 *
 * A release that hits tells nobody, and shall not have to. So while any thread
 * waits, the caches of all threads are closed, which costs those that hit nothing:
 * it is how a cache is frozen, but it lasts. What the caches held is in the depot
 * then, acquires go there, and a release sets the remote bit, after which it looks
 * at @waiting and tells.
 *
 * No wake-up is lost
 * ------------------
 * The first thread in line sets @told to 0, looks through everything, and sleeps
 * while @told is 0. A release
 *	in an open cache	was begun before the cache was closed. The cache is
 *				busy, and is looked at again soon; or the release
 *				is over, and the barrier made it visible.
 *	by the remote bit	(W) sets the bit, pushes the chunk, and looks at
 *				@waiting, all sequentially consistent; the other end
 *				(W) sets @waiting and looks at what was pushed. One
 *				of the two sees the other. If the release does, it
 *				sets @told to 1: after the look, which then does not
 *				sleep, or before it.
 *
 * The line
 * --------
 * First come, first served: the first in line looks, and serves those behind it as
 * long as there is something for the next one. One that cannot be served holds up
 * the line, so that the wish for a large buffer does not starve. Whoever leaves the
 * line makes the next one the first.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"

/* ms until the next look if a cache was busy, or if membarrier(2) is forbidden. */
#define PERIOD_BUSY	1
#define PERIOD_BLIND	10
/* If it was the kernel that had none: nobody tells when other programs release. */
#define PERIOD_KERNEL	50
#define NO_PERIOD	(-1)

/**
 * struct waiter - a thread in line
 * @class: size class that it wants
 * @buf: what it got
 * @error: errno of the last try
 * @served: it is out of the line
 * @called: it is served, or the first in line; else it sleeps while this is 0
 * @next: the one behind it
 *
 * On the stack of the thread; protected by the handle's lock, but for @called.
 */
struct waiter {
	unsigned int class;
	void *buf;
	int error;
	bool served;
	_Atomic uint32_t called;
	struct waiter *next;
};

static long futex(_Atomic uint32_t *word, int operation, uint32_t value,
		  const struct timespec *until)
{
	long number = SYS_futex;

#ifdef SYS_futex_time64
	if (sizeof(*until) != 2 * sizeof(long))
		number = SYS_futex_time64;
#endif
	return syscall(number, word, operation, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

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
	/* No cancellation point, as a call by number. */
	futex(word, FUTEX_WAIT_BITSET_PRIVATE, 0, until);
}

static bool is_over(const struct timespec *until)
{
	struct timespec now;

	if (!until)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return !is_before(&now, until);
}

static void call(struct waiter *waiter)
{
	if (!atomic_exchange(&waiter->called, 1))
		futex(&waiter->called, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/*
 * Something was released while threads wait. In any context, signal handlers
 * included, and without the lock.
 */
void wait_tell(struct gophership *gs)
{
	int error = errno;

	if (!atomic_exchange(&gs->told, 1))
		futex(&gs->told, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
	errno = error;
}

/* Whether every open cache is closed now. */
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
	wait_open_caches(gs);
	return false;
}

/* The line is empty. Under the lock. */
void wait_open_caches(struct gophership *gs)
{
	struct cache *cache;

	for (cache = gs->caches; cache; cache = cache->next)
		if (cache->attached)
			atomic_store_explicit(&cache->gs, gs, memory_order_release);
}

/* Move all that is idle to the depot. When to look again, in ms. */
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

/* The first in line gets a buffer, or an error other than that of a limit. */
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
	call(first);
	return true;
}

/*
 * The first in line looks, and serves the line, itself first: no other thread does,
 * for it may be about to sleep on @told. Under the lock. When to look again, in ms.
 */
static int serve(struct gophership *gs)
{
	int period = collect(gs);
	const struct window *window;

	while (gs->waiters && serve_first(gs))
		;
	if (!gs->waiters)
		return NO_PERIOD;
	call(gs->waiters);
	window = &gs->windows[gs->waiters->class];
	if (period == NO_PERIOD && peek(gs->leased_bytes) + window->capacity <= gs->ceiling)
		return PERIOD_KERNEL;
	return period;
}

/* Under the lock: 0 if nobody waits, else the errno for who does not. */
int wait_error(const struct gophership *gs)
{
	return gs->waiters ? gs->waiters->error : 0;
}

/* How many do. Under the lock. */
unsigned int wait_count(const struct gophership *gs)
{
	const struct waiter *waiter;
	unsigned int nr = 0;

	for (waiter = gs->waiters; waiter; waiter = waiter->next)
		nr++;
	return nr;
}

static void join_line(struct gophership *gs, struct waiter *self)
{
	struct waiter **link = &gs->waiters;

	while (*link)
		link = &(*link)->next;
	*link = self;
	if (gs->waiters == self)
		poke(self->called, 1);
	/* (W) before a look at what was released. */
	atomic_store(&gs->waiting, 1);
}

static void leave_line(struct gophership *gs, struct waiter *self)
{
	struct waiter **link = &gs->waiters;

	while (*link != self)
		link = &(*link)->next;
	*link = self->next;
	if (gs->waiters)
		call(gs->waiters);
}

static void *wait_in_line(struct gophership *gs, unsigned int class, const struct timespec *until)
{
	struct waiter self = { .class = class, .error = errno };
	int period;

	gs_lock(&gs->lock);
	join_line(gs, &self);
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
			leave_line(gs, &self);
			self.error = ETIMEDOUT;
			break;
		}
		gs_unlock(&gs->lock);
		sleep_on(first ? &gs->told : &self.called, until, period);
		gs_lock(&gs->lock);
	}
	if (!gs->waiters) {
		atomic_store(&gs->waiting, 0);
		wait_open_caches(gs);
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
	/* That is no failure after all. */
	count(&gs->failed, -1);
	if (gs->sites[0])
		debug_acquired(gs, &buf, 1, __builtin_return_address(0));
	errno = error;
	return buf;
}
