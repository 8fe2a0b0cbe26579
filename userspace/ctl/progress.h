/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A line on stderr that tells how far a long job is.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct progress - one job
 * @verb: what is going on
 * @total: bytes at its end
 * @start: when it began, in seconds of the monotonic clock
 * @shown: when the line was last printed
 * @wanted: print it at all
 * @terminal: stderr is one, so the line can be printed over
 */
struct progress {
	const char *verb;
	uint64_t total;
	double start;
	double shown;
	bool wanted;
	bool terminal;
};

/* Seconds of the monotonic clock. */
double progress_clock(void);
void progress_begin(struct progress *progress, const char *verb, uint64_t total, bool wanted);
/* Cheap enough to call for every buffer. */
void progress_update(struct progress *progress, uint64_t done);
/* For a line of another kind: is it time for one, and print it. */
bool progress_due(struct progress *progress);
void progress_print(const struct progress *progress, const char *line);
/* Takes the line away; returns the seconds since the beginning. */
double progress_end(struct progress *progress, uint64_t done);

#endif /* PROGRESS_H */
