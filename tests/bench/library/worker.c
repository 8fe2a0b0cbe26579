// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "worker.h"

static const struct worker_loop *find(const struct worker_loop *loops, const char *name)
{
	for (; loops->name; loops++)
		if (!strcmp(loops->name, name))
			return loops;
	return NULL;
}

/* Of a hand-over, one thread does one half; otherwise each does all. */
static double time_of(const struct worker_loop *loop, size_t size, unsigned int threads,
		      unsigned long n)
{
	unsigned long done = loop->lanes[0] == loop->lanes[1] ? n * threads : n;
	double ns;

	if (!threads || threads > LANES_MOST || !n || !loop->lanes[threads - 1])
		return -1;
	ns = lanes_run(loop->lanes, threads, size, n);
	return ns < 0 ? -1 : ns / done;
}

int worker_serve(const struct worker_loop *loops)
{
	const struct worker_loop *loop;
	char line[128], name[32];
	unsigned int threads;
	unsigned long n;
	double time;
	size_t size;

	while (fgets(line, sizeof(line), stdin)) {
		loop = NULL;
		if (sscanf(line, "%31s %zu %u %lu", name, &size, &threads, &n) == 4)
			loop = find(loops, name);
		time = loop ? time_of(loop, size, threads, n) : -1;
		if (time < 0)
			puts("failed");
		else
			printf("%.4f\n", time);
		fflush(stdout);
	}
	return 0;
}
