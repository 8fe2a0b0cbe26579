// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "device.h"
#include "holders.h"
#include "output.h"
#include "quantity.h"
#include "table.h"
#include "text.h"
#include "watch.h"

/**
 * struct hunt - what is looked for
 * @watch: what was asked for; no device is opened
 * @table: where the table is
 * @first: what there was at the first look
 * @again: that was before
 */
struct hunt {
	struct watch watch;
	const char *table;
	struct holders first;
	bool again;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct hunt *hunt = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &hunt->watch;
		return 0;
	case 't':
		hunt->table = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
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
	output_json(stdout, list, flags);
}

static enum status look(void *priv)
{
	struct holders holders;
	struct hunt *hunt = priv;
	enum status status;

	status = holders_read(&holders, hunt->table);
	if (status != STATUS_OK)
		return status;
	if (hunt->again)
		holders_compare(&holders, &hunt->first);
	if (hunt->watch.common.json)
		print_json(&holders, watch_json_flags(&hunt->watch));
	else
		print_text(&holders, hunt->again);
	if (hunt->again)
		holders_free(&holders);
	else
		hunt->first = holders;
	hunt->again = true;
	return STATUS_OK;
}

int command_leaks(int argc, char **argv)
{
	static const struct argp_child children[] = { { &watch_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Show which call sites of drivers hold buffers now, the largest first. A leak "
		       "is one that grows: --watch tells what has come since the first look, and "
		       "puts these first.\v"
		       "It wants root, as debugfs does. What programs have is not in it: see "
		       "/sys/kernel/debug/gophership/contexts.",
		.children = children,
	};
	struct hunt hunt = { .watch.common.device = DEVICE_PATH, .table = HOLDERS_PATH };
	enum status status;

	argp_parse(&argp, argc, argv, 0, NULL, &hunt);
	status = watch_run(&hunt.watch, look, &hunt);
	holders_free(&hunt.first);
	return status;
}
