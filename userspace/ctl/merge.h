/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A stream is printed: block by block as they come, or merged: the records of all CPUs by
 * time. Those of one CPU stay in their order.
 */
#ifndef MERGE_H
#define MERGE_H

#include "printer.h"
#include "source.h"

/*
 * @data: a block, of which @size bytes are there. Returns STATUS_OK, or STATUS_DAMAGED with
 * *@error set to what gophership_records.h says.
 */
enum status print_block(struct printer *printer, struct ledger *ledger, const void *data,
			size_t size, int *error);
/* Complain by themselves. What is whole is printed, also where the source is damaged. */
enum status print_arrived(struct printer *printer, struct ledger *ledger, struct source *source);
/* The source is regular. */
enum status print_merged(struct printer *printer, struct ledger *ledger, struct source *source);

#endif /* MERGE_H */
