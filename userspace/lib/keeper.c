// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The keeper: a thread that gives idle buffers back for a program that makes no calls.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "pool.h"

/* It looks so often, in ms, or more often if buffers get old faster. */
#define PERIOD	250

static void sleep_until(struct gophership *gs, uint32_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&gs->keeper_wake, &gs->lock, &until);
}

static void *keep(void *argument)
{
	struct gophership *gs = argument;
	uint32_t period = gs->idle_ms / 4 < PERIOD ? gs->idle_ms / 4 + 1 : PERIOD;

	gs_lock(&gs->lock);
	while (!gs->closing) {
		reclaim_look_locked(gs, NULL);
		sleep_until(gs, period);
	}
	gs_unlock(&gs->lock);
	return NULL;
}

/* 0 or -errno. */
int keeper_start(struct gophership *gs)
{
	pthread_condattr_t attributes;
	sigset_t all, old;
	int error;

	if (!(gs->flags & GOPHERSHIP_KEEPER))
		return 0;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&gs->keeper_wake, &attributes);
	pthread_condattr_destroy(&attributes);
	/* The program's signals are not for it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&gs->keeper, NULL, keep, gs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -error;
}

void keeper_stop(struct gophership *gs)
{
	if (!(gs->flags & GOPHERSHIP_KEEPER))
		return;
	gs_lock(&gs->lock);
	gs->closing = true;
	pthread_cond_signal(&gs->keeper_wake);
	gs_unlock(&gs->lock);
	pthread_join(gs->keeper, NULL);
	pthread_cond_destroy(&gs->keeper_wake);
}
