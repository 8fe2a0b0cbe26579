// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: how records get into the blocks of a CPU, and these to the
 * program.
 *
 * What is exported is described in gophership_stream.h, and how it holds in every
 * context at the head of device/stream.h.
 *
 * Nothing in a block is ever read: the program can write to it.
 */
#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "device/stream.h"

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
 * Sections
 */

static __always_inline void enter(struct gophership_stream *stream)
{
	preempt_disable_notrace();
	this_cpu_inc(stream->cpu->depth);
	barrier();
}

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
 * Blocks are closed. Unless a section is open, which looks when it ends, they go now. A
 * delivery is a section: contexts on top leave theirs to it, so that the order is kept.
 */
static noinline void settle(struct gophership_stream *stream)
{
	/* Its port's irq_work would not run any more: the CPU that takes over delivers. */
	if (unlikely(!cpu_online(raw_smp_processor_id())))
		return;
	while (!this_cpu_read(stream->cpu->depth) && this_cpu_read(stream->cpu->pending)) {
		this_cpu_inc(stream->cpu->depth);
		this_cpu_write(stream->cpu->pending, false);
		barrier();
		deliver_closed(stream, this_cpu_ptr(stream->cpu));
		barrier();
		this_cpu_dec(stream->cpu->depth);
	}
}

static __always_inline void leave(struct gophership_stream *stream)
{
	barrier();
	this_cpu_dec(stream->cpu->depth);
	/* Not before: a context on top that closes a block now delivers it itself. */
	if (unlikely(this_cpu_read(stream->cpu->pending)))
		settle(stream);
	preempt_enable_notrace();
}

/*
 * Blocks
 */

/* Context: the one that has moved the word from @word, or @cpu is dead. */
static void note_closed(struct gophership_stream_cpu *cpu, unsigned long word)
{
	struct gophership_stream_slot *slot = &cpu->slots[gophership_stream_place(word)];

	slot->units = gophership_stream_position(word);
	slot->records = records_of(word);
}

/* Close the block of @word, unless it has changed. Context: a section. */
static void close_block(struct gophership_stream *stream, unsigned long word)
{
	if (this_cpu_cmpxchg(stream->cpu->word, word, next_word(word)) != word)
		return;
	note_closed(this_cpu_ptr(stream->cpu), word);
	this_cpu_write(stream->cpu->pending, true);
}

/* May a block be opened there? One place stays free, or the ring would look empty. */
static bool place_is_free(const struct gophership_stream_cpu *cpu, unsigned int place)
{
	return (place - READ_ONCE(cpu->tail)) % GOPHERSHIP_STREAM_PLACES <
	       GOPHERSHIP_STREAM_PLACES - 1;
}

/* A buffer for @place, or for a later one if others have been quicker. */
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

/* Somebody will look at the age of the block that was opened. */
static void arm(struct gophership_stream *stream)
{
	if (!stream->flush_ns || this_cpu_read(stream->cpu->armed))
		return;
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

	/* What irq_works the port or the timer would need do not run there any more. */
	if (!place_is_free(cpu, place) || unlikely(!cpu_online(raw_smp_processor_id())))
		return false;
	if (!READ_ONCE(cpu->data[place])) {
		buf = gophership_port_take(stream->port, &message);
		if (!buf)
			return false;
		give_buffer(stream, buf, place);
	}
	time = ktime_get_mono_fast_ns();
	if (this_cpu_cmpxchg(stream->cpu->word, word, open_word(word)) == word) {
		/* Not before: others may have opened and closed it. */
		WRITE_ONCE(cpu->slots[place].time, time);
		arm(stream);
	}
	return true;
}

/* The block of @word has no room, or there is none. False: nor is there a buffer. */
static noinline bool make_room(struct gophership_stream *stream, unsigned long word)
{
	if (gophership_stream_position(word) == GOPHERSHIP_STREAM_NONE)
		return open_block(stream, word);
	close_block(stream, word);
	return true;
}

/* A record found no buffer at the place of @word. Context: a section, which it leaves. */
static noinline void lose(struct gophership_stream *stream, unsigned long word)
{
	this_cpu_inc(stream->cpu->slots[gophership_stream_place(word)].lost);
	gophership_port_lost(stream->port, 1);
	leave(stream);
}

/*
 * Records
 */

/*
 * Room for @units in a block. Returns its address, and in *@word what the word was before;
 * or NULL, and the record is lost. Enters a section, which lasts unless it returns NULL.
 */
static __always_inline void *claim(struct gophership_stream *stream, u32 units,
				   unsigned long *word)
{
	struct gophership_stream_cpu __percpu *cpu = stream->cpu;
	unsigned long now;
	void *data;

	enter(stream);
	for (;;) {
		now = this_cpu_read(cpu->word);
		if (likely(gophership_stream_position(now) + units <= stream->limit)) {
			data = this_cpu_read(cpu->data[gophership_stream_place(now)]);
			if (likely(this_cpu_cmpxchg(cpu->word, now,
						    now + units + GOPHERSHIP_STREAM_RECORD) == now))
				break;
		} else if (!make_room(stream, now)) {
			lose(stream, now);
			return NULL;
		}
	}
	*word = now;
	return data + gophership_stream_position(now) * GOPHERSHIP_STREAM_UNIT;
}

/* The head of a record of @len bytes, and padding. Returns where its data goes. */
static __always_inline void *begin(const struct gophership_stream *stream, void *record,
				   u32 units, u32 len)
{
	struct gophership_stream_record *head = record;

	/* First: this may be the head's own. */
	*(u64 *)(record + units * GOPHERSHIP_STREAM_UNIT - GOPHERSHIP_STREAM_UNIT) = 0;
	head->len = len;
	head->flags = 0;
	if (!stream->times)
		return head + 1;
	*(u64 *)(head + 1) = ktime_get_mono_fast_ns();
	return record + sizeof(*head) + sizeof(u64);
}

int gophership_stream_write(struct gophership_stream *stream, const void *data, size_t len)
{
	unsigned long word;
	void *record;
	u32 units;

	if (unlikely(len > stream->record_max))
		return -EMSGSIZE;
	units = ((u32)len + stream->overhead) / GOPHERSHIP_STREAM_UNIT;
	record = claim(stream, units, &word);
	if (unlikely(!record))
		return -ENOBUFS;
	memcpy(begin(stream, record, units, len), data, len);
	leave(stream);
	return 0;
}
EXPORT_SYMBOL_GPL(gophership_stream_write);

void *gophership_stream_reserve(struct gophership_stream *stream, size_t len,
				struct gophership_stream_state *state)
{
	void *record;
	u32 units;

	if (unlikely(len > stream->record_max))
		return NULL;
	units = ((u32)len + stream->overhead) / GOPHERSHIP_STREAM_UNIT;
	record = claim(stream, units, &state->word);
	if (unlikely(!record))
		return NULL;
	state->record = record;
	state->units = units;
	state->len = len;
	return begin(stream, record, units, len);
}
EXPORT_SYMBOL_GPL(gophership_stream_reserve);

void gophership_stream_commit(struct gophership_stream *stream,
			      struct gophership_stream_state *state)
{
	leave(stream);
}
EXPORT_SYMBOL_GPL(gophership_stream_commit);

/* One record less at the place of @word, be it closed or not. Context: a section. */
static void uncount(struct gophership_stream *stream, unsigned long word)
{
	struct gophership_stream_cpu __percpu *cpu = stream->cpu;
	unsigned long now;

	do {
		now = this_cpu_read(cpu->word);
		if (gophership_stream_place(now) != gophership_stream_place(word)) {
			this_cpu_dec(cpu->slots[gophership_stream_place(word)].records);
			return;
		}
	} while (this_cpu_cmpxchg(cpu->word, now, now - GOPHERSHIP_STREAM_RECORD) != now);
}

void gophership_stream_discard(struct gophership_stream *stream,
			       struct gophership_stream_state *state)
{
	unsigned long after = state->word + state->units + GOPHERSHIP_STREAM_RECORD;
	struct gophership_stream_record *head = state->record;

	/* Unless others came behind it, as if it had never been. */
	if (this_cpu_cmpxchg(stream->cpu->word, after, state->word) != after) {
		head->len = state->len;
		head->flags = GOPHERSHIP_STREAM_DISCARDED;
		uncount(stream, state->word);
	}
	leave(stream);
}
EXPORT_SYMBOL_GPL(gophership_stream_discard);

size_t gophership_stream_record_max(const struct gophership_stream *stream)
{
	return stream->record_max;
}
EXPORT_SYMBOL_GPL(gophership_stream_record_max);

/*
 * Ends
 */

/* Were records lost, and is there no block to tell it? */
static bool owes(const struct gophership_stream_cpu *cpu, unsigned long word)
{
	return gophership_stream_position(word) == GOPHERSHIP_STREAM_NONE &&
	       READ_ONCE(cpu->slots[gophership_stream_place(word)].lost);
}

/* Is there an open block that says nothing? Records were discarded. */
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
 * Close the block of this CPU, which then goes as soon as no record is open; and if
 * records were lost since the one before, make one without records that says so.
 * Context: any.
 */
void gophership_stream_close(struct gophership_stream *stream)
{
	struct gophership_stream_cpu *cpu;
	unsigned long word;

	enter(stream);
	cpu = this_cpu_ptr(stream->cpu);
	word = READ_ONCE(cpu->word);
	if (owes(cpu, word)) {
		open_block(stream, word);
		word = READ_ONCE(cpu->word);
	}
	if (is_blank(cpu, word))
		this_cpu_cmpxchg(stream->cpu->word, word, shut_word(word));
	else if (gophership_stream_position(word) != GOPHERSHIP_STREAM_NONE)
		close_block(stream, word);
	leave(stream);
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
 * gophership_stream_drain() - deliver all that a CPU has left
 * @stream: the stream
 * @cpu: that CPU's; it is dead, or nothing writes to the stream any more
 *
 * Context: process.
 */
void gophership_stream_drain(struct gophership_stream *stream, struct gophership_stream_cpu *cpu)
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
	/* What was not needed: of a blank block, and what contexts took in vain. */
	for (place = 0; place < GOPHERSHIP_STREAM_PLACES; place++) {
		if (!cpu->data[place])
			continue;
		gophership_port_deliver(stream->port, cpu->slots[place].buf, &nothing);
		cpu->data[place] = NULL;
	}
}
