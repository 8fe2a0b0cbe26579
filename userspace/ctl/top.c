// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "device.h"
#include "holders.h"
#include "interrupt.h"
#include "output.h"
#include "pools.h"
#include "progress.h"
#include "quantity.h"
#include "table.h"
#include "text.h"
#include "watch.h"

/* Call sites that are shown below the pools. */
#define MOST_HOLDERS	10

/**
 * struct span - the time that rates are taken over
 * @watch: what was asked for
 * @device: the device
 * @before: the pools at its beginning
 * @since: when that was
 */
struct span {
	struct watch watch;
	struct device *device;
	struct pools before;
	double since;
};

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

/* A pool that was made anew under the same name begins at 0. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
	return (after - (after >= before ? before : 0)) / seconds;
}

static struct rates rates_of(const struct gophership_stats *stats, const struct pools *before,
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

static int busiest_first(const void *left, const void *right)
{
	const struct rates *a = left, *b = right;

	if (a->acquires != b->acquires)
		return a->acquires < b->acquires ? 1 : -1;
	return (a->sum.leased_bytes < b->sum.leased_bytes) -
	       (a->sum.leased_bytes > b->sum.leased_bytes);
}

static void print_text(const struct rates *list, size_t nr)
{
	const struct rates *rates;
	struct table table;

	table_begin(&table, 1, "pool|acquires/s|hits %|misses/s|leased|bytes|cached bytes|waiters");
	for (rates = list; rates < list + nr; rates++) {
		table_cell(&table, "%s", rates->stats->name);
		table_cell(&table, "%.0f", rates->acquires);
		table_cell(&table, "%.1f", rates->hits);
		table_cell(&table, "%.0f", rates->misses);
		table_cell(&table, "%" PRIu64, rates->sum.leased);
		table_cell(&table, "%s", quantity_bytes(rates->sum.leased_bytes).text);
		table_cell(&table, "%s", quantity_bytes(rates->sum.cached_bytes).text);
		table_cell(&table, "%u", rates->stats->waiters);
	}
	table_print(&table);
}

/* For root: others see the pools alone. */
static void print_holders(void)
{
	struct holders holders;
	struct table table;
	size_t i;

	if (access(HOLDERS_PATH, R_OK) || holders_read(&holders, HOLDERS_PATH) != STATUS_OK)
		return;
	putchar('\n');
	table_begin(&table, 1 | 1 << 3, "pool|buffers|bytes|call site");
	for (i = 0; i < holders.nr && i < MOST_HOLDERS; i++) {
		table_cell(&table, "%s", holders.list[i].pool);
		table_cell(&table, "%" PRIu64, holders.list[i].buffers);
		table_cell(&table, "%s", quantity_bytes(holders.list[i].bytes).text);
		table_cell(&table, "%s", holders.list[i].site);
	}
	table_print(&table);
	holders_free(&holders);
}

static void print_json(const struct rates *list, size_t nr)
{
	struct json_object *array = json_object_new_array(), *object;
	const struct rates *rates;

	for (rates = list; rates < list + nr; rates++) {
		object = json_object_new_object();
		json_object_object_add(object, "pool", text_json(rates->stats->name));
		json_object_object_add(object, "acquires_per_second",
				       json_object_new_double(rates->acquires));
		json_object_object_add(object, "misses_per_second",
				       json_object_new_double(rates->misses));
		json_object_object_add(object, "hits_percent", json_object_new_double(rates->hits));
		json_object_object_add(object, "leased", json_object_new_uint64(rates->sum.leased));
		json_object_object_add(object, "leased_bytes",
				       json_object_new_uint64(rates->sum.leased_bytes));
		json_object_object_add(object, "cached_bytes",
				       json_object_new_uint64(rates->sum.cached_bytes));
		json_object_object_add(object, "waiters",
				       json_object_new_uint64(rates->stats->waiters));
		json_object_array_add(array, object);
	}
	output_json(stdout, array, JSON_C_TO_STRING_PLAIN);
}

static enum status print(const struct span *span, const struct pools *after, double seconds)
{
	struct rates *list = calloc(after->nr ? after->nr : 1, sizeof(*list));
	size_t i;

	if (!list) {
		complain("there is no memory for %zu pools", after->nr);
		return STATUS_FAILED;
	}
	for (i = 0; i < after->nr; i++)
		list[i] = rates_of(&after->list[i], &span->before, seconds);
	qsort(list, after->nr, sizeof(*list), busiest_first);
	if (span->watch.common.json) {
		print_json(list, after->nr);
	} else {
		print_text(list, after->nr);
		print_holders();
	}
	free(list);
	return STATUS_OK;
}

/* At the end of a span, which is where the next one begins. */
static enum status look_once(void *priv)
{
	struct span *span = priv;
	struct pools after;
	enum status status;
	double now;

	status = pools_read(&after, span->device);
	if (status != STATUS_OK)
		return status;
	now = progress_clock();
	status = print(span, &after, now - span->since);
	pools_free(&span->before);
	span->before = after;
	span->since = now;
	return status;
}

static enum status look(struct device *device, void *options)
{
	struct span *span = options;
	enum status status;

	span->device = device;
	status = pools_read(&span->before, device);
	if (status != STATUS_OK)
		return status;
	span->since = progress_clock();
	interrupt_catch();
	interrupt_sleep(span->watch.seconds);
	if (!interrupt_pending())
		status = watch_run(&span->watch, look_once, span);
	pools_free(&span->before);
	return status;
}

int command_top(int argc, char **argv)
{
	static const struct argp_child children[] = { { &delay_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.doc = "Show what the pools do, the busiest first, every second, until Ctrl-C; for "
		       "root, also which call sites hold most. With --json: an array a line.",
		.children = children,
	};
	struct span span = { .watch = { .common.device = DEVICE_PATH, .seconds = 1 } };

	return command_look(&argp, argc, argv, &span.watch.common, look);
}
