// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "output.h"

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
