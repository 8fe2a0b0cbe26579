/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tool says when something is wrong, and how it ends.
 */
#ifndef COMPLAIN_H
#define COMPLAIN_H

#include <stdio.h>

/* Exit codes; gophershipctl(8) documents them. 128 + N: ended by signal N. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,	/* an operation failed */
	STATUS_USAGE = 2,	/* a wrong option or argument */
	STATUS_DEVICE = 3,	/* the device is not there, closed to us or used up */
	STATUS_DIFFERS = 4,	/* the copy is not what was read */
	STATUS_DAMAGED = 5,	/* it is no stream, or not a whole one */
	STATUS_SIGNAL = 128
};

/* One line on stderr, with the tool's name in front. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line below it: what to do next. */
void advise(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something to know that is no failure. Silent after complain_quietly(). */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void complain_quietly(void);
/* From here on all of it goes there; NULL: to stderr again. */
void complain_to(FILE *file);
/* Complains that there is no memory, and ends the program with STATUS_FAILED. */
__attribute__((noreturn)) void complain_no_memory(void);

#endif /* COMPLAIN_H */
