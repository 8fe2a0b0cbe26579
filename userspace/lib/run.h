/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs: pointers to neighbouring buffers, which the bulk calls write and check
 * several at once.
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two pointers, anywhere. Without such registers the compiler takes two words. */
typedef uintptr_t run_pair __attribute__((vector_size(2 * sizeof(uintptr_t)),
					  aligned(sizeof(uintptr_t)), may_alias));

/* So many pointers in a step. */
#define RUN_STEP	8

/* The pairs of a step. */
struct run_step {
	run_pair a, b, c, d;
	run_pair length;
};

static inline struct run_step run_first(uintptr_t buf, size_t capacity)
{
	run_pair two = { 2 * capacity, 2 * capacity };
	run_pair four = two + two;
	struct run_step step;

	step.a = (run_pair){ buf, buf + capacity };
	step.b = step.a + two;
	step.c = step.a + four;
	step.d = step.b + four;
	step.length = four + four;
	return step;
}

static inline void run_next(struct run_step *step)
{
	step->a += step->length;
	step->b += step->length;
	step->c += step->length;
	step->d += step->length;
}

/* Let @bufs be @nr neighbours, the first one at @buf. */
static inline void run_write(void **bufs, unsigned int nr, uintptr_t buf, size_t capacity)
{
	struct run_step step = run_first(buf, capacity);

	for (; nr >= RUN_STEP; nr -= RUN_STEP, bufs += RUN_STEP) {
		run_pair *to = (run_pair *)bufs;

		to[0] = step.a;
		to[1] = step.b;
		to[2] = step.c;
		to[3] = step.d;
		run_next(&step);
	}
	for (buf = step.a[0]; nr; nr--, buf += capacity)
		*bufs++ = (void *)buf;
}

/* Are the @nr pointers from @bufs on neighbours? */
static inline bool run_check(void *const *bufs, unsigned int nr, size_t capacity)
{
	struct run_step step = run_first((uintptr_t)*bufs, capacity);
	run_pair differences = { 0 };
	uintptr_t difference, buf;

	for (; nr >= RUN_STEP; nr -= RUN_STEP, bufs += RUN_STEP) {
		const run_pair *from = (const run_pair *)bufs;

		differences |= (from[0] ^ step.a) | (from[1] ^ step.b) |
			       (from[2] ^ step.c) | (from[3] ^ step.d);
		run_next(&step);
	}
	difference = differences[0] | differences[1];
	for (buf = step.a[0]; nr; nr--, buf += capacity)
		difference |= (uintptr_t)*bufs++ ^ buf;
	return !difference;
}

#endif /* RUN_H */
