/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sink: where receive puts what a driver delivers, from the very buffers.
 *
 * A regular file is written at offsets, with O_DIRECT as long as the payloads begin and
 * end on blocks, and by io_uring where the kernel has it: then as many writes are in
 * flight as there are buffers. Anything else (a pipe, stdout) is written in order.
 */
#ifndef SINK_H
#define SINK_H

#include <liburing.h>

#include "flow.h"
#include "ship_pass.h"

/**
 * struct sink - where it goes
 * @flow: whose buffers these are
 * @done: is called for a message whose bytes are written, and at once for an empty one
 * @priv: for @done
 * @file: the destination
 * @is_stdout: it is where stdout goes, too
 * @created: the file was not there before
 * @regular: it is a regular file that is ours to lay out
 * @ring: io_uring; in use with @uring
 * @uring: writes go through it
 * @fixed: the port's buffers are registered with it, as one
 * @pass: files and failure of the writes, as ship has them
 * @told: that failure was complained of
 * @buffers: [buffer of the port]: the payload that is written
 * @chunks: [buffer of the port]: its write
 * @in_flight: writes that have not ended
 * @offset: where the next payload begins in the file
 * @end: bytes of the file that are whole: less than @offset after a failure
 * @direct: it was begun with O_DIRECT
 */
struct sink {
	struct flow *flow;
	void (*done)(void *priv, const struct gophership_message *message);
	void *priv;
	struct ship_file file;
	bool is_stdout;
	bool created;
	bool regular;
	struct io_uring ring;
	bool uring;
	bool fixed;
	struct pass pass;
	bool told;
	struct buffer *buffers;
	struct chunk *chunks;
	unsigned int in_flight;
	uint64_t offset;
	uint64_t end;
	bool direct;
};

/*
 * @path: "-" for stdout. Waits for the reader of a FIFO. What a file had is still in it.
 * Complains by itself, as all of these do.
 */
enum status sink_open(struct sink *sink, const char *path);
/* In place of sink_begin(), if nothing will be written: a new file is taken away. */
void sink_abandon(struct sink *sink);
/* When the port is open. */
enum status sink_begin(struct sink *sink, bool direct);
/* Begins to write a message. */
enum status sink_put(struct sink *sink, const struct gophership_message *message);
/* Has a look at what is written; with @wait, until something is, if anything is in flight. */
enum status sink_reap(struct sink *sink, bool wait);
/* Waits for all of it, and has it on the disk. */
enum status sink_finish(struct sink *sink);
void sink_close(struct sink *sink);

#endif /* SINK_H */
