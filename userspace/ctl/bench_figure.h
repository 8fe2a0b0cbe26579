/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a figure and a ratio are: medians of rounds, with their quartiles.
 */
#ifndef BENCH_FIGURE_H
#define BENCH_FIGURE_H

struct figure {
	double low;
	double median;
	double high;
};

/* Sorts @values, of which there is one at least. */
struct figure figure_of(double *values, unsigned int nr);

/*
 * Of ours divided by theirs, round by round: what disturbs a whole round does
 * not disturb the ratio. There are no more than FIGURE_ROUNDS rounds.
 */
#define FIGURE_ROUNDS	1001
struct figure figure_of_ratio(const double *ours, const double *theirs, unsigned int nr);

#endif /* BENCH_FIGURE_H */
