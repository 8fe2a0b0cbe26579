// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Idle buffers go back to the kernel: when the kernel tells of memory pressure, when
 * they were idle for long, and when the ceiling is reached.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "pool.h"

/* React to the pressure page at most once in so many ms. */
#define PRESSURE_PERIOD	1000
/* Sweeps in idle_ms. A chunk goes at the second sweep that finds it idle. */
#define SWEEPS		2
/* So many looks at a busy cache, then it is left alone. */
#define PATIENCE	100

/* In ms. The coarse clock is never a system call, whatever the clock source is. */
uint64_t reclaim_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_quiet(struct cache *cache)
{
	uint64_t seen = peek(cache->acquired) - peek(cache->state);

	if (seen != cache->seen) {
		cache->seen = seen;
		cache->quiet = 0;
		return false;
	}
	cache->quiet++;
	return cache->quiet >= SWEEPS;
}

static bool wait_for(struct cache *cache)
{
	unsigned int i;

	for (i = 0; i < PATIENCE; i++) {
		if (atomic_load_explicit(&cache->state, memory_order_acquire) != BUSY)
			return true;
		if (i >= PATIENCE / 2)
			sched_yield();
	}
	return false;
}

/*
 * Move what the caches of threads hold to the depot; not what @own holds, as its thread
 * is at work on it. A cache without a thread owns nothing, but a chunk may have been
 * pushed to it that has another owner by now.
 *
 * Returns whether any cache was emptied.
 */
bool reclaim_caches(struct gophership *gs, struct cache *own, bool quiet_only)
{
	struct cache *cache;
	bool any = false;

	/* While threads wait, all caches are frozen, and empty already. */
	if (peek(gs->waiting))
		return false;
	for (cache = gs->caches; cache; cache = cache->next) {
		if (!cache->attached)
			cache_harvest(gs, cache);
		else if (cache != own && (!quiet_only || is_quiet(cache)) && gs->barrier)
			atomic_store(&cache->gs, NO_HANDLE), any = true;
	}
	if (!any)
		return false;
	gs->system_calls++;
	any = !device_barrier();
	for (cache = gs->caches; cache; cache = cache->next) {
		if (!cache->attached || peek(cache->gs) != NO_HANDLE)
			continue;
		if (any && wait_for(cache))
			depot_take_all(gs, cache);
		atomic_store_explicit(&cache->gs, gs, memory_order_release);
	}
	return any;
}

/* Give all idle buffers back. @own: NULL, or a cache whose worker the caller is. */
unsigned int reclaim_all(struct gophership *gs, struct cache *own)
{
	unsigned int class, nr = 0;

	if (own)
		depot_take_all(gs, own);
	for (class = 0; class < gs->nr_classes; class++)
		nr += depot_give_back(gs, class, 0);
	return nr;
}

static void heed_pressure(struct gophership *gs, struct cache *own)
{
	uint32_t events;
	uint64_t now;

	if (!gs->pressure)
		return;
	events = __atomic_load_n(&gs->pressure->events, __ATOMIC_RELAXED);
	if (likely(events == peek(gs->pressure_seen)))
		return;
	now = reclaim_clock();
	if (gs->pressure_events && now - gs->pressure_time < PRESSURE_PERIOD)
		return;
	gs->pressure_time = now;
	gs->pressure_events++;
	poke(gs->pressure_seen, events);
	reclaim_caches(gs, own, false);
	reclaim_all(gs, own);
}

static bool sweep_is_due(const struct gophership *gs, uint64_t now)
{
	return gs->idle_ms != GOPHERSHIP_IDLE_NEVER &&
	       now - peek(gs->sweep_time) >= gs->idle_ms / SWEEPS;
}

static void sweep(struct gophership *gs, struct cache *own)
{
	uint64_t now = reclaim_clock();
	unsigned int class;

	if (!sweep_is_due(gs, now))
		return;
	poke(gs->sweep_time, now);
	reclaim_caches(gs, own, true);
	depot_grow_old(gs);
	for (class = 0; class < gs->nr_classes; class++)
		depot_give_back(gs, class, SWEEPS);
}

/* Look whether there is a reason to give buffers back. Under the lock. */
void reclaim_look_locked(struct gophership *gs, struct cache *own)
{
	heed_pressure(gs, own);
	sweep(gs, own);
}

/* The same, now and then, by the thread of @own, which is not at work. */
void reclaim_look(struct gophership *gs, struct cache *own)
{
	bool due = gs->pressure && __atomic_load_n(&gs->pressure->events, __ATOMIC_RELAXED) !=
				   peek(gs->pressure_seen);

	if (!due && !(++own->looks % CLOCK_PERIOD))
		due = sweep_is_due(gs, reclaim_clock());
	if (!due)
		return;
	gs_lock(&gs->lock);
	reclaim_look_locked(gs, NULL);
	gs_unlock(&gs->lock);
}

unsigned int gophership_trim(struct gophership *gs)
{
	unsigned int nr;
	int error = errno;

	if (!gs || peek(gs->stale) || this_thread_locks)
		return 0;
	gs_lock(&gs->lock);
	reclaim_caches(gs, NULL, false);
	nr = reclaim_all(gs, NULL);
	gs_unlock(&gs->lock);
	errno = error;
	return nr;
}
