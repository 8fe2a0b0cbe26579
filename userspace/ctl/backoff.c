// SPDX-License-Identifier: GPL-2.0
#include <time.h>

#include "backoff.h"
#include "progress.h"

/* Enough is enough after so many refusals, or so many seconds of them. */
#define MOST_REFUSALS	100
#define MOST_SECONDS	10.0

/* The first pause and the longest one, in seconds. */
#define FIRST_PAUSE	0.001
#define LONGEST_PAUSE	0.1

double backoff_next(struct backoff *backoff)
{
	double now = progress_clock(), pause = FIRST_PAUSE;
	unsigned int i;

	if (!backoff->refusals)
		backoff->since = now;
	if (++backoff->refusals >= MOST_REFUSALS || now - backoff->since >= MOST_SECONDS)
		return -1;
	for (i = 1; i < backoff->refusals && pause < LONGEST_PAUSE; i++)
		pause *= 2;
	return now + (pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE);
}

void backoff_sleep(double time)
{
	double left = time - progress_clock();
	struct timespec pause;

	if (left <= 0)
		return;
	pause.tv_sec = left;
	pause.tv_nsec = (left - pause.tv_sec) * 1e9;
	nanosleep(&pause, NULL);
}
