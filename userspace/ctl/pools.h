/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every pool of the machine, and what it counts.
 */
#ifndef POOLS_H
#define POOLS_H

#include <stddef.h>
#include <stdint.h>

#include <linux/gophership.h>

#include "device.h"

/**
 * struct pools - all pools, by name
 * @list: their counters
 * @nr: their number
 */
struct pools {
	struct gophership_stats *list;
	size_t nr;
};

/**
 * struct pool_sum - what the size classes of a pool have together
 * @leased: buffers on loan, and
 * @leased_bytes: bytes of these that are of a class: of larger ones the size is not known
 * @cached: buffers that lie idle, and
 * @cached_bytes: bytes of these
 * @acquires: buffers handed out since the pool was made, and
 * @hits: so, by the CPU's own store, and
 * @misses: requests to the page allocator, and
 * @shrunk: idle buffers that were given back to it
 */
struct pool_sum {
	uint64_t leased, leased_bytes;
	uint64_t cached, cached_bytes;
	uint64_t acquires, hits, misses, shrunk;
};

/* Complains by itself. A module that tells of no others has two. */
enum status pools_read(struct pools *pools, struct device *device);
void pools_free(struct pools *pools);
struct pool_sum pools_sum(const struct gophership_stats *stats);
/* The one of that name, or NULL. */
const struct gophership_stats *pools_find(const struct pools *pools, const char *name);

#endif /* POOLS_H */
