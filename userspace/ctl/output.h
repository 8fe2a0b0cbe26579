/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the program prints. What goes wrong on stdout is an error of the program.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include <json.h>

/* Has anything gone wrong there? Called behind what prints, it keeps the reason. */
bool output_failed(void);
/* Has out what is printed, and says whether anything has gone wrong. */
bool output_flush(void);
/* In the end: has out what is left. False, with a complaint, where anything went wrong. */
bool output_close(void);

/* Prints the object, so that a terminal obeys none of it, and gives it up. */
void output_json(FILE *file, struct json_object *object, int flags);

#endif /* OUTPUT_H */
