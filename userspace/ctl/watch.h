/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A watch: a command that looks once, or again and again.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdint.h>

#include "command.h"
#include "complain.h"

/**
 * struct watch - what was asked for
 * @common: device and json
 * @seconds: between two looks; 0: look once
 * @rounds: look so often; 0: until interrupted
 * @keep: what a terminal shows stays there when another look follows
 */
struct watch {
	struct common common;
	uint64_t seconds;
	uint64_t rounds;
	bool keep;
};

/*
 * The options --watch and --count, for struct argp's children. Its input is a struct watch.
 * There are no arguments.
 */
extern const struct argp watch_argp;
/* So, with --delay and --count, for a command that always looks again; @seconds is set. */
extern const struct argp delay_argp;

/* For output_json(): where there is more than one look, each is a line. */
int watch_json_flags(const struct watch *watch);

/*
 * @look prints what it sees, complains by itself, and is called until it fails, stdout does,
 * the rounds are over, or a signal comes.
 */
enum status watch_run(const struct watch *watch, enum status (*look)(void *priv), void *priv);

#endif /* WATCH_H */
