// SPDX-License-Identifier: GPL-2.0
/*
 * write_stream KIND: a stream for tests of its readers, to stdout
 *
 *   good       two CPUs, records lost and missing
 *   foreign    the same, of a machine of the other byte order
 *   version    the same, of a version that is not there yet
 *   untimed    records without times, in blocks that are out of order
 *   damaged    good; then a block whose second record goes beyond it; then good
 *   hostile    a head that promises 4 GiB
 *   restarted  good, twice
 *   control    what a terminal obeys, between what it shows
 *   many       1000 blocks of 10 CPUs, of 128 bytes, a line of text each
 */
#include <byteswap.h>
#include <stddef.h>
#include <stdio.h>

#include "blocks.h"

#define TIMES	GOPHERSHIP_STREAM_TIMES

static void begin(struct blocks *blocks, uint32_t flags, uint32_t cpu, uint64_t sequence,
		  uint64_t lost, uint64_t time)
{
	blocks_begin(blocks, (struct gophership_stream_block) {
		.flags = flags, .cpu = cpu, .sequence = sequence, .lost = lost, .time = time,
	}, 0);
}

static void put(struct blocks *blocks, const char *text, uint64_t time)
{
	blocks_put(blocks, text, strlen(text), time, 0);
}

static void write_good(struct blocks *blocks)
{
	begin(blocks, TIMES, 1, 0, 0, 90);
	put(blocks, "first of one\n", 100);
	put(blocks, "a \"third\"\n", 300);
	begin(blocks, TIMES, 0, 3, 3, 190);
	blocks_put(blocks, "\x00\xff\x10", 3, 200, 0);
	blocks_put(blocks, "nobody shall see it", 19, 250, GOPHERSHIP_STREAM_DISCARDED);
	put(blocks, "", 1000000000400);
	begin(blocks, TIMES, 1, 4, 0, 490);
	put(blocks, "last of one", 1000000000500);
}

static void write_untimed(struct blocks *blocks)
{
	begin(blocks, 0, 0, 0, 0, 20);
	put(blocks, "second\n", 0);
	put(blocks, "third\n", 0);
	begin(blocks, 0, 7, 0, 0, 10);
	put(blocks, "first\n", 0);
}

static void write_control(struct blocks *blocks)
{
	begin(blocks, TIMES, 0, 0, 0, 90);
	put(blocks, "\033[2Jred \033[31m\t\xc3\xa9 \302\2335m \x7f \xff\n", 100);
	put(blocks, "plain\n", 200);
}

static void write_damaged(struct blocks *blocks)
{
	struct gophership_stream_record record = { .len = 1000 };
	size_t open;

	write_good(blocks);
	begin(blocks, TIMES, 5, 0, 0, 600);
	put(blocks, "whole", 600);
	open = blocks->size;
	put(blocks, "damaged", 601);
	memcpy(blocks->data + open, &record, sizeof(record));
	begin(blocks, TIMES, 5, 2, 0, 700);
	put(blocks, "behind", 700);
}

static void write_many(struct blocks *blocks)
{
	char text[64];
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		begin(blocks, TIMES, i % 10, i / 10, 0, 10 * i);
		/* Each CPU is delivered some time after the others. */
		snprintf(text, sizeof(text), "%06u %048u\n", i / 10 * 10 + i * 7 % 10, i);
		put(blocks, text, i / 10 * 10 + i * 7 % 10);
	}
}

/* All numbers, as the other machine has them. */
static void swap(struct blocks *blocks)
{
	struct gophership_stream_block head;
	struct gophership_stream_record record;
	size_t at, next, end;

	for (at = 0; at < blocks->size; at = end) {
		memcpy(&head, blocks->data + at, sizeof(head));
		end = at + head.length;
		for (next = at + sizeof(head); next < end;) {
			memcpy(&record, blocks->data + next, sizeof(record));
			size_t len = (sizeof(record) + 8 + record.len + 7) / 8 * 8;

			record.len = bswap_32(record.len);
			record.flags = bswap_32(record.flags);
			memcpy(blocks->data + next, &record, sizeof(record));
			next += len;
		}
		head.magic = bswap_32(head.magic);
		head.version = bswap_16(head.version);
		head.header_size = bswap_16(head.header_size);
		head.length = bswap_32(head.length);
		head.flags = bswap_32(head.flags);
		head.cpu = bswap_32(head.cpu);
		head.records = bswap_32(head.records);
		head.sequence = bswap_64(head.sequence);
		head.lost = bswap_64(head.lost);
		head.time = bswap_64(head.time);
		memcpy(blocks->data + at, &head, sizeof(head));
	}
}

static void write_hostile(struct blocks *blocks)
{
	struct gophership_stream_block head;

	write_good(blocks);
	begin(blocks, TIMES, 2, 0, 0, 600);
	head = blocks_head(blocks);
	head.length = -8;
	blocks_set_head(blocks, head);
}

static void set_version(struct blocks *blocks)
{
	uint16_t version = GOPHERSHIP_STREAM_VERSION + 1;

	memcpy(blocks->data + offsetof(struct gophership_stream_block, version), &version,
	       sizeof(version));
}

int main(int argc, char **argv)
{
	const char *kind = argc == 2 ? argv[1] : "";
	struct blocks blocks = { 0 };

	if (!strcmp(kind, "untimed"))
		write_untimed(&blocks);
	else if (!strcmp(kind, "control"))
		write_control(&blocks);
	else if (!strcmp(kind, "damaged"))
		write_damaged(&blocks);
	else if (!strcmp(kind, "hostile"))
		write_hostile(&blocks);
	else if (!strcmp(kind, "many"))
		write_many(&blocks);
	else
		write_good(&blocks);
	if (!strcmp(kind, "restarted"))
		write_good(&blocks);
	else if (!strcmp(kind, "foreign"))
		swap(&blocks);
	else if (!strcmp(kind, "version"))
		set_version(&blocks);
	return fwrite(blocks.data, 1, blocks.size, stdout) != blocks.size;
}
