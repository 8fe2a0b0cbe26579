// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "output.h"
#include "text.h"

/* Of the first failure. */
static int error;

static bool note_error(bool failed)
{
	if (failed && !error)
		error = errno;
	return failed;
}

bool output_failed(void)
{
	return note_error(ferror(stdout));
}

bool output_flush(void)
{
	return note_error(fflush(stdout)) || output_failed();
}

/* A full disk may show at the last moment, or long ago. */
bool output_close(void)
{
	bool failed = output_failed();

	failed |= note_error(fclose(stdout));
	if (failed)
		complain("cannot write the output: %s", strerror(error));
	return !failed;
}

void output_json(FILE *file, struct json_object *object, int flags)
{
	const char *json = json_object_to_json_string_ext(object, flags |
							  JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!json)
		complain_no_memory();
	text_print_json(file, json);
	fputc('\n', file);
	json_object_put(object);
}
