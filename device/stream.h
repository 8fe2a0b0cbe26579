/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: streams, inside.
 *
 * record.c puts records into blocks; block.c opens, closes and delivers blocks; stream.c has
 * the life of a stream, and delivers blocks that are not full.
 *
 * One CPU at a time
 * -----------------
 * The state of a CPU is changed on that CPU, by contexts that nest: a context on top of
 * another ends before that one goes on. (From reserve to commit preemption is off.) So
 * barrier() is enough to keep an order, and the port's rings order what the program sees. A
 * change that a context on top must not see half done is one instruction of this CPU
 * (this_cpu_cmpxchg()). Another CPU changes the state only to take the blocks of a dead CPU,
 * and to destroy the stream. A CPU that flushes peeks at it: has_something(), see (L) in
 * device/types.h.
 *
 * @depth counts the open sections. A section is a reserve up to its commit, a flush, or a
 * delivery. Only the outermost one delivers, when it closes: then no record is open.
 *
 * The word
 * --------
 * @word says where the next record goes: the place of the current block in the ring
 * of blocks (4 bits), its records, and the position behind the last one, in units of
 * GOPHERSHIP_STREAM_ALIGN bytes. A reserve reads the word, then the address of the block, and
 * moves the word by a cmpxchg. If that succeeds, the address belongs to the word. Contexts on
 * top may have closed blocks in between, but then they have changed the place. The place
 * cannot come round to the same value: a block that is closed within a section keeps its
 * place until the section is over, and the ring has one place more than blocks can be waiting.
 *
 * The position NONE says that the current block has no buffer yet. A close moves the word to
 * the next place, NONE. An open claims the address (NULL before) and then moves NONE to
 * behind the header. A context that was overtaken in the middle of either goes on from what
 * it finds. A buffer that it took in vain becomes the buffer of a later place.
 */
#ifndef GOPHERSHIP_DEVICE_STREAM_H
#define GOPHERSHIP_DEVICE_STREAM_H

#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "gophership_stream.h"

#define GOPHERSHIP_STREAM_PLACES	16
#define GOPHERSHIP_STREAM_UNIT		GOPHERSHIP_STREAM_ALIGN
/* Bytes: where memcpy() is better. */
#define GOPHERSHIP_STREAM_SHORT		128

/* What a word has: place, records, position; the position in the low bits. */
#define GOPHERSHIP_STREAM_PLACE_SHIFT	(BITS_PER_LONG - 4)
#define GOPHERSHIP_STREAM_RECORD_SHIFT	(BITS_PER_LONG == 64 ? 32 : 14)
#define GOPHERSHIP_STREAM_RECORD	BIT(GOPHERSHIP_STREAM_RECORD_SHIFT)
#define GOPHERSHIP_STREAM_POSITIONS	(GOPHERSHIP_STREAM_RECORD - 1)
#define GOPHERSHIP_STREAM_NONE		((GOPHERSHIP_STREAM_RECORD >> 1) + 1)

/* The first record begins there. */
#define GOPHERSHIP_STREAM_HEADER	\
	((u32)(sizeof(struct gophership_stream_block) / GOPHERSHIP_STREAM_UNIT))

/**
 * struct gophership_stream_slot - the state of a block, beside the word
 * @buf: its buffer; written by the context that claimed the address, read at delivery only
 * @time: when it was begun, in ns of CLOCK_MONOTONIC; written by the context that opened it,
 *	a little later; until then it is the time of an older block
 * @lost: records that were lost before its first one; by this_cpu operations, any context
 * @units: its length; written by the context that closed it
 * @records: written by the context that closed it; then sections that this context was on
 *	top of may discard records, by this_cpu operations
 */
struct gophership_stream_slot {
	struct gophership_buf *buf;
	u64 time;
	unsigned long lost;
	u32 units;
	u32 records;
};

/**
 * struct gophership_stream_cpu - a CPU's state
 * @word: see above; by this_cpu_cmpxchg(), in any context
 * @depth: open sections; each context that increments it decrements it before it ends
 * @pending: a block was closed: set by any context, cleared by the outermost section, which
 *	then looks
 * @tail: the oldest place that is not delivered; by the outermost section
 * @armed: the timer runs, or the irq_work that starts it is queued; set by any context,
 *	cleared by the timer, which then looks
 * @data: addresses of blocks, NULL for a place without a buffer: claimed by
 *	this_cpu_cmpxchg() in any context, cleared at delivery
 * @slots: see struct gophership_stream_slot; the outermost section owns those up to the
 *	current place when it delivers
 * @sequence: of the next record; by the outermost section
 * @stream: constant
 * @id: of the CPU; constant
 * @arm: starts @timer
 * @timer: looks at the age of the block
 */
struct gophership_stream_cpu {
	unsigned long word;
	u32 depth;
	bool pending;
	bool armed;
	u8 tail;
	void *data[GOPHERSHIP_STREAM_PLACES];
	struct gophership_stream_slot slots[GOPHERSHIP_STREAM_PLACES];
	u64 sequence;
	struct gophership_stream *stream;
	u32 id;
	struct irq_work arm;
	struct hrtimer timer;
};

/**
 * struct gophership_stream - a stream
 * @cpu: per CPU
 * @limit: units of a block, constant, as are all fields but the last three
 * @overhead: bytes of a record beside its data, and what rounds up to units
 * @short_end: bytes; gophership_stream_write() itself writes shorter records. 0 with @times
 * @times: records carry times
 * @record_max: bytes of the longest record
 * @flush_ns: a block grows no older
 * @port: where the blocks go
 * @kick: queues @flush, from any context
 * @flush: closes the blocks of all CPUs
 * @node: in the list of CPU hotplug, for left_behind()
 */
struct gophership_stream {
	struct gophership_stream_cpu __percpu *cpu;
	u32 limit;
	u32 overhead;
	size_t short_end;
	bool times;
	size_t record_max;
	u64 flush_ns;
	struct gophership_port *port;
	struct irq_work kick ____cacheline_aligned_in_smp;
	struct work_struct flush;
	struct hlist_node node;
};

static __always_inline u32 gophership_stream_position(unsigned long word)
{
	return word & GOPHERSHIP_STREAM_POSITIONS;
}

static __always_inline unsigned int gophership_stream_place(unsigned long word)
{
	return word >> GOPHERSHIP_STREAM_PLACE_SHIFT;
}

int gophership_stream_init(void);
void gophership_stream_exit(void);

#endif /* GOPHERSHIP_DEVICE_STREAM_H */
