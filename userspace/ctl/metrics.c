// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "device.h"
#include "pools.h"
#include "text.h"

/**
 * struct options - what was asked for
 * @common: device
 * @open: OpenMetrics instead of the text format of Prometheus
 */
struct options {
	struct common common;
	bool open;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'o':
		options->open = true;
		return 0;
	case ARGP_KEY_END:
		if (options->common.json)
			argp_error(state, "metrics have a format of their own; with --json there are "
				   "list and stat");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
	{ "openmetrics", 'o', NULL, 0,
	  "OpenMetrics, instead of the text format that node_exporter's textfile collector reads",
	  0 },
	{ 0 }
};

/* Both formats want UTF-8, and these two escaped. */
static void print_pool(const char *name)
{
	char *printable = text_printable(name);
	const char *at;

	if (!printable)
		complain_no_memory();
	fputs("pool=\"", stdout);
	for (at = printable; *at; at++) {
		if (*at == '"' || *at == '\\')
			putchar('\\');
		putchar(*at);
	}
	putchar('"');
	free(printable);
}

/* The names of a counter's samples end in _total; OpenMetrics leaves that out before them. */
static void print_head(const struct options *options, const char *name, bool counter,
		       const char *help)
{
	const char *end = counter && !options->open ? "_total" : "";

	printf("# HELP gophership_%s%s %s\n# TYPE gophership_%s%s %s\n", name, end, help, name, end,
	       counter ? "counter" : "gauge");
}

static void print_machine(const struct options *options, const char *name, bool counter,
			  const char *help, uint64_t value)
{
	print_head(options, name, counter, help);
	printf("gophership_%s%s %" PRIu64 "\n", name, counter ? "_total" : "", value);
}

/**
 * struct class_metric - what there is of each size class of each pool
 * @name: without the prefix and the end
 * @help: for people
 * @offset: of the counter
 * @counter: it only rises
 */
struct class_metric {
	const char *name;
	const char *help;
	size_t offset;
	bool counter;
};

#define AT(field) offsetof(struct gophership_class_counters, field)

static const struct class_metric class_metrics[] = {
	{ "leased_buffers", "Buffers on loan now.", AT(leased), false },
	{ "cached_buffers", "Idle buffers kept for the next acquire.", AT(cached), false },
	{ "acquires", "Buffers handed out.", AT(acquires), true },
	{ "hits", "Acquires that the CPU's own store served.", AT(hits), true },
	{ "misses", "Requests that went to the page allocator.", AT(misses), true },
	{ "releases", "Buffers taken back.", AT(releases), true },
	{ "shrunk", "Idle buffers given back to the page allocator.", AT(shrunk), true },
};

#define NR_CLASS_METRICS (sizeof(class_metrics) / sizeof(class_metrics[0]))

static void print_samples(const struct class_metric *metric, const struct gophership_stats *stats)
{
	const struct gophership_class_counters *class = stats->classes;

	for (; class < stats->classes + stats->nr_classes; class++) {
		printf("gophership_%s%s{", metric->name, metric->counter ? "_total" : "");
		print_pool(stats->name);
		if (class->capacity)
			printf(",size=\"%u\"} ", class->capacity);
		else
			fputs(",size=\"larger\"} ", stdout);
		printf("%" PRIu64 "\n",
		       (uint64_t)*(const __u64 *)((const char *)class + metric->offset));
	}
}

static void print_classes(const struct options *options, const struct pools *pools)
{
	const struct class_metric *metric = class_metrics;
	size_t i;

	for (; metric < class_metrics + NR_CLASS_METRICS; metric++) {
		print_head(options, metric->name, metric->counter, metric->help);
		for (i = 0; i < pools->nr; i++)
			print_samples(metric, &pools->list[i]);
	}
}

static void print_pools(const struct options *options, const struct pools *pools)
{
	size_t i;

	print_head(options, "reserve_buffers", false, "Buffers that the reserve of a pool holds.");
	for (i = 0; i < pools->nr; i++) {
		fputs("gophership_reserve_buffers{", stdout);
		print_pool(pools->list[i].name);
		printf("} %u\n", pools->list[i].reserve);
	}
	print_head(options, "waiters", false, "Tasks that wait for a buffer of a pool.");
	for (i = 0; i < pools->nr; i++) {
		fputs("gophership_waiters{", stdout);
		print_pool(pools->list[i].name);
		printf("} %u\n", pools->list[i].waiters);
	}
}

static void print_all(const struct options *options, const struct device *device,
		      const struct pools *pools)
{
	const struct gophership_stats *any = pools->list;

	print_classes(options, pools);
	print_pools(options, pools);
	/* This tool's own open is not the machine's. */
	print_machine(options, "contexts", false, "Opens of the device.", any->contexts - 1);
	print_machine(options, "device_bytes", false, "Bytes that programs have on loan.",
		      any->machine_bytes);
	print_machine(options, "device_limit_bytes", false, "Bytes that programs can have.",
		      device->info.machine_limit);
	print_machine(options, "cleared", true, "Buffers zeroed for programs.",
		      any->machine_cleared);
	print_machine(options, "retired", true, "Buffers given back by programs while pinned.",
		      any->machine_retired);
	print_machine(options, "faults", true, "Page faults of programs served.",
		      any->machine_faults);
	print_machine(options, "foreign_releases", true,
		      "Releases by drivers of what is no buffer.", any->pool_foreign);
	print_machine(options, "double_releases", true,
		      "Releases by drivers of what was not leased.", any->pool_doubled);
	print_machine(options, "poison_hits", true, "Writes after release found.",
		      any->pool_poisoned);
	if (options->open)
		puts("# EOF");
}

static enum status look(struct device *device, void *options)
{
	enum status status;
	struct pools pools;

	status = pools_read(&pools, device);
	if (status == STATUS_OK && pools.nr)
		print_all(options, device, &pools);
	pools_free(&pools);
	return status;
}

int command_metrics(int argc, char **argv)
{
	static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Print all counters for a monitoring system.\v"
		       "For node_exporter, by a timer: gophershipctl metrics >DIR/gophership.prom.new "
		       "&& mv DIR/gophership.prom.new DIR/gophership.prom",
		.children = children,
	};
	struct options options = { .common.device = DEVICE_PATH };

	return command_look(&argp, argc, argv, &options.common, look);
}
