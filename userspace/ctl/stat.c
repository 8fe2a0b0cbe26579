// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "device.h"
#include "interrupt.h"
#include "quantity.h"
#include "text.h"

#define MOST_SECONDS	86400

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
 * struct options - what was asked for
 * @common: device and json
 * @seconds: print again after so many; 0: once
 * @rounds: so often; 0: until interrupted
 */
struct options {
	struct common common;
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
	  "Print again every so many seconds, until Ctrl-C (with --json: an object a line)", 0 },
	{ "count", 'n', "NUMBER", 0, "With --watch: stop after so many times", 0 },
	{ 0 }
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

static void print_json(const struct device *device, const struct gophership_stats *stats,
		       int flags)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_object();
	size_t i;

	json_object_object_add(object, "device", text_json(device->path));
	json_object_object_add(object, "contexts", json_object_new_uint64(stats->contexts));
	json_object_object_add(object, "machine_bytes",
			       json_object_new_uint64(stats->machine_bytes));
	json_object_object_add(object, "machine_limit",
			       json_object_new_uint64(device->info.machine_limit));
	json_object_object_add(object, "pool_foreign",
			       json_object_new_uint64(stats->pool_foreign));
	json_object_object_add(object, "pool_doubled",
			       json_object_new_uint64(stats->pool_doubled));
	json_object_object_add(object, "pool_poisoned",
			       json_object_new_uint64(stats->pool_poisoned));
	for (i = 0; i < NR_POOLS; i++)
		json_object_object_add(list, pools[i].name, pool_json(&stats[i]));
	json_object_object_add(object, "pools", list);
	command_print_json(object, flags);
}

static enum status print(struct device *device, const struct options *options)
{
	struct gophership_stats stats[NR_POOLS];
	enum status status;
	size_t i;

	for (i = 0; i < NR_POOLS; i++) {
		status = device_stats(device, pools[i].number, &stats[i]);
		if (status != STATUS_OK)
			return status;
	}
	if (!options->common.json)
		print_text(device, stats);
	else
		print_json(device, stats, options->seconds ? JSON_C_TO_STRING_PLAIN :
							     JSON_C_TO_STRING_PRETTY);
	fflush(stdout);
	return STATUS_OK;
}

static enum status watch(struct device *device, const struct options *options)
{
	bool terminal = isatty(STDOUT_FILENO) && !options->common.json;
	enum status status;
	uint64_t round;

	/* Ctrl-C is the usual end here, so it is a good one. */
	interrupt_catch();
	for (round = 1;; round++) {
		if (terminal)
			fputs("\033[H\033[2J", stdout);
		status = print(device, options);
		if (status != STATUS_OK || ferror(stdout) || round == options->rounds)
			return status;
		interrupt_sleep(options->seconds);
		if (interrupt_pending())
			return STATUS_OK;
		if (!terminal && !options->common.json)
			putchar('\n');
	}
}

int command_stat(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Show what is on lease, what lies ready in the pools, and the counters since "
		       "the module was loaded.\v"
		       "leased: buffers on loan now. cached: idle buffers kept for the next one.\n"
		       "hits: acquires that the CPU's own store served. misses: requests that went "
		       "to the page allocator. shrunk: idle buffers given back to the machine.",
		.children = children,
	};
	struct options options = { .common.device = DEVICE_PATH };
	struct device device;
	enum status status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = device_open(&device, options.common.device);
	if (status != STATUS_OK)
		return status;
	status = options.seconds ? watch(&device, &options) : print(&device, &options);
	device_close(&device);
	return status;
}
