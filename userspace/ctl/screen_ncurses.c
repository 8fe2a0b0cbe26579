// SPDX-License-Identifier: GPL-2.0
/*
 * A terminal by ncurses. Text comes to it by table.c, as characters alone: a terminal would
 * obey nothing of it.
 */
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curses.h>
#include <term.h>

#include "complain.h"
#include "interrupt.h"
#include "screen.h"

#define CONTROL_L	('l' & 0x1f)
/* An arrow's bytes come at once; this is for a slow line. */
#define ESCAPE_MS	25

static bool is_open;

void screen_close(void)
{
	if (is_open)
		endwin();
	is_open = false;
}

/* newterm() takes also what has no cursor to move, as "dumb". */
static bool is_usable(char *kind)
{
	int error;
	bool usable;

	if (setupterm(kind, STDOUT_FILENO, &error) != OK)
		return false;
	usable = cursor_address && clear_screen;
	del_curterm(cur_term);
	return usable;
}

/* Resizing is for interrupt_poll() to notice, and never comes between two calls. */
static void hold_resizing(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

bool screen_open(void)
{
	char *kind = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return false;
	setlocale(LC_CTYPE, "");
	if (!kind || !is_usable(kind) || !newterm(kind, stdout, stdin)) {
		note("no screen on a terminal of the kind \"%s\" (TERM): plain tables",
		     kind ? kind : "");
		return false;
	}
	is_open = true;
	if (atexit(screen_close)) {
		screen_close();
		return false;
	}
	hold_resizing();
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	return true;
}

/*
 * Inserted text does not go on in the next line. The length that insnstr() takes counts
 * characters, not bytes, so that it would read on beyond a line that has longer ones.
 */
static void show_line(int row, const char *text, size_t length, attr_t attributes)
{
	char *line;

	if (!length)
		return;
	line = strndup(text, length);
	if (!line)
		complain_no_memory();
	attrset(attributes);
	mvinsstr(row, 0, line);
	free(line);
}

void screen_show(const char *head, const char *text)
{
	size_t length;
	int row;

	erase();
	show_line(0, head, strlen(head), A_REVERSE);
	for (row = 1; row < LINES && *text; row++) {
		length = strcspn(text, "\n");
		show_line(row, text, length, row == 1 ? A_BOLD : A_NORMAL);
		text += length + !!text[length];
	}
	refresh();
}

static int next_key(void)
{
	int key = getch();

	/* What others wrote on it goes away. */
	if (key == CONTROL_L)
		clearok(curscr, TRUE);
	return key == ERR ? 0 : key;
}

int screen_key(double seconds)
{
	int key = next_key(), events;

	if (key)
		return key;
	events = interrupt_poll(STDIN_FILENO, seconds);
	if (events & (POLLHUP | POLLERR | POLLNVAL))
		return SCREEN_GONE;
	return next_key();
}
