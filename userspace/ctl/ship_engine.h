/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Engines: ways to have several I/Os in flight.
 *
 * An engine's run() takes a pass to its end, or to where it fails or is
 * interrupted; no I/O on the buffers is in flight when it returns, unless
 * it says so in the pass.
 */
#ifndef SHIP_ENGINE_H
#define SHIP_ENGINE_H

#include "ship_pass.h"

/**
 * struct engine - an engine
 * @name: for options and messages
 * @most_buffers: more are of no use to it
 * @probe: 0 if this kernel has what it takes, else the errno that says why not
 * @run: see above
 */
struct engine {
	const char *name;
	unsigned int most_buffers;
	int (*probe)(void);
	void (*run)(struct pass *pass);
};

extern const struct engine engine_uring;
extern const struct engine engine_threads;

#endif /* SHIP_ENGINE_H */
