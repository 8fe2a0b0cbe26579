// SPDX-License-Identifier: GPL-2.0
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define REPLACEMENT	"\xef\xbf\xbd"	/* U+FFFD */

/*
 * Bytes of the UTF-8 character there, as in table 3-7 of Unicode; 0: it is none, or goes
 * beyond the @left bytes. A NUL at the end bounds a character, too.
 */
static size_t character(const char *text, size_t left)
{
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char least = 0x80, most = 0xbf;
	size_t i, length;

	if (bytes[0] < 0x80)
		return 1;
	if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
		return 0;
	length = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	if (length > left)
		return 0;
	/* No longer than it has to be, no surrogate, nothing above U+10FFFF. */
	if (bytes[0] == 0xe0)
		least = 0xa0;
	else if (bytes[0] == 0xed)
		most = 0x9f;
	else if (bytes[0] == 0xf0)
		least = 0x90;
	else if (bytes[0] == 0xf4)
		most = 0x8f;
	if (bytes[1] < least || bytes[1] > most)
		return 0;
	for (i = 2; i < length; i++)
		if (bytes[i] < 0x80 || bytes[i] > 0xbf)
			return 0;
	return length;
}

/* C0, DEL, or C1 (U+0080 to U+009F). */
static bool is_control(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;

	return bytes[0] < 0x20 || bytes[0] == 0x7f || (bytes[0] == 0xc2 && bytes[1] < 0xa0);
}

/* As character(), and 0 for control characters but tabs and newlines. */
static size_t plain(const char *text, size_t left)
{
	size_t bytes = character(text, left);

	return bytes && is_control(text) && *text != '\t' && *text != '\n' ? 0 : bytes;
}

bool text_is_plain(const char *text, size_t length)
{
	size_t bytes;

	for (; length; length -= bytes, text += bytes) {
		bytes = plain(text, length);
		if (!bytes)
			return false;
	}
	return true;
}

void text_print_plain(FILE *file, const char *text, size_t length)
{
	size_t bytes;

	for (; length; length -= bytes, text += bytes) {
		bytes = plain(text, length);
		if (bytes) {
			fwrite(text, 1, bytes, file);
		} else {
			fprintf(file, "\\x%02x", (unsigned char)*text);
			bytes = 1;
		}
	}
}

char *text_printable(const char *text)
{
	/* A byte becomes four at most. */
	char *printable = malloc(strlen(text) * strlen("\\xNN") + 1), *end = printable;
	size_t length;

	if (!printable)
		return NULL;
	while (*text) {
		length = is_control(text) ? 0 : character(text, SIZE_MAX);
		if (length)
			end = mempcpy(end, text, length);
		else
			end += sprintf(end, "\\x%02x", (unsigned char)*text);
		text += length ? length : 1;
	}
	*end = '\0';
	return printable;
}

void text_print(FILE *file, const char *text)
{
	char *printable = text_printable(text);

	fputs(printable ? printable : "(out of memory)", file);
	free(printable);
}

void text_print_json(FILE *file, const char *json)
{
	size_t length;

	for (;;) {
		length = strcspn(json, "\x7f\xc2");
		fwrite(json, 1, length, file);
		json += length;
		if (!*json)
			return;
		if (!character(json, SIZE_MAX) || !is_control(json)) {
			fputc(*json++, file);
			continue;
		}
		/* U+0080 to U+009F have the number of their second byte. */
		if (*json != '\x7f')
			json++;
		fprintf(file, "\\u%04x", (unsigned char)*json++);
	}
}

struct json_object *text_json(const char *text)
{
	/* A byte becomes three at most. */
	char *valid = malloc(strlen(text) * strlen(REPLACEMENT) + 1), *end = valid;
	struct json_object *object;
	size_t length;

	if (!valid)
		return NULL;
	for (; *text; text += length ? length : 1) {
		length = character(text, SIZE_MAX);
		end = length ? mempcpy(end, text, length) : stpcpy(end, REPLACEMENT);
	}
	object = json_object_new_string_len(valid, end - valid);
	free(valid);
	return object;
}
