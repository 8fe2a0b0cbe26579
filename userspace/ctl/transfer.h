/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the commands that move data through buffers are asked for: from where, to where,
 * and by which buffers.
 */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdint.h>

#include "command.h"

/**
 * struct transfer - what was asked for
 * @common: device and json
 * @from: the first argument
 * @to: the second one
 * @from_name: what the first one is called in complaints
 * @to_name: the second one
 * @buffers: how many; 0: nothing was said
 * @size: bytes that each must hold; 0: the largest there are
 * @progress: print progress though stderr is no terminal
 * @quiet: print errors only
 */
struct transfer {
	struct common common;
	const char *from;
	const char *to;
	const char *from_name;
	const char *to_name;
	uint64_t buffers;
	uint64_t size;
	bool progress;
	bool quiet;
};

/* Options, for struct argp's children; its input is a struct transfer. */
extern const struct argp buffers_argp;
/* So, and both arguments; both names are set. */
extern const struct argp transfer_argp;

/* The arguments of such a command; @transfer: the input of @argp, or the beginning of that. */
void transfer_parse(const struct argp *argp, int argc, char **argv, struct transfer *transfer);
/* Is progress to be printed? */
bool transfer_tells(const struct transfer *transfer);

#endif /* TRANSFER_H */
