/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A writer of streams, for tests: blocks in memory, of any numbers.
 */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/gophership_stream.h>

/**
 * struct blocks - blocks, one after the other
 * @data: all of them
 * @size: bytes of it
 * @room: bytes that there is memory for
 * @open: where the head of the last one is
 */
struct blocks {
	unsigned char *data;
	size_t size;
	size_t room;
	size_t open;
};

static inline void blocks_add(struct blocks *blocks, const void *data, size_t size)
{
	if (blocks->size + size > blocks->room) {
		blocks->room = 2 * (blocks->size + size);
		blocks->data = realloc(blocks->data, blocks->room);
		if (!blocks->data)
			abort();
	}
	if (data)
		memcpy(blocks->data + blocks->size, data, size);
	else
		memset(blocks->data + blocks->size, 0, size);
	blocks->size += size;
}

/* Begins one with all of this in its head, and @unknown bytes more that are no zeros. */
static inline void blocks_begin(struct blocks *blocks, struct gophership_stream_block head,
				size_t unknown)
{
	head.magic = GOPHERSHIP_STREAM_MAGIC;
	head.version = GOPHERSHIP_STREAM_VERSION;
	head.header_size = sizeof(head) + unknown;
	head.length = head.header_size;
	blocks->open = blocks->size;
	blocks_add(blocks, &head, sizeof(head));
	blocks_add(blocks, NULL, unknown);
	memset(blocks->data + blocks->size - unknown, 0xee, unknown);
}

static inline struct gophership_stream_block blocks_head(const struct blocks *blocks)
{
	struct gophership_stream_block head;

	memcpy(&head, blocks->data + blocks->open, sizeof(head));
	return head;
}

static inline void blocks_set_head(struct blocks *blocks, struct gophership_stream_block head)
{
	memcpy(blocks->data + blocks->open, &head, sizeof(head));
}

/* Adds a record to the last one; @time if that has times. */
static inline void blocks_put(struct blocks *blocks, const void *data, uint32_t len, uint64_t time,
			      uint32_t flags)
{
	struct gophership_stream_record record = { .len = len, .flags = flags };
	struct gophership_stream_block head;

	blocks_add(blocks, &record, sizeof(record));
	if (blocks_head(blocks).flags & GOPHERSHIP_STREAM_TIMES)
		blocks_add(blocks, &time, sizeof(time));
	blocks_add(blocks, data, len);
	blocks_add(blocks, NULL, -(size_t)len % GOPHERSHIP_STREAM_ALIGN);
	head = blocks_head(blocks);
	head.length = blocks->size - blocks->open;
	head.records += !(flags & GOPHERSHIP_STREAM_DISCARDED);
	blocks_set_head(blocks, head);
}

#endif /* BLOCKS_H */
