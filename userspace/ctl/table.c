// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "table.h"

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
	add(table, text);
}

void table_print(struct table *table)
{
	table_print_to(table, stdout);
}
