// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "complain.h"
#include "text.h"

static bool quiet;

static void say(const char *prefix, const char *format, va_list arguments)
{
	char *text;

	/* Better the half of it than nothing. */
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	fputs(prefix, stderr);
	text_print(stderr, text ? text : format);
	fputc('\n', stderr);
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

void complain_no_memory(void)
{
	complain("out of memory");
	exit(STATUS_FAILED);
}

void complain_quietly(void)
{
	quiet = true;
}
