/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From one producer to one consumer, the same one for every contender.
 */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>

#define RING_SIZE	256

/**
 * struct ring - buffers on their way
 * @head: put in so far; written by the producer
 * @tail: taken out so far; written by the consumer
 * @broken: one side gave up; atomic
 * @buf: protected by @head and @tail
 */
struct ring {
	_Alignas(64) unsigned long head;
	_Alignas(64) unsigned long tail;
	_Alignas(64) bool broken;
	void *buf[RING_SIZE];
};

static inline void ring_wait(void)
{
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#endif
}

static inline bool ring_put(struct ring *ring, void *buf)
{
	unsigned long head = ring->head;

	/* Pairs with the release in ring_get(): the entry has been read. */
	while (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == RING_SIZE) {
		if (__atomic_load_n(&ring->broken, __ATOMIC_RELAXED))
			return false;
		ring_wait();
	}
	ring->buf[head % RING_SIZE] = buf;
	/* Pairs with the acquire in ring_get(): the entry is there. */
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	return true;
}

static inline void *ring_get(struct ring *ring)
{
	unsigned long tail = ring->tail;
	void *buf;

	/* Pairs with the release in ring_put(). */
	while (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == tail) {
		if (__atomic_load_n(&ring->broken, __ATOMIC_RELAXED))
			return NULL;
		ring_wait();
	}
	buf = ring->buf[tail % RING_SIZE];
	/* Pairs with the acquire in ring_put(). */
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
	return buf;
}

static inline bool ring_break(struct ring *ring)
{
	__atomic_store_n(&ring->broken, true, __ATOMIC_RELAXED);
	return false;
}

#endif /* RING_H */
