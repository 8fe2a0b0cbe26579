// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "output.h"

/*
 * As they come
 */

enum status print_block(struct printer *printer, struct ledger *ledger, const void *data,
			size_t size, int *error)
{
	struct gophership_stream_reader reader;
	struct gophership_record record;
	struct gap gap;

	*error = gophership_stream_begin(&reader, data, size);
	if (!*error && !block_is_sane(&reader.block))
		*error = -EBADMSG;
	if (*error)
		return STATUS_DAMAGED;
	gap = ledger_note(ledger, &reader.block);
	printer_gap(printer, &gap);
	while ((*error = gophership_stream_next(&reader, &record)) > 0)
		printer_record(printer, &reader.block, &record);
	return *error ? STATUS_DAMAGED : STATUS_OK;
}

enum status print_arrived(struct printer *printer, struct ledger *ledger, struct source *source)
{
	enum status status, printed = STATUS_OK;
	struct gophership_stream_block head;
	int error;

	while (!printer_is_done(printer)) {
		status = block_read(source, &head);
		if (status != STATUS_OK || !head.length)
			return status == STATUS_OK ? printed : status;
		if (print_block(printer, ledger, source->data, source->have, &error) != STATUS_OK)
			printed = block_complain(source, source->offset, error);
		source_skip(source, head.length);
		/* The next one may be long in coming. */
		if (!source->regular)
			output_flush();
	}
	return printed;
}

/*
 * Merged
 */

/**
 * struct lane - the blocks of a CPU, on their way
 * @source: the source, and the block that is read
 * @offsets: [@nr]: where the blocks begin
 * @room: offsets that there is memory for
 * @next: the block to read next
 * @reader: of the block that is read
 * @record: the record that is next, where the lane is not at its end
 * @gap: what is missing before the block, and not yet told
 */
struct lane {
	struct source source;
	uint64_t *offsets;
	size_t nr;
	size_t room;
	size_t next;
	struct gophership_stream_reader reader;
	struct gophership_record record;
	struct gap gap;
};

/**
 * struct merge - all CPUs
 * @printer: where to
 * @ledger: what each CPU is to go on with
 * @source: where from
 * @lanes: [CPU]: NULL for one without blocks
 * @heap: lanes with a record; none is later than those at 2i + 1 and 2i + 2
 * @nr: how many
 * @status: of what was found damaged, or did not work
 */
struct merge {
	struct printer *printer;
	struct ledger *ledger;
	struct source *source;
	struct lane **lanes;
	struct lane **heap;
	size_t nr;
	enum status status;
};

static enum status out_of_memory(void)
{
	complain("out of memory");
	return STATUS_FAILED;
}

static enum status lane_add(struct merge *merge, uint32_t cpu, uint64_t offset)
{
	struct lane *lane = merge->lanes[cpu];
	uint64_t *offsets;

	if (!lane) {
		lane = calloc(1, sizeof(*lane));
		if (!lane)
			return out_of_memory();
		lane->source = source_share(merge->source);
		merge->lanes[cpu] = lane;
		merge->nr++;
	}
	if (lane->nr == lane->room) {
		lane->room = lane->room ? 2 * lane->room : 16;
		offsets = reallocarray(lane->offsets, lane->room, sizeof(*offsets));
		if (!offsets)
			return out_of_memory();
		lane->offsets = offsets;
	}
	lane->offsets[lane->nr++] = offset;
	return STATUS_OK;
}

/* Which blocks there are. Where the source is damaged, those before that. */
static enum status find_blocks(struct merge *merge)
{
	struct gophership_stream_block head;
	enum status status;

	for (;;) {
		status = block_find(merge->source, &head);
		if (status == STATUS_DAMAGED)
			merge->status = status;
		if (status != STATUS_OK || !head.length)
			return status == STATUS_DAMAGED ? STATUS_OK : status;
		status = lane_add(merge, head.cpu, merge->source->offset);
		if (status != STATUS_OK)
			return status;
		source_skip(merge->source, head.length);
	}
}

/* The file may have changed since the block was found. */
static enum status load(const struct merge *merge, struct lane *lane)
{
	struct gophership_stream_block head;
	struct source *source = &lane->source;
	enum status status;
	int error;

	memset(&lane->reader, 0, sizeof(lane->reader));
	source_seek(source, lane->offsets[lane->next++]);
	status = block_read(source, &head);
	if (status != STATUS_OK)
		return status;
	error = gophership_stream_begin(&lane->reader, source->data, source->have);
	if (error)
		return block_complain(source, source->offset, error);
	lane->gap = ledger_note(merge->ledger, &lane->reader.block);
	return STATUS_OK;
}

static void tell_gap(struct merge *merge, struct lane *lane)
{
	printer_gap(merge->printer, &lane->gap);
	lane->gap = (struct gap) { 0 };
}

/* To the next record of the lane; false at its end. */
static bool advance(struct merge *merge, struct lane *lane)
{
	enum status status;
	int ret;

	for (;;) {
		ret = gophership_stream_next(&lane->reader, &lane->record);
		if (ret > 0)
			return true;
		/* A block may have no records. */
		tell_gap(merge, lane);
		if (ret < 0)
			merge->status = block_complain(&lane->source, lane->source.offset, ret);
		if (lane->next == lane->nr)
			return false;
		status = load(merge, lane);
		if (status != STATUS_OK)
			merge->status = status;
		if (status == STATUS_FAILED)
			return false;
	}
}

static bool is_later(const struct lane *a, const struct lane *b)
{
	if (a->record.time != b->record.time)
		return a->record.time > b->record.time;
	return a->record.cpu > b->record.cpu;
}

static void sink(struct merge *merge, size_t i)
{
	struct lane *lane = merge->heap[i];
	size_t child;

	for (;;) {
		child = 2 * i + 1;
		if (child + 1 < merge->nr && is_later(merge->heap[child], merge->heap[child + 1]))
			child++;
		if (child >= merge->nr || !is_later(lane, merge->heap[child]))
			break;
		merge->heap[i] = merge->heap[child];
		i = child;
	}
	merge->heap[i] = lane;
}

static enum status make_heap(struct merge *merge)
{
	size_t cpu, i;

	merge->heap = calloc(merge->nr + 1, sizeof(*merge->heap));
	if (!merge->heap)
		return out_of_memory();
	merge->nr = 0;
	for (cpu = 0; cpu < BLOCK_CPUS; cpu++)
		if (merge->lanes[cpu] && advance(merge, merge->lanes[cpu]))
			merge->heap[merge->nr++] = merge->lanes[cpu];
	for (i = merge->nr / 2; i--;)
		sink(merge, i);
	return STATUS_OK;
}

static void print_all(struct merge *merge)
{
	struct lane *lane;

	while (merge->nr && !printer_is_done(merge->printer)) {
		lane = merge->heap[0];
		tell_gap(merge, lane);
		printer_record(merge->printer, &lane->reader.block, &lane->record);
		if (!advance(merge, lane))
			merge->heap[0] = merge->heap[--merge->nr];
		if (merge->nr)
			sink(merge, 0);
	}
}

static void free_lanes(struct merge *merge)
{
	size_t cpu;

	for (cpu = 0; cpu < BLOCK_CPUS; cpu++) {
		if (!merge->lanes[cpu])
			continue;
		free(merge->lanes[cpu]->offsets);
		free(merge->lanes[cpu]->source.data);
		free(merge->lanes[cpu]);
	}
	free(merge->lanes);
	free(merge->heap);
}

enum status print_merged(struct printer *printer, struct ledger *ledger, struct source *source)
{
	struct merge merge = { .printer = printer, .ledger = ledger, .source = source };
	enum status status;

	merge.lanes = calloc(BLOCK_CPUS, sizeof(*merge.lanes));
	if (!merge.lanes)
		return out_of_memory();
	status = find_blocks(&merge);
	if (status == STATUS_OK)
		status = make_heap(&merge);
	if (status == STATUS_OK)
		print_all(&merge);
	free_lanes(&merge);
	return status == STATUS_OK ? merge.status : status;
}
