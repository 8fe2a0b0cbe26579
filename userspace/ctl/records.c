// SPDX-License-Identifier: GPL-2.0
/*
 * gophershipctl records: what is in a stream, from a file that "receive" wrote, or live
 * from a driver.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "device.h"
#include "follow.h"
#include "merge.h"
#include "quantity.h"
#include "text.h"

enum order {
	ORDER_USUAL,	/* by time, where the input can be read at any place */
	ORDER_TIME,
	ORDER_ARRIVAL
};

/**
 * struct options - what was asked for
 * @transfer: device and json; a file or an endpoint; the buffers
 * @printer: how the records are printed
 * @order: in which order
 * @seconds: end after so long; 0: not for that
 * @follow: it is an endpoint
 * @data: print the data alone
 */
struct options {
	struct transfer transfer;
	struct printer printer;
	enum order order;
	uint64_t seconds;
	bool follow;
	bool data;
};

enum { OPTION_ORDER = 256 };

static const struct argp_option argp_options[] = {
	{ "follow", 'f', NULL, 0, "It is an ENDPOINT: print what its driver delivers", 0 },
	{ "data", 'd', NULL, 0, "Print the data alone, as they are", 0 },
	{ "raw", 0, NULL, OPTION_ALIAS, NULL, 0 },
	{ "hex", 'x', NULL, 0, "Print all data in hexadecimal, not only what is no text", 0 },
	{ "cpu", 'c', "LIST", 0, "Print records of these CPUs, as in 0,2-3", 0 },
	{ "order", OPTION_ORDER, "ORDER", 0, "time: merge the CPUs (usual for files); arrival: block "
	  "by block, as it was delivered (usual for pipes)", 0 },
	{ "count", 'n', "NUMBER", 0, "End after so many records", 0 },
	{ "seconds", 't', "NUMBER", 0, "With --follow: end after so many seconds", 0 },
	{ 0 }
};

static const char doc[] =
	"Print the records of a stream: of FILE, which \"gophershipctl receive\" wrote, or with "
	"--follow those that the driver of ENDPOINT delivers, until it goes, Ctrl-C, or what "
	"--count and --seconds say.\v"
	"FILE may be - for stdin. ENDPOINT is a node /dev/gophership-NAME, or its NAME alone. "
	"--buffers, --size and --progress are for --follow.\n"
	"\n"
	"A line has time (s), CPU, number of the record on that CPU, bytes and data: as text in "
	"quotes where it is UTF-8, else in hexadecimal. What was lost is a line, too, where it was "
	"lost.\n"
	"\n"
	"Exit status:\n"
	"  0      done, also after Ctrl-C with --follow\n"
	"  1      it failed; stderr says why\n"
	"  2      a wrong option or argument\n"
	"  3      device or endpoint is not there, not open to you, or has no buffers left\n"
	"  5      it is no stream, one of another byte order or version, cut off, or damaged; what "
	"is whole before that is printed";

/*
 * Options
 */

/* A number of a list, and what comes after it. */
static const char *parse_cpu(const char *text, unsigned long *cpu)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return NULL;
	*cpu = strtoul(text, &end, 10);
	return *cpu < BLOCK_CPUS ? end : NULL;
}

/* "0,2-3" */
static bool parse_cpus(const char *text, bool *cpus)
{
	unsigned long first, last;

	for (;;) {
		text = parse_cpu(text, &first);
		if (!text)
			return false;
		last = first;
		if (*text == '-')
			text = parse_cpu(text + 1, &last);
		if (!text || last < first)
			return false;
		for (; first <= last; first++)
			cpus[first] = true;
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
}

static void take_cpus(const char *argument, struct options *options, struct argp_state *state)
{
	struct printer *printer = &options->printer;

	if (!printer->cpus)
		printer->cpus = calloc(BLOCK_CPUS, sizeof(*printer->cpus));
	if (!printer->cpus)
		argp_failure(state, STATUS_FAILED, 0, "out of memory");
	else if (!parse_cpus(argument, printer->cpus))
		argp_error(state, "--cpu wants numbers of CPUs, as in 0,2-3");
}

static void take_order(const char *argument, struct options *options, struct argp_state *state)
{
	if (!strcmp(argument, "time"))
		options->order = ORDER_TIME;
	else if (!strcmp(argument, "arrival"))
		options->order = ORDER_ARRIVAL;
	else
		argp_error(state, "--order wants time or arrival");
}

static void check(struct options *options, struct argp_state *state)
{
	const struct transfer *transfer = &options->transfer;

	if (!transfer->from)
		argp_error(state, "it wants a FILE, or an ENDPOINT with --follow");
	if (!options->follow && (options->seconds || transfer->buffers || transfer->size ||
				 transfer->progress))
		argp_error(state, "--seconds, --buffers, --size and --progress are for --follow");
	if (options->follow && options->order == ORDER_TIME)
		argp_error(state, "what is yet to come has no order: --order=time is for files");
	if (options->data && transfer->common.json)
		argp_error(state, "--data or --json, please, and not both");
	if (transfer->common.json)
		options->printer.form = PRINTER_JSON;
	else if (options->data)
		options->printer.form = isatty(STDOUT_FILENO) ? PRINTER_SHOWN : PRINTER_DATA;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->transfer;
		return 0;
	case 'f':
		options->follow = true;
		return 0;
	case 'd':
		options->data = true;
		return 0;
	case 'x':
		options->printer.hex = true;
		return 0;
	case 'c':
		take_cpus(argument, options, state);
		return 0;
	case OPTION_ORDER:
		take_order(argument, options, state);
		return 0;
	case 'n':
		if (!quantity_parse_number(argument, 1, UINT64_MAX, &options->printer.count))
			argp_error(state, "--count wants a number from 1 on");
		return 0;
	case 't':
		if (!quantity_parse_number(argument, 1, UINT32_MAX, &options->seconds))
			argp_error(state, "--seconds wants a number from 1 on");
		return 0;
	case ARGP_KEY_ARG:
		if (options->transfer.from)
			argp_error(state, "one FILE, please; \"%s\" is too much",
				   text_printable(argument));
		options->transfer.from = argument;
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * A file
 */

static enum status print_source(struct options *options, struct ledger *ledger,
				struct source *source)
{
	enum status status = STATUS_OK;

	if (options->order == ORDER_TIME && !source->regular)
		status = source_spool(source);
	if (status != STATUS_OK)
		return status;
	if (options->order == ORDER_ARRIVAL || !source->regular)
		return print_arrived(&options->printer, ledger, source);
	return print_merged(&options->printer, ledger, source);
}

static enum status print_file(struct options *options, struct ledger *ledger)
{
	struct source source;
	enum status status;

	status = source_open(&source, options->transfer.from);
	if (status != STATUS_OK)
		return status;
	status = print_source(options, ledger, &source);
	source_close(&source);
	return status;
}

int command_records(int argc, char **argv)
{
	static const struct argp_child children[] = { { &buffers_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "FILE\n--follow ENDPOINT",
		.doc = doc,
		.children = children,
	};
	struct options options = { .transfer.common.device = DEVICE_PATH };
	struct ledger ledger;
	enum status status;

	transfer_parse(&argp, argc, argv, &options.transfer);
	if (!ledger_make(&ledger))
		return STATUS_FAILED;
	if (options.follow)
		status = follow(&options.transfer, &options.printer, &ledger, options.seconds);
	else
		status = print_file(&options, &ledger);
	ledger_free(&ledger);
	free(options.printer.cpus);
	return status;
}
