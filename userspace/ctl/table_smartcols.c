// SPDX-License-Identifier: GPL-2.0
/*
 * Tables by libsmartcols, which knows how wide a character is on a terminal, and shows what
 * a terminal would obey as text: \xNN. (Told not to, it does not end where a character is
 * none of the locale's: 2.38.1.)
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include <libsmartcols.h>

#include "complain.h"
#include "table.h"

static struct libscols_table *make(void)
{
	struct libscols_table *scols = scols_new_table();

	if (!scols || scols_table_set_column_separator(scols, "  "))
		complain_no_memory();
	return scols;
}

static void add_columns(struct libscols_table *scols, const struct table *table)
{
	unsigned int column;
	int flags;

	for (column = 0; column < table->columns; column++) {
		flags = table->left & 1U << column ? 0 : SCOLS_FL_RIGHT;
		if (!scols_table_new_column(scols, table->cells[column], 0, flags))
			complain_no_memory();
		free(table->cells[column]);
	}
}

/* The cells are the table's from here on. */
static void add_rows(struct libscols_table *scols, const struct table *table)
{
	struct libscols_line *line = NULL;
	size_t i;

	for (i = table->columns; i < table->nr; i++) {
		if (i % table->columns == 0)
			line = scols_table_new_line(scols, NULL);
		if (!line || scols_line_refer_data(line, i % table->columns, table->cells[i]))
			complain_no_memory();
	}
}

/* Of a table without rows libsmartcols prints nothing. */
static void print_head(const struct table *table, FILE *file)
{
	unsigned int column;

	for (column = 0; column < table->columns; column++) {
		fprintf(file, "%s%s", column ? "  " : "", table->cells[column]);
		free(table->cells[column]);
	}
	putc('\n', file);
	free(table->cells);
}

void table_print_to(struct table *table, FILE *file)
{
	struct libscols_table *scols;
	int error;

	if (table->nr == table->columns) {
		print_head(table, file);
		return;
	}
	/* How wide a character is depends on that. */
	setlocale(LC_CTYPE, "");
	scols = make();
	add_columns(scols, table);
	add_rows(scols, table);
	scols_table_set_stream(scols, file);
	/* It would make lines as short as those of the terminal that is stdout. */
	if (file != stdout)
		scols_table_set_termforce(scols, SCOLS_TERMFORCE_NEVER);
	error = scols_print_table(scols);
	if (error == -ENOMEM)
		complain_no_memory();
	scols_unref_table(scols);
	free(table->cells);
}
