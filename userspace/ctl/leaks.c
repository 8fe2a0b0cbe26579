// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "device.h"
#include "holders.h"
#include "interrupt.h"
#include "quantity.h"
#include "table.h"
#include "text.h"

#define MOST_SECONDS	86400

/**
 * struct options - what was asked for
 * @common: json; no device is opened
 * @table: where the table is
 * @seconds: look again after so many; 0: once
 * @rounds: so often; 0: until interrupted
 */
struct options {
	struct common common;
	const char *table;
	uint64_t seconds;
	uint64_t rounds;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 't':
		options->table = argument;
		return 0;
	case 'w':
		if (!quantity_parse_number(argument, 1, MOST_SECONDS, &options->seconds))
			argp_error(state, "--watch wants seconds, from 1 to %d", MOST_SECONDS);
		return 0;
	case 'n':
		if (!quantity_parse_number(argument, 1, UINT32_MAX, &options->rounds))
			argp_error(state, "--count wants a number, 1 or more");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "it takes no arguments");
		return 0;
	case ARGP_KEY_END:
		if (options->rounds && !options->seconds)
			argp_error(state, "--count needs --watch");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
	{ "watch", 'w', "SECONDS", 0,
	  "Look again every so many seconds, until Ctrl-C, and tell what has come since the "
	  "beginning (with --json: an object a line)", 0 },
	{ "count", 'n', "NUMBER", 0, "With --watch: stop after so many looks", 0 },
	{ "table", 't', "FILE", 0, "The table, if it is not " HOLDERS_PATH, 0 },
	{ 0 }
};

static void print_text(const struct holders *holders, bool again)
{
	const struct holder *holder;
	struct table table;

	table_begin(&table, 1 | 1 << (again ? 4 : 3),
		    again ? "pool|buffers|bytes|grew|call site" : "pool|buffers|bytes|call site");
	for (holder = holders->list; holder < holders->list + holders->nr; holder++) {
		table_cell(&table, "%s", holder->pool);
		table_cell(&table, "%" PRIu64, holder->buffers);
		table_cell(&table, "%s", quantity_bytes(holder->bytes).text);
		if (again)
			table_cell(&table, "%+" PRId64, holder->grew);
		table_cell(&table, "%s", holder->site);
	}
	table_print(&table);
}

static void print_json(const struct holders *holders, int flags)
{
	struct json_object *list = json_object_new_array(), *object;
	const struct holder *holder;

	for (holder = holders->list; holder < holders->list + holders->nr; holder++) {
		object = json_object_new_object();
		json_object_object_add(object, "pool", text_json(holder->pool));
		json_object_object_add(object, "buffers", json_object_new_uint64(holder->buffers));
		json_object_object_add(object, "bytes", json_object_new_uint64(holder->bytes));
		json_object_object_add(object, "grew", json_object_new_int64(holder->grew));
		json_object_object_add(object, "call_site", text_json(holder->site));
		json_object_array_add(list, object);
	}
	command_print_json(list, flags);
}

static enum status look(const struct options *options, struct holders *first, bool again)
{
	struct holders holders;
	enum status status;

	status = holders_read(&holders, options->table);
	if (status != STATUS_OK)
		return status;
	if (again)
		holders_compare(&holders, first);
	if (options->common.json)
		print_json(&holders, options->seconds ? JSON_C_TO_STRING_PLAIN :
							JSON_C_TO_STRING_PRETTY);
	else
		print_text(&holders, again);
	fflush(stdout);
	if (again)
		holders_free(&holders);
	else
		*first = holders;
	return STATUS_OK;
}

static enum status watch(const struct options *options)
{
	bool terminal = isatty(STDOUT_FILENO) && !options->common.json;
	struct holders first = { 0 };
	enum status status;
	uint64_t round;

	/* Ctrl-C is the usual end here, so it is a good one. */
	interrupt_catch();
	for (round = 1;; round++) {
		if (terminal)
			fputs("\033[H\033[2J", stdout);
		status = look(options, &first, round > 1);
		if (status != STATUS_OK || ferror(stdout) || !options->seconds ||
		    round == options->rounds)
			break;
		interrupt_sleep(options->seconds);
		if (interrupt_pending())
			break;
		if (!terminal && !options->common.json)
			putchar('\n');
	}
	holders_free(&first);
	return status;
}

int command_leaks(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Show which call sites of drivers hold buffers now, the largest first. A leak "
		       "is one that grows: --watch puts these first.\v"
		       "It wants root, as debugfs does. What programs have is not in it: see "
		       "/sys/kernel/debug/gophership/contexts.",
		.children = children,
	};
	struct options options = { .common.device = DEVICE_PATH, .table = HOLDERS_PATH };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return watch(&options);
}
