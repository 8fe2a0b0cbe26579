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
#include "rates.h"
#include "screen.h"
#include "table.h"
#include "text.h"
#include "watch.h"

/* Call sites that are shown below the pools. */
#define MOST_HOLDERS	10

/**
 * struct top - what is shown, and of what time
 * @watch: what was asked for
 * @order: so, too; keys change it
 * @plain: no screen
 * @device: the device
 * @pools: at the end of the last span, which is where the next one begins
 * @since: when that was
 * @list: what each of @pools did in that span; NULL: there was none yet
 * @holders: of drivers' buffers, at that time; none for others than root
 * @blind: the table of holders cannot be read: that is complained of once
 */
struct top {
	struct watch watch;
	const struct order *order;
	bool plain;
	struct device *device;
	struct pools pools;
	double since;
	struct rates *list;
	struct holders holders;
	bool blind;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct top *top = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &top->watch;
		return 0;
	case 's':
		top->order = rates_order(argument);
		if (!top->order)
			argp_error(state, "--sort wants a column: " RATES_ORDERS);
		return 0;
	case 'p':
		top->plain = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
	{ "sort", 's', "COLUMN", 0,
	  "The largest first by that: " RATES_ORDERS " (acquires); on a screen, its first letter "
	  "is the key", 0 },
	{ "plain", 'p', NULL, 0, "No screen, also on a terminal: tables follow one another", 0 },
	{ 0 }
};

static void print_text(FILE *file, const struct rates *list, size_t nr)
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
	table_print_to(&table, file);
}

static void print_holders(FILE *file, const struct holders *holders)
{
	const struct holder *holder;
	struct table table;
	size_t i;

	if (!holders->nr)
		return;
	putc('\n', file);
	table_begin(&table, 1 | 1 << 3, "pool|buffers|bytes|call site");
	for (i = 0; i < holders->nr && i < MOST_HOLDERS; i++) {
		holder = &holders->list[i];
		table_cell(&table, "%s", holder->pool);
		table_cell(&table, "%" PRIu64, holder->buffers);
		table_cell(&table, "%s", quantity_bytes(holder->bytes).text);
		table_cell(&table, "%s", holder->site);
	}
	table_print_to(&table, file);
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

static void print(const struct top *top, FILE *file)
{
	rates_sort(top->list, top->pools.nr, top->order);
	if (top->watch.common.json) {
		print_json(top->list, top->pools.nr);
	} else {
		print_text(file, top->list, top->pools.nr);
		print_holders(file, &top->holders);
	}
}

static void look_at_holders(struct top *top)
{
	holders_free(&top->holders);
	if (!top->blind && !access(HOLDERS_PATH, R_OK))
		top->blind = holders_read(&top->holders, HOLDERS_PATH) != STATUS_OK;
}

/* At the end of a span. */
static enum status look(struct top *top)
{
	double now = progress_clock();
	struct pools pools;
	enum status status;
	size_t i;

	status = pools_read(&pools, top->device);
	if (status != STATUS_OK)
		return status;
	free(top->list);
	top->list = calloc(pools.nr ? pools.nr : 1, sizeof(*top->list));
	if (!top->list)
		complain_no_memory();
	for (i = 0; i < pools.nr; i++)
		top->list[i] = rates_of(&pools.list[i], &top->pools, now - top->since);
	pools_free(&top->pools);
	top->pools = pools;
	top->since = now;
	if (!top->watch.common.json)
		look_at_holders(top);
	return STATUS_OK;
}

static enum status look_and_print(void *priv)
{
	struct top *top = priv;
	enum status status;

	status = look(top);
	if (status == STATUS_OK)
		print(top, stdout);
	return status;
}

static enum status run_plain(struct top *top)
{
	interrupt_sleep(top->watch.seconds);
	return interrupt_pending() ? STATUS_OK : watch_run(&top->watch, look_and_print, top);
}

static void show(const struct top *top)
{
	char *text = NULL, head[128];
	size_t length;
	FILE *file;

	snprintf(head, sizeof(head), "%zu pools, by %s, every %" PRIu64 " s. Keys: p a h m l b c w "
		 "sort by that column, q ends", top->pools.nr, top->order->name,
		 top->watch.seconds);
	file = open_memstream(&text, &length);
	if (!file)
		complain_no_memory();
	if (top->list)
		print(top, file);
	else
		fprintf(file, "The first rates come after %" PRIu64 " s.\n", top->watch.seconds);
	if (fclose(file))
		complain_no_memory();
	screen_show(head, text);
	free(text);
}

/* Until the end of a span; false: there shall be no more. */
static bool wait_on_screen(struct top *top)
{
	double left;
	int key;

	show(top);
	while ((left = top->since + top->watch.seconds - progress_clock()) > 0) {
		key = screen_key(left);
		if (interrupt_pending() || key == 'q' || key == SCREEN_GONE)
			return false;
		if (rates_order_of_key(key))
			top->order = rates_order_of_key(key);
		if (key)
			show(top);
	}
	return true;
}

static enum status run_on_screen(struct top *top)
{
	enum status status = STATUS_OK;
	uint64_t round;

	for (round = 0; status == STATUS_OK; round++) {
		if ((top->watch.rounds && round > top->watch.rounds) || !wait_on_screen(top))
			break;
		status = look(top);
	}
	return status;
}

/* What is complained of is said when the terminal is itself again. */
static enum status run(struct top *top)
{
	enum status status;
	char *why = NULL;
	size_t length;
	FILE *file;

	top->watch.keep = true;
	if (top->watch.common.json || top->plain || !screen_open())
		return run_plain(top);
	file = open_memstream(&why, &length);
	if (!file)
		complain_no_memory();
	complain_to(file);
	status = run_on_screen(top);
	complain_to(NULL);
	screen_close();
	if (!fclose(file))
		fputs(why, stderr);
	free(why);
	return status;
}

static enum status begin(struct device *device, void *options)
{
	struct top *top = options;
	enum status status;

	top->device = device;
	status = pools_read(&top->pools, device);
	if (status != STATUS_OK)
		return status;
	top->since = progress_clock();
	interrupt_catch();
	status = run(top);
	pools_free(&top->pools);
	holders_free(&top->holders);
	free(top->list);
	return status;
}

int command_top(int argc, char **argv)
{
	static const struct argp_child children[] = { { &delay_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Show what the pools do, the busiest first, every second, until q or Ctrl-C; "
		       "for root, also which call sites hold most. With --json: an array a line.",
		.children = children,
	};
	struct top top = { .watch = { .common.device = DEVICE_PATH, .seconds = 1 } };

	top.order = rates_order("acquires");
	return command_look(&argp, argc, argv, &top.watch.common, begin);
}
