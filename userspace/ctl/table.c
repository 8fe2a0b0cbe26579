// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "table.h"
#include "text.h"

/* Takes @text, which is from the heap. */
static void add(struct table *table, char *text)
{
	char **cells = realloc(table->cells, (table->nr + 1) * sizeof(*cells));

	if (!cells || !text)
		complain_no_memory();
	cells[table->nr++] = text;
	table->cells = cells;
}

void table_begin(struct table *table, unsigned int left, const char *header)
{
	size_t length;

	*table = (struct table){ .left = left };
	for (;; header += length + 1) {
		length = strcspn(header, "|");
		add(table, strndup(header, length));
		table->columns++;
		if (!header[length])
			return;
	}
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		complain_no_memory();
	add(table, text_printable(text));
	free(text);
}

static int width_of(const struct table *table, unsigned int column)
{
	int width = 0, length;
	size_t i;

	for (i = column; i < table->nr; i += table->columns) {
		length = strlen(table->cells[i]);
		if (length > width)
			width = length;
	}
	return width;
}

void table_print(struct table *table)
{
	int width[TABLE_COLUMNS] = { 0 };
	unsigned int column;
	size_t i;

	for (column = 0; column < table->columns; column++)
		width[column] = width_of(table, column);
	for (i = 0; i < table->nr; i++) {
		column = i % table->columns;
		if (!(table->left & 1U << column))
			printf("%*s", width[column], table->cells[i]);
		else if (column + 1 < table->columns)
			printf("%-*s", width[column], table->cells[i]);
		else
			fputs(table->cells[i], stdout);
		fputs(column + 1 < table->columns ? "  " : "\n", stdout);
		free(table->cells[i]);
	}
	free(table->cells);
}
