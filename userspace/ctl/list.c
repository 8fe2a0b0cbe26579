// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "device.h"
#include "output.h"
#include "pools.h"
#include "quantity.h"
#include "table.h"
#include "text.h"

static void print_text(const struct pools *pools)
{
	const struct gophership_stats *stats;
	struct table table;
	struct pool_sum sum;
	size_t i;

	table_begin(&table, 1, "pool|leased|bytes|cached|bytes|reserve|stock|waiters|acquires|hits|"
		    "misses");
	for (i = 0; i < pools->nr; i++) {
		stats = &pools->list[i];
		sum = pools_sum(stats);
		table_cell(&table, "%s", stats->name);
		table_cell(&table, "%" PRIu64, sum.leased);
		table_cell(&table, "%s", quantity_bytes(sum.leased_bytes).text);
		table_cell(&table, "%" PRIu64, sum.cached);
		table_cell(&table, "%s", quantity_bytes(sum.cached_bytes).text);
		table_cell(&table, "%u", stats->reserve);
		table_cell(&table, "%u", stats->stock);
		table_cell(&table, "%u", stats->waiters);
		table_cell(&table, "%" PRIu64, sum.acquires);
		table_cell(&table, "%s", quantity_share(sum.hits, sum.acquires).text);
		table_cell(&table, "%" PRIu64, sum.misses);
	}
	table_print(&table);
}

static struct json_object *pool_json(const struct gophership_stats *stats)
{
	struct json_object *object = json_object_new_object();
	struct pool_sum sum = pools_sum(stats);

	json_object_object_add(object, "pool", text_json(stats->name));
	json_object_object_add(object, "leased", json_object_new_uint64(sum.leased));
	json_object_object_add(object, "leased_bytes", json_object_new_uint64(sum.leased_bytes));
	json_object_object_add(object, "cached", json_object_new_uint64(sum.cached));
	json_object_object_add(object, "cached_bytes", json_object_new_uint64(sum.cached_bytes));
	json_object_object_add(object, "reserve", json_object_new_uint64(stats->reserve));
	json_object_object_add(object, "stock", json_object_new_uint64(stats->stock));
	json_object_object_add(object, "waiters", json_object_new_uint64(stats->waiters));
	json_object_object_add(object, "acquires", json_object_new_uint64(sum.acquires));
	json_object_object_add(object, "hits", json_object_new_uint64(sum.hits));
	json_object_object_add(object, "misses", json_object_new_uint64(sum.misses));
	json_object_object_add(object, "shrunk", json_object_new_uint64(sum.shrunk));
	return object;
}

static void print_json(const struct pools *pools)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < pools->nr; i++)
		json_object_array_add(list, pool_json(&pools->list[i]));
	output_json(stdout, list, JSON_C_TO_STRING_PRETTY);
}

static enum status look(struct device *device, void *options)
{
	const struct common *common = options;
	struct pools pools;
	enum status status;

	status = pools_read(&pools, device);
	if (status == STATUS_OK && common->json)
		print_json(&pools);
	else if (status == STATUS_OK)
		print_text(&pools);
	pools_free(&pools);
	return status;
}

int command_list(int argc, char **argv)
{
	static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.doc = "Show every pool of the machine: that of programs (user), that which drivers "
		       "share (kernel), and those of drivers.\v"
		       "leased: buffers on loan now. cached: idle buffers kept for the next one. "
		       "hits: acquires that the CPU's own store served. misses: requests that went "
		       "to the page allocator. What is larger than the largest class has no part "
		       "in the bytes.",
		.children = children,
	};
	struct common common = { .device = DEVICE_PATH };

	return command_look(&argp, argc, argv, &common, look);
}
