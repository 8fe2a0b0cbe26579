// SPDX-License-Identifier: GPL-2.0
/*
 * gophershipctl bench: what a borrowed buffer costs on this machine, beside one
 * of the C library's allocator.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench_contender.h"
#include "bench_figure.h"
#include "command.h"
#include "complain.h"
#include "device.h"
#include "output.h"
#include "quantity.h"
#include "text.h"

#define DEFAULT_ROUNDS	31
/* A stretch takes so long at least, in nanoseconds. */
#define STRETCH		2e6

/**
 * struct options - what was asked for
 * @common: device and json
 * @rounds: of every row
 */
struct options {
	struct common common;
	uint64_t rounds;
};

/**
 * struct row - what is compared
 * @loop: doing what
 * @bulk: buffers at a time
 * @size: bytes of a buffer
 * @threads: on so many at once
 */
struct row {
	enum bench_loop loop;
	unsigned int bulk;
	size_t size;
	unsigned int threads;
};

static const struct row rows[] = {
	{ BENCH_PAIR, 1, 4096, 1 },
	{ BENCH_PAIR, 1, 65536, 1 },
	{ BENCH_BULK, BULK, 4096, 1 },
	{ BENCH_BULK, BULK, 65536, 1 },
	{ BENCH_PAIR, 1, 4096, 2 },
	{ BENCH_PAIR, 1, 65536, 2 },
	{ BENCH_BULK, BULK, 4096, 2 },
	{ BENCH_BULK, BULK, 65536, 2 },
};

#define NR_ROWS		(sizeof(rows) / sizeof(rows[0]))

/* In the order of their columns: ours first. */
static const struct bench_contender *const contenders[] = { &bench_gophership, &bench_allocator };

#define NR_CONTENDERS	(sizeof(contenders) / sizeof(contenders[0]))

/**
 * struct result - of a row
 * @row: the row
 * @times: by contender, in nanoseconds for a buffer
 * @ratio: ours divided by theirs
 */
struct result {
	const struct row *row;
	struct figure times[NR_CONTENDERS];
	struct figure ratio;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'r':
		if (!quantity_parse_number(argument, 1, FIGURE_ROUNDS, &options->rounds))
			argp_error(state, "--rounds wants a number from 1 to %d", FIGURE_ROUNDS);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option argp_options[] = {
	{ "rounds", 'r', "NUMBER", 0, "Measure so many times (default: 31)", 0 },
	{ 0 }
};

static const char doc[] =
	"Measure what it costs to borrow a buffer and to give it back through libgophership, "
	"beside aligned_alloc() and free() of the C library, in turns.\v"
	"Times are nanoseconds for one buffer; with two threads, of the whole: half of what "
	"each of them takes. They mean something only while nothing else runs.";

/*
 * Measuring
 */

/* Nanoseconds for all of it, or a complaint and -1. */
static double stretch(const struct row *row, const struct bench_contender *contender,
		      unsigned long n)
{
	lane_loop loop = contender->loops[row->loop];
	const lane_loop loops[LANES_MOST] = { loop, loop };
	double ns = lanes_run(loops, row->threads, row->size, n);

	if (ns < 0)
		complain("%s: no buffer of %s to be had, or it could not be given back",
			 contender->name, quantity_bytes(row->size).text);
	return ns;
}

/* How many operations fill a stretch; 0 after a complaint. */
static unsigned long calibrate(const struct row *row, const struct bench_contender *contender)
{
	unsigned long n = 16 * BULK;
	double ns;

	for (;;) {
		ns = stretch(row, contender, n);
		if (ns < 0)
			return 0;
		if (ns >= STRETCH)
			return n;
		n *= 2;
	}
}

static enum status measure(const struct row *row, unsigned int rounds, struct result *result)
{
	static double times[NR_CONTENDERS][FIGURE_ROUNDS];
	unsigned long n[NR_CONTENDERS];
	unsigned int round, i, who;
	double ns;

	for (i = 0; i < NR_CONTENDERS; i++) {
		n[i] = calibrate(row, contenders[i]);
		if (!n[i])
			return STATUS_DEVICE;
	}
	for (round = 0; round < rounds; round++) {
		/* Who comes first changes. */
		for (i = 0; i < NR_CONTENDERS; i++) {
			who = (i + round) % NR_CONTENDERS;
			ns = stretch(row, contenders[who], n[who]);
			if (ns < 0)
				return STATUS_DEVICE;
			times[who][round] = ns / n[who] / row->threads;
		}
	}
	result->row = row;
	result->ratio = figure_of_ratio(times[0], times[1], rounds);
	for (i = 0; i < NR_CONTENDERS; i++)
		result->times[i] = figure_of(times[i], rounds);
	return STATUS_OK;
}

/*
 * Text
 */

static void print_head(const struct options *options)
{
	struct utsname name = { 0 };

	uname(&name);
	printf("Nanoseconds to acquire and release a buffer: medians of %" PRIu64
	       " rounds (quartiles)\nLinux %s, %u CPUs\n\n", options->rounds, name.release,
	       lanes_cpus());
	printf("  %7s %5s %7s  %23s  %25s  %6s\n", "buffer", "each", "threads", "gophership",
	       "aligned_alloc, free", "ratio");
	output_flush();
}

static void print_row(const struct result *result)
{
	const struct figure *ours = &result->times[0], *theirs = &result->times[1];
	const struct row *row = result->row;

	printf("  %7s %5u %7u  %7.2f (%6.2f-%6.2f)  %8.2f (%6.2f-%7.2f)  %6.3f\n",
	       quantity_bytes(row->size).text, row->bulk, row->threads, ours->median, ours->low,
	       ours->high, theirs->median, theirs->low, theirs->high, result->ratio.median);
	output_flush();
}

/*
 * JSON
 */

static struct json_object *figure_json(const struct figure *figure)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "median", json_object_new_double(figure->median));
	json_object_object_add(object, "low", json_object_new_double(figure->low));
	json_object_object_add(object, "high", json_object_new_double(figure->high));
	return object;
}

static struct json_object *result_json(const struct result *result)
{
	struct json_object *object = json_object_new_object();
	const struct row *row = result->row;
	unsigned int i;

	json_object_object_add(object, "size", json_object_new_uint64(row->size));
	json_object_object_add(object, "bulk", json_object_new_int(row->bulk));
	json_object_object_add(object, "threads", json_object_new_int(row->threads));
	for (i = 0; i < NR_CONTENDERS; i++)
		json_object_object_add(object, contenders[i]->name,
				       figure_json(&result->times[i]));
	json_object_object_add(object, "ratio", figure_json(&result->ratio));
	return object;
}

static struct json_object *machine_json(const struct options *options)
{
	struct json_object *object = json_object_new_object();
	struct utsname name = { 0 };

	uname(&name);
	json_object_object_add(object, "device", text_json(options->common.device));
	json_object_object_add(object, "kernel", json_object_new_string(name.release));
	json_object_object_add(object, "cpus", json_object_new_int(lanes_cpus()));
	json_object_object_add(object, "rounds", json_object_new_int(options->rounds));
	json_object_object_add(object, "unit", json_object_new_string("ns"));
	return object;
}

/*
 * All of it
 */

static enum status run(const struct options *options)
{
	struct json_object *list = json_object_new_array(), *object;
	enum status status = STATUS_OK;
	struct result result;
	size_t i;

	if (!options->common.json)
		print_head(options);
	for (i = 0; status == STATUS_OK && i < NR_ROWS; i++) {
		if (rows[i].threads > lanes_cpus())
			continue;
		status = measure(&rows[i], options->rounds, &result);
		if (status != STATUS_OK)
			break;
		if (options->common.json)
			json_object_array_add(list, result_json(&result));
		else
			print_row(&result);
	}
	if (!options->common.json || status != STATUS_OK) {
		json_object_put(list);
		return status;
	}
	object = machine_json(options);
	json_object_object_add(object, "rows", list);
	output_json(stdout, object, JSON_C_TO_STRING_PRETTY);
	return STATUS_OK;
}

int command_bench(int argc, char **argv)
{
	static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	struct options options = { .common.device = DEVICE_PATH, .rounds = DEFAULT_ROUNDS };
	struct device device;
	enum status status;
	int error;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	/* It knows what to say when something is wrong. */
	status = device_open(&device, options.common.device);
	if (status != STATUS_OK)
		return status;
	device_close(&device);
	error = bench_gophership_open(options.common.device);
	if (error) {
		complain("the library cannot open %s: %s", options.common.device, strerror(error));
		return STATUS_DEVICE;
	}
	if (lanes_cpus() < LANES_MOST)
		note("there is one CPU: no rows with two threads");
	status = run(&options);
	bench_gophership_close();
	return status;
}
