// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "complain.h"
#include "text.h"

static bool quiet;
/* Where it is said; NULL: stderr. */
static FILE *place;

static void say(const char *prefix, const char *format, va_list arguments)
{
	FILE *file = place ? place : stderr;
	char *text;

	/* Better the half of it than nothing. */
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	fputs(prefix, file);
	text_print(file, text ? text : format);
	fputc('\n', file);
	free(text);
}

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("gophershipctl: ", format, arguments);
	va_end(arguments);
}

void advise(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("  ", format, arguments);
	va_end(arguments);
}

void note(const char *format, ...)
{
	va_list arguments;

	if (quiet)
		return;
	va_start(arguments, format);
	say("gophershipctl: note: ", format, arguments);
	va_end(arguments);
}

void complain_to(FILE *file)
{
	place = file;
}

void complain_no_memory(void)
{
	place = NULL;
	complain("out of memory");
	exit(STATUS_FAILED);
}

void complain_quietly(void)
{
	quiet = true;
}
