// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Threads and their caches.
 *
 * The memory of a cache is never unmapped: a thread may look at the cache of a handle
 * that was closed, and must find it closed. Another handle gets the cache when no thread
 * refers to it any more.
 */
#include <errno.h>
#include <sys/mman.h>

#include "pool.h"

/* So many caches are made at a time. */
#define CACHES_AT_ONCE	16

/* What a new thread has: no thread can enter it, so all may share it. */
static struct cache no_cache = { .state = BUSY };

__thread struct cache *this_cache = &no_cache;
static __thread struct cache *thread_caches;

static pthread_key_t exit_key;
static bool have_exit_key;		/* protected by registry_lock */
static struct cache *unused_caches;	/* by next; protected by registry_lock */

/* The cache that this thread has for @gs, or NULL. No lock. */
struct cache *thread_cache_find(struct gophership *gs)
{
	struct cache *cache;

	for (cache = thread_caches; cache; cache = cache->thread_next)
		if (peek(cache->home) == gs) {
			this_cache = cache;
			return cache;
		}
	return NULL;
}

/*
 * As cache_enter(), but this looks around when it is time, and waits until a frozen
 * cache is open again. Returns 0 while threads wait for a buffer: no cache may be entered.
 */
int32_t thread_cache_enter(struct gophership *gs, struct cache *cache)
{
	int32_t left;

	for (;;) {
		left = cache_enter(cache, gs);
		if (left > 0 || peek(cache->state) == BUSY)
			return left;
		if (peek(cache->state)) {
			bool waiting;

			/* Frozen: until the lock is dropped, or while threads wait. */
			gs_lock(&gs->lock);
			waiting = peek(gs->waiting);
			gs_unlock(&gs->lock);
			if (waiting)
				return 0;
			continue;
		}
		/* A signal handler here may come first: then it has looked. */
		poke(cache->acquired, peek(cache->acquired) + LOOK_PERIOD);
		poke(cache->state, LOOK_PERIOD);
		reclaim_look(gs, cache);
	}
}

/* The depot gets all chunks, also those on loan as a whole, which are in no list. Locked. */
static void give_chunks(struct gophership *gs, struct cache *cache)
{
	unsigned int class;
	uint32_t i;

	depot_take_all(gs, cache);
	for (class = 0; class < gs->nr_classes; class++) {
		struct chunk *chunks = &gs->chunks[gs->windows[class].first_chunk];

		for (i = 0; i < gs->windows[class].high; i++)
			if (peek(chunks[i].owner) == cache)
				atomic_store(&chunks[i].owner, &gs->depot);
	}
	/* Chunks that were pushed here before their owner changed. */
	cache_harvest(gs, cache);
}

/* The thread parts with @cache. Under the registry's lock, so no handle closes. */
static void detach(struct cache *cache)
{
	struct gophership *gs = peek(cache->home);

	if (!gs) {
		cache->next = unused_caches;
		unused_caches = cache;
		return;
	}
	gs_lock(&gs->lock);
	poke(cache->gs, NO_HANDLE);
	give_chunks(gs, cache);
	cache->attached = false;
	gs_unlock(&gs->lock);
}

static void thread_exits(void *unused)
{
	struct cache *cache;

	(void)unused;
	gs_lock(&registry_lock);
	/* From here on no signal handler sets it again. */
	this_cache = &no_cache;
	while (thread_caches) {
		cache = thread_caches;
		thread_caches = cache->thread_next;
		detach(cache);
	}
	gs_unlock(&registry_lock);
}

/* Part with caches of handles that were closed. Under the registry's lock. */
static void forget_closed(void)
{
	struct cache **link = &thread_caches;
	struct cache *cache;

	while (*link) {
		cache = *link;
		if (peek(cache->home)) {
			link = &cache->thread_next;
			continue;
		}
		*link = cache->thread_next;
		if (this_cache == cache)
			this_cache = &no_cache;
		detach(cache);
	}
}

static bool make_caches(void)
{
	struct cache *caches = mmap(NULL, CACHES_AT_ONCE * sizeof(*caches),
				    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	if (caches == MAP_FAILED)
		return false;
	for (i = 0; i < CACHES_AT_ONCE; i++) {
		caches[i].next = unused_caches;
		unused_caches = &caches[i];
	}
	return true;
}

/* One that no thread has, of this handle or of none. Both locks are held. */
static struct cache *get_cache(struct gophership *gs)
{
	struct cache *cache;

	for (cache = gs->caches; cache; cache = cache->next)
		if (!cache->attached) {
			cache_harvest(gs, cache);
			return cache;
		}
	if (!unused_caches && !make_caches())
		return NULL;
	cache = unused_caches;
	unused_caches = cache->next;
	*cache = (struct cache) { .next = gs->caches };
	cache_init(cache);
	gs->caches = cache;
	return cache;
}

static struct cache *attach(struct gophership *gs)
{
	struct cache *cache;

	gs_lock(&gs->lock);
	cache = get_cache(gs);
	if (cache) {
		cache->attached = true;
		poke(cache->home, gs);
		poke(cache->gs, peek(gs->waiting) ? NO_HANDLE : gs);
	}
	gs_unlock(&gs->lock);
	return cache;
}

/**
 * thread_cache() - the cache of this thread for a handle
 * @gs: the handle
 *
 * Return: the cache; NULL without memory for one: use the depot.
 */
struct cache *thread_cache(struct gophership *gs)
{
	struct cache *cache = thread_cache_find(gs);

	if (cache)
		return cache;
	gs_lock(&registry_lock);
	forget_closed();
	if (!pthread_setspecific(exit_key, &this_cache))
		cache = attach(gs);
	if (cache) {
		cache->thread_next = thread_caches;
		thread_caches = cache;
		this_cache = cache;
	}
	gs_unlock(&registry_lock);
	return cache;
}

/* @gs is about to go: no thread enters a cache of it. Under the registry's lock. */
void thread_caches_close(struct gophership *gs)
{
	struct cache *cache, *next;

	for (cache = gs->caches; cache; cache = next) {
		next = cache->next;
		poke(cache->gs, NO_HANDLE);
		poke(cache->home, NULL);
		/* Its thread parts with it when it comes by. */
		if (cache->attached)
			continue;
		cache->next = unused_caches;
		unused_caches = cache;
	}
}

/* 0 or -errno. Under the registry's lock. */
int thread_prepare(void)
{
	int error;

	if (have_exit_key)
		return 0;
	error = pthread_key_create(&exit_key, thread_exits);
	have_exit_key = !error;
	return -error;
}

/* In a child: this thread is the only one, and has nothing. */
void thread_forked(void)
{
	this_cache = &no_cache;
	this_thread_locks = 0;
	thread_caches = NULL;
	unused_caches = NULL;
}
