/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who takes part in gophershipctl bench.
 */
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#include "bench_lanes.h"

/* The loops that each has. */
enum bench_loop {
	BENCH_PAIR,	/* acquire one, release it */
	BENCH_BULK,	/* acquire BULK, release them */
	NR_BENCH_LOOPS
};

/**
 * struct bench_contender - who takes part
 * @name: for programs
 * @loops: by kind
 */
struct bench_contender {
	const char *name;
	lane_loop loops[NR_BENCH_LOOPS];
};

extern const struct bench_contender bench_gophership;
extern const struct bench_contender bench_allocator;

/* Around the loops of bench_gophership; 0 or an errno. */
int bench_gophership_open(const char *device);
void bench_gophership_close(void);

#endif /* BENCH_CONTENDER_H */
