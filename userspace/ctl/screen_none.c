// SPDX-License-Identifier: GPL-2.0
/* Where there is no ncurses: see screen_ncurses.c, and the Makefile. */
#include "screen.h"

bool screen_open(void)
{
	return false;
}

void screen_close(void)
{
}

void screen_show(const char *head, const char *text)
{
	(void)head;
	(void)text;
}

int screen_key(double seconds)
{
	(void)seconds;
	return SCREEN_GONE;
}
