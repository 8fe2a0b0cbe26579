// SPDX-License-Identifier: GPL-2.0
/*
 * hog KIB: have so much memory, say "full", and end.
 * hog squeeze: take what is free little by little, until reclaim looks for more;
 *	say "full", and see to it that it stays so until the end. After minutes
 *	without, say "never", and end.
 *
 * The first one to be killed if there is not that much.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define STEP		(256UL << 10)
/* So much above the mark below which others have to wait, this takes nothing, in KiB. */
#define ABOVE_MIN	2048
#define PATIENCE	180
/* It looks that often, in us, and takes more when nothing was scanned for so many looks. */
#define LOOK		50000
#define QUIET		60

static int volunteer(void)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "w");

	if (!file)
		return -1;
	fputs("1000", file);
	return fclose(file);
}

static int say(const char *word)
{
	puts(word);
	return fflush(stdout);
}

/* The sum of the values whose names begin with @name. */
static unsigned long sum_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	unsigned long sum = 0, value;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && sscanf(line, "%*s %lu", &value) == 1)
			sum += value;
	fclose(file);
	return sum;
}

/* By kswapd, by those who need memory themselves, in whatever zone. */
static unsigned long scanned(void)
{
	return sum_of("/proc/vmstat", "pgscan_kswapd") + sum_of("/proc/vmstat", "pgscan_direct");
}

static void touch(char *memory, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		memory[i] = 1;
}

static char *reserve(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static unsigned long min_free(void)
{
	FILE *file = fopen("/proc/sys/vm/min_free_kbytes", "r");
	unsigned long kib = 0;

	if (!file || fscanf(file, "%lu", &kib) != 1)
		kib = 0;
	if (file)
		fclose(file);
	return kib;
}

/* An eighth of what is free above the mark, so that it gets slower towards the end. */
static size_t next_step(unsigned long mark, size_t left)
{
	unsigned long kib = sum_of("/proc/meminfo", "MemFree:");
	size_t step;

	if (kib <= mark)
		return 0;
	step = (kib - mark) * 1024 / 8 / STEP * STEP;
	if (step < STEP)
		step = STEP;
	return step < left ? step : left;
}

/* Until pages are scanned. Returns so much it has then, or 0 if that does not come. */
static size_t fill_up(char *memory, size_t size)
{
	unsigned long mark = min_free() + ABOVE_MIN, before = scanned();
	time_t end = time(NULL) + PATIENCE;
	size_t has = 0, step;

	while (scanned() == before) {
		if (time(NULL) > end)
			return 0;
		step = next_step(mark, size - has);
		touch(memory + has, step);
		has += step;
		if (!step)
			usleep(LOOK);
	}
	return has;
}

/*
 * What comes free for long is taken, too; but not what kswapd has just made free, or in the
 * end nothing would be left to reclaim.
 */
static void keep_full(char *memory, size_t size, size_t has)
{
	unsigned long mark = sum_of("/proc/meminfo", "MemFree:"), before = 0, now;
	unsigned int quiet = 0;
	size_t step;

	for (;;) {
		usleep(LOOK);
		now = scanned();
		quiet = now == before ? quiet + 1 : 0;
		before = now;
		if (quiet < QUIET)
			continue;
		step = next_step(mark, size - has);
		touch(memory + has, step);
		has += step;
		quiet = 0;
	}
}

static int squeeze(void)
{
	size_t size = sum_of("/proc/meminfo", "MemTotal:") * 1024, has;
	char *memory = reserve(size);

	if (!memory)
		return 1;
	has = fill_up(memory, size);
	if (!has) {
		say("never");
		return 1;
	}
	say("full");
	keep_full(memory, size, has);
	return 0;
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) * 1024 : 0;
	char *memory;

	if (volunteer())
		return 1;
	if (argc > 1 && !strcmp(argv[1], "squeeze"))
		return squeeze();
	memory = reserve(size);
	if (!memory)
		return 1;
	touch(memory, size);
	return say("full");
}
