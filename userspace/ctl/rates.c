// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "rates.h"

/* A pool that was made anew under the same name begins at 0. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
	return (after - (after >= before ? before : 0)) / seconds;
}

struct rates rates_of(const struct gophership_stats *stats, const struct pools *before,
		      double seconds)
{
	const struct gophership_stats *old = pools_find(before, stats->name);
	struct rates rates = { .stats = stats, .sum = pools_sum(stats) };
	struct pool_sum sum = { 0 };
	double hits;

	if (old)
		sum = pools_sum(old);
	rates.acquires = rate(sum.acquires, rates.sum.acquires, seconds);
	rates.misses = rate(sum.misses, rates.sum.misses, seconds);
	hits = rate(sum.hits, rates.sum.hits, seconds);
	rates.hits = rates.acquires > 0 ? 100 * hits / rates.acquires : 0;
	return rates;
}

static double acquires_of(const struct rates *rates)
{
	return rates->acquires;
}

static double hits_of(const struct rates *rates)
{
	return rates->hits;
}

static double misses_of(const struct rates *rates)
{
	return rates->misses;
}

static double leased_of(const struct rates *rates)
{
	return rates->sum.leased;
}

static double bytes_of(const struct rates *rates)
{
	return rates->sum.leased_bytes;
}

static double cached_of(const struct rates *rates)
{
	return rates->sum.cached_bytes;
}

static double waiters_of(const struct rates *rates)
{
	return rates->stats->waiters;
}

static const struct order orders[] = {
	{ "pool", NULL },	  { "acquires", acquires_of }, { "hits", hits_of },
	{ "misses", misses_of },  { "leased", leased_of },     { "bytes", bytes_of },
	{ "cached", cached_of },  { "waiters", waiters_of },
};

#define NR_ORDERS	(sizeof(orders) / sizeof(orders[0]))

const struct order *rates_order(const char *name)
{
	size_t i;

	for (i = 0; i < NR_ORDERS; i++)
		if (!strcmp(orders[i].name, name))
			return &orders[i];
	return NULL;
}

const struct order *rates_order_of_key(int key)
{
	size_t i;

	for (i = 0; i < NR_ORDERS; i++)
		if (orders[i].name[0] == key)
			return &orders[i];
	return NULL;
}

static int larger_first(double a, double b)
{
	return (a < b) - (a > b);
}

static int compare(const void *left, const void *right, void *priv)
{
	const struct rates *a = left, *b = right;
	const struct order *order = priv;
	int difference = 0;

	if (order->value) {
		difference = larger_first(order->value(a), order->value(b));
		if (!difference)
			difference = larger_first(a->acquires, b->acquires);
		if (!difference)
			difference = larger_first(bytes_of(a), bytes_of(b));
	}
	return difference ? difference : strcmp(a->stats->name, b->stats->name);
}

void rates_sort(struct rates *list, size_t nr, const struct order *order)
{
	qsort_r(list, nr, sizeof(*list), compare, (void *)order);
}
