/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A flow: data on its way through a port, to a driver or from it. What receive, send and
 * records have in common: options, the port, progress, the end and the summary.
 */
#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <gophership.h>
#include <json.h>

#include "command.h"
#include "device.h"
#include "endpoint.h"
#include "progress.h"
#include "transfer.h"

/* Messages that are received at a time. */
#define FLOW_BULK	32

/**
 * struct flow - data on its way
 * @options: what was asked for
 * @endpoint: of the driver
 * @device: the device
 * @gs: the library's handle of it
 * @port: what it flows through
 * @nr_buffers: of the port
 * @buf_size: bytes that each must hold
 * @capacity: bytes of each
 * @bytes: of payload that are through
 * @messages: in so many buffers
 * @ended: why it ended, NULL before: "count", "seconds", "signal" or "gone"
 * @progress: tells how far it is
 * @seconds: from the beginning to the end
 */
struct flow {
	const struct transfer *options;
	struct endpoint endpoint;
	struct device device;
	struct gophership *gs;
	struct gophership_port *port;
	unsigned int nr_buffers;
	uint32_t buf_size;
	uint32_t capacity;
	uint64_t bytes;
	uint64_t messages;
	const char *ended;
	struct progress progress;
	double seconds;
};

/* What the endpoint takes, and so which buffers there will be. Complains by itself. */
enum status flow_find(struct flow *flow, const char *endpoint);
/*
 * Makes the port and takes the endpoint, which no other program can have from then on.
 * Complains by itself. @flags: as for gophership_port_open().
 */
enum status flow_attach(struct flow *flow, uint32_t flags);
/* After flow_find(), whether or not flow_attach() was called. */
void flow_close(struct flow *flow);

/* The number of the buffer that @data lies in. */
unsigned int flow_index(const struct flow *flow, const void *data);
/* The whole buffer that @data lies in, empty, to the driver. */
void flow_submit_empty(struct flow *flow, const void *data);
struct gophership_port_counters flow_counters(const struct flow *flow);

/* @to_stdout: data goes there, and no progress in between, where both go to a terminal. */
void flow_begin(struct flow *flow, const char *verb, bool to_stdout);
/* Has the driver delivered something? After some time, or a signal, no. False: it is gone. */
bool flow_wait(struct flow *flow);
/* Cheap enough to call for every buffer. */
void flow_update(struct flow *flow);
/* Has it ended? @enough: there was as much as was wanted; @seconds: for so long, or 0. */
void flow_look_around(struct flow *flow, bool enough, uint64_t seconds);
void flow_end(struct flow *flow);

/* The parts of a summary that they have in common. */
const char *flow_ending(const struct flow *flow);
void flow_print_text(const struct flow *flow, FILE *file);
void flow_add_json(const struct flow *flow, struct json_object *object);

#endif /* FLOW_H */
