/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ways of a record from the kernel to a program.
 */
#ifndef BENCH_CHANNEL_H
#define BENCH_CHANNEL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records of a write at most: as the module gophership_writers has it. */
#define RECORDS		128

/**
 * struct channel - a way of records
 * @name: in the table
 * @open: called once; a stream's port has buffers of @size
 * @write: the kernel writes @nr records of @len bytes; 0: all but that
 * @read: everything that is there is read; how many records of @len bytes it was
 */
struct channel {
	const char *name;
	void (*open)(unsigned int size);
	void (*write)(unsigned int len, unsigned int nr);
	unsigned int (*read)(unsigned int len);
};

extern const struct channel stream_channel, relay_channel, relay_map_channel, trace_channel,
	ringbuf_channel, perf_channel;

/* Nanoseconds that the kernel takes to write a record; the record stays unread. */
double ringbuf_cost(unsigned int len);
double perf_cost(unsigned int len);

/* One of its parameters; the file descriptor. */
int writers_open(const char *name, int flags);
/* What gophership_writers does for a channel of its own: see its head. */
void writers_write(const char *writer, unsigned int len, unsigned int nr);

/* What a program does with a record, whatever brought it: so that it is looked at. */
static inline bool record_is_good(const void *data, size_t len, unsigned int wanted)
{
	const char *bytes = data;

	return len == wanted && bytes[0] == 'x' && bytes[len - 1] == 'x';
}

__attribute__((noreturn, format(printf, 1, 2))) void bail(const char *format, ...);

#endif /* BENCH_CHANNEL_H */
