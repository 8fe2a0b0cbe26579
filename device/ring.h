/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the two rings of a port.
 *
 * A ring is shared memory that one side writes and the other side reads. The next
 * position of the kernel's side is private to the kernel; that of the program's
 * side is the program's business. device/types.h describes the barriers.
 */
#ifndef GOPHERSHIP_DEVICE_RING_H
#define GOPHERSHIP_DEVICE_RING_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <uapi/linux/gophership.h>

/**
 * struct gophership_ring - the kernel's side of a ring
 * @entries: in memory that is shared with the program; constant
 * @mask: entries less 1; constant
 * @position: the next one to publish or consume; by atomics, in any context
 */
struct gophership_ring {
	struct gophership_entry *entries;
	u32 mask;
	atomic_t position;
};

static inline u32 gophership_ring_position(const struct gophership_ring *ring)
{
	return atomic_read(&ring->position);
}

static __always_inline struct gophership_entry *
gophership_ring_entry(const struct gophership_ring *ring, u32 position)
{
	return ring->entries + (position & ring->mask);
}

/* Is there a valid entry at @position? */
static __always_inline bool gophership_ring_ready(const struct gophership_ring *ring, u32 position)
{
	/* (A) pairs with the writer's release: the program's, as of gophership_ring_publish() */
	return smp_load_acquire(&gophership_ring_entry(ring, position)->seq) == position + 1;
}

/* Copy the entry at @position, each field once: the program may change them. */
static __always_inline bool gophership_ring_copy(const struct gophership_ring *ring, u32 position,
						 struct gophership_entry *copy)
{
	const struct gophership_entry *entry = gophership_ring_entry(ring, position);

	if (!gophership_ring_ready(ring, position))
		return false;
	copy->index = READ_ONCE(entry->index);
	copy->offset = READ_ONCE(entry->offset);
	copy->len = READ_ONCE(entry->len);
	copy->flags = READ_ONCE(entry->flags);
	copy->tag = READ_ONCE(entry->tag);
	return true;
}

/*
 * Consume up to @max entries. An entry is copied before its position is claimed: the
 * program writes it anew only after the claim. A context that loses the claim copies again,
 * and another context has advanced. So an NMI does not wait for the context that it is on
 * top of. Returns how many.
 */
static __always_inline unsigned int gophership_ring_consume(struct gophership_ring *ring,
							    unsigned int max,
							    struct gophership_entry *copies)
{
	int position = atomic_read(&ring->position);
	unsigned int nr;
	int now;

	for (;;) {
		for (nr = 0; nr < max; nr++)
			if (!gophership_ring_copy(ring, position + nr, &copies[nr]))
				break;
		if (nr) {
			if (atomic_try_cmpxchg(&ring->position, &position, position + nr))
				return nr;
			continue;
		}
		now = atomic_read(&ring->position);
		if (now == position)
			return 0;
		position = now;
	}
}

/*
 * The next @nr positions are the caller's to publish. If the caller is interrupted before
 * it publishes, the reader waits at the first of them: seq tells.
 */
static __always_inline u32 gophership_ring_reserve(struct gophership_ring *ring, unsigned int nr)
{
	return atomic_fetch_add(nr, &ring->position);
}

/* All of the entry at @position but its seq. */
static __always_inline void gophership_ring_fill(struct gophership_ring *ring, u32 position,
						 const struct gophership_entry *from)
{
	struct gophership_entry *entry = gophership_ring_entry(ring, position);

	WRITE_ONCE(entry->index, from->index);
	WRITE_ONCE(entry->offset, from->offset);
	WRITE_ONCE(entry->len, from->len);
	WRITE_ONCE(entry->flags, from->flags);
	WRITE_ONCE(entry->tag, from->tag);
}

static __always_inline void gophership_ring_publish(struct gophership_ring *ring, u32 position)
{
	/* (A) pairs with the program's acquire, which is as in gophership_ring_ready() */
	smp_store_release(&gophership_ring_entry(ring, position)->seq, position + 1);
}

/* Is @event one of the positions from @old up to, and without, @new? */
static __always_inline bool gophership_ring_passed(u32 event, u32 old, u32 new)
{
	return new - event - 1 < new - old;
}

size_t gophership_ring_size(u32 entries);
void *gophership_ring_alloc(u32 entries);
void gophership_ring_init(struct gophership_ring *ring, void *map, u32 entries);

#endif /* GOPHERSHIP_DEVICE_RING_H */
