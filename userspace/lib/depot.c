// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The depot: chunks that no thread owns; and the way to and from the kernel. The
 * caller holds the handle's lock, except for depot_shed(), which takes it.
 *
 * A chunk without a lease belongs to the depot, in no list.
 */
#include <errno.h>
#include <string.h>

#include "pool.h"

/* Handles of one call. */
#define GIVE_BACK_BATCH	256

static void set_owner(struct chunk *chunk, struct cache *owner)
{
	atomic_store_explicit(&chunk->owner, owner, memory_order_release);
}

/* Move a chunk from the list of @cache to the depot. */
static void depot_take(struct gophership *gs, struct cache *cache, struct chunk *chunk)
{
	cache_unlist(gs, cache, chunk);
	set_owner(chunk, &gs->depot);
	chunk->age = 0;
	cache_list(gs, &gs->depot, chunk);
}

static void take_current(struct gophership *gs, struct cache *cache, unsigned int class)
{
	struct chunk *chunk = cache->current[class];

	if (chunk == &no_chunk)
		return;
	cache->current[class] = &no_chunk;
	if (cache->hot == chunk)
		cache->hot = &no_chunk;
	if (peek(chunk->free)) {
		cache_list(gs, cache, chunk);
		depot_take(gs, cache, chunk);
	}
}

/*
 * Move all that is free in @cache to the depot. The caller is the worker of @cache.
 * Chunks that are on loan as a whole stay.
 */
void depot_take_all(struct gophership *gs, struct cache *cache)
{
	unsigned int class;

	cache_harvest(gs, cache);
	for (class = 0; class < gs->nr_classes; class++) {
		take_current(gs, cache, class);
		while (cache->available[class] != NO_CHUNK)
			depot_take(gs, cache, &gs->chunks[cache->available[class]]);
	}
}

/* The cache lets go of idle chunks of @class that it should not keep. */
void depot_shed(struct gophership *gs, struct cache *cache, unsigned int class)
{
	uint32_t index, next;

	gs_lock(&gs->lock);
	for (index = cache->available[class];
	     index != NO_CHUNK && cache->nr_idle[class] > IDLE_CHUNKS; index = next) {
		next = gs->chunks[index].next;
		if (gs->chunks[index].idle)
			depot_take(gs, cache, &gs->chunks[index]);
	}
	gs_unlock(&gs->lock);
}

/* Move a chunk of @class that has something free from the depot to @cache. */
static bool depot_pass(struct gophership *gs, struct cache *cache, unsigned int class)
{
	struct cache *depot = &gs->depot;
	struct chunk *chunk;

	cache_harvest(gs, depot);
	if (depot->available[class] != NO_CHUNK) {
		chunk = &gs->chunks[depot->available[class]];
		cache_unlist(gs, depot, chunk);
	} else if (peek(depot->current[class]->free)) {
		chunk = depot->current[class];
		depot->current[class] = &no_chunk;
	} else {
		return false;
	}
	if (depot->hot == chunk)
		depot->hot = &no_chunk;
	set_owner(chunk, cache);
	cache_list(gs, cache, chunk);
	return true;
}

/*
 * Make a buffer free that was absent until now. Set free first, clear absent after: a
 * release of an old pointer in between finds the buffer released.
 */
static void add_free(struct gophership *gs, struct cache *cache, struct chunk *chunk, bits_t bit)
{
	atomic_fetch_and(&chunk->remote, ~bit);
	if (peek(chunk->owner) != cache) {
		/* The depot's; in its list if anything is free. */
		if (chunk == gs->depot.current[chunk->class])
			gs->depot.current[chunk->class] = &no_chunk;
		else if (peek(chunk->free))
			cache_unlist(gs, &gs->depot, chunk);
		set_owner(chunk, cache);
		if (peek(chunk->free))
			cache_list(gs, cache, chunk);
	}
	cache_put(gs, cache, chunk, bit);
	atomic_store_explicit(&chunk->absent, peek(chunk->absent) & ~bit, memory_order_release);
}

/*
 * The same in a chunk of another thread, which is at work: here it looks like a remote
 * release. The owner leaves the bit alone while the buffer is absent; then it is told
 * to look.
 */
static void add_remote(struct chunk *chunk, bits_t bit)
{
	atomic_fetch_or(&chunk->remote, bit);
	atomic_store(&chunk->absent, peek(chunk->absent) & ~bit);
	cache_push_ready(chunk);
}

/* The same, and the buffer is on loan at once. */
static void *add_loan(struct chunk *chunk, bits_t bit)
{
	/* First clear what the release of an old pointer may have left: see harvest(). */
	atomic_fetch_and(&chunk->remote, ~bit);
	atomic_store(&chunk->absent, peek(chunk->absent) & ~bit);
	return chunk->base + ((size_t)lowest_bit(bit) << chunk->shift);
}

/* False for a lease that the kernel cannot have given. */
static bool place_lease(struct gophership *gs, struct cache *cache, unsigned int class,
			const struct gophership_lease *lease, void **direct)
{
	struct window *window = &gs->windows[class];
	uint64_t offset = lease->offset - window->offset;
	uint32_t slot = offset / window->capacity;
	struct chunk *chunk;
	struct cache *owner;
	bits_t bit;

	if (offset >= (uint64_t)window->slots * window->capacity || offset % window->capacity)
		return false;
	chunk = &gs->chunks[window->first_chunk + slot / window->per_chunk];
	bit = (bits_t)1 << slot % window->per_chunk;
	if (!(peek(chunk->absent) & bit))
		return false;
	if (slot / window->per_chunk >= window->high)
		window->high = slot / window->per_chunk + 1;
	poke(window->handles[slot], lease->handle);
	poke(gs->leased_bytes, peek(gs->leased_bytes) + window->capacity);
	gs->leases++;

	owner = peek(chunk->owner);
	if (owner == cache || owner == &gs->depot)
		add_free(gs, cache, chunk, bit);
	else if (!*direct)
		*direct = add_loan(chunk, bit);
	else
		add_remote(chunk, bit);
	return true;
}

/* So that the first touch is no page fault. One fault maps a whole buffer. */
static void prefault(const struct gophership *gs, unsigned int class,
		     const struct gophership_lease *lease)
{
	const struct window *window = &gs->windows[class];

	*(volatile char *)(gs->chunks[window->first_chunk].base + lease->offset - window->offset);
}

/* Give back all leases from one on that does not fit in the window. */
static void refuse(struct gophership *gs, const struct gophership_lease *leases, int nr)
{
	for (; nr; nr--, leases++) {
		gs->system_calls++;
		device_give_back(gs->fd, &leases->handle, 1);
	}
}

/**
 * depot_lease() - lease buffers from the kernel
 * @gs: the handle
 * @cache: the cache that gets them; the caller is its worker
 * @class: size class
 * @want: how many, at most a chunk's
 * @direct: gets one of them, if it lies in a chunk that another thread owns
 *
 * Return: how many there are, or -errno.
 */
int depot_lease(struct gophership *gs, struct cache *cache, unsigned int class,
		unsigned int want, void **direct)
{
	struct gophership_lease leases[NR_BITS];
	const struct window *window = &gs->windows[class];
	uint64_t room = (gs->ceiling - peek(gs->leased_bytes)) / window->capacity;
	int i, got;

	if (want > room)
		want = room;
	if (!want)
		return -gs->full;
	gs->system_calls++;
	got = device_lease(gs->fd, window->capacity, want, leases);
	for (i = 0; i < got; i++) {
		if (!place_lease(gs, cache, class, &leases[i], direct)) {
			refuse(gs, &leases[i], got - i);
			return i ? i : -EPROTO;
		}
		if (gs->flags & GOPHERSHIP_PREFAULT)
			prefault(gs, class, &leases[i]);
	}
	return got;
}

/**
 * depot_fill() - get buffers for a cache from the depot or else from the kernel
 * @gs: the handle
 * @cache: the cache that gets them; the caller is its worker
 * @class: size class
 * @direct: as for depot_lease()
 *
 * Return: 0, or -errno.
 */
int depot_fill(struct gophership *gs, struct cache *cache, unsigned int class, void **direct)
{
	int ret;

	if (cache != &gs->depot && depot_pass(gs, cache, class))
		return 0;
	ret = depot_lease(gs, cache, class, gs->windows[class].per_chunk, direct);
	return ret < 0 ? ret : 0;
}

/**
 * struct parcel - handles on their way back
 * @nr: entries of @handles
 * @sent: handles that went
 * @handles: the next ones to go
 */
struct parcel {
	unsigned int nr;
	unsigned int sent;
	__u64 handles[GIVE_BACK_BATCH];
};

static void send(struct gophership *gs, struct parcel *parcel)
{
	unsigned int done = 0;

	while (done < parcel->nr) {
		unsigned int went = device_give_back(gs->fd, parcel->handles + done,
						     parcel->nr - done);

		gs->system_calls++;
		/* The kernel does not know the first one that is left: drop it. */
		done += went ? went : 1;
	}
	gs->given_back += parcel->nr;
	parcel->sent += parcel->nr;
	parcel->nr = 0;
}

/* Put what is free in a chunk of the depot into @parcel. */
static void pack(struct gophership *gs, struct parcel *parcel, struct chunk *chunk)
{
	const struct window *window = &gs->windows[chunk->class];
	unsigned int first = (chunk_index(gs, chunk) - window->first_chunk) * window->per_chunk;
	bits_t bits = peek(chunk->free);

	/* Absent first: so a buffer never looks as if it were on loan. */
	poke(chunk->absent, peek(chunk->absent) | bits);
	atomic_store_explicit(&chunk->free, 0, memory_order_release);
	chunk_drop_raced(gs, chunk, bits);
	poke(gs->leased_bytes, peek(gs->leased_bytes) -
	     (uint64_t)__builtin_popcountl(bits) * window->capacity);
	for (; bits; bits &= bits - 1) {
		parcel->handles[parcel->nr++] = peek(window->handles[first + lowest_bit(bits)]);
		if (parcel->nr == GIVE_BACK_BATCH)
			send(gs, parcel);
	}
}

/**
 * depot_give_back() - give the depot's buffers of a class back to the kernel
 * @gs: the handle
 * @class: size class
 * @age: only chunks that the depot has had for so many sweeps
 *
 * Return: how many.
 */
unsigned int depot_give_back(struct gophership *gs, unsigned int class, unsigned int age)
{
	struct cache *depot = &gs->depot;
	struct parcel parcel = { .nr = 0 };
	uint32_t index, next;

	cache_harvest(gs, depot);
	take_current(gs, depot, class);
	for (index = depot->available[class]; index != NO_CHUNK; index = next) {
		struct chunk *chunk = &gs->chunks[index];

		next = chunk->next;
		if (chunk->age < age)
			continue;
		cache_unlist(gs, depot, chunk);
		pack(gs, &parcel, chunk);
	}
	send(gs, &parcel);
	return parcel.sent;
}

/* A sweep: all that the depot has is one period older. */
void depot_grow_old(struct gophership *gs)
{
	unsigned int class;
	uint32_t index;

	for (class = 0; class < gs->nr_classes; class++)
		for (index = gs->depot.available[class]; index != NO_CHUNK;
		     index = gs->chunks[index].next)
			if (gs->chunks[index].age < UINT8_MAX)
				gs->chunks[index].age++;
}
