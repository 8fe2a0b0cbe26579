// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "complain.h"
#include "device.h"
#include "output.h"
#include "text.h"

const char *argp_program_version = "gophershipctl " GOPHERSHIP_VERSION;

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "info", command_info },
	{ "stat", command_stat },
	{ "list", command_list },
	{ "top", command_top },
	{ "leaks", command_leaks },
	{ "metrics", command_metrics },
	{ "trim", command_trim },
	{ "ship", command_ship },
	{ "receive", command_receive },
	{ "send", command_send },
	{ "records", command_records },
	{ "bench", command_bench },
	{ "doctor", command_doctor },
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static const char doc[] =
	"Look at the GopherShip buffer pool, and use it.\v"
	"Commands:\n"
	"  info                   what the device offers: size classes and limits\n"
	"  stat                   what is on loan, what is cached, and all counters\n"
	"  list                   every pool, those of drivers too\n"
	"  top                    what the pools do, the busiest first\n"
	"  leaks                  which call sites of drivers hold buffers\n"
	"  metrics                all counters, for a monitoring system\n"
	"  trim                   give all that lies idle back to the machine\n"
	"  ship FILE DEST         copy a file through borrowed buffers, and prove the copy\n"
	"  receive ENDPOINT DEST  write what a driver delivers to a file or a pipe\n"
	"  send FILE ENDPOINT     give a file to a driver\n"
	"  records FILE           print the records of a stream, from a file or from a driver\n"
	"  bench                  what a borrowed buffer costs here, beside one of the C library\n"
	"  doctor                 find out why it does not work here\n"
	"  help COMMAND           the options of a command\n"
	"\n"
	"Help for a command: gophershipctl COMMAND --help\n"
	"The manual: man gophershipctl";

/* What parse() leaves for main() */
struct choice {
	const struct command *command;
	int first;
	struct common common;
};

static const struct command *find(const char *name, struct argp_state *state)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	argp_error(state, "there is no command \"%s\"", text_printable(name));
	return NULL;
}

/* "help", alone or with a command, whose --help it is then. */
static void help(struct choice *choice, struct argp_state *state)
{
	if (state->next == state->argc)
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
	choice->command = find(state->argv[state->next], state);
	choice->first = state->next;
	state->argv[choice->first - 1] = "--help";
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct choice *choice = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &choice->common;
		return 0;
	case ARGP_KEY_ARG:
		if (!strcmp(argument, "help")) {
			help(choice, state);
		} else {
			choice->command = find(argument, state);
			choice->first = state->next - 1;
		}
		/* The rest is the command's. */
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command? There are info, stat, list, top, leaks, "
			   "metrics, trim, ship, receive, send, records, bench and doctor");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What stands before the command is moved behind it, where the command reads it. */
static int run(const struct choice *choice, int argc, char **argv)
{
	char name[64];

	memmove(argv + 2, argv + 1, (choice->first - 1) * sizeof(*argv));
	/* For its --help and errors. */
	snprintf(name, sizeof(name), "gophershipctl %s", choice->command->name);
	argv[1] = name;
	return choice->command->run(argc - 1, argv + 1);
}

/*
 * Where stdin, stdout or stderr is closed, no other file shall get its number.
 * Open for reading, so that what is written there fails as before.
 */
static void occupy_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What the program is to end with: what fails here does not hide another failure. */
static int status;

/* For atexit(): --help ends the program by itself. */
static void close_output(void)
{
	if (!output_close() && status == STATUS_OK)
		_exit(STATUS_FAILED);
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "COMMAND [OPTION...]",
		.doc = doc,
		.children = children,
	};
	struct choice choice = { 0 };

	occupy_descriptors();
	if (atexit(close_output)) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	argp_err_exit_status = STATUS_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
	status = run(&choice, argc, argv);
	return status;
}
