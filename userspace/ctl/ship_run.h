/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs passes, and says what went wrong with one.
 */
#ifndef SHIP_RUN_H
#define SHIP_RUN_H

#include "ship_engine.h"

/**
 * struct ship_run - how passes are run
 * @engine: what carries them out
 * @fallback: engine to go on with if that one fails, or NULL
 * @progress: print progress
 */
struct ship_run {
	const struct engine *engine;
	const struct engine *fallback;
	bool progress;
};

/* The engine that is @wanted, or the best there is. Complains by itself. */
enum status ship_run_choose(struct ship_run *run, const struct engine *wanted);
/*
 * Runs a pass, of which the caller has filled in files, size, buffers and what to
 * do. Complains by itself.
 */
enum status ship_run(struct ship_run *run, struct pass *pass, const char *verb,
		     uint64_t *checksum);

/* Says why a pass failed, if it did. */
enum status ship_run_complain(const struct ship_run *run, const struct pass *pass);

#endif /* SHIP_RUN_H */
