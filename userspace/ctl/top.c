// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "device.h"
#include "holders.h"
#include "interrupt.h"
#include "pools.h"
#include "quantity.h"
#include "table.h"
#include "text.h"

#define MOST_SECONDS	3600
/* Call sites that are shown below the pools. */
#define MOST_HOLDERS	10

/**
 * struct options - what was asked for
 * @common: device and json
 * @seconds: that rates are taken over
 * @rounds: so often; 0: until interrupted
 */
struct options {
	struct common common;
	uint64_t seconds;
	uint64_t rounds;
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

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'd':
		if (!quantity_parse_number(argument, 1, MOST_SECONDS, &options->seconds))
			argp_error(state, "--delay wants seconds, from 1 to %d", MOST_SECONDS);
		return 0;
	case 'n':
		if (!quantity_parse_number(argument, 1, UINT32_MAX, &options->rounds))
			argp_error(state, "--count wants a number, 1 or more");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "it takes no arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
	{ "delay", 'd', "SECONDS", 0, "Rates over so many seconds (1)", 0 },
	{ "count", 'n', "NUMBER", 0, "Stop after so many tables", 0 },
	{ 0 }
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

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
	command_print_json(array, JSON_C_TO_STRING_PLAIN);
}

static enum status print(const struct options *options, const struct pools *before,
			 const struct pools *after, double seconds)
{
	struct rates *list = calloc(after->nr ? after->nr : 1, sizeof(*list));
	size_t i;

	if (!list) {
		complain("there is no memory for %zu pools", after->nr);
		return STATUS_FAILED;
	}
	for (i = 0; i < after->nr; i++)
		list[i] = rates_of(&after->list[i], before, seconds);
	qsort(list, after->nr, sizeof(*list), busiest_first);
	if (options->common.json) {
		print_json(list, after->nr);
	} else {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		print_text(list, after->nr);
		print_holders();
		if (!isatty(STDOUT_FILENO))
			putchar('\n');
	}
	free(list);
	fflush(stdout);
	return STATUS_OK;
}

static enum status run(const struct options *options, struct device *device)
{
	struct pools before, after;
	double since, until;
	enum status status;
	uint64_t round;

	status = pools_read(&before, device);
	since = now();
	/* Ctrl-C is the usual end here, so it is a good one. */
	interrupt_catch();
	for (round = 1; status == STATUS_OK; round++) {
		interrupt_sleep(options->seconds);
		if (interrupt_pending())
			break;
		status = pools_read(&after, device);
		if (status != STATUS_OK)
			break;
		until = now();
		status = print(options, &before, &after, until - since);
		pools_free(&before);
		before = after;
		since = until;
		if (ferror(stdout) || round == options->rounds)
			break;
	}
	pools_free(&before);
	return status;
}

int command_top(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Show what the pools do, the busiest first, every second, until Ctrl-C; for "
		       "root, also which call sites hold most. With --json: an array a line.",
		.children = children,
	};
	struct options options = { .common.device = DEVICE_PATH, .seconds = 1 };
	struct device device;
	enum status status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = device_open(&device, options.common.device);
	if (status != STATUS_OK)
		return status;
	status = run(&options, &device);
	device_close(&device);
	return status;
}
