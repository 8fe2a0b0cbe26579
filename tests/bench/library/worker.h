/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A contender's process: it does what it is told, a line at a time.
 *
 *	in:   LOOP SIZE THREADS OPERATIONS
 *	out:  nanoseconds per operation, as in 3.141; or "failed"
 */
#ifndef WORKER_H
#define WORKER_H

#include "bench_lanes.h"

/**
 * struct worker_loop - what the contender can do
 * @name: as in the line
 * @lanes: by thread; the second is NULL where there can only be one thread
 */
struct worker_loop {
	const char *name;
	lane_loop lanes[LANES_MOST];
};

/* Serves until the end of stdin; the list ends with a NULL name. An exit status. */
int worker_serve(const struct worker_loop *loops);

#endif /* WORKER_H */
