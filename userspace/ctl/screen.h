/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The whole of a terminal: screen_ncurses.c, or screen_none.c where the build has no ncurses.
 */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdbool.h>

/* There will be no more keys. */
#define SCREEN_GONE	(-1)

/*
 * Takes the terminal, for keys and for text, once; interrupt_catch() comes before it. False:
 * there is none, it is of an unknown kind, which is said, or this build has no such thing.
 * What ends the program gives it back.
 */
bool screen_open(void);
void screen_close(void);

/* A line that stands out, and lines below it, each as far as there is room. */
void screen_show(const char *head, const char *text);

/*
 * The next key, SCREEN_GONE, or 0: the time is over, or a signal came. A terminal that gets
 * another size is a key, too.
 */
int screen_key(double seconds);

#endif /* SCREEN_H */
