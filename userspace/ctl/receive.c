// SPDX-License-Identifier: GPL-2.0
/*
 * gophershipctl receive: what a driver delivers goes to a file or a pipe, from the very
 * buffers that the driver filled.
 */
#include <inttypes.h>
#include <stdio.h>

#include "interrupt.h"
#include "output.h"
#include "quantity.h"
#include "sink.h"
#include "text.h"

/**
 * struct options - what was asked for
 * @transfer: from which endpoint, to where, by which buffers
 * @count: end after so many messages; 0: not for that
 * @seconds: end after so long; 0: not for that
 * @direct: try O_DIRECT
 */
struct options {
	struct transfer transfer;
	uint64_t count;
	uint64_t seconds;
	bool direct;
};

/**
 * struct reception - data on its way from a driver
 * @options: what was asked for
 * @flow: the port
 * @sink: where it goes
 * @put: messages that the sink has got
 */
struct reception {
	const struct options *options;
	struct flow flow;
	struct sink sink;
	uint64_t put;
};

/*
 * Options
 */

enum { OPTION_NO_DIRECT = 256 };

static const struct argp_option argp_options[] = {
	{ "count", 'n', "NUMBER", 0, "End after so many buffers", 0 },
	{ "seconds", 't', "NUMBER", 0, "End after so many seconds", 0 },
	{ "no-direct", OPTION_NO_DIRECT, NULL, 0, "Go through the page cache, without O_DIRECT",
	  0 },
	{ 0 }
};

static const char doc[] =
	"Write what the driver of ENDPOINT delivers to DEST, from the very buffers that it filled, "
	"until the driver goes, Ctrl-C, or what --count and --seconds say. Then all that was "
	"received is on the disk.\v"
	"ENDPOINT is a node /dev/gophership-NAME, or its NAME alone. DEST is a file, which is "
	"written anew, a pipe, or - for stdout. A file is written with O_DIRECT as long as what is "
	"delivered fills blocks of 4096 bytes.\n"
	"\n"
	"Exit status:\n"
	"  0      done, also after Ctrl-C\n"
	"  1      it failed; stderr says why\n"
	"  2      a wrong option or argument\n"
	"  3      device or endpoint is not there, not open to you, or has no buffers left";

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->transfer;
		return 0;
	case 'n':
		if (!quantity_parse_number(argument, 1, UINT64_MAX, &options->count))
			argp_error(state, "--count wants a number from 1 on");
		return 0;
	case 't':
		if (!quantity_parse_number(argument, 1, UINT32_MAX, &options->seconds))
			argp_error(state, "--seconds wants a number from 1 on");
		return 0;
	case OPTION_NO_DIRECT:
		options->direct = false;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * Receiving
 */

static void written(void *priv, const struct gophership_message *message)
{
	struct reception *reception = priv;

	reception->flow.bytes += message->len;
	reception->flow.messages++;
	/* What is delivered by now is received, but not more and more. */
	if (!reception->flow.ended)
		flow_submit_empty(&reception->flow, message->data);
}

/* How many to receive at once. */
static unsigned int most_of(const struct reception *reception)
{
	uint64_t left = reception->options->count - reception->put;

	return reception->options->count && left < FLOW_BULK ? left : FLOW_BULK;
}

/* How many there were, in the sink by now. */
static enum status receive_some(struct reception *reception, unsigned int *nr)
{
	struct gophership_message messages[FLOW_BULK];
	enum status status = STATUS_OK;
	unsigned int i;

	*nr = gophership_port_receive(reception->flow.port, messages, most_of(reception));
	for (i = 0; i < *nr && status == STATUS_OK; i++)
		status = sink_put(&reception->sink, &messages[i]);
	reception->put += i;
	return status;
}

/* Until something is delivered, something is written, or some time has passed. */
static enum status wait_for_more(struct reception *reception)
{
	if (reception->sink.in_flight)
		return sink_reap(&reception->sink, true);
	flow_wait(&reception->flow);
	return STATUS_OK;
}

static enum status receive_until_the_end(struct reception *reception)
{
	const struct options *options = reception->options;
	enum status status = STATUS_OK;
	unsigned int nr;

	while (!reception->flow.ended && status == STATUS_OK) {
		status = receive_some(reception, &nr);
		if (status == STATUS_OK)
			status = nr ? sink_reap(&reception->sink, false) :
				      wait_for_more(reception);
		flow_look_around(&reception->flow,
				 options->count && reception->put == options->count,
				 options->seconds);
	}
	return status;
}

/* What was delivered before that; no buffer goes back, so there is an end to it. */
static enum status receive_the_rest(struct reception *reception)
{
	enum status status;
	unsigned int nr;

	do {
		status = receive_some(reception, &nr);
	} while (nr && status == STATUS_OK);
	return status;
}

static enum status receive(struct reception *reception)
{
	struct flow *flow = &reception->flow;
	enum status status, finished;

	flow_begin(flow, "receiving", false);
	if (reception->options->seconds)
		interrupt_after(reception->options->seconds);
	status = receive_until_the_end(reception);
	if (status == STATUS_OK)
		status = receive_the_rest(reception);
	finished = sink_finish(&reception->sink);
	flow_end(flow);
	return status == STATUS_OK ? finished : status;
}

/*
 * The summary
 */

static const char *engine_of(const struct sink *sink)
{
	if (!sink->regular)
		return "write";
	return sink->uring ? "uring" : "pwrite";
}

static void print_text(const struct reception *reception, FILE *file)
{
	const struct sink *sink = &reception->sink;

	fprintf(file, "received  ");
	text_print(file, reception->flow.endpoint.path);
	fprintf(file, " -> ");
	text_print(file, sink->file.path);
	fprintf(file, " (%s)\n", flow_ending(&reception->flow));
	flow_print_text(&reception->flow, file);
	fprintf(file, "engine    %s%s; %s\n", sink->uring ? "io_uring" : engine_of(sink),
		sink->fixed ? " with the buffers registered" : "",
		sink->file.direct ? "O_DIRECT" :
		sink->direct ? "O_DIRECT to begin with" : "no O_DIRECT");
}

static void print_json(const struct reception *reception, FILE *file)
{
	const struct sink *sink = &reception->sink;
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "endpoint", text_json(reception->flow.endpoint.path));
	json_object_object_add(object, "destination", text_json(sink->file.path));
	json_object_object_add(object, "ended", json_object_new_string(reception->flow.ended));
	flow_add_json(&reception->flow, object);
	json_object_object_add(object, "engine", json_object_new_string(engine_of(sink)));
	json_object_object_add(object, "registered_buffers", json_object_new_boolean(sink->fixed));
	json_object_object_add(object, "direct_write", json_object_new_boolean(sink->file.direct));
	output_json(file, object, JSON_C_TO_STRING_PRETTY);
}

static void summarize(const struct reception *reception)
{
	/* Not among the data. */
	FILE *file = reception->sink.is_stdout ? stderr : stdout;

	if (reception->options->transfer.common.json)
		print_json(reception, file);
	else if (!reception->options->transfer.quiet)
		print_text(reception, file);
}

static enum status with_port(struct reception *reception)
{
	struct sink *sink = &reception->sink;
	enum status status;

	status = sink_begin(sink, reception->options->direct);
	if (status == STATUS_OK)
		status = receive(reception);
	if (status == STATUS_OK)
		summarize(reception);
	return status;
}

/* First the destination: a FIFO may be long without a reader, and no driver waits with us. */
static enum status with_endpoint(struct reception *reception)
{
	struct sink *sink = &reception->sink;
	enum status status;

	sink->flow = &reception->flow;
	sink->done = written;
	sink->priv = reception;
	status = sink_open(sink, reception->options->transfer.to);
	if (status != STATUS_OK)
		return status;
	status = flow_attach(&reception->flow, GOPHERSHIP_PORT_SUBMIT_ALL);
	if (status == STATUS_OK)
		status = with_port(reception);
	else
		sink_abandon(sink);
	sink_close(sink);
	return status;
}

int command_receive(int argc, char **argv)
{
	static const struct argp_child children[] = { { &transfer_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.args_doc = "ENDPOINT DEST",
		.doc = doc,
		.children = children,
	};
	struct options options = {
		.transfer = {
			.common.device = DEVICE_PATH,
			.from_name = "ENDPOINT",
			.to_name = "DEST",
		},
		.direct = true,
	};
	struct reception reception = { .options = &options, .flow.options = &options.transfer };
	enum status status;

	transfer_parse(&argp, argc, argv, &options.transfer);
	interrupt_catch();
	status = flow_find(&reception.flow, options.transfer.from);
	if (status != STATUS_OK)
		return status;
	status = with_endpoint(&reception);
	flow_close(&reception.flow);
	return status;
}
