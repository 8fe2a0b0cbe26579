// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz: everything that processes can do to the device, at random and at once.
 *
 *   fuzz SEED SECONDS|OPSo [WORKERS]     e.g. "fuzz 42 60", "fuzz 42 5000o 1"
 *
 * Workers are processes that share the descriptors of a few contexts and open
 * more of their own. The calls are mostly meant well, with one value in some
 * replaced by one that is not. The same seed makes each worker try the same;
 * with one worker, and a number of operations, a run repeats itself, and prints
 * a digest of all results.
 * One worker is an ordinary user with little RLIMIT_MEMLOCK, one is in a memory
 * cgroup with a low limit.
 *
 * What must hold, whatever they do: a buffer shows nothing but zeros and what
 * its own context wrote; and when all of them are gone, so are all leases,
 * contexts and bytes. The rest (oops, splat, hang, leak) the bench sees.
 *
 * If the kernel has KCOV, the places of the module that were reached are printed
 * as "pc OFFSET" lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cover.h"
#include "device.h"
#include "fuzz.h"

#define NOBODY		65534
#define CGROUP		"/sys/fs/cgroup/fuzz"
/* Every so many operations a worker starts anew: nothing else would end a mess. */
#define LIFE		400

struct common *common;
struct context contexts[CONTEXTS];
struct mapping mappings[MAPPINGS];
unsigned int worker, workers;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void make_cgroup(void)
{
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		perror(CGROUP);
	write_file(CGROUP "/memory.max", "24M");
}

/* Not all workers are root with all the memory of the world. */
static void take_a_role(void)
{
	struct rlimit memlock = { 1 << 20, 1 << 20 };

	if (worker == 1)
		write_file(CGROUP "/cgroup.procs", "0");
	if (worker != 2)
		return;
	if (setrlimit(RLIMIT_MEMLOCK, &memlock) || setgid(NOBODY) || setuid(NOBODY))
		_exit(4);
}

static void work(uint64_t seed, unsigned int life, unsigned long max_ops)
{
	unsigned long i;

	chance_begin(seed ^ (worker * 0x1000003ULL) ^ ((uint64_t)life << 32));
	mappings_begin();
	cover_start();
	take_a_role();
	for (i = SHARED; i < CONTEXTS; i++)
		contexts[i].fd = -1;
	for (i = 0; i < (max_ops ? max_ops : LIFE) && !common->stop; i++)
		one_op();
	_exit(0);
}

static pid_t start(unsigned int number, uint64_t seed, unsigned int life, unsigned long max_ops)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid) {
		worker = number;
		work(seed, life, max_ops);
	}
	common->pids[number] = pid;
	return pid;
}

static bool everything_came_back(int witness)
{
	struct gophership_stats stats;
	unsigned long long leased = 0;

	/* What a killed one had in flight may take a moment. */
	for (unsigned int tries = 0; tries < 3000; tries++) {
		if (device_stats(witness, &stats))
			return false;
		leased = 0;
		for (unsigned int i = 0; i < stats.nr_classes; i++)
			leased += stats.classes[i].leased;
		if (stats.contexts == 1 && !stats.machine_bytes && !leased)
			return !stats.pool_foreign && !stats.pool_doubled && !stats.pool_poisoned;
		usleep(20000);
	}
	printf("# left: %llu contexts, %llu bytes, %llu buffers\n", stats.contexts,
	       stats.machine_bytes, leased);
	return false;
}

static void tell_last(unsigned int number)
{
	unsigned int place = common->last[number].place;

	printf("# worker %u, the last first:", number);
	for (unsigned int i = 1; i <= LAST_OPS && i <= place; i++)
		printf(" %s=%d", common->last[number].name[(place - i) % LAST_OPS],
		       common->last[number].result[(place - i) % LAST_OPS]);
	printf("\n");
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* Keep the workers going until the time is over. Returns how many went wrong. */
static unsigned int watch(uint64_t seed, time_t seconds, unsigned long max_ops)
{
	unsigned int lives = 0, odd_ends = 0, alive = workers, number;
	time_t end = now() + seconds;
	int status;
	pid_t pid;

	for (number = 0; number < workers; number++)
		start(number, seed, lives++, max_ops);
	while (alive && (pid = wait(&status)) > 0) {
		for (number = 0; number < workers && common->pids[number] != pid; number++)
			;
		if (number == workers)
			continue;
		alive--;
		if (!WIFEXITED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status)) {
			printf("# worker %u ended with status %#x\n", number, status);
			tell_last(number);
			odd_ends++;
		}
		common->pids[number] = 0;
		if (max_ops || now() >= end)
			common->stop = 1;
		else
			alive += start(number, seed, lives++, 0) > 0;
	}
	return odd_ends;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	unsigned long amount = argc > 2 ? strtoul(argv[2], NULL, 0) : 0, max_ops = 0;
	unsigned int odd_ends;
	bool back;
	int witness = device_open();

	workers = argc > 3 ? atoi(argv[3]) : 4;
	if (witness < 0 || !amount || !workers || workers > WORKERS_MAX) {
		fprintf(stderr, "usage: fuzz SEED SECONDS|OPSo [WORKERS] (and %s)\n", DEVICE);
		return 2;
	}
	if (strchr(argv[2], 'o'))
		max_ops = amount;
	setlinebuf(stdout);
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (common == MAP_FAILED)
		return 2;
	common->ids = 1;
	make_cgroup();
	if (chmod(DEVICE, 0666))
		return 2;
	cover_init();
	for (unsigned int i = 0; i < SHARED; i++) {
		contexts[i].fd = open(DEVICE, O_RDWR | O_CLOEXEC);
		contexts[i].id = 0x6f00000000000000 | atomic_fetch_add(&common->ids, 1);
	}
	odd_ends = watch(seed, amount, max_ops);
	for (unsigned int i = 0; i < SHARED; i++)
		close(contexts[i].fd);
	back = everything_came_back(witness);
	cover_print();
	if (workers == 1)
		printf("# digest %016llx\n", (unsigned long long)common->digest);
	printf("# seed %#llx: %lu calls, %lu faults refused, %lu forks, %lu kills, %lu opens\n",
	       (unsigned long long)seed, common->calls, common->faults, common->forks,
	       common->kills, common->ids);
	printf("%s 1 - no byte of another context was seen\n", common->wrong ? "not ok" : "ok");
	printf("%s 2 - every buffer and context came back\n", back ? "ok" : "not ok");
	printf("%s 3 - no worker ended by itself\n", odd_ends ? "not ok" : "ok");
	return common->wrong || odd_ends || !back;
}
