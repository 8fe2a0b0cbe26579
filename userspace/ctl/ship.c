// SPDX-License-Identifier: GPL-2.0
/*
 * gophershipctl ship: a file goes through borrowed buffers to another place,
 * and is proved to have arrived.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buffers.h"
#include "cgroup.h"
#include "device.h"
#include "interrupt.h"
#include "limits.h"
#include "quantity.h"
#include "ship_run.h"
#include "ship_summary.h"
#include "text.h"
#include "transfer.h"

#define DEFAULT_BUFFERS	32

/**
 * struct options - what was asked for
 * @transfer: from where, to where, by which buffers
 * @engine: how; NULL: the best that this kernel has
 * @verify: read the copy back
 * @direct: try O_DIRECT
 */
struct options {
	struct transfer transfer;
	const struct engine *engine;
	bool verify;
	bool direct;
};

/**
 * struct shipment - a file on its way
 * @options: what was asked for
 * @source: the file
 * @destination: where to
 * @device: the device
 * @buffers: borrowed from it
 * @run: how the passes are carried out
 * @summary: for the end
 */
struct shipment {
	const struct options *options;
	struct ship_source source;
	struct ship_destination destination;
	struct device device;
	struct buffers buffers;
	struct ship_run run;
	struct summary summary;
};

/*
 * Options
 */

enum { OPTION_NO_VERIFY = 256, OPTION_NO_DIRECT };

static const struct argp_option argp_options[] = {
	{ "engine", 'e', "NAME", 0, "uring (io_uring), threads, or auto (default): io_uring if "
	  "the kernel has it, else threads", 0 },
	{ "no-verify", OPTION_NO_VERIFY, NULL, 0, "Do not read the copy back", 0 },
	{ "no-direct", OPTION_NO_DIRECT, NULL, 0, "Go through the page cache, without O_DIRECT",
	  0 },
	{ 0 }
};

static const char doc[] =
	"Copy FILE to DEST through buffers borrowed from the GopherShip pool, with direct I/O, "
	"many buffers in flight. Then read the copy back from the disk and compare checksums. "
	"FILE stays as it is.\v"
	"DEST is a file or an existing directory. It appears, whole and verified, at the very "
	"end; if anything fails, an old DEST is still there and nothing new is left behind.\n"
	"\n"
	"Exit status:\n"
	"  0      it has arrived\n"
	"  1      it failed; stderr says why\n"
	"  2      a wrong option or argument\n"
	"  3      the device is not there, not open to you, or has no buffers left\n"
	"  4      the copy differs from what was read\n"
	"  128+N  ended by signal N (130: Ctrl-C)";

static void parse_engine(const char *name, struct options *options, struct argp_state *state)
{
	if (!strcmp(name, engine_uring.name))
		options->engine = &engine_uring;
	else if (!strcmp(name, engine_threads.name))
		options->engine = &engine_threads;
	else if (!strcmp(name, "auto"))
		options->engine = NULL;
	else
		argp_error(state, "--engine wants uring, threads or auto");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->transfer;
		return 0;
	case 'e':
		parse_engine(argument, options, state);
		return 0;
	case OPTION_NO_VERIFY:
		options->verify = false;
		return 0;
	case OPTION_NO_DIRECT:
		options->direct = false;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * What it takes
 */

/* The capacity of the class that serves the wanted size; 0: none does. */
static uint32_t find_capacity(const struct gophership_info *info, uint64_t size)
{
	uint32_t i;

	for (i = 0; i < info->nr_classes; i++)
		if (size ? info->classes[i].capacity >= size : i + 1 == info->nr_classes)
			return info->classes[i].capacity;
	return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * No more than half of what the memory cgroup has left: the pass, the page cache
 * and the program's neighbours live there, too. But one.
 */
static uint64_t fit_cgroup(uint64_t nr, uint32_t capacity)
{
	struct cgroup cgroup;
	uint64_t most;

	if (!cgroup_find(&cgroup))
		return nr;
	most = cgroup.room / 2 / capacity;
	if (!most)
		most = 1;
	if (nr <= most)
		return nr;
	note("%" PRIu64 " of %" PRIu64 " buffers: the memory cgroup %s has %s left of %s, and half "
	     "of that is for buffers", most, nr, cgroup.path, quantity_bytes(cgroup.room).text,
	     quantity_bytes(cgroup.limit).text);
	return most;
}

static void note_fewer(struct shipment *shipment, uint64_t nr)
{
	struct limits limits;

	if (limits_find(&limits, &shipment->device) != STATUS_OK)
		return;
	note("%u of %" PRIu64 " buffers could be borrowed, and will do; the limit is %s: %s. %s",
	     shipment->buffers.nr, nr, quantity_bytes(limits.lowest).text, limits_title(&limits),
	     limits_remedy(&limits));
}

static enum status borrow(struct shipment *shipment)
{
	const struct gophership_info *info = &shipment->device.info;
	uint32_t capacity = find_capacity(info, shipment->options->transfer.size);
	uint64_t chunks, nr;
	enum status status;

	if (!capacity) {
		complain("the largest buffers there are hold %s",
			 quantity_bytes(info->classes[info->nr_classes - 1].capacity).text);
		advise("Sizes on offer: gophershipctl info");
		return STATUS_USAGE;
	}
	/* No more than a small file has use for. */
	chunks = (shipment->source.st.st_size + (uint64_t)capacity - 1) / capacity;
	nr = least(shipment->options->transfer.buffers, chunks ? chunks : 1);
	nr = least(nr, least(shipment->run.engine->most_buffers, info->batch_max));
	nr = fit_cgroup(nr, capacity);
	status = buffers_borrow(&shipment->buffers, &shipment->device, capacity, nr);
	if (status != STATUS_OK)
		return status;
	if (shipment->buffers.nr < nr)
		note_fewer(shipment, nr);
	shipment->summary.nr_buffers = shipment->buffers.nr;
	shipment->summary.buffer_bytes = capacity;
	return STATUS_OK;
}

/*
 * The passes
 */

static enum status run_pass(struct shipment *shipment, struct pass *pass, const char *verb,
			    uint64_t *checksum)
{
	pass->size = shipment->source.st.st_size;
	pass->buffers = shipment->buffers.list;
	pass->nr_buffers = shipment->buffers.nr;
	pass->chunk_size = shipment->summary.buffer_bytes;
	return ship_run(&shipment->run, pass, verb, checksum);
}

static enum status copy(struct shipment *shipment)
{
	struct ship_source *source = &shipment->source;
	struct ship_destination *destination = &shipment->destination;
	struct pass pass = {
		.in = &source->file,
		.out = &destination->file,
		.keep_holes = ship_file_is_sparse(&source->st),
	};
	double start = progress_clock();
	enum status status;

	if (shipment->options->direct) {
		ship_file_direct(&source->file);
		ship_file_direct(&destination->file);
	}
	status = run_pass(shipment, &pass, "copying", &shipment->summary.checksum);
	if (status == STATUS_OK)
		status = ship_destination_flush(destination, &source->st);
	shipment->summary.fixed = pass.fixed;
	shipment->summary.copy_seconds = progress_clock() - start;
	return status;
}

static enum status verify(struct shipment *shipment)
{
	struct pass pass = { .in = &shipment->destination.file };
	double start = progress_clock();
	enum status status;
	uint64_t checksum;

	if (!shipment->options->verify)
		return STATUS_OK;
	status = ship_destination_reread(&shipment->destination, shipment->source.st.st_size);
	if (status == STATUS_OK)
		status = run_pass(shipment, &pass, "verifying", &checksum);
	if (status != STATUS_OK)
		return status;
	if (checksum != shipment->summary.checksum) {
		complain("the copy differs: checksum %016" PRIx64 " was read from %s,",
			 shipment->summary.checksum, shipment->source.file.path);
		advise("but the disk gives back %016" PRIx64 ". The copy is removed. Either somebody",
		       checksum);
		advise("else wrote to it, or the disk or the memory is broken; see: sudo dmesg");
		return STATUS_DIFFERS;
	}
	shipment->summary.verified = true;
	shipment->summary.verify_seconds = progress_clock() - start;
	return STATUS_OK;
}

static enum status deliver(struct shipment *shipment)
{
	struct ship_destination *destination = &shipment->destination;
	enum status status;

	status = ship_destination_create(destination, &shipment->source);
	if (status == STATUS_OK)
		status = copy(shipment);
	if (status == STATUS_OK)
		status = verify(shipment);
	if (status == STATUS_OK && interrupt_pending())
		status = STATUS_SIGNAL;
	if (status == STATUS_OK)
		status = ship_destination_commit(destination);
	if (status == STATUS_OK)
		ship_source_check(&shipment->source);
	shipment->summary.direct_read = shipment->source.file.direct;
	shipment->summary.direct_write = destination->file.direct;
	shipment->summary.mode_kept = destination->mode_kept;
	return status;
}

/*
 * Taking things in order, and giving each back whatever the next step says
 */

static enum status with_device(struct shipment *shipment)
{
	enum status status, returned;

	status = borrow(shipment);
	if (status != STATUS_OK)
		return status;
	status = deliver(shipment);
	returned = buffers_give_back(&shipment->buffers, &shipment->summary.retired);
	return status == STATUS_OK ? returned : status;
}

static void summarize(struct shipment *shipment)
{
	struct summary *summary = &shipment->summary;

	summary->engine = shipment->run.engine->name;
	summary->source = shipment->source.file.path;
	summary->destination = shipment->destination.path;
	summary->bytes = shipment->source.st.st_size;
	if (shipment->options->transfer.common.json)
		summary_print_json(summary);
	else if (!shipment->options->transfer.quiet)
		summary_print_text(summary);
}

static enum status with_files(struct shipment *shipment)
{
	enum status status;

	status = ship_run_choose(&shipment->run, shipment->options->engine);
	if (status == STATUS_OK)
		status = device_open(&shipment->device, shipment->options->transfer.common.device);
	if (status != STATUS_OK)
		return status;
	status = with_device(shipment);
	device_close(&shipment->device);
	if (status == STATUS_OK)
		summarize(shipment);
	return status;
}

static enum status with_source(struct shipment *shipment)
{
	enum status status;

	status = ship_destination_find(&shipment->destination, shipment->options->transfer.to,
				       &shipment->source);
	if (status != STATUS_OK)
		return status;
	status = with_files(shipment);
	ship_destination_close(&shipment->destination);
	return status;
}

static enum status ship(const struct options *options)
{
	struct shipment shipment = {
		.options = options,
		.run.progress = transfer_tells(&options->transfer),
	};
	enum status status;

	status = ship_source_open(&shipment.source, options->transfer.from);
	if (status != STATUS_OK)
		return status;
	status = with_source(&shipment);
	ship_source_close(&shipment.source);
	return status;
}

int command_ship(int argc, char **argv)
{
	static const struct argp_child children[] = { { &transfer_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "FILE DEST",
		.doc = doc,
		.children = children,
	};
	struct options options = {
		.transfer = {
			.common.device = DEVICE_PATH,
			.from_name = "FILE",
			.to_name = "DEST",
			.buffers = DEFAULT_BUFFERS,
		},
		.verify = true,
		.direct = true,
	};
	enum status status;

	transfer_parse(&argp, argc, argv, &options.transfer);
	interrupt_catch();
	status = ship(&options);
	/* A call that was cut short by a signal failed because of it. */
	if (status == STATUS_OK || status == STATUS_USAGE || !interrupt_pending())
		return status;
	complain("stopped by a signal (%s); the copy is removed", strsignal(interrupt_pending()));
	return STATUS_SIGNAL + interrupt_pending();
}
