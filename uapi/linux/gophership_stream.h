/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * GopherShip buffer pool: the format of streams.
 *
 * A stream is a sequence of blocks. A block is the payload of one message of a port, and
 * holds whole records of one CPU:
 *
 *	block:	struct gophership_stream_block, records
 *	record:	struct gophership_stream_record, [__u64 time], data, padding
 *
 * A record begins at a multiple of 8 bytes from the start of its block. A file is blocks,
 * one after the other: the next one begins where @length of the one before ends. All
 * numbers have the byte order of the machine that wrote them; @magic tells a reader
 * whether that is its own.
 *
 * A reader trusts none of the numbers. A record that goes past the block's @length, or past
 * the bytes that there are, ends the block.
 */
#ifndef _UAPI_LINUX_GOPHERSHIP_STREAM_H
#define _UAPI_LINUX_GOPHERSHIP_STREAM_H

#include <linux/types.h>

/* The first bytes of a block are "GSHS" where the byte order is little-endian. */
#define GOPHERSHIP_STREAM_MAGIC		0x53485347U
#define GOPHERSHIP_STREAM_VERSION	1

/* Bits of gophership_stream_block.flags. TIMES: each record carries a time. */
#define GOPHERSHIP_STREAM_TIMES		(1U << 0)

/* Bits of gophership_stream_record.flags. DISCARDED: no record, a reader skips it. */
#define GOPHERSHIP_STREAM_DISCARDED	(1U << 0)

/* Records, and what follows their headers, are aligned to this many bytes. */
#define GOPHERSHIP_STREAM_ALIGN		8

/**
 * struct gophership_stream_block - the head of a block
 * @magic: GOPHERSHIP_STREAM_MAGIC
 * @version: GOPHERSHIP_STREAM_VERSION. A reader refuses a version that it does not know
 * @header_size: bytes of this structure, a multiple of 8: the first record begins there.
 *	A later kernel may add fields; a reader skips what it does not know
 * @length: bytes of the block, this structure and the padding of the last record
 *	included: a multiple of 8
 * @flags: GOPHERSHIP_STREAM_* bits for all records of the block
 * @cpu: the CPU that wrote the records
 * @records: records of the block, discarded ones not counted
 * @sequence: number of the block's first record among those that were written on this
 *	CPU, and those that were lost, since the stream began. Records follow by 1. It
 *	is the sequence of the CPU's last block, plus its records, plus @lost
 * @lost: records that were lost on this CPU between its last block and this one
 * @time: when the block was begun, in ns of CLOCK_MONOTONIC
 * @reserved: 0
 */
struct gophership_stream_block {
	__u32 magic;
	__u16 version;
	__u16 header_size;
	__u32 length;
	__u32 flags;
	__u32 cpu;
	__u32 records;
	__u64 sequence;
	__u64 lost;
	__u64 time;
	__u64 reserved;
};

/**
 * struct gophership_stream_record - the head of a record
 * @len: bytes of data, 0 or more, without padding
 * @flags: GOPHERSHIP_STREAM_DISCARDED
 *
 * With GOPHERSHIP_STREAM_TIMES a __u64 follows: when the record was reserved, in ns of
 * CLOCK_MONOTONIC. Times of one CPU do not go backwards but where an interrupt wrote a
 * record in the middle of another context's; those of two CPUs may differ a little.
 */
struct gophership_stream_record {
	__u32 len;
	__u32 flags;
};

#endif /* _UAPI_LINUX_GOPHERSHIP_STREAM_H */
