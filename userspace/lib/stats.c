// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Counters. Most are computed here, from what the hot path leaves behind.
 */
#include <errno.h>
#include <string.h>

#include "pool.h"

/* The size of the structure as it was first published. */
#define STATS_SIZE_VER0	offsetof(struct gophership_lib_stats, classes)

static void add_cache(struct gophership_lib_stats *stats, const struct cache *cache)
{
	int32_t left = peek(cache->state);

	/* One that is at work does not tell. */
	stats->acquires += peek(cache->acquired) + (left == BUSY ? 0 : LOOK_PERIOD - left);
	stats->refills += peek(cache->refills);
	stats->threads += cache->attached;
}

static void add_class(const struct gophership *gs, unsigned int class,
		      struct gophership_lib_class *row)
{
	const struct window *window = &gs->windows[class];
	uint32_t i;

	row->capacity = window->capacity;
	for (i = 0; i < window->high; i++) {
		const struct chunk *chunk = &gs->chunks[window->first_chunk + i];
		bits_t leased = ~peek(chunk->absent);
		bits_t idle = leased & (peek(chunk->free) | peek(chunk->remote));

		/* What is exported is absent from the caches, and in use. */
		leased |= is_exported(gs, chunk, ~(bits_t)0);
		row->leased += __builtin_popcountl(leased);
		row->idle += __builtin_popcountl(idle);
	}
	row->used = row->leased - row->idle;
}

static void collect(struct gophership *gs, struct gophership_lib_stats *stats)
{
	const struct cache *cache;
	uint64_t used = 0;
	unsigned int class;

	add_cache(stats, &gs->depot);
	for (cache = gs->caches; cache; cache = cache->next)
		add_cache(stats, cache);
	for (class = 0; class < gs->nr_classes; class++) {
		add_class(gs, class, &stats->classes[class]);
		used += stats->classes[class].used;
	}
	stats->nr_classes = gs->nr_classes;
	stats->ceiling = gs->ceiling;
	stats->leased_bytes = peek(gs->leased_bytes);
	stats->releases = stats->acquires > used ? stats->acquires - used : 0;
	stats->leases = gs->leases;
	stats->given_back = gs->given_back;
	stats->system_calls = gs->system_calls;
	stats->foreign = peek(gs->foreign);
	stats->doubled = peek(gs->doubled);
	stats->raced = peek(gs->raced);
	stats->failed = peek(gs->failed);
	stats->pressure = gs->pressure_events;
	stats->retired = device_retired(gs->fd);
	stats->waiting = line_count(gs);
}

int gophership_stats(struct gophership *gs, struct gophership_lib_stats *stats)
{
	struct gophership_lib_stats now = { .size = sizeof(now) };
	size_t size = stats->size < sizeof(now) ? stats->size : sizeof(now);
	int error = errno;

	if (!gs || size < STATS_SIZE_VER0)
		return -EINVAL;
	if (peek(gs->stale))
		return -ESTALE;
	gs_lock(&gs->lock);
	collect(gs, &now);
	gs_unlock(&gs->lock);
	memcpy(stats, &now, size);
	errno = error;
	return 0;
}
