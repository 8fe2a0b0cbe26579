// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "quantity.h"

/* Seconds between two lines: on a terminal, and in a log. */
#define PERIOD_TERMINAL	0.2
#define PERIOD_LOG	1.0

double progress_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void progress_begin(struct progress *progress, const char *verb, uint64_t total, bool wanted)
{
	*progress = (struct progress) {
		.verb = verb,
		.total = total,
		.start = progress_clock(),
		.wanted = wanted,
		.terminal = isatty(STDERR_FILENO),
	};
	progress->shown = progress->start;
}

void progress_print(const struct progress *progress, const char *line)
{
	if (progress->terminal)
		fprintf(stderr, "\r%s\033[K", line);
	else
		fprintf(stderr, "%s\n", line);
	fflush(stderr);
}

static void print(const struct progress *progress, uint64_t done, double seconds)
{
	double percent = progress->total ? 100.0 * done / progress->total : 100.0;
	unsigned int left = 0;
	char clock[32] = "", line[160];

	if (done && done < progress->total) {
		left = seconds * (progress->total - done) / done;
		snprintf(clock, sizeof(clock), ", %u:%02u left", left / 60, left % 60);
	}
	snprintf(line, sizeof(line), "%-9s %3.0f%%  %10s of %-10s  %12s%s", progress->verb, percent,
		 quantity_bytes(done).text, quantity_bytes(progress->total).text,
		 quantity_rate(done, seconds).text, clock);
	progress_print(progress, line);
}

bool progress_due(struct progress *progress)
{
	double now;

	if (!progress->wanted)
		return false;
	now = progress_clock();
	if (now - progress->shown < (progress->terminal ? PERIOD_TERMINAL : PERIOD_LOG))
		return false;
	progress->shown = now;
	return true;
}

void progress_update(struct progress *progress, uint64_t done)
{
	if (progress_due(progress))
		print(progress, done, progress->shown - progress->start);
}

double progress_end(struct progress *progress, uint64_t done)
{
	double seconds = progress_clock() - progress->start;

	if (!progress->wanted)
		return seconds;
	if (!progress->terminal)
		print(progress, done, seconds);
	else if (progress->shown > progress->start)
		fputs("\r\033[K", stderr);
	return seconds;
}
