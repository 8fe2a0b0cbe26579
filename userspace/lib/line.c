// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The line of threads that wait for a buffer (wait.c), and how a release wakes
 * the first of them.
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
 * long as there is something for the next one. A thread that cannot be served holds up
 * the line, so that a request for a large buffer does not starve. A thread that leaves
 * the line wakes the new first one.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"

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

/*
 * Sleep while *@word is 0, and it is before @until (NULL: for ever). No cancellation
 * point, as it is a system call by number.
 */
void line_sleep(_Atomic uint32_t *word, const struct timespec *until)
{
	futex(word, FUTEX_WAIT_BITSET_PRIVATE, 0, until);
}

/* End the sleep of @waiter. Under the lock. */
void line_call(struct waiter *waiter)
{
	if (!atomic_exchange(&waiter->called, 1))
		futex(&waiter->called, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/*
 * Something was released while threads wait. In any context, signal handlers
 * included, and without the lock.
 */
void line_tell(struct gophership *gs)
{
	int error = errno;

	if (!atomic_exchange(&gs->told, 1))
		futex(&gs->told, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
	errno = error;
}

/* 0 if no thread waits, else the errno for an acquire that does not. Under the lock. */
int line_error(const struct gophership *gs)
{
	return gs->waiters ? gs->waiters->error : 0;
}

/* How many threads wait. Under the lock. */
unsigned int line_count(const struct gophership *gs)
{
	const struct waiter *waiter;
	unsigned int nr = 0;

	for (waiter = gs->waiters; waiter; waiter = waiter->next)
		nr++;
	return nr;
}

/* @self is the last one. Under the lock. */
void line_join(struct gophership *gs, struct waiter *self)
{
	struct waiter **link = &gs->waiters;

	while (*link)
		link = &(*link)->next;
	*link = self;
	if (gs->waiters == self)
		poke(self->called, 1);
	/* (W) pairs with (W) in release_remote(): set it, then look at what was released. */
	atomic_store(&gs->waiting, 1);
}

/* @self was not served. Under the lock. */
void line_leave(struct gophership *gs, struct waiter *self)
{
	struct waiter **link = &gs->waiters;

	while (*link != self)
		link = &(*link)->next;
	*link = self->next;
	if (gs->waiters)
		line_call(gs->waiters);
}
