/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records of a stream: a reader, for C99 and C++11, that needs no library.
 *
 *	struct gophership_stream_reader reader;
 *	struct gophership_record record;
 *	int ret = gophership_stream_begin(&reader, block, size);
 *
 *	if (ret)
 *		errx(1, "%s", gophership_stream_reason(ret));
 *	while ((ret = gophership_stream_next(&reader, &record)) > 0)
 *		use(record.data, record.len);
 *
 * A block is the payload of one message of a port. A file that "gophershipctl receive"
 * wrote is blocks, one after the other: gophership_stream_check() tells how long each is.
 *
 * The bytes of a block are the word of another party, a driver or a file. No number in
 * them is believed: what the reader hands out lies in the bytes that it was given. The
 * block may begin at any address. gophership_stream(5) describes the format.
 */
#ifndef GOPHERSHIP_RECORDS_H
#define GOPHERSHIP_RECORDS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/gophership_stream.h>

/* GOPHERSHIP_STREAM_MAGIC, as it reads where the byte order is the other one. */
#define GOPHERSHIP_STREAM_FOREIGN_MAGIC	0x47534853U

/**
 * struct gophership_record - a record
 * @data: its bytes, at a multiple of 8 from the start of the block. They are those that
 *	the reader was given, and no copy
 * @len: how many they are, 0 or more
 * @cpu: the CPU that wrote it
 * @sequence: its number among the records of that CPU
 * @time: when it was written, in ns of CLOCK_MONOTONIC. Where the records of a block have no
 *	times (!(flags & GOPHERSHIP_STREAM_TIMES)), when the block was begun
 */
struct gophership_record {
	const void *data;
	uint32_t len;
	uint32_t cpu;
	uint64_t sequence;
	uint64_t time;
};

/**
 * struct gophership_stream_reader - how far a block is read
 * @block: its head, to be looked at: @lost, @cpu and @time of it
 * @data: the block
 * @at: where the next record begins
 * @end: where the records end
 * @found: records that were handed out
 */
struct gophership_stream_reader {
	struct gophership_stream_block block;
	const unsigned char *data;
	size_t at;
	size_t end;
	uint32_t found;
};

/**
 * gophership_stream_check() - look at the head of a block
 * @data: where it begins
 * @size: bytes that are there: of the head (sizeof(*block) of them are enough to ask), of
 *	the block, or more
 * @block: where to put it; all 0 after an error
 *
 * Return: 0: it is one, of @block->length bytes, though they need not all be there; -ENODATA:
 * too few bytes to tell; -EINVAL: no block of a stream; -EXDEV: one, of a machine of the
 * other byte order; -EPROTONOSUPPORT: one, of an unknown version; -EBADMSG: one whose own
 * lengths make no sense.
 */
static inline int gophership_stream_check(const void *data, size_t size,
					  struct gophership_stream_block *block)
{
	struct gophership_stream_block head;

	memset(block, 0, sizeof(*block));
	memset(&head, 0, sizeof(head));
	if (!size)
		return -ENODATA;
	memcpy(&head, data, size < sizeof(head) ? size : sizeof(head));
	if (size < sizeof(head.magic))
		return -ENODATA;
	if (head.magic == GOPHERSHIP_STREAM_FOREIGN_MAGIC)
		return -EXDEV;
	if (head.magic != GOPHERSHIP_STREAM_MAGIC)
		return -EINVAL;
	if (size < offsetof(struct gophership_stream_block, header_size))
		return -ENODATA;
	if (head.version != GOPHERSHIP_STREAM_VERSION)
		return -EPROTONOSUPPORT;
	if (size < sizeof(head))
		return -ENODATA;
	if (head.header_size < sizeof(head) || head.header_size % GOPHERSHIP_STREAM_ALIGN)
		return -EBADMSG;
	if (head.length < head.header_size || head.length % GOPHERSHIP_STREAM_ALIGN)
		return -EBADMSG;
	*block = head;
	return 0;
}

/**
 * gophership_stream_begin() - begin to read a block
 * @reader: how far it is read; the caller's, which may look at @reader->block then
 * @data: the block
 * @size: bytes that are there. What is beyond the block's end is not looked at. If the block
 *	is cut, the records that are whole can be read
 *
 * Return: 0, or an error of gophership_stream_check(). gophership_stream_next() finds nothing
 * after an error.
 */
static inline int gophership_stream_begin(struct gophership_stream_reader *reader, const void *data,
					  size_t size)
{
	int ret = gophership_stream_check(data, size, &reader->block);

	reader->data = (const unsigned char *)data;
	reader->found = 0;
	reader->at = reader->block.header_size;
	reader->end = size < reader->block.length ? size : reader->block.length;
	/* The head itself may be cut, where it has more than is known here. */
	if (reader->at > reader->end)
		reader->at = reader->end;
	return ret;
}

/* There is no further record: how the block ends. */
static inline int gophership_stream_ending(const struct gophership_stream_reader *reader)
{
	if (reader->end < reader->block.length)
		return -ENODATA;
	if (reader->at < reader->end || reader->found != reader->block.records)
		return -EBADMSG;
	return 0;
}

/**
 * gophership_stream_next() - the next record of a block
 * @reader: how far it is read
 * @record: where to put it
 *
 * Discarded records are skipped.
 *
 * Return: 1: here it is; 0: the block ends; -ENODATA: it was cut, and no further record is
 * whole; -EBADMSG: what follows is no record, or there are not as many as the head says.
 * After anything but 1 the same is returned again.
 */
static inline int gophership_stream_next(struct gophership_stream_reader *reader,
					 struct gophership_record *record)
{
	const int times = (reader->block.flags & GOPHERSHIP_STREAM_TIMES) != 0;
	const size_t head_size = sizeof(struct gophership_stream_record) +
				 (times ? sizeof(record->time) : 0);
	struct gophership_stream_record head;
	const unsigned char *at;
	size_t left, padding;

	for (;;) {
		left = reader->end - reader->at;
		if (left < head_size)
			return gophership_stream_ending(reader);
		left -= head_size;
		at = reader->data + reader->at;
		memcpy(&head, at, sizeof(head));
		if (head.len > left)
			return gophership_stream_ending(reader);
		if (!(head.flags & GOPHERSHIP_STREAM_DISCARDED) &&
		    reader->found == reader->block.records)
			return gophership_stream_ending(reader);
		left -= head.len;
		/* Where the block is cut, the padding may be what is missing. */
		padding = (0U - head.len) % GOPHERSHIP_STREAM_ALIGN;
		reader->at += head_size + head.len + (padding < left ? padding : left);
		if (!(head.flags & GOPHERSHIP_STREAM_DISCARDED))
			break;
	}
	record->time = reader->block.time;
	if (times)
		memcpy(&record->time, at + sizeof(head), sizeof(record->time));
	record->data = at + head_size;
	record->len = head.len;
	record->cpu = reader->block.cpu;
	record->sequence = reader->block.sequence + reader->found++;
	return 1;
}

/**
 * gophership_stream_reason() - an error in words
 * @error: of the functions above
 *
 * Return: a sentence without a full stop, for messages; never NULL.
 */
static inline const char *gophership_stream_reason(int error)
{
	switch (error) {
	case 0:
		return "a whole block of a stream";
	case -ENODATA:
		return "cut off in the middle of a block";
	case -EINVAL:
		return "not a stream";
	case -EXDEV:
		return "a stream from a machine of the other byte order";
	case -EPROTONOSUPPORT:
		return "a stream of a version that is not known here";
	case -EBADMSG:
		return "a damaged block of a stream";
	default:
		return "not an error of streams";
	}
}

#endif /* GOPHERSHIP_RECORDS_H */
