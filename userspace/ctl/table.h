/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table for people: columns as wide as what is in them.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS	12

/**
 * struct table - rows of text
 * @columns: in each row
 * @left: columns that begin on the left, a bit for each; numbers end on the right
 * @cells: all of them, row by row
 * @nr: their number
 */
struct table {
	unsigned int columns;
	unsigned int left;
	char **cells;
	size_t nr;
};

/* With that header, the names of the columns, separated by '|'. */
void table_begin(struct table *table, unsigned int left, const char *header);
/* The next cell, as printf() writes it; what a terminal might obey is shown as text. */
void table_cell(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints the table and gives it up: on stdout, or wherever. */
void table_print(struct table *table);
void table_print_to(struct table *table, FILE *file);

#endif /* TABLE_H */
