// SPDX-License-Identifier: GPL-2.0
/*
 * death: processes are killed at random moments, and nothing of them is left.
 *
 *   death KILLS SEED [FILE]
 *
 * Each victim has threads in every call, mappings, pages in a pipe and, if FILE
 * is there, O_DIRECT writes to it from its buffers. It looks at the whole of every
 * buffer that it gets: only zeros and its own mark may be in it. After each kill
 * the machine has no lease, no byte and no context but ours. Prints TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"

#define THREADS		6
#define PAGE		4096UL

struct common {
	atomic_ulong loans;
	atomic_ulong foreign;
	atomic_ulong writes;
	atomic_ulong splices;
	atomic_ulong releases;
};

static struct common *common;
static const char *path;
static uint64_t mark;
static int device, output, pipes[2];
static sig_atomic_t left_to_themselves;

static void check(const uint64_t *words, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*words); i++)
		if (words[i] && words[i] != mark) {
			atomic_fetch_add(&common->foreign, 1);
			return;
		}
}

static void fill(uint64_t *words, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = mark;
}

/* Its pages leave by a pipe, or by a disk, while the buffer goes. */
static void send_away(unsigned int number, const struct buffer *buffer)
{
	struct iovec all = { buffer->data, buffer->lease.capacity };

	if (number % 3 == 0 && vmsplice(pipes[1], &all, 1, SPLICE_F_NONBLOCK) > 0)
		atomic_fetch_add(&common->splices, 1);
	if (number % 3 == 1 && output >= 0 &&
	    pwrite(output, buffer->data, all.iov_len, (number % 8) * 65536) > 0)
		atomic_fetch_add(&common->writes, 1);
}

static void drain_pipe(void)
{
	char bytes[PAGE];

	while (read(pipes[0], bytes, sizeof(bytes)) > 0)
		;
}

/* One thread: whole lives of buffers, one after the other, and some left over. */
static void *live(void *argument)
{
	unsigned int number = (uintptr_t)argument;
	struct gophership_info info;
	struct buffer buffer;

	for (unsigned int round = number;; round++) {
		if (number == 0 && round % 16 == 0)
			device_info(device, &info);
		if (buffer_acquire(device, PAGE << (round % NR_CLASSES), &buffer))
			continue;
		atomic_fetch_add(&common->loans, 1);
		check((uint64_t *)buffer.data, buffer.lease.capacity);
		fill((uint64_t *)buffer.data, buffer.lease.capacity);
		send_away(round, &buffer);
		if (round % 5 == 0) {
			munmap(buffer.data, buffer.lease.capacity);
			continue;
		}
		buffer_release(device, &buffer);
		atomic_fetch_add(&common->releases, 1);
		if (round % 4 == 0)
			drain_pipe();
	}
	return NULL;
}

static void be_victim(uint64_t own_mark)
{
	pthread_t thread;

	mark = own_mark;
	device = device_open();
	output = path ? open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600) : -1;
	if (device < 0 || pipe2(pipes, O_NONBLOCK | O_CLOEXEC))
		_exit(2);
	for (uintptr_t i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, live, (void *)i))
			_exit(2);
	live(NULL);
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
		printf("# left: %llu contexts, %llu bytes, %llu buffers\n", stats.contexts,
		       stats.machine_bytes, leased);
	return stats.contexts == 1 && !stats.machine_bytes && !leased;
}

/* What the disk still writes, or the kernel closes, may take a moment. */
static bool comes_to_nothing(int witness)
{
	for (unsigned int tries = 0; tries < 200; tries++) {
		if (nothing_is_left(witness, false))
			return true;
		left_to_themselves++;
		usleep(10000);
	}
	return nothing_is_left(witness, true);
}

/* 0, or what was wrong. */
static const char *one_death(int witness, unsigned long round, unsigned int delay)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return "fork failed";
	if (!pid)
		be_victim(0xd00d000000000001 + round);
	usleep(delay);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return "the victim ended by itself";
	return comes_to_nothing(witness) ? NULL : "something is left";
}

int main(int argc, char **argv)
{
	unsigned long kills = argc > 2 ? strtoul(argv[1], NULL, 0) : 0, round;
	unsigned int seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	const char *wrong = NULL;
	int witness = device_open();

	path = argc > 3 ? argv[3] : NULL;
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (witness < 0 || common == MAP_FAILED || !kills) {
		fprintf(stderr, "usage: death KILLS SEED [FILE] (and %s)\n", DEVICE);
		return 2;
	}
	for (round = 0; round < kills && !wrong; round++)
		wrong = one_death(witness, round, rand_r(&seed) % 20000);
	printf("# %lu kills: %lu loans, %lu given back, %lu direct writes, %lu splices; %d waits\n",
	       round, common->loans, common->releases, common->writes, common->splices,
	       (int)left_to_themselves);
	if (wrong)
		printf("# kill %lu: %s\n", round, wrong);
	printf("%s 1 - every buffer of the killed came back\n", wrong ? "not ok" : "ok");
	printf("%s 2 - no byte of the dead was seen (%lu buffers with one)\n",
	       common->foreign ? "not ok" : "ok", common->foreign);
	printf("%s 3 - they lived long enough\n", common->loans > kills ? "ok" : "not ok");
	return wrong || common->foreign || common->loans <= kills;
}
