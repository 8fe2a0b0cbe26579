// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A cache: the chunks that a thread, or the depot, owns.
 *
 * An owned chunk is in one of three places. It is the current one of its class; or it
 * is in the list of available chunks, if something in it is free; or it is in no list,
 * if all of it is on loan. Then the next release puts it back into the list.
 */
#include "pool.h"

/* The current chunk where there is none. Never written. */
struct chunk no_chunk = { .absent = ~(bits_t)0, .shift = 12 };

void cache_init(struct cache *cache)
{
	unsigned int class;

	poke(cache->state, LOOK_PERIOD);
	poke(cache->gs, NO_HANDLE);
	cache->hot = &no_chunk;
	for (class = 0; class < NR_BITS; class++)
		cache->current[class] = &no_chunk;
	for (class = 0; class < CLASSES_MAX; class++) {
		cache->available[class] = NO_CHUNK;
		cache->nr_idle[class] = 0;
	}
}

static void mark_idle(struct cache *cache, struct chunk *chunk)
{
	if (chunk->idle || !chunk_is_idle(chunk))
		return;
	chunk->idle = true;
	cache->nr_idle[chunk->class]++;
}

/* Put @chunk, which has something free, into the list. */
void cache_list(struct gophership *gs, struct cache *cache, struct chunk *chunk)
{
	uint32_t *head = &cache->available[chunk->class];
	uint32_t index = chunk_index(gs, chunk);

	chunk->prev = NO_CHUNK;
	chunk->next = *head;
	if (*head != NO_CHUNK)
		gs->chunks[*head].prev = index;
	*head = index;
	mark_idle(cache, chunk);
}

void cache_unlist(struct gophership *gs, struct cache *cache, struct chunk *chunk)
{
	if (chunk->prev == NO_CHUNK)
		cache->available[chunk->class] = chunk->next;
	else
		gs->chunks[chunk->prev].next = chunk->next;
	if (chunk->next != NO_CHUNK)
		gs->chunks[chunk->next].prev = chunk->prev;
	if (chunk->idle) {
		chunk->idle = false;
		cache->nr_idle[chunk->class]--;
	}
}

/* @bits are not on loan. Those of them that are remote, too, were released twice. */
void chunk_drop_raced(struct gophership *gs, struct chunk *chunk, bits_t bits)
{
	bits_t both = peek(chunk->remote) & bits;

	if (likely(!both))
		return;
	atomic_fetch_and_explicit(&chunk->remote, ~both, memory_order_acq_rel);
	count(&gs->raced, __builtin_popcountl(both));
}

/*
 * Add @bits, which are on loan, to the free ones. Returns whether the cache now has
 * more idle chunks than it should keep.
 */
bool cache_put(struct gophership *gs, struct cache *cache, struct chunk *chunk, bits_t bits)
{
	bits_t free = peek(chunk->free);

	atomic_store_explicit(&chunk->free, free | bits, memory_order_release);
	if (chunk == cache->current[chunk->class])
		return false;
	if (!free)
		cache_list(gs, cache, chunk);
	else
		mark_idle(cache, chunk);
	return chunk->idle && cache->nr_idle[chunk->class] > IDLE_CHUNKS;
}

/*
 * @chunk got remote bits: tell its owner, unless it was told already. If the chunk
 * changes owners meanwhile, the old owner passes it on.
 */
void cache_push_ready(struct chunk *chunk)
{
	struct cache *owner;
	struct chunk *head;

	if (atomic_load(&chunk->queued) || atomic_exchange(&chunk->queued, true))
		return;
	owner = atomic_load_explicit(&chunk->owner, memory_order_acquire);
	head = peek(owner->ready);
	do {
		chunk->ready_next = head;
	} while (!atomic_compare_exchange_weak(&owner->ready, &head, chunk));
}

/*
 * Take over what other threads released. Set free first, clear remote after: see
 * chunk.h. Read absent before remote: another thread may be adding a lease to this
 * chunk right now (add_remote() and add_loan() of depot.c). It clears the absent bit
 * last. So a remote bit of a buffer that is no longer absent is that thread's own, or
 * it is cleared by then.
 */
static void harvest(struct gophership *gs, struct cache *cache, struct chunk *chunk)
{
	bits_t absent, remote, released;

	chunk_drop_raced(gs, chunk, peek(chunk->free));
	absent = atomic_load(&chunk->absent);
	remote = atomic_load(&chunk->remote);
	released = remote & ~(peek(chunk->free) | absent);
	if (!released)
		return;
	cache_put(gs, cache, chunk, released);
	atomic_fetch_and(&chunk->remote, ~released);
}

/* Look through the chunks that other threads made ready. */
void cache_harvest(struct gophership *gs, struct cache *cache)
{
	struct chunk *chunk, *next;

	/* (W) pairs with (W) in release_remote(): the caller has set @waiting. See line.c. */
	if (!atomic_load(&cache->ready))
		return;
	chunk = atomic_exchange_explicit(&cache->ready, NULL, memory_order_acquire);
	for (; chunk; chunk = next) {
		next = chunk->ready_next;
		atomic_store(&chunk->queued, false);
		if (peek(chunk->owner) == cache)
			harvest(gs, cache, chunk);
		else
			cache_push_ready(chunk);
	}
}

static void make_current(struct gophership *gs, struct cache *cache, struct chunk *chunk)
{
	struct chunk *old = cache->current[chunk->class];

	cache->current[chunk->class] = chunk;
	if (cache->hot == old)
		cache->hot = chunk;
	/* A second release came at this moment: something is free after all. */
	if (unlikely(peek(old->free)))
		cache_list(gs, cache, old);
}

/*
 * Have something to hand out in the current chunk of @class. Returns false if
 * the cache has nothing more.
 */
bool cache_refill(struct gophership *gs, struct cache *cache, unsigned int class)
{
	struct chunk *chunk = cache->current[class];

	cache_harvest(gs, cache);
	chunk_drop_raced(gs, chunk, peek(chunk->free));
	while (!chunk_usable(chunk)) {
		if (cache->available[class] == NO_CHUNK)
			return false;
		chunk = &gs->chunks[cache->available[class]];
		cache_unlist(gs, cache, chunk);
		make_current(gs, cache, chunk);
		chunk_drop_raced(gs, chunk, peek(chunk->free));
	}
	return true;
}
