/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of files, which may be any bytes but NUL, for readers that want text.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdio.h>

#include <json.h>

/*
 * For people: \xNN stands for each byte that is not UTF-8 or of a control
 * character, which could be an order to a terminal. To be freed; NULL: no memory.
 */
char *text_printable(const char *text);
void text_print(FILE *file, const char *text);

/* JSON is UTF-8: U+FFFD stands for each byte that is not. */
struct json_object *text_json(const char *text);

#endif /* TEXT_H */
