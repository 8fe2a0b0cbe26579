/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of files, which may be any bytes but NUL, for readers that want text.
 */
#ifndef TEXT_H
#define TEXT_H

#include <json.h>

/* JSON is UTF-8: U+FFFD stands for each byte that is not. */
struct json_object *text_json(const char *text);

#endif /* TEXT_H */
