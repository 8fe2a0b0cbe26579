// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <unistd.h>

#include "interrupt.h"
#include "output.h"
#include "quantity.h"
#include "watch.h"

#define MOST_SECONDS	86400

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct watch *watch = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &watch->common;
		return 0;
	case 'd':
	case 'w':
		if (!quantity_parse_number(argument, 1, MOST_SECONDS, &watch->seconds))
			argp_error(state, "--%s wants seconds, from 1 to %d",
				   key == 'd' ? "delay" : "watch", MOST_SECONDS);
		return 0;
	case 'n':
		if (!quantity_parse_number(argument, 1, UINT32_MAX, &watch->rounds))
			argp_error(state, "--count wants a number, 1 or more");
		return 0;
	case ARGP_KEY_END:
		if (watch->rounds && !watch->seconds)
			argp_error(state, "--count needs --watch");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option watch_options[] = {
	{ "watch", 'w', "SECONDS", 0,
	  "Look again every so many seconds, until Ctrl-C (with --json: a line each)", 0 },
	{ "count", 'n', "NUMBER", 0, "With --watch: stop after so many looks", 0 },
	{ 0 }
};

static const struct argp_option delay_options[] = {
	{ "delay", 'd', "SECONDS", 0, "Rates over so many seconds (1)", 0 },
	{ "count", 'n', "NUMBER", 0, "Stop after so many tables", 0 },
	{ 0 }
};

static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };

const struct argp watch_argp = {
	.options = watch_options,
	.parser = parse,
	.children = children,
};

const struct argp delay_argp = {
	.options = delay_options,
	.parser = parse,
	.children = children,
};

int watch_json_flags(const struct watch *watch)
{
	return watch->seconds ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY;
}

enum status watch_run(const struct watch *watch, enum status (*look)(void *priv), void *priv)
{
	bool text = !watch->common.json;
	bool terminal = text && !watch->keep && isatty(STDOUT_FILENO);
	enum status status;
	uint64_t round;

	/* Ctrl-C is the usual end here, so it is a good one. */
	if (watch->seconds) {
		interrupt_catch();
		interrupt_leave_pipe();
	}
	for (round = 1;; round++) {
		if (terminal && watch->seconds)
			fputs("\033[H\033[2J", stdout);
		status = look(priv);
		if (output_flush() || status != STATUS_OK || !watch->seconds ||
		    round == watch->rounds)
			return status;
		interrupt_sleep(watch->seconds);
		if (interrupt_pending())
			return STATUS_OK;
		if (text && !terminal)
			putchar('\n');
	}
}
