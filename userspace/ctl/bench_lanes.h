/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A timed stretch of a benchmark: one loop, or one on each of several threads
 * that start together, each on a CPU of its own.
 */
#ifndef BENCH_LANES_H
#define BENCH_LANES_H

#include <stdbool.h>
#include <stddef.h>

#define LANES_MOST	2
/* Buffers of a bulk call. */
#define BULK		32

/* Do @n operations on buffers of @size bytes; false if one of them failed. */
typedef bool (*lane_loop)(size_t size, unsigned long n);

/* CPUs that this program may run on. */
unsigned int lanes_cpus(void);

/*
 * Run each loop on a thread of its own, the first one on the caller's; @nr is 1
 * to LANES_MOST. Nanoseconds from the first one's start to the last one's end,
 * after a warm-up; -1 if a loop failed.
 */
double lanes_run(const lane_loop *loops, unsigned int nr, size_t size, unsigned long n);

#endif /* BENCH_LANES_H */
