// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "interrupt.h"
#include "ship_run.h"

enum status ship_run_choose(struct ship_run *run, const struct engine *wanted)
{
	int error;

	run->fallback = NULL;
	if (!wanted) {
		error = engine_uring.probe();
		run->engine = error ? &engine_threads : &engine_uring;
		run->fallback = error ? NULL : &engine_threads;
		return STATUS_OK;
	}
	run->engine = wanted;
	error = wanted->probe();
	if (!error)
		return STATUS_OK;
	complain("this kernel does not offer io_uring: %s", strerror(error));
	advise("Use --engine threads; or see: sysctl kernel.io_uring_disabled");
	return STATUS_FAILED;
}

/*
 * What went wrong
 */

static enum status complain_engine(const struct ship_run *run, const struct failure *failure)
{
	complain("the engine \"%s\" failed: %s", run->engine->name, strerror(failure->error));
	if (run->engine != &engine_threads)
		advise("Try: --engine threads");
	return STATUS_FAILED;
}

/* A file ended before the size that it had, or said it had. */
static enum status complain_end(const struct pass *pass, const struct failure *failure)
{
	const struct ship_file *file = failure->culprit;
	bool has_size = ship_file_has_size(file, pass->size);

	if (has_size && pass->out)
		return ship_file_complain_size(file, pass->size);
	if (has_size) {
		complain("%s cannot be read back whole: it ended at %" PRIu64 " of %" PRIu64
			 " bytes", file->path, failure->offset, pass->size);
		return STATUS_DIFFERS;
	}
	complain("%s became shorter %s (it ended at %" PRIu64 " of %" PRIu64 " bytes)", file->path,
		 pass->out ? "while it was read" : "after it was written", failure->offset,
		 pass->size);
	if (!pass->out)
		return STATUS_DIFFERS;
	advise("Ship it again when nobody cuts it.");
	return STATUS_FAILED;
}

static const char *verb_of(const struct pass *pass, const struct failure *failure)
{
	if (failure->culprit == pass->out)
		return "write";
	return pass->out ? "read" : "read back";
}

static void advise_io(const struct failure *failure)
{
	/* ENODATA is what O_DIRECT is told of a sector that the disk cannot read. */
	if (failure->error == EIO || failure->error == ENODATA || failure->error == EILSEQ)
		advise("The disk or its file system has an error there; see: sudo dmesg");
}

enum status ship_run_complain(const struct ship_run *run, const struct pass *pass)
{
	const struct failure *failure = &pass->failure;
	const char *verb = verb_of(pass, failure);

	switch (failure->kind) {
	case FAILURE_NONE:
		return STATUS_OK;
	case FAILURE_ENGINE:
		return complain_engine(run, failure);
	case FAILURE_END:
		return complain_end(pass, failure);
	case FAILURE_STUCK:
		complain("cannot %s %s: it takes nothing more (at byte %" PRIu64 ")", verb,
			 failure->culprit->path, failure->offset);
		break;
	case FAILURE_BUSY:
		complain("cannot %s %s: %s, again and again (at byte %" PRIu64 ")", verb,
			 failure->culprit->path, strerror(failure->error), failure->offset);
		advise("Its file system or disk puts off what it is asked for (%s); given up.",
		       failure->error == EINTR ? "EINTR" : "EAGAIN");
		break;
	case FAILURE_IO:
		complain("cannot %s %s: %s (at byte %" PRIu64 ")", verb, failure->culprit->path,
			 strerror(failure->error), failure->offset);
		advise_io(failure);
		break;
	}
	return STATUS_FAILED;
}

/*
 * Running it
 */

static void run_once(const struct ship_run *run, struct pass *pass, const char *verb)
{
	unsigned int nr_buffers = pass->nr_buffers;

	if (pass->nr_buffers > run->engine->most_buffers)
		pass->nr_buffers = run->engine->most_buffers;
	pass->fixed = false;
	pass->in_flight = false;
	pass->done = 0;
	pass->failed = false;
	pass->failure = (struct failure){ .kind = FAILURE_NONE };
	XXH64_reset(pass->hash, 0);
	progress_begin(&pass->progress, verb, pass->size, run->progress);
	run->engine->run(pass);
	progress_end(&pass->progress, pass->done);
	pass->nr_buffers = nr_buffers;
}

/* The other engine may do it all again, unless the buffers are still in use. */
static bool fall_back(struct ship_run *run, const struct pass *pass)
{
	if (pass->failure.kind != FAILURE_ENGINE || !run->fallback || pass->in_flight ||
	    interrupt_pending())
		return false;
	note("the engine \"%s\" failed: %s; going on with \"%s\"", run->engine->name,
	     strerror(pass->failure.error), run->fallback->name);
	run->engine = run->fallback;
	run->fallback = NULL;
	return true;
}

enum status ship_run(struct ship_run *run, struct pass *pass, const char *verb,
		     uint64_t *checksum)
{
	pass->hash = XXH64_createState();
	if (!pass->hash) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	do {
		run_once(run, pass, verb);
	} while (fall_back(run, pass));
	*checksum = XXH64_digest(pass->hash);
	XXH64_freeState(pass->hash);
	if (pass->failed)
		return ship_run_complain(run, pass);
	return interrupt_pending() ? STATUS_SIGNAL : STATUS_OK;
}
