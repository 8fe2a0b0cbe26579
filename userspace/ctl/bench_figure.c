// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "bench_figure.h"

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

struct figure figure_of(double *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return (struct figure){
		.low = values[nr / 4],
		.median = values[nr / 2],
		.high = values[nr - 1 - nr / 4],
	};
}

struct figure figure_of_ratio(const double *ours, const double *theirs, unsigned int nr)
{
	double ratios[FIGURE_ROUNDS];
	unsigned int i;

	for (i = 0; i < nr; i++)
		ratios[i] = ours[i] / theirs[i];
	return figure_of(ratios, nr);
}
