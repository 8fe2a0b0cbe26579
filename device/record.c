// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: how records get into the blocks of a CPU.
 *
 * What is exported is described in gophership_stream.h, and how it holds in every
 * context at the head of device/stream.h.
 *
 * Nothing in a block is ever read: the program can write to it.
 */
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/string.h>

#include "device/block.h"
#include "gophership_compat.h"

/* A record found no buffer at the place of @word. Context: a section, which it leaves. */
static noinline void lose(struct gophership_stream *stream, unsigned long word)
{
	this_cpu_inc(stream->cpu->slots[gophership_stream_place(word)].lost);
	gophership_port_lost(stream->port, 1);
	/*
	 * (L) pairs with (L) in has_something(). Look again, now that the loss is counted: the
	 * program may have submitted after the first look, and the flush that its KICK caused
	 * may have seen no loss. If this look sees no buffer, the next KICK's flush sees the
	 * loss.
	 */
	smp_mb();
	word = this_cpu_read(stream->cpu->word);
	if (gophership_stream_position(word) == GOPHERSHIP_STREAM_NONE &&
	    gophership_block_make_room(stream, word))
		gophership_stream_kick(stream);
	gophership_section_leave(stream);
}

/* Where an NMI may come in the middle of a this_cpu operation it writes nothing. */
static __always_inline bool may_write(void)
{
	return GOPHERSHIP_NMI_SAFE_THIS_CPU || !in_nmi();
}

/* Only the port counts it: the NMI could damage the CPU's own counter. */
static noinline int lose_in_nmi(struct gophership_stream *stream)
{
	gophership_port_lost(stream->port, 1);
	return -ENOBUFS;
}

/*
 * Room for @units in a block. Returns its address, and in *@word what the word was before;
 * or NULL, and the record is lost. Context: a section, which it leaves if it returns NULL.
 */
static __always_inline void *claim(struct gophership_stream *stream, u32 units,
				   unsigned long *word)
{
	struct gophership_stream_cpu __percpu *cpu = stream->cpu;
	unsigned long now;
	void *data;

	for (;;) {
		now = this_cpu_read(cpu->word);
		if (likely(gophership_stream_position(now) + units <= stream->limit)) {
			data = this_cpu_read(cpu->data[gophership_stream_place(now)]);
			if (likely(this_cpu_cmpxchg(cpu->word, now,
						    now + units + GOPHERSHIP_STREAM_RECORD) == now))
				break;
		} else if (!gophership_block_make_room(stream, now)) {
			lose(stream, now);
			return NULL;
		}
	}
	*word = now;
	return data + gophership_stream_position(now) * GOPHERSHIP_STREAM_UNIT;
}

/* Write the head of a record of @len bytes, and padding. Returns the address after the head. */
static __always_inline void *begin_plain(void *record, u32 units, u32 len)
{
	struct gophership_stream_record *head = record;

	/* First: this may be the head's own. */
	*(u64 *)(record + units * GOPHERSHIP_STREAM_UNIT - GOPHERSHIP_STREAM_UNIT) = 0;
	head->len = len;
	head->flags = 0;
	return head + 1;
}

/* begin_plain(), and the time if records have one. Returns the address for the data. */
static __always_inline void *begin(const struct gophership_stream *stream, void *record,
				   u32 units, u32 len)
{
	u64 *time = begin_plain(record, units, len);

	if (!stream->times)
		return time;
	*time = ktime_get_mono_fast_ns();
	return time + 1;
}

#define WORD	sizeof(unsigned long)

static __always_inline void copy_word(void *to, const void *from)
{
	put_unaligned(get_unaligned((const unsigned long *)from), (unsigned long *)to);
}

/* A short memcpy(), where words may be at any address; else that. */
static __always_inline void copy_short(void *to, const void *from, u32 len)
{
	const void *end = from + len;

	if (!IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS)) {
		memcpy(to, from, len);
		return;
	}
	for (; end - from >= 4 * WORD; from += 4 * WORD, to += 4 * WORD) {
		copy_word(to, from);
		copy_word(to + WORD, from + WORD);
		copy_word(to + 2 * WORD, from + 2 * WORD);
		copy_word(to + 3 * WORD, from + 3 * WORD);
	}
	for (; end - from >= WORD; from += WORD, to += WORD)
		copy_word(to, from);
	for (; from < end; from++, to++)
		*(u8 *)to = *(const u8 *)from;
}

/* Any record. Context: a section, which it leaves. */
static noinline int write_slowly(struct gophership_stream *stream, const void *data, size_t len)
{
	u32 units = ((u32)len + stream->overhead) / GOPHERSHIP_STREAM_UNIT;
	unsigned long word;
	void *record;

	record = claim(stream, units, &word);
	if (unlikely(!record))
		return -ENOBUFS;
	memcpy(begin(stream, record, units, len), data, len);
	gophership_section_leave(stream);
	return 0;
}

static noinline int write_long(struct gophership_stream *stream, const void *data, size_t len)
{
	if (unlikely(len > stream->record_max))
		return -EMSGSIZE;
	gophership_section_enter(stream);
	return write_slowly(stream, data, len);
}

static noinline int settle_and_leave(struct gophership_stream *stream)
{
	gophership_blocks_settle(stream);
	preempt_enable_notrace();
	return 0;
}

/*
 * A short record without a time. All rare cases are tail calls, so no register has to be
 * saved. memcpy() of 64 bytes takes three times as long as a copy by words.
 */
int gophership_stream_write(struct gophership_stream *stream, const void *data, size_t len)
{
	struct gophership_stream_cpu __percpu *cpu = stream->cpu;
	unsigned long word;
	void *record;
	u32 units;

	if (!may_write())
		return len > stream->record_max ? -EMSGSIZE : lose_in_nmi(stream);
	if (unlikely(len >= stream->short_end))
		return write_long(stream, data, len);
	units = ((u32)len + sizeof(struct gophership_stream_record) + GOPHERSHIP_STREAM_UNIT - 1) /
		GOPHERSHIP_STREAM_UNIT;
	gophership_section_enter(stream);
	word = this_cpu_read(cpu->word);
	if (unlikely(gophership_stream_position(word) + units > stream->limit))
		return write_slowly(stream, data, len);
	record = this_cpu_read(cpu->data[gophership_stream_place(word)]);
	if (unlikely(this_cpu_cmpxchg(cpu->word, word,
				      word + units + GOPHERSHIP_STREAM_RECORD) != word))
		return write_slowly(stream, data, len);
	record += gophership_stream_position(word) * GOPHERSHIP_STREAM_UNIT;
	copy_short(begin_plain(record, units, len), data, len);
	barrier();
	this_cpu_dec(cpu->depth);
	if (unlikely(this_cpu_read(cpu->pending)))
		return settle_and_leave(stream);
	preempt_enable_notrace();
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
	if (!may_write()) {
		lose_in_nmi(stream);
		return NULL;
	}
	units = ((u32)len + stream->overhead) / GOPHERSHIP_STREAM_UNIT;
	gophership_section_enter(stream);
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
	gophership_section_leave(stream);
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

	/* Take the room back, unless a context on top has written behind the record. */
	if (this_cpu_cmpxchg(stream->cpu->word, after, state->word) != after) {
		head->len = state->len;
		head->flags = GOPHERSHIP_STREAM_DISCARDED;
		uncount(stream, state->word);
	}
	gophership_section_leave(stream);
}
EXPORT_SYMBOL_GPL(gophership_stream_discard);

size_t gophership_stream_record_max(const struct gophership_stream *stream)
{
	return stream->record_max;
}
EXPORT_SYMBOL_GPL(gophership_stream_record_max);
