// SPDX-License-Identifier: GPL-2.0
#include <linux/gophership.h>
#include <unistd.h>

#include "quantity.h"
#include "text.h"
#include "transfer.h"

#define MOST_BUFFERS	GOPHERSHIP_BATCH_MAX

enum { OPTION_PROGRESS = 512 };

static const struct argp_option argp_options[] = {
	{ "buffers", 'b', "NUMBER", 0, "So many buffers, and as much in flight "
	  "(default: 32; of a port 64, or what its driver takes)", 0 },
	{ "size", 's', "BYTES", 0, "Bytes of a buffer, as in 4096 or 64K (default: the largest "
	  "there are)", 0 },
	{ "progress", OPTION_PROGRESS, NULL, 0, "Print progress even if stderr is no terminal",
	  0 },
	{ "quiet", 'q', NULL, 0, "Print no progress, notes or summary: errors alone", 0 },
	{ 0 }
};

static error_t parse_buffers(int key, char *argument, struct argp_state *state)
{
	struct transfer *transfer = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &transfer->common;
		return 0;
	case 'b':
		if (!quantity_parse_number(argument, 1, MOST_BUFFERS, &transfer->buffers))
			argp_error(state, "--buffers wants a number from 1 to %d", MOST_BUFFERS);
		return 0;
	case 's':
		if (!quantity_parse_bytes(argument, &transfer->size) || !transfer->size)
			argp_error(state, "--size wants bytes, as in 4096 or 64K");
		return 0;
	case OPTION_PROGRESS:
		transfer->progress = true;
		return 0;
	case 'q':
		transfer->quiet = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child buffers_children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

const struct argp buffers_argp = {
	.options = argp_options,
	.parser = parse_buffers,
	.children = buffers_children,
};

static void take_argument(const char *argument, struct transfer *transfer,
			  struct argp_state *state)
{
	if (!transfer->from)
		transfer->from = argument;
	else if (!transfer->to)
		transfer->to = argument;
	else
		argp_error(state, "one %s and one %s, please; \"%s\" is too much",
			   transfer->from_name, transfer->to_name, text_printable(argument));
}

static error_t parse_arguments(int key, char *argument, struct argp_state *state)
{
	struct transfer *transfer = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = transfer;
		return 0;
	case ARGP_KEY_ARG:
		take_argument(argument, transfer, state);
		return 0;
	case ARGP_KEY_END:
		if (!transfer->to)
			argp_error(state, "it wants %s and %s", transfer->from_name,
				   transfer->to_name);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child transfer_children[] = { { &buffers_argp, 0, NULL, 0 }, { 0 } };

const struct argp transfer_argp = { .parser = parse_arguments, .children = transfer_children };

void transfer_parse(const struct argp *argp, int argc, char **argv, struct transfer *transfer)
{
	argp_parse(argp, argc, argv, 0, NULL, transfer);
	if (transfer->quiet)
		complain_quietly();
}

bool transfer_tells(const struct transfer *transfer)
{
	return !transfer->quiet && (transfer->progress || isatty(STDERR_FILENO));
}
