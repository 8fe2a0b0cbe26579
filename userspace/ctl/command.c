// SPDX-License-Identifier: GPL-2.0
#include "command.h"
#include "device.h"

static error_t parse_common(int key, char *argument, struct argp_state *state)
{
	struct common *common = state->input;

	switch (key) {
	case 'D':
		common->device = argument;
		return 0;
	case 'j':
		common->json = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option common_options[] = {
	{ "device", 'D', "PATH", 0, "The device, if it is not " DEVICE_PATH, 90 },
	{ "json", 'j', NULL, 0, "Print JSON, for programs", 90 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 90 },
	{ 0 }
};

const struct argp common_argp = { .options = common_options, .parser = parse_common };

static error_t parse_bare(int key, char *argument, struct argp_state *state)
{
	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "it takes no arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child bare_children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

const struct argp bare_argp = { .parser = parse_bare, .children = bare_children };

int command_look(const struct argp *argp, int argc, char **argv, struct common *common,
		 enum status (*look)(struct device *device, void *options))
{
	struct device device;
	enum status status;

	argp_parse(argp, argc, argv, 0, NULL, common);
	status = device_open(&device, common->device);
	if (status != STATUS_OK)
		return status;
	status = look(&device, common);
	device_close(&device);
	return status;
}
