/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the driver "scribe" writes, for it and for tests/stream/listen.
 *
 * A record is a struct scribe_record and @len bytes, of which byte i is
 * scribe_byte(number, i). A writer gives its records the numbers 1, 2, 3 ..., those that
 * are lost included; a discarded one has none.
 */
#ifndef TESTS_SCRIBE_H
#define TESTS_SCRIBE_H

#include <linux/types.h>

#define SCRIBE_CPUS	8

/* What a context is. Each CPU has one writer of each kind. */
enum scribe_kind { SCRIBE_TASK, SCRIBE_SOFTIRQ, SCRIBE_HARDIRQ, SCRIBE_NMI, SCRIBE_COMMAND,
	SCRIBE_KINDS };

#define SCRIBE_WRITERS	(SCRIBE_CPUS * SCRIBE_KINDS)
/* Instead of a writer: the record's bytes are a struct scribe_totals. */
#define SCRIBE_TOTALS	SCRIBE_WRITERS

struct scribe_record {
	__u32 writer;	/* CPU * SCRIBE_KINDS + kind */
	__u32 len;
	__u64 number;
};

/* By writer; SCRIBE_TOTALS counts those of these records that were lost. */
struct scribe_totals {
	__u64 numbers[SCRIBE_WRITERS + 1];
	__u64 lost[SCRIBE_WRITERS + 1];
};

static inline __u8 scribe_byte(__u64 number, __u32 i)
{
	return number * 31 + i * 7 + i / 256;
}

#endif /* TESTS_SCRIBE_H */
