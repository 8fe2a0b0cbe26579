// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <stdio.h>

#include "command.h"
#include "device.h"
#include "exposition.h"
#include "loopback.h"
#include "pools.h"
#include "server.h"

/**
 * struct options - what was asked for
 * @common: device
 * @open: OpenMetrics instead of the text format of Prometheus
 * @listen: serve them, at
 * @address
 */
struct options {
	struct common common;
	bool open, listen;
	union loopback address;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	const char *wrong;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'o':
		options->open = true;
		return 0;
	case 'l':
		wrong = loopback_parse(argument, &options->address);
		if (wrong)
			argp_error(state, "--listen: %s", wrong);
		options->listen = true;
		return 0;
	case ARGP_KEY_END:
		if (options->listen && options->open)
			argp_error(state, "with --listen each reader says which format it wants");
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
	{ "listen", 'l', "[ADDRESS:]PORT", 0,
	  "Serve OpenMetrics at http://127.0.0.1:PORT/metrics until Ctrl-C; ADDRESS is another of "
	  "loopback", 0 },
	{ 0 }
};

/* The device is open for as long as that takes, so that the module can be unloaded. */
static enum status make(FILE *file, bool open, void *priv)
{
	const struct exposition to = { file, open };
	const struct options *options = priv;
	struct device device;
	enum status status;
	struct pools pools;

	status = device_open(&device, options->common.device);
	if (status != STATUS_OK)
		return status;
	status = pools_read(&pools, &device);
	if (status == STATUS_OK)
		exposition_print(&to, &device, &pools);
	pools_free(&pools);
	device_close(&device);
	return status;
}

int command_metrics(int argc, char **argv)
{
	static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Print all counters for a monitoring system, or serve them by HTTP.\v"
		       "For node_exporter, by a timer: gophershipctl metrics >DIR/gophership.prom.new "
		       "&& mv DIR/gophership.prom.new DIR/gophership.prom",
		.children = children,
	};
	struct options options = { .common.device = DEVICE_PATH };
	struct page page = { make, &options };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.listen)
		return server_run(&options.address, &page);
	return make(stdout, options.open, &options);
}
