// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the blocks of a CPU: opened, closed, and delivered to the program.
 *
 * How it holds in every context is told at the head of device/stream.h.
 *
 * Nothing in a block is ever read: the program can write to it.
 */
#include <linux/cpumask.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "device/block.h"
#include "device/port.h"

/* The word of the place behind that of @word, without a buffer. */
static unsigned long next_word(unsigned long word)
{
	unsigned long place = gophership_stream_place(word) + 1;

	return place << GOPHERSHIP_STREAM_PLACE_SHIFT | GOPHERSHIP_STREAM_NONE;
}

/* The word of an open block without records, at the place of @word. */
static unsigned long open_word(unsigned long word)
{
	return word - GOPHERSHIP_STREAM_NONE + GOPHERSHIP_STREAM_HEADER;
}

static u32 records_of(unsigned long word)
{
	return (word & ~(~0UL << GOPHERSHIP_STREAM_PLACE_SHIFT)) >> GOPHERSHIP_STREAM_RECORD_SHIFT;
}

/*
 * Delivery
 */

/* To the program. Context: the outermost section, or @cpu is dead. */
static void deliver(struct gophership_stream *stream, struct gophership_stream_cpu *cpu,
		    unsigned int place)
{
	struct gophership_stream_slot *slot = &cpu->slots[place];
	struct gophership_message message = { .len = slot->units * GOPHERSHIP_STREAM_UNIT };
	struct gophership_stream_block block = {
		.magic = GOPHERSHIP_STREAM_MAGIC,
		.version = GOPHERSHIP_STREAM_VERSION,
		.header_size = sizeof(block),
		.length = message.len,
		.flags = stream->times ? GOPHERSHIP_STREAM_TIMES : 0,
		.cpu = cpu->id,
		.records = slot->records,
		.sequence = cpu->sequence + slot->lost,
		.lost = slot->lost,
		.time = slot->time,
	};

	memcpy(cpu->data[place], &block, sizeof(block));
	cpu->sequence = block.sequence + block.records;
	gophership_port_deliver(stream->port, slot->buf, &message);
	slot->lost = 0;
	WRITE_ONCE(cpu->data[place], NULL);
}

/* Context: the outermost section, or @cpu is dead. */
static void deliver_closed(struct gophership_stream *stream, struct gophership_stream_cpu *cpu)
{
	while (cpu->tail != gophership_stream_place(READ_ONCE(cpu->word))) {
		deliver(stream, cpu, cpu->tail);
		/* A context on top may open the place from here on. */
		barrier();
		WRITE_ONCE(cpu->tail, (cpu->tail + 1) % GOPHERSHIP_STREAM_PLACES);
	}
}

/*
 * Deliver the blocks that are closed, unless a section is open: that one looks when it ends.
 * A delivery is a section. Contexts on top of it leave their blocks to it, so that the order
 * is kept.
 */
void gophership_blocks_settle(struct gophership_stream *stream)
{
	while (!this_cpu_read(stream->cpu->depth) && this_cpu_read(stream->cpu->pending)) {
		this_cpu_inc(stream->cpu->depth);
		this_cpu_write(stream->cpu->pending, false);
		barrier();
		deliver_closed(stream, this_cpu_ptr(stream->cpu));
		barrier();
		this_cpu_dec(stream->cpu->depth);
	}
}

/*
 * Opened and closed
 */

/* Context: the one that has moved the word from @word, or @cpu is dead. */
static void note_closed(struct gophership_stream_cpu *cpu, unsigned long word)
{
	struct gophership_stream_slot *slot = &cpu->slots[gophership_stream_place(word)];

	slot->units = gophership_stream_position(word);
	slot->records = records_of(word);
}

/* Close the block of @word. False if that has changed. Context: a section. */
static bool close_block(struct gophership_stream *stream, unsigned long word)
{
	if (this_cpu_cmpxchg(stream->cpu->word, word, next_word(word)) != word)
		return false;
	note_closed(this_cpu_ptr(stream->cpu), word);
	this_cpu_write(stream->cpu->pending, true);
	return true;
}

/* May a block be opened there? One place stays free, or the ring would look empty. */
static bool place_is_free(const struct gophership_stream_cpu *cpu, unsigned int place)
{
	return (place - READ_ONCE(cpu->tail)) % GOPHERSHIP_STREAM_PLACES <
	       GOPHERSHIP_STREAM_PLACES - 1;
}

/* A buffer for @place, or for a later place if contexts on top were faster. */
static void give_buffer(struct gophership_stream *stream, struct gophership_buf *buf,
			unsigned int place)
{
	struct gophership_stream_cpu *cpu = this_cpu_ptr(stream->cpu);
	struct gophership_message nothing = {};

	for (; place_is_free(cpu, place); place = (place + 1) % GOPHERSHIP_STREAM_PLACES) {
		if (!this_cpu_cmpxchg(stream->cpu->data[place], NULL, buf->data)) {
			cpu->slots[place].buf = buf;
			return;
		}
	}
	gophership_port_deliver(stream->port, buf, &nothing);
}

/* Have the timer look at the age of the block that was opened. */
static void arm(struct gophership_stream *stream)
{
	if (!stream->flush_ns || this_cpu_read(stream->cpu->armed))
		return;
	/*
	 * A CPU that goes runs no irq_work any more, and left_behind() takes the block. One
	 * that comes runs none yet: the driver is asked to flush when it has come.
	 */
	if (unlikely(!cpu_online(raw_smp_processor_id()))) {
		gophership_port_again(stream->port);
		return;
	}
	this_cpu_write(stream->cpu->armed, true);
	irq_work_queue(this_cpu_ptr(&stream->cpu->arm));
}

/*
 * Open the block of @word, which is at NONE, unless it has changed. False if there is no
 * buffer. Context: a section.
 */
static bool open_block(struct gophership_stream *stream, unsigned long word)
{
	struct gophership_stream_cpu *cpu = this_cpu_ptr(stream->cpu);
	unsigned int place = gophership_stream_place(word);
	struct gophership_message message;
	struct gophership_buf *buf;
	u64 time;

	if (!place_is_free(cpu, place))
		return false;
	if (!READ_ONCE(cpu->data[place])) {
		/* A peek, as takes in vain of many CPUs would be in each other's way. */
		if (gophership_port_starved(stream->port))
			return false;
		buf = gophership_port_take(stream->port, &message);
		if (!buf)
			return false;
		give_buffer(stream, buf, place);
	}
	time = ktime_get_mono_fast_ns();
	if (this_cpu_cmpxchg(stream->cpu->word, word, open_word(word)) == word) {
		/* Not before: contexts on top may have opened and closed it. */
		WRITE_ONCE(cpu->slots[place].time, time);
		arm(stream);
	}
	return true;
}

/* The block of @word has no room, or is not open. False if there is no buffer for another. */
bool gophership_block_make_room(struct gophership_stream *stream, unsigned long word)
{
	if (gophership_stream_position(word) == GOPHERSHIP_STREAM_NONE)
		return open_block(stream, word);
	close_block(stream, word);
	return true;
}

/*
 * Ends
 */

/* Were records lost, and is no block open that would tell of them? */
static bool owes(const struct gophership_stream_cpu *cpu, unsigned long word)
{
	return gophership_stream_position(word) == GOPHERSHIP_STREAM_NONE &&
	       READ_ONCE(cpu->slots[gophership_stream_place(word)].lost);
}

/* Is a block open without records and losses? That is so if all records were discarded. */
static bool is_blank(const struct gophership_stream_cpu *cpu, unsigned long word)
{
	return gophership_stream_position(word) == GOPHERSHIP_STREAM_HEADER &&
	       !READ_ONCE(cpu->slots[gophership_stream_place(word)].lost);
}

/* The word of the place of @word, which is blank, with its buffer and not open. */
static unsigned long shut_word(unsigned long word)
{
	return word - GOPHERSHIP_STREAM_HEADER + GOPHERSHIP_STREAM_NONE;
}

/*
 * Close the block of this CPU. It is delivered as soon as no record is open. If records
 * were lost since the block before, and none is open, open one without records that says so.
 * A block whose records were all discarded is delivered, too: other CPUs may have no buffer.
 * Context: any.
 */
void gophership_block_close(struct gophership_stream *stream)
{
	struct gophership_stream_cpu *cpu;
	unsigned long first, word;

	gophership_section_enter(stream);
	cpu = this_cpu_ptr(stream->cpu);
	first = READ_ONCE(cpu->word);
	if (owes(cpu, first))
		open_block(stream, first);
	/* A context on top may add records to the block, or close it. */
	do {
		word = READ_ONCE(cpu->word);
	} while (gophership_stream_place(word) == gophership_stream_place(first) &&
		 gophership_stream_position(word) != GOPHERSHIP_STREAM_NONE &&
		 !close_block(stream, word));
	gophership_section_leave(stream);
}

/* A block without records, for what was lost. Context: @cpu is dead. */
static void open_dead(struct gophership_stream *stream, struct gophership_stream_cpu *cpu)
{
	unsigned int place = gophership_stream_place(cpu->word);
	struct gophership_message message;
	struct gophership_buf *buf;

	if (!cpu->data[place]) {
		buf = gophership_port_take(stream->port, &message);
		if (!buf)
			return;
		cpu->slots[place].buf = buf;
		cpu->data[place] = buf->data;
	}
	cpu->slots[place].time = ktime_get_mono_fast_ns();
	cpu->word = open_word(cpu->word);
}

/**
 * gophership_blocks_drain() - deliver all that a CPU has left
 * @stream: the stream
 * @cpu: that CPU's; it is dead, or nothing writes to the stream any more
 *
 * Context: process.
 */
void gophership_blocks_drain(struct gophership_stream *stream, struct gophership_stream_cpu *cpu)
{
	struct gophership_message nothing = {};
	unsigned int place;

	if (owes(cpu, cpu->word))
		open_dead(stream, cpu);
	if (is_blank(cpu, cpu->word)) {
		cpu->word = shut_word(cpu->word);
	} else if (gophership_stream_position(cpu->word) != GOPHERSHIP_STREAM_NONE) {
		note_closed(cpu, cpu->word);
		cpu->word = next_word(cpu->word);
	}
	deliver_closed(stream, cpu);
	cpu->pending = false;
	/* Buffers that were not needed: of a blank block, and those that were taken in vain. */
	for (place = 0; place < GOPHERSHIP_STREAM_PLACES; place++) {
		if (!cpu->data[place])
			continue;
		gophership_port_deliver(stream->port, cpu->slots[place].buf, &nothing);
		cpu->data[place] = NULL;
	}
}
