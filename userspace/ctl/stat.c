// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "device.h"
#include "output.h"
#include "quantity.h"
#include "text.h"
#include "watch.h"

/**
 * struct pool - a pool to tell of
 * @number: for the ioctl
 * @name: for programs
 * @title: for people
 */
struct pool {
	uint32_t number;
	const char *name;
	const char *title;
};

static const struct pool pools[] = {
	{ GOPHERSHIP_POOL_USER, "user", "user pool: what programs borrow through the device" },
	{ GOPHERSHIP_POOL_KERNEL, "kernel", "kernel pool: what drivers share" },
};

#define NR_POOLS	(sizeof(pools) / sizeof(pools[0]))

/**
 * struct view - what is looked at
 * @watch: what was asked for
 * @device: the device
 */
struct view {
	struct watch watch;
	struct device *device;
};

/*
 * Text
 */

static void print_row(const struct gophership_class_counters *row, const char *name)
{
	printf("  %9s %8" PRIu64 " %8" PRIu64 " %11" PRIu64 " %7s %10" PRIu64 " %11" PRIu64
	       " %8" PRIu64 "\n", name, (uint64_t)row->leased, (uint64_t)row->cached,
	       (uint64_t)row->acquires, quantity_share(row->hits, row->acquires).text,
	       (uint64_t)row->misses, (uint64_t)row->releases, (uint64_t)row->shrunk);
}

static void print_pool(const struct pool *pool, const struct gophership_stats *stats)
{
	uint32_t i, largest = 0;
	char name[32];

	printf("\n%s\n  %9s %8s %8s %11s %7s %10s %11s %8s\n", pool->title, "buffer", "leased",
	       "cached", "acquires", "hits", "misses", "releases", "shrunk");
	for (i = 0; i < stats->nr_classes; i++) {
		if (stats->classes[i].capacity) {
			largest = stats->classes[i].capacity;
			snprintf(name, sizeof(name), "%s", quantity_bytes(largest).text);
		} else {
			snprintf(name, sizeof(name), "> %s", quantity_bytes(largest).text);
		}
		print_row(&stats->classes[i], name);
	}
}

static void print_text(const struct device *device, const struct gophership_stats *stats)
{
	size_t i;

	text_print(stdout, device->path);
	putchar('\n');
	printf("  open       %" PRIu64 " (this program included)\n", (uint64_t)stats->contexts);
	printf("  on lease   %s of %s\n", quantity_bytes(stats->machine_bytes).text,
	       quantity_bytes(device->info.machine_limit).text);
	printf("  refused    %" PRIu64 " foreign pointers, %" PRIu64
	       " second releases by drivers\n", (uint64_t)stats->pool_foreign,
	       (uint64_t)stats->pool_doubled);
	printf("  poison     %" PRIu64 " writes after release found\n",
	       (uint64_t)stats->pool_poisoned);
	for (i = 0; i < NR_POOLS; i++)
		print_pool(&pools[i], &stats[i]);
}

/*
 * JSON
 */

static struct json_object *row_json(const struct gophership_class_counters *row)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "capacity", json_object_new_uint64(row->capacity));
	json_object_object_add(object, "leased", json_object_new_uint64(row->leased));
	json_object_object_add(object, "cached", json_object_new_uint64(row->cached));
	json_object_object_add(object, "acquires", json_object_new_uint64(row->acquires));
	json_object_object_add(object, "hits", json_object_new_uint64(row->hits));
	json_object_object_add(object, "misses", json_object_new_uint64(row->misses));
	json_object_object_add(object, "releases", json_object_new_uint64(row->releases));
	json_object_object_add(object, "shrunk", json_object_new_uint64(row->shrunk));
	return object;
}

static struct json_object *pool_json(const struct gophership_stats *stats)
{
	struct json_object *classes = json_object_new_array();
	uint32_t i;

	for (i = 0; i < stats->nr_classes; i++)
		json_object_array_add(classes, row_json(&stats->classes[i]));
	return classes;
}

static void print_json(const struct view *view, const struct gophership_stats *stats)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_object();
	size_t i;

	json_object_object_add(object, "device", text_json(view->device->path));
	json_object_object_add(object, "contexts", json_object_new_uint64(stats->contexts));
	json_object_object_add(object, "machine_bytes",
			       json_object_new_uint64(stats->machine_bytes));
	json_object_object_add(object, "machine_limit",
			       json_object_new_uint64(view->device->info.machine_limit));
	json_object_object_add(object, "pool_foreign",
			       json_object_new_uint64(stats->pool_foreign));
	json_object_object_add(object, "pool_doubled",
			       json_object_new_uint64(stats->pool_doubled));
	json_object_object_add(object, "pool_poisoned",
			       json_object_new_uint64(stats->pool_poisoned));
	for (i = 0; i < NR_POOLS; i++)
		json_object_object_add(list, pools[i].name, pool_json(&stats[i]));
	json_object_object_add(object, "pools", list);
	output_json(stdout, object, watch_json_flags(&view->watch));
}

static enum status look_once(void *priv)
{
	struct gophership_stats stats[NR_POOLS];
	struct view *view = priv;
	enum status status;
	size_t i;

	for (i = 0; i < NR_POOLS; i++) {
		status = device_stats(view->device, pools[i].number, &stats[i]);
		if (status != STATUS_OK)
			return status;
	}
	if (view->watch.common.json)
		print_json(view, stats);
	else
		print_text(view->device, stats);
	return STATUS_OK;
}

static enum status look(struct device *device, void *options)
{
	struct view *view = options;

	view->device = device;
	return watch_run(&view->watch, look_once, view);
}

int command_stat(int argc, char **argv)
{
	static const struct argp_child children[] = { { &watch_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.doc = "Show what is on lease, what lies ready in the pools, and the counters since "
		       "the module was loaded.\v"
		       "leased: buffers on loan now. cached: idle buffers kept for the next one.\n"
		       "hits: acquires that the CPU's own store served. misses: requests that went "
		       "to the page allocator. shrunk: idle buffers given back to the machine.",
		.children = children,
	};
	struct view view = { .watch.common.device = DEVICE_PATH };

	return command_look(&argp, argc, argv, &view.watch.common, look);
}
