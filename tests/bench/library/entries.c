// SPDX-License-Identifier: GPL-2.0
/*
 * What enters the kernel: the first leases and the give-back, beside as many
 * mappings of a program's own.
 *
 *	entries ROUNDS
 *
 * Prints rows as contest does, of the time that CLOCK_MONOTONIC shows for one
 * buffer: instructions where the clock counts those. A system call that fails,
 * write(-1, "STEP"), comes before each step, for who counts calls from outside.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <gophership.h>

#include "bench_figure.h"

/* Buffers of a step. */
#define NR	64
#define NR_STEPS	2

static struct gophership *gs;
static size_t size;
static void *bufs[NR];

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void touch(char *buf)
{
	size_t i;

	for (i = 0; i < size; i += 4096)
		((volatile char *)buf)[i] = 1;
}

static void borrow(void)
{
	unsigned int i;

	for (i = 0; i < NR; i++) {
		bufs[i] = gophership_acquire(gs, size);
		if (!bufs[i])
			err(1, "acquire");
		touch(bufs[i]);
	}
}

static void give_back(void)
{
	if (gophership_release_bulk(gs, bufs, NR) != NR || gophership_trim(gs) != NR)
		errx(1, "not all went back");
}

static void map(void)
{
	unsigned int i;

	for (i = 0; i < NR; i++) {
		bufs[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			       0);
		if (bufs[i] == MAP_FAILED)
			err(1, "mmap");
		touch(bufs[i]);
	}
}

static void unmap(void)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		if (munmap(bufs[i], size))
			err(1, "munmap");
}

/* Of each case, ours and theirs. */
static const struct step {
	const char *name;
	void (*run[2])(void);
} steps[NR_STEPS] = {
	{ "lease64", { borrow, map } },
	{ "give-back64", { give_back, unmap } },
};

static const char *const who[2] = { "ours", "theirs" };

static double measure(const struct step *step, unsigned int side)
{
	char name[64];
	uint64_t begin;

	snprintf(name, sizeof(name), "%s-%zuk %s", step->name, size / 1024, who[side]);
	if (write(-1, name, strlen(name)) >= 0)
		errx(1, "write");
	begin = now();
	step->run[side]();
	begin = now() - begin;
	if (write(-1, "end", 3) >= 0)
		errx(1, "write");
	return (double)begin / NR;
}

static void print_row(const struct step *step, double times[2][FIGURE_ROUNDS], unsigned int rounds)
{
	struct figure ratio = figure_of_ratio(times[0], times[1], rounds);
	struct figure ours = figure_of(times[0], rounds), theirs = figure_of(times[1], rounds);

	printf("bench case=%s-%zuk peer=mmap threads=1 cpus=%d rounds=%u iterations=%d ours=%.1f "
	       "theirs=%.1f ratio=%.4f ratio_low=%.4f ratio_high=%.4f ours_low=%.1f ours_high=%.1f "
	       "theirs_low=%.1f theirs_high=%.1f\n",
	       step->name, size / 1024, (int)sysconf(_SC_NPROCESSORS_ONLN), rounds, NR,
	       ours.median, theirs.median, ratio.median, ratio.low, ratio.high, ours.low, ours.high,
	       theirs.low, theirs.high);
}

static void run(unsigned int rounds)
{
	static double times[NR_STEPS][2][FIGURE_ROUNDS];
	unsigned int round, side, i;

	for (round = 0; round < rounds; round++)
		for (side = 0; side < 2; side++)
			for (i = 0; i < NR_STEPS; i++)
				times[i][side][round] = measure(&steps[i], side);
	for (i = 0; i < NR_STEPS; i++)
		print_row(&steps[i], times[i], rounds);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc == 2 ? atoi(argv[1]) : 0;
	int error;

	if (!rounds || rounds > FIGURE_ROUNDS)
		errx(2, "it wants ROUNDS, 1 to %d", FIGURE_ROUNDS);
	error = gophership_open(&gs, NULL);
	if (error)
		errx(1, "/dev/gophership: %s", strerror(-error));
	/* What is done once is done before. */
	size = 4096;
	borrow();
	give_back();
	run(rounds);
	size = 65536;
	run(rounds);
	gophership_close(gs);
	return 0;
}
