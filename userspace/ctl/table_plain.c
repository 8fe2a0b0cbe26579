// SPDX-License-Identifier: GPL-2.0
/* Tables where there is no libsmartcols: see table_smartcols.c, and the Makefile. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "complain.h"
#include "table.h"
#include "text.h"

/* Columns that a terminal wants for it: its characters, whose first bytes are not 10xxxxxx. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static int widest_of(const struct table *table, unsigned int column)
{
	int widest = 0, width;
	size_t i;

	for (i = column; i < table->nr; i += table->columns) {
		width = width_of(table->cells[i]);
		if (width > widest)
			widest = width;
	}
	return widest;
}

static void make_printable(char **cell)
{
	char *printable = text_printable(*cell);

	if (!printable)
		complain_no_memory();
	free(*cell);
	*cell = printable;
}

static void print_cell(const struct table *table, FILE *file, const char *text,
		       unsigned int column, int width)
{
	bool is_last = column + 1 == table->columns, is_left = table->left & 1U << column;
	int padding = width - width_of(text);

	if (!is_left)
		fprintf(file, "%*s", padding, "");
	fputs(text, file);
	if (is_left && !is_last)
		fprintf(file, "%*s", padding, "");
	fputs(is_last ? "\n" : "  ", file);
}

void table_print_to(struct table *table, FILE *file)
{
	int widths[TABLE_COLUMNS] = { 0 };
	unsigned int column;
	size_t i;

	for (i = 0; i < table->nr; i++)
		make_printable(&table->cells[i]);
	for (column = 0; column < table->columns; column++)
		widths[column] = widest_of(table, column);
	for (i = 0; i < table->nr; i++) {
		column = i % table->columns;
		print_cell(table, file, table->cells[i], column, widths[column]);
		free(table->cells[i]);
	}
	free(table->cells);
}
