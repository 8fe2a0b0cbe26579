/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What pools do in a second, and in what order they are shown.
 */
#ifndef RATES_H
#define RATES_H

#include <stddef.h>

#include "pools.h"

/**
 * struct rates - what a pool did
 * @stats: its counters now
 * @sum: of its classes now
 * @acquires: a second
 * @misses: a second
 * @hits: of each hundred acquires since
 */
struct rates {
	const struct gophership_stats *stats;
	struct pool_sum sum;
	double acquires;
	double misses;
	double hits;
};

/**
 * struct order - by what they are sorted: the largest first, or by name
 * @name: of the column; its first letter is the key
 * @value: of the column; NULL: the name
 */
struct order {
	const char *name;
	double (*value)(const struct rates *rates);
};

/* For people: all names of orders, "pool, acquires and so on". */
#define RATES_ORDERS	"pool, acquires, hits, misses, leased, bytes, cached or waiters"

struct rates rates_of(const struct gophership_stats *stats, const struct pools *before,
		      double seconds);
/* NULL: there is none of that name, or key. */
const struct order *rates_order(const char *name);
const struct order *rates_order_of_key(int key);
/* Those that are equal come by acquires, by bytes on loan, and by name. */
void rates_sort(struct rates *list, size_t nr, const struct order *order);

#endif /* RATES_H */
