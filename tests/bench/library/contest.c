// SPDX-License-Identifier: GPL-2.0
/*
 * Ours against the others, each in a process of its own: every round asks one
 * after the other for a stretch of the same work.
 *
 *	contest ROUNDS OPERATIONS CASE...
 *
 * The contenders' programs are in the directory of this one. A line for each
 * peer, as the kernel's speed lab prints them, in nanoseconds per operation:
 *
 *	bench case=pair-4k peer=tcmalloc threads=1 cpus=2 ours=3.1 theirs=4.2 ratio=0.738 ...
 *
 * "low" and "high" are the quartiles of the rounds, the other figures the
 * medians; a ratio is taken within a round.
 */
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_figure.h"

#define MOST_PEERS	8
/* A hand-over takes some hundred times longer than a pair: fewer of them. */
#define HAND_OVER_PART	32

/**
 * struct contender - who takes part
 * @name: in the results
 * @program: and @argument: of the process
 * @preload: the library that takes the place of the C library's allocator
 * @threads: so many, whatever the case says; 0: as the case says
 * @stays: on CPU 0, by itself; so its peers go there, too: two CPUs of a virtual
 *	machine need not be equally fast
 */
struct contender {
	const char *name;
	const char *program;
	const char *argument;
	const char *preload;
	unsigned int threads;
	bool stays;
};

/* By shared library, as the allocators are called. */
static const struct contender ours = { .name = "gophership", .program = "gophership" };

/* The same as a peer: the name "gophership" is the kernel lab's. */
static const struct contender ours_shared = {
	.name = "gophership-shared", .program = "gophership",
};

/* Linked with the static library, as Go's and DPDK's code is part of the program. */
static const struct contender ours_static = {
	.name = "gophership-static", .program = "gophership-static",
};

static const struct contender glibc = {
	.name = "glibc", .program = "allocator", .argument = "/libc.so",
};

static const struct contender jemalloc = {
	.name = "jemalloc", .program = "allocator", .argument = "/libjemalloc.so",
	.preload = "libjemalloc.so.2",
};

static const struct contender mimalloc = {
	.name = "mimalloc", .program = "allocator", .argument = "/libmimalloc.so",
	.preload = "libmimalloc.so.2",
};

static const struct contender tcmalloc = {
	.name = "tcmalloc", .program = "allocator", .argument = "/libtcmalloc",
	.preload = "libtcmalloc_minimal.so.4",
};

static const struct contender mempool = {
	.name = "rte_mempool", .program = "dpdk", .argument = "4096", .stays = true,
};

static const struct contender sync_pool = { .name = "go-sync.Pool", .program = "sync-pool" };

static const struct contender one_thread = {
	.name = "one-thread", .program = "gophership", .threads = 1,
};

/**
 * struct contest - a case
 * @name: in the results
 * @loop: what the workers do
 * @size: bytes of a buffer
 * @threads: on so many
 * @ours: who of us
 * @peers: against whom
 */
struct contest {
	const char *name;
	const char *loop;
	size_t size;
	unsigned int threads;
	const struct contender *ours;
	const struct contender *peers[MOST_PEERS];
};

static const struct contest contests[] = {
	{ "pair-4k", "pair", 4096, 1, &ours,
	  { &glibc, &jemalloc, &mimalloc, &tcmalloc, &sync_pool } },
	{ "pair-64k", "pair", 65536, 1, &ours,
	  { &glibc, &jemalloc, &mimalloc, &tcmalloc, &sync_pool } },
	{ "pair-4k-static", "pair", 4096, 1, &ours_static, { &ours_shared, &sync_pool } },
	{ "single-4k", "pair", 4096, 1, &ours, { &mempool } },
	{ "single-4k-static", "pair", 4096, 1, &ours_static, { &mempool } },
	{ "bulk32-4k", "bulk", 4096, 1, &ours, { &mempool } },
	{ "bulk32-4k-static", "bulk", 4096, 1, &ours_static, { &mempool } },
	{ "pair-4k-two", "pair", 4096, 2, &ours,
	  { &one_thread, &glibc, &jemalloc, &mimalloc, &tcmalloc, &sync_pool } },
	{ "pair-64k-two", "pair", 65536, 2, &ours,
	  { &one_thread, &glibc, &jemalloc, &mimalloc, &tcmalloc, &sync_pool } },
	{ "hand-over-4k", "hand-over", 4096, 2, &ours,
	  { &glibc, &jemalloc, &mimalloc, &tcmalloc } },
	{ "hand-over-64k", "hand-over", 65536, 2, &ours,
	  { &glibc, &jemalloc, &mimalloc, &tcmalloc } },
};

#define NR_CONTESTS	(sizeof(contests) / sizeof(contests[0]))

/**
 * struct process - a contender's
 * @contender: whose
 * @in: lines to it
 * @out: lines from it
 * @times: by round
 */
struct process {
	const struct contender *contender;
	FILE *in;
	FILE *out;
	double times[FIGURE_ROUNDS];
};

static char directory[PATH_MAX];

static void find_directory(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length < 0)
		err(1, "/proc/self/exe");
	path[length] = '\0';
	strcpy(directory, dirname(path));
}

static void become(const struct contender *contender)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", directory, contender->program);
	if (contender->preload)
		setenv("LD_PRELOAD", contender->preload, 1);
	execl(path, path, contender->argument, NULL);
	err(1, "%s", path);
}

static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU 0");
}

static void process_start(struct process *process, const struct contender *contender, bool one_cpu)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (dup2(in[0], STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0)
			err(1, "dup2");
		if (one_cpu)
			stay_on_one_cpu();
		become(contender);
	}
	close(in[0]);
	close(out[1]);
	process->contender = contender;
	process->in = fdopen(in[1], "w");
	process->out = fdopen(out[0], "r");
	if (!process->in || !process->out)
		err(1, "fdopen");
}

/* It ends when it has nothing more to read. */
static void process_end(struct process *process)
{
	fclose(process->in);
	fclose(process->out);
	wait(NULL);
}

static double process_ask(struct process *process, const struct contest *contest,
			  unsigned long operations)
{
	unsigned int threads = process->contender->threads;
	char line[64];
	double time;

	fprintf(process->in, "%s %zu %u %lu\n", contest->loop, contest->size,
		threads ? threads : contest->threads, operations);
	fflush(process->in);
	if (!fgets(line, sizeof(line), process->out) || sscanf(line, "%lf", &time) != 1)
		errx(1, "%s: %s failed", contest->name, process->contender->name);
	return time;
}

static void shuffle(unsigned int *order, unsigned int nr)
{
	unsigned int other, swap;

	while (nr > 1) {
		other = random() % nr--;
		swap = order[nr];
		order[nr] = order[other];
		order[other] = swap;
	}
}

/*
 * Who comes after whom changes from round to round: some leave a CPU busy for
 * a while (Go's runtime does), and that is not always for the same one to bear.
 * Every run has the same orders.
 */
static void run_rounds(struct process *processes, unsigned int nr, const struct contest *contest,
		       unsigned int rounds, unsigned long operations)
{
	unsigned int order[MOST_PEERS + 1], round, i;

	srandom(1);
	for (i = 0; i < nr; i++) {
		order[i] = i;
		process_ask(&processes[i], contest, operations);
	}
	for (round = 0; round < rounds; round++) {
		shuffle(order, nr);
		for (i = 0; i < nr; i++) {
			struct process *process = &processes[order[i]];

			process->times[round] = process_ask(process, contest, operations);
		}
	}
}

static void print_row(const struct contest *contest, struct process *process,
		      const struct figure *mine, unsigned int rounds, unsigned long operations,
		      const struct figure *ratio)
{
	struct figure theirs = figure_of(process->times, rounds);

	printf("bench case=%s peer=%s threads=%u cpus=%d rounds=%u iterations=%lu ours=%.3f "
	       "theirs=%.3f ratio=%.4f ratio_low=%.4f ratio_high=%.4f ours_low=%.3f "
	       "ours_high=%.3f theirs_low=%.3f theirs_high=%.3f\n",
	       contest->name, process->contender->name, contest->threads,
	       (int)sysconf(_SC_NPROCESSORS_ONLN), rounds, operations, mine->median, theirs.median,
	       ratio->median, ratio->low, ratio->high, mine->low, mine->high, theirs.low,
	       theirs.high);
	fflush(stdout);
}

static void print_rows(const struct contest *contest, struct process *processes, unsigned int nr,
		       unsigned int rounds, unsigned long operations)
{
	struct figure ratios[MOST_PEERS + 1], mine;
	unsigned int i;

	for (i = 1; i < nr; i++)
		ratios[i] = figure_of_ratio(processes[0].times, processes[i].times, rounds);
	/* These sort the times: last. */
	mine = figure_of(processes[0].times, rounds);
	for (i = 1; i < nr; i++)
		print_row(contest, &processes[i], &mine, rounds, operations, &ratios[i]);
}

static void run(const struct contest *contest, unsigned int rounds, unsigned long operations)
{
	static struct process processes[MOST_PEERS + 1];
	unsigned int nr = 1, i;

	process_start(&processes[0], contest->ours, contest->peers[0]->stays);
	for (i = 0; i < MOST_PEERS && contest->peers[i]; i++)
		process_start(&processes[nr++], contest->peers[i], contest->peers[0]->stays);
	run_rounds(processes, nr, contest, rounds, operations);
	print_rows(contest, processes, nr, rounds, operations);
	for (i = 0; i < nr; i++)
		process_end(&processes[i]);
}

static const struct contest *find(const char *name)
{
	size_t i;

	for (i = 0; i < NR_CONTESTS; i++)
		if (!strcmp(contests[i].name, name))
			return &contests[i];
	errx(2, "there is no case \"%s\"", name);
}

int main(int argc, char **argv)
{
	unsigned long rounds, operations;
	int i;

	if (argc < 4)
		errx(2, "it wants ROUNDS OPERATIONS CASE...");
	rounds = strtoul(argv[1], NULL, 10);
	operations = strtoul(argv[2], NULL, 10);
	if (!rounds || rounds > FIGURE_ROUNDS || !operations)
		errx(2, "%s rounds of %s operations? 1 to %d rounds", argv[1], argv[2],
		     FIGURE_ROUNDS);
	find_directory();
	for (i = 3; i < argc; i++) {
		const struct contest *contest = find(argv[i]);
		bool hand_over = !strcmp(contest->loop, "hand-over");

		run(contest, rounds, hand_over ? operations / HAND_OVER_PART : operations);
	}
	return 0;
}
