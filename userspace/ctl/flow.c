// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buffers.h"
#include "flow.h"
#include "interrupt.h"
#include "quantity.h"

#define DEFAULT_BUFFERS	64
/* Milliseconds between two looks around. */
#define PERIOD		200

/*
 * The port
 */

static enum status complain_fit(const struct flow *flow)
{
	const struct gophership_endpoint_info *info = &flow->endpoint.info;

	complain("the driver of %s takes %u to %u buffers of %s or more", flow->endpoint.path,
		 info->count_min, info->count_max, quantity_bytes(info->buf_size_min).text);
	return STATUS_USAGE;
}

/* What was asked for, or what the driver takes, or what is usual. */
static enum status choose(struct flow *flow)
{
	const struct gophership_info *device = &flow->device.info;
	const struct gophership_endpoint_info *endpoint = &flow->endpoint.info;
	uint32_t largest = device->classes[device->nr_classes - 1].capacity;
	uint64_t size = flow->options->size ? flow->options->size : largest;
	uint64_t count = flow->options->buffers ? flow->options->buffers : DEFAULT_BUFFERS;

	if (size > largest) {
		complain("the largest buffers there are hold %s", quantity_bytes(largest).text);
		advise("Sizes on offer: gophershipctl info");
		return STATUS_USAGE;
	}
	if (!flow->options->buffers && count < endpoint->count_min)
		count = endpoint->count_min;
	if (!flow->options->buffers && count > endpoint->count_max)
		count = endpoint->count_max;
	if (size < endpoint->buf_size_min || count < endpoint->count_min ||
	    count > endpoint->count_max)
		return complain_fit(flow);
	flow->nr_buffers = count;
	flow->buf_size = size;
	return STATUS_OK;
}

static enum status complain_port(struct flow *flow, int error)
{
	complain("cannot open a port at %s: %s", flow->endpoint.path, strerror(error));
	if (error == EDQUOT || error == ENOMEM)
		buffers_advise_limit(&flow->device, flow->device.info.page_size + 1, error);
	else if (error == EBUSY)
		advise("Its driver has another port, of another program.");
	else if (error == EOPNOTSUPP)
		advise("The loaded module is of an older version, without ports.");
	return STATUS_DEVICE;
}

static enum status open_library(struct flow *flow)
{
	/* All that it lends goes through the port. */
	const struct gophership_options options = {
		.size = sizeof(options),
		.device = flow->device.path,
		.ceiling = flow->device.info.page_size,
	};
	int ret = gophership_open(&flow->gs, &options);

	if (!ret)
		return STATUS_OK;
	complain("cannot use %s: %s", flow->device.path, strerror(-ret));
	return STATUS_DEVICE;
}

static enum status open_port(struct flow *flow, uint32_t flags)
{
	const struct gophership_port_options options = {
		.size = sizeof(options),
		.flags = flags,
		.count = flow->nr_buffers,
		.buf_size = flow->buf_size,
		.endpoint = flow->endpoint.path,
	};
	int ret = gophership_port_open(flow->gs, &options, &flow->port);

	if (ret)
		return complain_port(flow, -ret);
	flow->capacity = gophership_port_capacity(flow->port);
	return STATUS_OK;
}

enum status flow_find(struct flow *flow, const char *endpoint)
{
	enum status status;

	status = device_open(&flow->device, flow->options->common.device);
	if (status != STATUS_OK)
		return status;
	status = endpoint_find(&flow->endpoint, endpoint);
	if (status == STATUS_OK)
		status = choose(flow);
	if (status != STATUS_OK)
		flow_close(flow);
	return status;
}

enum status flow_attach(struct flow *flow, uint32_t flags)
{
	enum status status;

	status = open_library(flow);
	return status == STATUS_OK ? open_port(flow, flags) : status;
}

void flow_close(struct flow *flow)
{
	gophership_port_close(flow->port);
	gophership_close(flow->gs);
	endpoint_free(&flow->endpoint);
	device_close(&flow->device);
}

unsigned int flow_index(const struct flow *flow, const void *data)
{
	const char *bank = gophership_port_buffer(flow->port, 0);

	return ((const char *)data - bank) / flow->capacity;
}

void flow_submit_empty(struct flow *flow, const void *data)
{
	const struct gophership_message message = {
		.data = gophership_port_buffer(flow->port, flow_index(flow, data)),
	};

	gophership_port_submit(flow->port, &message, 1);
}

struct gophership_port_counters flow_counters(const struct flow *flow)
{
	struct gophership_port_counters counters = { .size = sizeof(counters) };

	gophership_port_stats(flow->port, &counters);
	return counters;
}

bool flow_wait(struct flow *flow)
{
	if (gophership_port_wait(flow->port, PERIOD) != -EPIPE)
		return true;
	flow->ended = "gone";
	return false;
}

/*
 * Progress
 */

void flow_begin(struct flow *flow, const char *verb, bool to_stdout)
{
	bool among = to_stdout && isatty(STDOUT_FILENO) && !flow->options->progress;

	progress_begin(&flow->progress, verb, 0, transfer_tells(flow->options) && !among);
}

static void print_line(const struct flow *flow)
{
	struct gophership_port_counters counters = flow_counters(flow);
	double seconds = progress_clock() - flow->progress.start;
	char line[160];

	snprintf(line, sizeof(line), "%-9s %10s  %12s  %" PRIu64 " buffers, lost %u, starved %u",
		 flow->progress.verb, quantity_bytes(flow->bytes).text,
		 quantity_rate(flow->bytes, seconds).text, flow->messages, counters.lost,
		 counters.starved);
	progress_print(&flow->progress, line);
}

void flow_update(struct flow *flow)
{
	if (progress_due(&flow->progress))
		print_line(flow);
}

void flow_look_around(struct flow *flow, bool enough, uint64_t seconds)
{
	if (enough)
		flow->ended = "count";
	else if (seconds && progress_clock() - flow->progress.start >= seconds)
		flow->ended = "seconds";
	else if (interrupt_pending())
		flow->ended = "signal";
	flow_update(flow);
}

void flow_end(struct flow *flow)
{
	flow->seconds = progress_clock() - flow->progress.start;
	if (!flow->progress.wanted)
		return;
	if (flow->progress.terminal)
		progress_print(&flow->progress, "");
	else
		print_line(flow);
}

/*
 * In the end
 */

const char *flow_ending(const struct flow *flow)
{
	return strcmp(flow->ended, "gone") ? flow->ended : "until the driver was gone";
}

void flow_print_text(const struct flow *flow, FILE *file)
{
	struct gophership_port_counters counters = flow_counters(flow);

	fprintf(file, "size      %s (%" PRIu64 " bytes) in %" PRIu64 " buffers\n",
		quantity_bytes(flow->bytes).text, flow->bytes, flow->messages);
	fprintf(file, "time      %.2f s, %s\n", flow->seconds,
		quantity_rate(flow->bytes, flow->seconds).text);
	fprintf(file, "port      %u x %s; the driver lost %u and starved %u times\n",
		flow->nr_buffers, quantity_bytes(flow->capacity).text, counters.lost,
		counters.starved);
}

void flow_add_json(const struct flow *flow, struct json_object *object)
{
	struct gophership_port_counters counters = flow_counters(flow);

	json_object_object_add(object, "bytes", json_object_new_uint64(flow->bytes));
	json_object_object_add(object, "messages", json_object_new_uint64(flow->messages));
	json_object_object_add(object, "seconds", json_object_new_double(flow->seconds));
	json_object_object_add(object, "buffers", json_object_new_uint64(flow->nr_buffers));
	json_object_object_add(object, "buffer_bytes", json_object_new_uint64(flow->capacity));
	json_object_object_add(object, "lost", json_object_new_uint64(counters.lost));
	json_object_object_add(object, "starved", json_object_new_uint64(counters.starved));
	json_object_object_add(object, "kicks", json_object_new_uint64(counters.kicks));
}
