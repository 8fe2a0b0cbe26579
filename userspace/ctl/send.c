// SPDX-License-Identifier: GPL-2.0
/*
 * gophershipctl send: a file goes to a driver, read into the very buffers that the driver
 * takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow.h"
#include "interrupt.h"
#include "output.h"
#include "text.h"

/**
 * struct sending - data on its way to a driver
 * @flow: the port
 * @path: of the file
 * @fd: the file
 * @offset: bytes that were read of it
 * @ended: it has no more
 * @lengths: [buffer]: bytes of the file that the driver has in it
 * @unused: stack of the buffers that we have
 * @nr_unused: entries there
 */
struct sending {
	struct flow flow;
	const char *path;
	int fd;
	uint64_t offset;
	bool ended;
	uint32_t *lengths;
	void **unused;
	unsigned int nr_unused;
};

static const char doc[] =
	"Give FILE to the driver of ENDPOINT, buffer by buffer, and wait until the driver has given "
	"each of them back.\v"
	"FILE may be a pipe, or - for stdin. ENDPOINT is a node /dev/gophership-NAME, or its NAME "
	"alone. The tag of a message is where in FILE it begins.\n"
	"\n"
	"Exit status:\n"
	"  0      the driver has had all of it\n"
	"  1      it failed; stderr says why\n"
	"  2      a wrong option or argument\n"
	"  3      device or endpoint is not there, not open to you, or has no buffers left\n"
	"  128+N  ended by signal N (130: Ctrl-C)";

/* Read into a buffer that we have, and submit it. */
static enum status submit_one(struct sending *sending)
{
	struct flow *flow = &sending->flow;
	struct gophership_message message = {
		.data = sending->unused[sending->nr_unused - 1],
		.tag = sending->offset,
	};
	ssize_t length = read(sending->fd, message.data, flow->capacity);

	if (length < 0 && errno == EINTR)
		return STATUS_OK;
	if (length < 0) {
		complain("cannot read %s: %s", sending->path, strerror(errno));
		return STATUS_FAILED;
	}
	if (!length) {
		sending->ended = true;
		return STATUS_OK;
	}
	message.len = length;
	sending->nr_unused--;
	sending->lengths[flow_index(flow, message.data)] = length;
	sending->offset += length;
	gophership_port_submit(flow->port, &message, 1);
	return STATUS_OK;
}

static unsigned int receive_some(struct sending *sending)
{
	struct gophership_message messages[FLOW_BULK];
	struct flow *flow = &sending->flow;
	unsigned int nr = gophership_port_receive(flow->port, messages, FLOW_BULK), i, index;

	for (i = 0; i < nr; i++) {
		index = flow_index(flow, messages[i].data);
		flow->bytes += sending->lengths[index];
		flow->messages++;
		sending->unused[sending->nr_unused++] = gophership_port_buffer(flow->port, index);
	}
	return nr;
}

static enum status complain_gone(const struct sending *sending)
{
	complain("the driver of %s is gone; it gave back %" PRIu64 " of %" PRIu64 " bytes",
		 sending->flow.endpoint.path, sending->flow.bytes, sending->offset);
	return STATUS_FAILED;
}

/* A step; with @done, there is no other. */
static enum status step(struct sending *sending, bool *done)
{
	struct flow *flow = &sending->flow;

	if (receive_some(sending))
		return STATUS_OK;
	if (sending->nr_unused && !sending->ended)
		return submit_one(sending);
	*done = sending->nr_unused == flow->nr_buffers;
	if (!*done && !flow_wait(flow))
		return complain_gone(sending);
	return STATUS_OK;
}

static enum status send_all(struct sending *sending)
{
	enum status status = STATUS_OK;
	bool done = false;

	flow_begin(&sending->flow, "sending", false);
	while (!done && status == STATUS_OK && !interrupt_pending()) {
		status = step(sending, &done);
		flow_update(&sending->flow);
	}
	flow_end(&sending->flow);
	if (done || status != STATUS_OK)
		return status;
	complain("stopped by a signal (%s); the driver gave back %" PRIu64 " bytes",
		 strsignal(interrupt_pending()), sending->flow.bytes);
	return STATUS_SIGNAL + interrupt_pending();
}

static void print_text(const struct sending *sending)
{
	printf("sent      ");
	text_print(stdout, sending->path);
	printf(" -> ");
	text_print(stdout, sending->flow.endpoint.path);
	printf("\n");
	flow_print_text(&sending->flow, stdout);
}

static void print_json(const struct sending *sending)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "source", text_json(sending->path));
	json_object_object_add(object, "endpoint", text_json(sending->flow.endpoint.path));
	flow_add_json(&sending->flow, object);
	output_json(stdout, object, JSON_C_TO_STRING_PRETTY);
}

static enum status with_port(struct sending *sending)
{
	struct flow *flow = &sending->flow;
	enum status status;

	sending->lengths = calloc(flow->nr_buffers, sizeof(*sending->lengths));
	sending->unused = calloc(flow->nr_buffers, sizeof(*sending->unused));
	if (sending->lengths && sending->unused) {
		while (sending->nr_unused < flow->nr_buffers) {
			sending->unused[sending->nr_unused] =
				gophership_port_buffer(flow->port, sending->nr_unused);
			sending->nr_unused++;
		}
		status = send_all(sending);
	} else {
		complain("out of memory");
		status = STATUS_FAILED;
	}
	if (status == STATUS_OK && flow->options->common.json)
		print_json(sending);
	else if (status == STATUS_OK && !flow->options->quiet)
		print_text(sending);
	free(sending->lengths);
	free(sending->unused);
	return status;
}

static enum status with_file(struct sending *sending)
{
	enum status status;

	status = flow_find(&sending->flow, sending->flow.options->to);
	if (status != STATUS_OK)
		return status;
	status = flow_attach(&sending->flow, 0);
	if (status == STATUS_OK)
		status = with_port(sending);
	flow_close(&sending->flow);
	return status;
}

static enum status open_source(struct sending *sending)
{
	sending->path = sending->flow.options->from;
	if (!strcmp(sending->path, "-")) {
		sending->path = "stdin";
		sending->fd = dup(STDIN_FILENO);
	} else {
		sending->fd = open(sending->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (sending->fd < 0) {
		complain("cannot open %s: %s", sending->path, strerror(errno));
		return STATUS_FAILED;
	}
	posix_fadvise(sending->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return STATUS_OK;
}

int command_send(int argc, char **argv)
{
	static const struct argp_child children[] = { { &transfer_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.args_doc = "FILE ENDPOINT",
		.doc = doc,
		.children = children,
	};
	struct transfer options = {
		.common.device = DEVICE_PATH,
		.from_name = "FILE",
		.to_name = "ENDPOINT",
	};
	struct sending sending = { .flow.options = &options };
	enum status status;

	transfer_parse(&argp, argc, argv, &options);
	interrupt_catch();
	status = open_source(&sending);
	if (status != STATUS_OK)
		return status;
	status = with_file(&sending);
	close(sending.fd);
	return status;
}
