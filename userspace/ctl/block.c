// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"

bool ledger_make(struct ledger *ledger)
{
	ledger->next = calloc(BLOCK_CPUS, sizeof(*ledger->next));
	if (!ledger->next)
		complain("out of memory");
	return ledger->next;
}

void ledger_free(struct ledger *ledger)
{
	free(ledger->next);
}

struct gap ledger_note(struct ledger *ledger, const struct gophership_stream_block *head)
{
	uint64_t next = ledger->next[head->cpu];
	struct gap gap = {
		.sequence = head->sequence,
		.time = head->time,
		.cpu = head->cpu,
		.lost = head->lost,
	};

	ledger->next[head->cpu] = head->sequence + head->records;
	if (head->sequence < next) {
		gap.anew = true;
		next = 0;
	}
	/* What was lost is in the sequence. Nonsense in these numbers tells of nothing. */
	if (head->sequence - next > head->lost)
		gap.missing = head->sequence - next - head->lost;
	return gap;
}

bool gap_is_none(const struct gap *gap)
{
	return !gap->lost && !gap->missing && !gap->anew;
}

bool block_is_sane(const struct gophership_stream_block *head)
{
	return head->cpu < BLOCK_CPUS && head->length <= BLOCK_MOST;
}

enum status block_complain(const struct source *source, uint64_t offset, int error)
{
	const char *reason = gophership_stream_reason(error);

	if (error == -EINVAL && offset == source->start)
		complain("%s is not a stream", source->path);
	else
		complain("%s: byte %" PRIu64 ": %s", source->path, offset,
			 error == -EINVAL ? "no block of a stream" : reason);
	if (error == -EXDEV)
		advise("Its numbers are read on a machine of the byte order that it was written on.");
	else if (error == -EPROTONOSUPPORT)
		advise("A newer gophershipctl may know it.");
	return STATUS_DAMAGED;
}

/* How many of the bytes in memory are zeros, from the front, in whole words. */
static size_t zeros(const struct source *source)
{
	size_t i = 0;

	while (i < source->have && !source->data[i])
		i++;
	return i == source->have ? i : i / GOPHERSHIP_STREAM_ALIGN * GOPHERSHIP_STREAM_ALIGN;
}

/*
 * A transfer that was killed leaves zeros where a write did not come to its end, or had a
 * rest of a disk's block: between blocks of a stream, and behind the last one.
 */
static enum status skip_zeros(struct source *source)
{
	uint64_t begun = source->offset;
	enum status status;
	size_t nr;

	if (source->offset == source->start)
		return source_peek(source, sizeof(struct gophership_stream_block));
	do {
		status = source_peek(source, sizeof(struct gophership_stream_block));
		if (status != STATUS_OK)
			return status;
		nr = zeros(source);
		source_skip(source, nr);
	} while (nr);
	if (source->offset > begun)
		note("%s: byte %" PRIu64 ": %" PRIu64 " zeros, as of a transfer that was cut off, are "
		     "skipped", source->path, begun, source->offset - begun);
	return STATUS_OK;
}

enum status block_find(struct source *source, struct gophership_stream_block *head)
{
	enum status status;
	int ret;

	memset(head, 0, sizeof(*head));
	status = skip_zeros(source);
	if (status != STATUS_OK || !source->have)
		return status;
	ret = gophership_stream_check(source->data, source->have, head);
	if (!ret && !block_is_sane(head))
		ret = -EBADMSG;
	if (!ret)
		return STATUS_OK;
	head->length = 0;
	return block_complain(source, source->offset, ret);
}

enum status block_read(struct source *source, struct gophership_stream_block *head)
{
	enum status status;

	status = block_find(source, head);
	return status == STATUS_OK ? source_peek(source, head->length) : status;
}
