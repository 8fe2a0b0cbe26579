/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A source: the bytes of a file or a pipe, from the front to the end.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "complain.h"

/**
 * struct source - where bytes come from
 * @path: what it is called in complaints
 * @fd: its file
 * @regular: it can be read at any offset
 * @start: offset of the first byte
 * @offset: offset of the next byte
 * @data: the bytes from there on that are in memory
 * @have: how many
 * @room: how many there is memory for
 */
struct source {
	const char *path;
	int fd;
	bool regular;
	uint64_t start;
	uint64_t offset;
	unsigned char *data;
	size_t have;
	size_t room;
};

/* @path: "-" for stdin. Complains by itself, as all of these do. */
enum status source_open(struct source *source, const char *path);
/*
 * Has the next @wanted bytes in @data. Waits for them, and for no more than these. @have
 * is less than @wanted only at the end.
 */
enum status source_peek(struct source *source, size_t wanted);
/* Goes on behind the next @bytes, which need not be in memory, or be there at all. */
void source_skip(struct source *source, uint64_t bytes);
/* Goes to any offset, where the source is regular. */
void source_seek(struct source *source, uint64_t offset);
/* One more reader of a regular source, at its own offset. Of it, free @data alone. */
struct source source_share(const struct source *source);
/* Puts what is left into a regular file without a name, and goes on with that. */
enum status source_spool(struct source *source);
void source_close(struct source *source);

#endif /* SOURCE_H */
