/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stdout: what goes wrong there is an error of the program.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>

/* Has anything gone wrong there? Called behind what prints, it keeps the reason. */
bool output_failed(void);
/* Has out what is printed, and says whether anything has gone wrong. */
bool output_flush(void);
/* In the end: has out what is left. False, with a complaint, where anything went wrong. */
bool output_close(void);

#endif /* OUTPUT_H */
