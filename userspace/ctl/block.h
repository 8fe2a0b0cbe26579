/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blocks of a stream: found one after the other in a source, and what is missing between
 * two of a CPU.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <gophership_records.h>

#include "source.h"

/* What no kernel goes beyond, so that a damaged head does not make us wait for it. */
#define BLOCK_CPUS	65536U
#define BLOCK_MOST	(64U << 20)

/**
 * struct gap - what is missing before a block, in records of its CPU
 * @sequence: number of the block's first record
 * @time: when the block was begun
 * @cpu: the CPU
 * @lost: the driver lost them, for want of buffers
 * @missing: they were in blocks that are not there
 * @anew: the numbers begin anew: another stream
 */
struct gap {
	uint64_t sequence;
	uint64_t time;
	uint32_t cpu;
	uint64_t lost;
	uint64_t missing;
	bool anew;
};

/**
 * struct ledger - which record is next
 * @next: [CPU]: its number
 */
struct ledger {
	uint64_t *next;
};

bool ledger_make(struct ledger *ledger);
void ledger_free(struct ledger *ledger);
/* For the blocks of a CPU in their order. */
struct gap ledger_note(struct ledger *ledger, const struct gophership_stream_block *head);
bool gap_is_none(const struct gap *gap);

/*
 * The head of the next block, which the source is at then; length 0: there is none. What is
 * beyond the head need not be there. Complains by itself of what is no block.
 */
enum status block_find(struct source *source, struct gophership_stream_block *head);
/* So, and all of the block that there is can be found in @data of the source. */
enum status block_read(struct source *source, struct gophership_stream_block *head);
/* Complains of the block at an offset, with an error of gophership_records.h. */
enum status block_complain(const struct source *source, uint64_t offset, int error);
/* Are these numbers that a kernel writes? */
bool block_is_sane(const struct gophership_stream_block *head);

#endif /* BLOCK_H */
