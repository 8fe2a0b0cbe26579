/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of files, which may be any bytes but NUL, and data that may be text, for readers
 * that want text.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include <json.h>

/*
 * For people: \xNN stands for each byte that is not UTF-8 or of a control
 * character, which could be an order to a terminal. To be freed; NULL: no memory.
 */
char *text_printable(const char *text);
void text_print(FILE *file, const char *text);

/* Is it UTF-8, without control characters but tabs and newlines? May have any bytes. */
bool text_is_plain(const char *text, size_t length);

/* As it is where it is plain; \xNN stands for each other byte. */
void text_print_plain(FILE *file, const char *text, size_t length);

/* JSON is UTF-8: U+FFFD stands for each byte that is not. */
struct json_object *text_json(const char *text);
/* json-c escapes control characters; here DEL and C1 are, too. */
void text_print_json(FILE *file, const char *json);

#endif /* TEXT_H */
