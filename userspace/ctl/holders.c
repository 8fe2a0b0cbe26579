// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdbool.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holders.h"

static enum status complain_open(const char *path)
{
	int error = errno;

	complain("cannot read %s: %s", path, strerror(error));
	if (error == EACCES || error == EPERM) {
		advise("debugfs is root's: use sudo.");
	} else if (error == ENOENT && !strcmp(path, HOLDERS_PATH)) {
		advise("Is the module loaded (gophershipctl doctor), and debugfs mounted? Else:");
		advise("sudo mount -t debugfs none /sys/kernel/debug");
	}
	return STATUS_FAILED;
}

/* In the table a blank is \040, in octal. */
static void unescape(char *text)
{
	char *to = text;
	unsigned int byte;

	for (; *text; to++) {
		if (sscanf(text, "\\%3o", &byte) == 1 && strlen(text) >= 4 && byte < 256) {
			*to = byte;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

/* What follows the three columns is the call site, which may have blanks. */
static bool parse_line(char *line, struct holder *holder)
{
	int at = 0;

	if (sscanf(line, "%127[^ ] %" SCNu64 " %" SCNu64 " %n", holder->pool, &holder->buffers,
		   &holder->bytes, &at) != 3 || !at)
		return false;
	line[strcspn(line, "\n")] = '\0';
	if (!line[at])
		return false;
	snprintf(holder->site, sizeof(holder->site), "%s", line + at);
	unescape(holder->pool);
	holder->grew = 0;
	return true;
}

static bool add(struct holders *holders, const struct holder *holder)
{
	void *list = realloc(holders->list, (holders->nr + 1) * sizeof(*holders->list));

	if (!list) {
		complain("there is no memory for %zu call sites", holders->nr + 1);
		return false;
	}
	holders->list = list;
	holders->list[holders->nr++] = *holder;
	return true;
}

static enum status read_rows(struct holders *holders, FILE *file, const char *path)
{
	struct holder holder;
	char line[512];

	if (!fgets(line, sizeof(line), file) ||
	    strncmp(line, "pool buffers bytes call_site", 28)) {
		complain("%s is not the table that this tool knows", path);
		return STATUS_FAILED;
	}
	while (fgets(line, sizeof(line), file)) {
		if (!parse_line(line, &holder)) {
			complain("%s: there is a row that this tool does not know", path);
			return STATUS_FAILED;
		}
		if (!add(holders, &holder))
			return STATUS_FAILED;
	}
	if (!ferror(file))
		return STATUS_OK;
	return complain_open(path);
}

static int compare(const void *left, const void *right)
{
	const struct holder *a = left, *b = right;

	if (a->grew != b->grew)
		return a->grew < b->grew ? 1 : -1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return strcmp(a->site, b->site);
}

enum status holders_read(struct holders *holders, const char *path)
{
	FILE *file = fopen(path, "re");
	enum status status;

	*holders = (struct holders){ 0 };
	if (!file)
		return complain_open(path);
	status = read_rows(holders, file, path);
	fclose(file);
	if (status != STATUS_OK)
		holders_free(holders);
	else if (holders->nr)
		qsort(holders->list, holders->nr, sizeof(*holders->list), compare);
	return status;
}

void holders_free(struct holders *holders)
{
	free(holders->list);
	*holders = (struct holders){ 0 };
}

static const struct holder *find(const struct holders *holders, const struct holder *like)
{
	size_t i;

	for (i = 0; i < holders->nr; i++)
		if (!strcmp(holders->list[i].site, like->site) &&
		    !strcmp(holders->list[i].pool, like->pool))
			return &holders->list[i];
	return NULL;
}

void holders_compare(struct holders *holders, const struct holders *first)
{
	const struct holder *before;
	size_t i;

	for (i = 0; i < holders->nr; i++) {
		before = find(first, &holders->list[i]);
		holders->list[i].grew = holders->list[i].buffers - (before ? before->buffers : 0);
	}
	if (holders->nr)
		qsort(holders->list, holders->nr, sizeof(*holders->list), compare);
}
