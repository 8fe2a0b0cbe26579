/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The speed lab's module: the loops of a contender.
 *
 * Each loop is a template that is always inlined with the calls of one
 * contender, so that no contender pays for an indirect call. A contender NAME
 * has NAME_acquire(size, gfp) and NAME_release(object, size), and BENCH_LOOPS()
 * makes its loops of them.
 */
#ifndef GOPHERSHIP_BENCH_LOOPS_H
#define GOPHERSHIP_BENCH_LOOPS_H

#include <linux/cache.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/processor.h>
#include <linux/smp.h>

#include "bench.h"

typedef void *(*bench_acquire)(size_t size, gfp_t gfp);
typedef bool (*bench_release)(void *object, size_t size);

/* Objects that go through a ring at a time, as drivers' rings do. */
#define BENCH_HAND	16

/**
 * struct bench_ring - from one producer to one consumer
 * @head: objects put in so far; written by the producer
 * @tail: objects taken out so far; written by the consumer
 * @broken: one side gave up
 * @object: protected by @head and @tail
 */
struct bench_ring {
	unsigned long head ____cacheline_aligned;
	unsigned long tail ____cacheline_aligned;
	bool broken ____cacheline_aligned;
	void *object[256];
};

/* One for each two CPUs. */
extern struct bench_ring bench_ring[BENCH_CPUS / 2];
extern void *bench_kept[BENCH_BURST];
extern void *bench_many[BENCH_CPUS][BENCH_STOCK];
extern u32 bench_sizes[BENCH_SIZES];	/* 1 to 64 KiB */

/*
 * User-Mode Linux makes an mfence of each of these. All it runs on is x86, where
 * the compiler is what has to be told.
 */
static __always_inline unsigned long ring_load_acquire(const unsigned long *place)
{
	unsigned long value;

	if (!IS_ENABLED(CONFIG_UML))
		return smp_load_acquire(place); /* the callers say what it pairs with */
	value = READ_ONCE(*place);
	barrier();
	return value;
}

static __always_inline void ring_store_release(unsigned long *place, unsigned long value)
{
	if (!IS_ENABLED(CONFIG_UML)) {
		smp_store_release(place, value); /* the callers say what it pairs with */
		return;
	}
	barrier();
	WRITE_ONCE(*place, value);
}

/* Room for a hand of objects; NULL if there will be none. */
static __always_inline void **bench_ring_room(struct bench_ring *ring)
{
	unsigned long head = ring->head;

	/* Pairs with the release in bench_ring_took(): the entries have been read. */
	while (head - ring_load_acquire(&ring->tail) == ARRAY_SIZE(ring->object)) {
		if (READ_ONCE(ring->broken))
			return NULL;
		cpu_relax();
	}
	return &ring->object[head % ARRAY_SIZE(ring->object)];
}

static __always_inline void bench_ring_put(struct bench_ring *ring)
{
	/* Pairs with the acquire in bench_ring_next(): the entries are there. */
	ring_store_release(&ring->head, ring->head + BENCH_HAND);
}

/* A hand of objects; NULL if there will be none. */
static __always_inline void **bench_ring_next(struct bench_ring *ring)
{
	unsigned long tail = ring->tail;

	/* Pairs with the release in bench_ring_put(). */
	while (ring_load_acquire(&ring->head) == tail) {
		if (READ_ONCE(ring->broken))
			return NULL;
		cpu_relax();
	}
	return &ring->object[tail % ARRAY_SIZE(ring->object)];
}

static __always_inline void bench_ring_took(struct bench_ring *ring)
{
	/* Pairs with the acquire in bench_ring_room(). */
	ring_store_release(&ring->tail, ring->tail + BENCH_HAND);
}

static __always_inline bool bench_pair(unsigned int n, gfp_t gfp, bench_acquire acquire,
				       bench_release release)
{
	void *object;

	while (n--) {
		object = acquire(PAGE_SIZE, gfp);
		if (unlikely(!object || !release(object, PAGE_SIZE)))
			return false;
	}
	return true;
}

/* @size acquires, then as many releases in the same order, and so on. */
static __always_inline bool bench_batch(unsigned int n, void **objects, unsigned int size,
					bench_acquire acquire, bench_release release)
{
	unsigned int i, got;
	bool ok = true;

	for (; ok && n; n -= size) {
		for (got = 0; got < size; got++) {
			objects[got] = acquire(PAGE_SIZE, GFP_KERNEL);
			if (unlikely(!objects[got]))
				break;
		}
		ok = got == size;
		for (i = 0; i < got; i++)
			ok &= release(objects[i], PAGE_SIZE);
	}
	return ok;
}

static __always_inline bool bench_mixed(unsigned int n, bench_acquire acquire,
					bench_release release)
{
	void *object;
	size_t size;

	while (n--) {
		size = bench_sizes[n % BENCH_SIZES];
		object = acquire(size, GFP_KERNEL);
		if (unlikely(!object || !release(object, size)))
			return false;
	}
	return true;
}

static __always_inline bool bench_produce(unsigned int n, bench_acquire acquire,
					  bench_release release)
{
	struct bench_ring *ring = &bench_ring[raw_smp_processor_id() / 2];
	unsigned int i = 0;
	void **hand;

	for (; n; n -= BENCH_HAND) {
		hand = bench_ring_room(ring);
		if (unlikely(!hand))
			return false;
		for (i = 0; i < BENCH_HAND; i++) {
			hand[i] = acquire(PAGE_SIZE, GFP_KERNEL);
			if (unlikely(!hand[i]))
				goto broken;
		}
		bench_ring_put(ring);
	}
	return true;
broken:
	while (i--)
		release(hand[i], PAGE_SIZE);
	WRITE_ONCE(ring->broken, true);
	return false;
}

static __always_inline bool bench_consume(unsigned int n, bench_release release)
{
	struct bench_ring *ring = &bench_ring[raw_smp_processor_id() / 2];
	unsigned int i;
	void **hand;
	bool ok = true;

	for (; n; n -= BENCH_HAND) {
		hand = bench_ring_next(ring);
		if (unlikely(!hand))
			return false;
		for (i = 0; i < BENCH_HAND; i++)
			ok &= release(hand[i], PAGE_SIZE);
		bench_ring_took(ring);
		if (unlikely(!ok)) {
			WRITE_ONCE(ring->broken, true);
			return false;
		}
	}
	return true;
}

static __always_inline bool bench_take(unsigned int n, void **objects, bench_acquire acquire,
				       bench_release release)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		objects[i] = acquire(PAGE_SIZE, GFP_KERNEL);
		if (likely(objects[i]))
			continue;
		while (i--)
			release(objects[i], PAGE_SIZE);
		return false;
	}
	return true;
}

static __always_inline bool bench_give(unsigned int n, void **objects, bench_release release)
{
	bool ok = true;

	while (n--)
		ok &= release(objects[n], PAGE_SIZE);
	return ok;
}

#define BENCH_LOOP(name, kind, call)						\
	static __maybe_unused bool name##_##kind(unsigned int n)		\
	{									\
		return call;							\
	}

#define BENCH_LOOPS(name)							\
	BENCH_LOOP(name, pair, bench_pair(n, GFP_KERNEL, name##_acquire, name##_release)) \
	BENCH_LOOP(name, nest, bench_pair(n, GFP_ATOMIC, name##_acquire, name##_release)) \
	BENCH_LOOP(name, burst, bench_batch(n, bench_many[raw_smp_processor_id()],	\
					    BENCH_BURST, name##_acquire, name##_release)) \
	BENCH_LOOP(name, bulk, bench_batch(n, bench_many[raw_smp_processor_id()],	\
					   BENCH_BULK, name##_acquire, name##_release)) \
	BENCH_LOOP(name, deep, bench_batch(n, bench_many[raw_smp_processor_id()],	\
					   BENCH_DEEP, name##_acquire, name##_release)) \
	BENCH_LOOP(name, stock, bench_take(n, bench_many[raw_smp_processor_id()],	\
					   name##_acquire, name##_release))	\
	BENCH_LOOP(name, unstock, bench_give(n, bench_many[raw_smp_processor_id()],	\
					     name##_release))			\
	BENCH_LOOP(name, mixed, bench_mixed(n, name##_acquire, name##_release))	\
	BENCH_LOOP(name, produce, bench_produce(n, name##_acquire, name##_release)) \
	BENCH_LOOP(name, consume, bench_consume(n, name##_release))		\
	BENCH_LOOP(name, take, bench_take(n, bench_kept, name##_acquire, name##_release))	\
	BENCH_LOOP(name, give, bench_give(n, bench_kept, name##_release))

#endif /* GOPHERSHIP_BENCH_LOOPS_H */
