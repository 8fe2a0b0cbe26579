/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The speed lab's module: what its files share.
 *
 * A case is a pattern of use; a contender is a pool or allocator, ours or a
 * peer. A stretch is one timed run of a case by one contender. Stretches of all
 * contenders of a case are interleaved, round by round, so that whatever
 * disturbs the machine disturbs all of them.
 */
#ifndef GOPHERSHIP_BENCH_H
#define GOPHERSHIP_BENCH_H

#include <linux/processor.h>
#include <linux/types.h>

#define BENCH_BURST	64	/* buffers of a burst, and of a miss */
#define BENCH_BULK	32	/* buffers of a bulk call */
#define BENCH_SIZES	1024	/* random sizes; a power of two */
#define BENCH_ROUNDS	501	/* at most */
#define BENCH_CONTENDERS 16	/* of one case, at most */

/* The loops that a contender may have. */
enum bench_loop_kind {
	LOOP_COST,	/* no contender, but what the others' figures contain */
	LOOP_PAIR,
	LOOP_BURST,
	LOOP_BULK,
	LOOP_MIXED,
	LOOP_MUST,
	LOOP_TWO,	/* on two CPUs at once */
	LOOP_PRODUCE,
	LOOP_CONSUME,
	LOOP_TAKE,	/* BENCH_BURST buffers into bench_kept */
	LOOP_GIVE,	/* and back */
	NR_LOOPS
};

/* Do @n operations (a multiple of BENCH_BURST); false if one of them failed. */
typedef bool (*bench_loop)(unsigned int n);

/**
 * struct bench_contender - a pool or allocator
 * @name: in the results
 * @bottom_halves_off: is used in softirq context, so time it as if in one
 * @one_cpu: in a case for two CPUs, run on one nevertheless
 * @chill: give the cached memory back, before a miss
 * @loop: by kind; NULL for a case that the contender does not run in
 */
struct bench_contender {
	const char *name;
	bool bottom_halves_off;
	bool one_cpu;
	void (*chill)(void);
	bench_loop loop[NR_LOOPS];
};

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

extern struct bench_ring bench_ring;
extern void *bench_kept[BENCH_BURST];
extern u32 bench_sizes[BENCH_SIZES];	/* 1 to 64 KiB */

static __always_inline bool bench_ring_put(void *object)
{
	unsigned long head = bench_ring.head;

	/* Pairs with the release in bench_ring_get(): the entry has been read. */
	while (head - smp_load_acquire(&bench_ring.tail) == ARRAY_SIZE(bench_ring.object)) {
		if (READ_ONCE(bench_ring.broken))
			return false;
		cpu_relax();
	}
	bench_ring.object[head % ARRAY_SIZE(bench_ring.object)] = object;
	/* Pairs with the acquire in bench_ring_get(): the entry is there. */
	smp_store_release(&bench_ring.head, head + 1);
	return true;
}

static __always_inline void *bench_ring_get(void)
{
	unsigned long tail = bench_ring.tail;
	void *object;

	/* Pairs with the release in bench_ring_put(). */
	while (smp_load_acquire(&bench_ring.head) == tail) {
		if (READ_ONCE(bench_ring.broken))
			return NULL;
		cpu_relax();
	}
	object = bench_ring.object[tail % ARRAY_SIZE(bench_ring.object)];
	/* Pairs with the acquire in bench_ring_put(). */
	smp_store_release(&bench_ring.tail, tail + 1);
	return object;
}

/* peers.c: ours is the first, except among the costs */
extern const struct bench_contender * const bench_contenders[];
extern const unsigned int bench_nr_contenders;
int bench_peers_init(void);
void bench_peers_exit(void);

/* cases.c */
struct bench_case {
	const char *name;
	enum bench_loop_kind loop;
	unsigned int cpus;
};

const struct bench_case *bench_case_find(const char *name);
s64 bench_stretch(const struct bench_case *bench_case, const struct bench_contender *contender,
		  unsigned int n);

#endif /* GOPHERSHIP_BENCH_H */
