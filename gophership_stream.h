/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: streams, the interface for other kernel modules.
 */
#ifndef GOPHERSHIP_STREAM_H
#define GOPHERSHIP_STREAM_H

#include <linux/types.h>
#include <uapi/linux/gophership_stream.h>

#include "gophership_port.h"

/**
 * DOC: Streams
 *
 * A stream packs records of any size into the buffers of a port, for the program that
 * has it. Records are written in every context, NMI included and on top of an open
 * reserve of the same CPU, on all CPUs at once: no lock, no locked instruction, and no
 * cache line that CPUs share, but once a buffer. uapi/linux/gophership_stream.h has the
 * format, doc/streams.md a page about it.
 *
 * Each CPU fills a buffer of its own (a block). It is delivered when it is full, flush_us
 * after its first record, by gophership_stream_flush(), when its CPU goes offline, and by
 * gophership_stream_destroy(). The program sees whole records only: a block goes when no
 * record in it is open. The order of a CPU's records is kept; those of several CPUs are
 * merged by the reader.
 *
 * A record that finds no buffer, because the program gives none back in time, is lost. It
 * is counted twice: the next block of that CPU says how many were lost before its first
 * record, and gophership_port_lost() tells the program. The newest records are the ones that
 * are lost. (The older ones are the program's already; and no context may wait.)
 *
 * Between reserve and commit preemption is off, for as long as the driver takes, on
 * PREEMPT_RT as well. A task neither sleeps there nor takes a lock that sleeps. One call
 * takes and delivers a buffer at most, and copies the record.
 *
 * The program can read and write a block at any time, so the driver must never read
 * back what it wrote. The module keeps what it needs to know of a block in the kernel's memory.
 */

struct gophership_stream;

/**
 * struct gophership_stream_params - how a stream is to be
 * @flush_us: microseconds after which a block is delivered that is not full, from its
 *	first record on, give or take as much as a timer does. 0: only when it is full, or
 *	by gophership_stream_flush()
 * @flags: GOPHERSHIP_STREAM_TIMES: each record carries the time
 *	(ktime_get_mono_fast_ns()); it costs a look at the clock and 8 bytes a record
 */
struct gophership_stream_params {
	u32 flush_us;
	u32 flags;
};

/**
 * struct gophership_stream_state - an open record
 *
 * On the stack of the caller of gophership_stream_reserve(), until it commits or discards.
 */
struct gophership_stream_state {
	/* private: see device/record.c */
	void *record;
	unsigned long word;
	u32 units;
	u32 len;
};

/**
 * gophership_stream_create() - write records to a port
 * @port: one that attach() is offered, or that was accepted. From here on the driver
 *	itself takes nothing from it. The larger its buffers, the longer the longest
 *	record. A stream wants two buffers for each CPU at least, and more if the program
 *	is to lag behind
 * @params: NULL: no flush_us, no flags
 *
 * The driver's ops->submitted calls gophership_stream_flush(). So a program that was
 * out of buffers, or kicks, gets the records that there are, and learns what was lost.
 * Callbacks may run as soon as the port is accepted: create the stream before.
 *
 * Context: process, may sleep. Not under cpus_read_lock(), nor in a hotplug callback.
 * Return: the stream; or an error pointer: -EINVAL for flags that are none, -ENOMEM, or
 * what the kernel says to one more callback for CPUs that go.
 */
struct gophership_stream *gophership_stream_create(struct gophership_port *port,
						   const struct gophership_stream_params *params);

/**
 * gophership_stream_destroy() - the end of a stream
 * @stream: the stream; not to be used any more
 *
 * All records that were written are delivered. The program is told of losses if it has
 * submitted a buffer for that. After this the driver calls gophership_port_put().
 *
 * Before the call the driver has stopped all that writes, and has waited for it (by
 * tracepoint_synchronize_unregister(), unregister_console(), hrtimer_cancel() ...). Nor may
 * ops->submitted flush any more. In ops->closed that is so, as callbacks run one at a time.
 * A driver that destroys the stream elsewhere sees to it.
 *
 * Context: process, may sleep; also within a callback of the port. Not under
 * cpus_read_lock(), nor in a hotplug callback.
 */
void gophership_stream_destroy(struct gophership_stream *stream);

/**
 * gophership_stream_write() - write a record
 * @stream: the stream
 * @data: of the record
 * @len: bytes of @data, 0 to gophership_stream_record_max()
 *
 * Context: any, NMI included; also under a run queue's lock.
 * Return: 0; -ENOBUFS: there was no buffer, and the record is counted as lost;
 * -EMSGSIZE: it is too long, and not counted.
 */
int gophership_stream_write(struct gophership_stream *stream, const void *data, size_t len);

/**
 * gophership_stream_reserve() - make room for a record
 * @stream: the stream
 * @len: bytes, as for gophership_stream_write()
 * @state: for the commit
 *
 * The same context calls gophership_stream_commit() or gophership_stream_discard() on the same
 * CPU, soon: no block of this CPU is delivered before. Records may be opened within records;
 * the last one is committed first.
 *
 * Context: any, as gophership_stream_write(). Preemption is off when it returns a pointer.
 * Return: @len bytes at a multiple of 8 that are not initialised: the driver writes all of
 * them. (The program saw what is in them before.) NULL: there was no buffer, or @len is too
 * much; see gophership_stream_write().
 */
void *gophership_stream_reserve(struct gophership_stream *stream, size_t len,
				struct gophership_stream_state *state);

/**
 * gophership_stream_commit() - a record is complete
 * @stream: the stream
 * @state: of the last record that was opened in this context
 *
 * Context: that of gophership_stream_reserve(). Preemption is as before it.
 */
void gophership_stream_commit(struct gophership_stream *stream,
			      struct gophership_stream_state *state);

/**
 * gophership_stream_discard() - drop a record that was reserved
 * @stream: the stream
 * @state: of the last record that was opened in this context
 *
 * Readers skip it, and it has no number. Its room is used again unless an interrupt
 * wrote a record behind it.
 *
 * Context: that of gophership_stream_reserve(). Preemption is as before it.
 */
void gophership_stream_discard(struct gophership_stream *stream,
			       struct gophership_stream_state *state);

/**
 * gophership_stream_flush() - deliver all records that there are, and tell of losses
 * @stream: the stream
 *
 * An interrupt on each CPU does it, soon.
 *
 * Context: any, NMI included.
 */
void gophership_stream_flush(struct gophership_stream *stream);

/**
 * gophership_stream_record_max() - the longest record
 * @stream: the stream
 *
 * Context: any.
 * Return: bytes: what a buffer of the port has, less the block's head and a record's.
 */
size_t gophership_stream_record_max(const struct gophership_stream *stream);

#endif /* GOPHERSHIP_STREAM_H */
