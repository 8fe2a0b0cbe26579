/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The commands of gophershipctl, and what their options have in common.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <argp.h>
#include <stdbool.h>

#include "complain.h"

struct device;

/**
 * struct common - options that every command has
 * @device: path of the device
 * @json: print JSON
 */
struct common {
	const char *device;
	bool json;
};

/*
 * For struct argp's children. Its input is a struct common, which the parser
 * of the command hands over at ARGP_KEY_INIT.
 */
extern const struct argp common_argp;
/* So, too, for a command that takes no arguments. */
extern const struct argp bare_argp;

/*
 * A command that looks at the device: parses, opens the device, calls @look and closes it.
 * @common: the input of @argp, or the beginning of that; also what @look gets
 */
int command_look(const struct argp *argp, int argc, char **argv, struct common *common,
		 enum status (*look)(struct device *device, void *options));

/* Each returns an exit code; argv[0] is the name of the tool and the command. */
int command_info(int argc, char **argv);
int command_stat(int argc, char **argv);
int command_list(int argc, char **argv);
int command_top(int argc, char **argv);
int command_leaks(int argc, char **argv);
int command_metrics(int argc, char **argv);
int command_trim(int argc, char **argv);
int command_ship(int argc, char **argv);
int command_receive(int argc, char **argv);
int command_send(int argc, char **argv);
int command_records(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_doctor(int argc, char **argv);

#endif /* COMMAND_H */
