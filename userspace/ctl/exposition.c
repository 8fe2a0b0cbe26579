// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "complain.h"
#include "exposition.h"
#include "text.h"

/* Both formats want UTF-8, and these two escaped. */
static void print_pool(FILE *file, const char *name)
{
	char *printable = text_printable(name);
	const char *at;

	if (!printable)
		complain_no_memory();
	fputs("pool=\"", file);
	for (at = printable; *at; at++) {
		if (*at == '"' || *at == '\\')
			putc('\\', file);
		putc(*at, file);
	}
	putc('"', file);
	free(printable);
}

/* The names of a counter's samples end in _total; OpenMetrics leaves that out before them. */
static void print_head(const struct exposition *to, const char *name, bool counter,
		       const char *help)
{
	const char *end = counter && !to->open ? "_total" : "";

	fprintf(to->file, "# HELP gophership_%s%s %s\n# TYPE gophership_%s%s %s\n", name, end,
		help, name, end, counter ? "counter" : "gauge");
}

static void print_machine(const struct exposition *to, const char *name, bool counter,
			  const char *help, uint64_t value)
{
	print_head(to, name, counter, help);
	fprintf(to->file, "gophership_%s%s %" PRIu64 "\n", name, counter ? "_total" : "", value);
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

static void print_samples(const struct exposition *to, const struct class_metric *metric,
			  const struct gophership_stats *stats)
{
	const struct gophership_class_counters *class = stats->classes;
	const char *bytes;
	uint64_t value;

	for (; class < stats->classes + stats->nr_classes; class++) {
		fprintf(to->file, "gophership_%s%s{", metric->name,
			metric->counter ? "_total" : "");
		print_pool(to->file, stats->name);
		if (class->capacity)
			fprintf(to->file, ",size=\"%u\"} ", class->capacity);
		else
			fputs(",size=\"larger\"} ", to->file);
		bytes = (const char *)class;
		value = *(const __u64 *)(bytes + metric->offset);
		fprintf(to->file, "%" PRIu64 "\n", value);
	}
}

static void print_classes(const struct exposition *to, const struct pools *pools)
{
	const struct class_metric *metric = class_metrics;
	size_t i;

	for (; metric < class_metrics + NR_CLASS_METRICS; metric++) {
		print_head(to, metric->name, metric->counter, metric->help);
		for (i = 0; i < pools->nr; i++)
			print_samples(to, metric, &pools->list[i]);
	}
}

static void print_pools(const struct exposition *to, const struct pools *pools)
{
	size_t i;

	print_head(to, "reserve_buffers", false, "Buffers that the reserve of a pool holds.");
	for (i = 0; i < pools->nr; i++) {
		fputs("gophership_reserve_buffers{", to->file);
		print_pool(to->file, pools->list[i].name);
		fprintf(to->file, "} %u\n", pools->list[i].reserve);
	}
	print_head(to, "waiters", false, "Tasks that wait for a buffer of a pool.");
	for (i = 0; i < pools->nr; i++) {
		fputs("gophership_waiters{", to->file);
		print_pool(to->file, pools->list[i].name);
		fprintf(to->file, "} %u\n", pools->list[i].waiters);
	}
}

void exposition_print(const struct exposition *to, const struct device *device,
		      const struct pools *pools)
{
	const struct gophership_stats *any = pools->list;

	if (!pools->nr)
		return;
	print_classes(to, pools);
	print_pools(to, pools);
	/* This tool's own open is not the machine's. */
	print_machine(to, "contexts", false, "Opens of the device.", any->contexts - 1);
	print_machine(to, "device_bytes", false, "Bytes that programs have on loan.",
		      any->machine_bytes);
	print_machine(to, "device_limit_bytes", false, "Bytes that programs can have.",
		      device->info.machine_limit);
	print_machine(to, "cleared", true, "Buffers zeroed for programs.",
		      any->machine_cleared);
	print_machine(to, "retired", true, "Buffers given back by programs while pinned.",
		      any->machine_retired);
	print_machine(to, "faults", true, "Page faults of programs served.",
		      any->machine_faults);
	print_machine(to, "foreign_releases", true,
		      "Releases by drivers of what is no buffer.", any->pool_foreign);
	print_machine(to, "double_releases", true,
		      "Releases by drivers of what was not leased.", any->pool_doubled);
	print_machine(to, "poison_hits", true, "Writes after release found.",
		      any->pool_poisoned);
	if (to->open)
		fputs("# EOF\n", to->file);
}
