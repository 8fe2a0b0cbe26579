// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the memory of a port's rings.
 *
 * It lives as long as the port: it is never resized, and a page of it that a program
 * has mapped has a reference of its own besides.
 */
#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "device/ring.h"

static_assert(sizeof(struct gophership_deliver_map) == GOPHERSHIP_PORT_ENTRIES_OFFSET);
static_assert(sizeof(struct gophership_submit_map) == GOPHERSHIP_PORT_ENTRIES_OFFSET);
static_assert(sizeof(struct gophership_entry) == 32);

/* Bytes of a map with @entries entries: whole pages. */
size_t gophership_ring_size(u32 entries)
{
	return PAGE_ALIGN(GOPHERSHIP_PORT_ENTRIES_OFFSET +
			  array_size(entries, sizeof(struct gophership_entry)));
}

/**
 * gophership_ring_alloc() - memory for a map with its ring
 * @entries: of the ring, a power of two
 *
 * Single pages, zeroed, charged to the memory cgroup; vfree() frees them.
 *
 * Context: process, may sleep.
 * Return: the map, or NULL without memory.
 */
void *gophership_ring_alloc(u32 entries)
{
	return __vmalloc(gophership_ring_size(entries), GFP_KERNEL_ACCOUNT | __GFP_ZERO |
			 __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

/* The kernel's side of the ring in @map, which is zero. */
void gophership_ring_init(struct gophership_ring *ring, void *map, u32 entries)
{
	ring->entries = map + GOPHERSHIP_PORT_ENTRIES_OFFSET;
	ring->mask = entries - 1;
	atomic_set(&ring->position, 0);
}
