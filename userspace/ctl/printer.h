/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A printer: how the records of a stream come out on stdout.
 */
#ifndef PRINTER_H
#define PRINTER_H

#include <stdbool.h>
#include <stdint.h>

#include <gophership_records.h>

#include "block.h"

enum printer_form {
	PRINTER_TEXT,	/* a line each, for people */
	PRINTER_JSON,	/* an object each, a line each */
	PRINTER_DATA,	/* the data alone */
	PRINTER_SHOWN	/* so, but as text, on a terminal, which obeys some data */
};

/**
 * struct printer - where records are printed
 * @form: how
 * @hex: data in hexadecimal, also where it is text
 * @cpus: [CPU]: is it wanted; NULL: all are. From the heap, the caller's
 * @count: records to print at most; 0: all
 * @printed: records that were
 * @lost: records that drivers lost
 * @missing: records that were in blocks that are not there
 */
struct printer {
	enum printer_form form;
	bool hex;
	bool *cpus;
	uint64_t count;
	uint64_t printed;
	uint64_t lost;
	uint64_t missing;
};

/* What is missing before a block, if anything is. */
void printer_gap(struct printer *printer, const struct gap *gap);
void printer_record(struct printer *printer, const struct gophership_stream_block *head,
		    const struct gophership_record *record);
/* What is to be printed is, or cannot be. */
bool printer_is_done(const struct printer *printer);

#endif /* PRINTER_H */
