// SPDX-License-Identifier: GPL-2.0
/*
 * death: processes are killed at random moments, and nothing of them is left.
 *
 *   death KILLS SEED IN OUT
 *
 * In each round some victims (victim.c) live at once, and are killed one after
 * the other. Then the machine has no lease, no byte and no context but ours. Each
 * context looks at the whole of every buffer when it comes, and when it goes:
 * there is nothing in it but zeros and what the context put there. The same holds
 * for what came to the disk: IN and OUT are files for direct I/O. Prints TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"
#include "victim.h"

static const char *const call_names[NR_CALLS] = {
	[CALL_NONE] = "none", [CALL_OPEN] = "open", [CALL_CLOSE] = "close",
	[CALL_ACQUIRE] = "acquire", [CALL_ACQUIRE_MANY] = "acquire-many",
	[CALL_RELEASE] = "release", [CALL_RELEASE_MANY] = "release-many",
	[CALL_INFO] = "info", [CALL_STATS] = "stats", [CALL_MMAP] = "mmap",
	[CALL_POPULATE] = "populate", [CALL_MREMAP] = "mremap", [CALL_MUNMAP] = "munmap",
	[CALL_TOUCH] = "touch", [CALL_FORK] = "fork", [CALL_SPLICE] = "splice",
	[CALL_DIRECT] = "direct-io", [CALL_SUBMIT] = "submit",
};

static struct victims *victims;
static struct victim_files files;
static unsigned long killed_in[NR_CALLS];
static unsigned int seed, waits;

static unsigned int below(unsigned int n)
{
	return rand_r(&seed) % n;
}

/* SLOTS * SLOT_SIZE bytes of @word. */
static bool make_file(const char *path, uint64_t word)
{
	static uint64_t words[SLOT_SIZE / sizeof(uint64_t)];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = fd >= 0;

	for (size_t i = 0; i < SLOT_SIZE / sizeof(*words); i++)
		words[i] = word;
	for (unsigned int i = 0; i < SLOTS && good; i++)
		good = write(fd, words, sizeof(words)) == sizeof(words);
	if (fd >= 0)
		good &= !fsync(fd) && !close(fd);
	return good;
}

/* Slots of the disk with something that no victim of theirs can have written. */
static unsigned int strange_slots(void)
{
	static uint64_t words[SLOT_SIZE / sizeof(uint64_t)];
	unsigned int strange = 0, i;
	uint64_t number;
	size_t at;
	int fd = open(files.out, O_RDONLY | O_CLOEXEC);

	for (i = 0; i < SLOTS && fd >= 0; i++) {
		if (read(fd, words, sizeof(words)) != sizeof(words))
			strange++;
		for (at = 0; at < SLOT_SIZE / sizeof(*words); at++) {
			number = words[at] ^ MARK(0);
			if (words[at] && (number >> 32 || number % SLOTS != i))
				break;
		}
		strange += at < SLOT_SIZE / sizeof(*words);
	}
	if (fd >= 0)
		close(fd);
	return strange;
}

static bool nothing_is_left(int witness, bool tell)
{
	struct gophership_stats stats;
	unsigned long long leased = 0;

	if (device_stats(witness, &stats))
		return false;
	for (unsigned int i = 0; i < stats.nr_classes; i++)
		leased += stats.classes[i].leased;
	if (tell)
		printf("# left: %llu contexts, %llu bytes, %llu buffers; refused: %llu, %llu\n",
		       stats.contexts, stats.machine_bytes, leased, stats.pool_foreign,
		       stats.pool_doubled);
	return stats.contexts == 1 && !stats.machine_bytes && !leased && !stats.pool_foreign &&
	       !stats.pool_doubled;
}

/* What the kernel still closes may take a moment. */
static bool comes_to_nothing(int witness)
{
	for (unsigned int tries = 0; tries < 6000; tries++) {
		if (nothing_is_left(witness, false))
			return true;
		waits++;
		usleep(10000);
	}
	return nothing_is_left(witness, true);
}

/* The witness writes nothing, so all that it gets is zero. */
static void look_at_some(int witness)
{
	struct buffer buffer;

	for (unsigned int i = 0; i < NR_CLASSES; i++) {
		if (buffer_acquire(witness, 4096 << i, &buffer))
			continue;
		if (!memory_is(buffer.data, 0, buffer.lease.capacity))
			atomic_fetch_add(&victims->foreign, 1);
		buffer_release(witness, &buffer);
	}
}

/* Either as soon as it is born, or in the middle of its life. */
static void wait_for_the_moment(unsigned int place)
{
	unsigned int tries = 0;

	if (below(4)) {
		while (!victims->alive[place] && tries++ < 50000)
			usleep(200);
	}
	usleep(below(5000));
}

static pid_t start(unsigned int place, unsigned long number)
{
	pid_t pid;

	victims->alive[place] = false;
	for (unsigned int i = 0; i < THREADS; i++)
		victims->in[place][i] = CALL_NONE;
	pid = fork();
	if (!pid)
		victim_live(victims, place, number, &files);
	return pid;
}

static const char *end(pid_t pid, unsigned int place)
{
	int status;

	for (unsigned int i = 0; i < THREADS; i++)
		killed_in[victims->in[place][i]]++;
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return "a victim is not there";
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return NULL;
	printf("# status %#x\n", status);
	return "a victim ended by itself";
}

/* Kill up to @max; 0 (and how many), or what was wrong. */
static const char *one_round(int witness, unsigned long number, unsigned int max,
			     unsigned int *nr)
{
	const char *wrong = NULL, *what;
	pid_t pids[VICTIMS];

	*nr = 1 + below(max < VICTIMS ? max : VICTIMS);
	for (unsigned int i = 0; i < *nr; i++)
		pids[i] = start(i, number + i);
	for (unsigned int i = 0; i < *nr; i++) {
		if (pids[i] < 0)
			return "fork failed";
		wait_for_the_moment(i);
		what = end(pids[i], i);
		wrong = what ? what : wrong;
	}
	/* Children of theirs: we are their parent now. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (!wrong && !comes_to_nothing(witness))
		wrong = "something is left";
	look_at_some(witness);
	return wrong;
}

static bool tell_calls(unsigned long kills)
{
	bool all = true;

	printf("# threads, when they were killed, were in:");
	for (unsigned int i = 0; i < NR_CALLS; i++) {
		printf(" %s %lu,", call_names[i], killed_in[i]);
		all &= killed_in[i] > 0;
	}
	printf("\n");
	/* Some calls are rare and short. */
	return all || kills < 1000;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static bool test(unsigned int number, bool good, const char *name)
{
	printf("%s %u - %s\n", good ? "ok" : "not ok", number, name);
	return good;
}

int main(int argc, char **argv)
{
	unsigned long kills = argc == 5 ? strtoul(argv[1], NULL, 0) : 0, killed = 0;
	const char *wrong = NULL;
	int witness = device_open();
	double start_time;
	unsigned int nr;
	bool good;

	victims = mmap(NULL, sizeof(*victims), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (witness < 0 || victims == MAP_FAILED || !kills) {
		fprintf(stderr, "usage: death KILLS SEED IN OUT (and %s)\n", DEVICE);
		return 2;
	}
	seed = strtoul(argv[2], NULL, 0);
	files = (struct victim_files){ argv[3], argv[4] };
	if (!make_file(files.in, MARK_READ) || !make_file(files.out, 0)) {
		perror(files.in);
		return 2;
	}
	setlinebuf(stdout);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	start_time = now();
	for (; killed < kills && !wrong; killed += nr)
		wrong = one_round(witness, killed, kills - killed, &nr);
	printf("# %lu kills in %.0f s; waited %u times for something to come back\n", killed,
	       now() - start_time, waits);
	printf("# %lu loans, %lu given back, %lu children, %lu spliced, %lu written, %lu read, ",
	       victims->loans, victims->releases, victims->children, victims->splices,
	       victims->writes, victims->reads);
	printf("%lu released in flight\n", victims->in_flight);
	if (wrong)
		printf("# kill %lu: %s\n", killed, wrong);
	if (victims->foreign || victims->changed)
		printf("# %lu buffers with another's bytes, %lu changed by another\n",
		       victims->foreign, victims->changed);
	good = test(1, !wrong, "every buffer of the killed came back");
	good &= test(2, !victims->foreign && !victims->changed, "no byte crossed contexts");
	good &= test(3, !strange_slots(), "no byte of another came to the disk");
	good &= test(4, tell_calls(kills) && victims->loans > kills, "they were in every call");
	return !good;
}
