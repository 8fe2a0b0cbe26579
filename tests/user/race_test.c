// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, from threads and processes: no byte is wrong, nothing
 * is released twice, and in the end nothing is missing.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE		4096UL
#define SECONDS		3
#define PATIENCE	(TEST_PATIENCE - 100)	/* more of them */
#define LOANS_MIN	20

/* Of a process: the tag is the top byte of each word that it writes. */
struct crew {
	int fd;
	__u64 tag;
	struct gophership_info info;
	time_t end;
	atomic_ulong loans;
	atomic_ulong wrong;
};

struct member {
	struct crew *crew;
	unsigned int number;
	unsigned int random;
	pthread_t thread;
};

FIXTURE(race)
{
	struct crew crew;
};

FIXTURE_SETUP(race)
{
	self->crew.fd = device_open();
	ASSERT_LE(0, self->crew.fd);
	ASSERT_EQ(0, device_info(self->crew.fd, &self->crew.info));
}

FIXTURE_TEARDOWN(race)
{
	close(self->crew.fd);
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* A slow machine gets more time for what has to be done at least. */
static bool over(struct crew *crew)
{
	time_t late = now() - crew->end;

	return late >= 0 && (crew->loans > LOANS_MIN || late >= PATIENCE);
}

static unsigned int pick(struct member *member, unsigned int below)
{
	member->random = member->random * 1103515245 + 12345;
	return (member->random >> 16) % below;
}

/* Does every word have the crew's tag, or is it zero? */
static bool is_ours(const struct crew *crew, const __u64 *words, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*words); i++)
		if (words[i] && words[i] >> 56 != crew->tag)
			return false;
	return true;
}

static void stamp(__u64 *words, size_t size, __u64 word)
{
	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = word;
}

static bool is_stamped(const __u64 *words, size_t size, __u64 word)
{
	return words[0] == word && !memcmp(words, words + 1, size - sizeof(*words));
}

/* Leases are its own: nobody else writes there until they are released. */
static void *work(void *argument)
{
	struct member *member = argument;
	struct crew *crew = member->crew;

	for (__u64 round = 1; !over(crew); round++) {
		__u64 word = crew->tag << 56 | (__u64)member->number << 48 | round;
		struct buffer buffer;
		__u64 *words;

		if (buffer_acquire(crew->fd, PAGE << pick(member, NR_CLASSES), &buffer)) {
			crew->wrong++;
			break;
		}
		words = (void *)buffer.data;
		crew->wrong += !is_ours(crew, words, buffer.lease.capacity);
		stamp(words, buffer.lease.capacity, word);
		if (pick(member, 4) == 0)
			sched_yield();
		if (pick(member, 4) == 0)
			madvise(words, buffer.lease.capacity, MADV_DONTNEED);
		crew->wrong += !is_stamped(words, buffer.lease.capacity, word);
		if (buffer_release(crew->fd, &buffer))
			crew->wrong++;
		crew->loans++;
	}
	return NULL;
}

/* Looks at whatever may be there or not. Some mappings are of its own. */
static void *touch(void *argument)
{
	struct member *member = argument;
	struct crew *crew = member->crew;

	while (!over(crew)) {
		unsigned int class = pick(member, NR_CLASSES);
		size_t capacity = crew->info.classes[class].capacity;
		unsigned char *map = device_map(crew->fd, crew->info.classes[class].offset,
						8 * capacity);

		if (map == MAP_FAILED) {
			crew->wrong++;
			break;
		}
		for (int i = 0; i < 40; i++) {
			size_t page = pick(member, 8 * capacity / PAGE);
			int signal = memory_read_signal(map + page * PAGE);

			crew->wrong += signal && signal != SIGBUS;
		}
		/* In two pieces, for the sake of it. */
		munmap(map + 4 * capacity, 4 * capacity);
		munmap(map, 4 * capacity);
	}
	return NULL;
}

/* Handles that are none, and the counters all the time. */
static void *forge(void *argument)
{
	struct member *member = argument;
	struct crew *crew = member->crew;

	while (!over(crew)) {
		struct gophership_stats stats;
		__u64 handle = (__u64)pick(member, 65536) << 45 | pick(member, 65536) << 10 |
			       pick(member, 16);

		crew->wrong += device_release_one(crew->fd, handle) != -EINVAL;
		crew->wrong += device_stats(crew->fd, &stats) != 0;
		sched_yield();
	}
	return NULL;
}

/* Children that have the fd but not the mappings, some of which are killed. */
static void *have_children(void *argument)
{
	struct member *member = argument;
	struct crew *crew = member->crew;

	while (!over(crew)) {
		pid_t child = fork();

		if (!child) {
			void *map = device_map(crew->fd, crew->info.classes[0].offset, 8 * PAGE);

			memory_read_signal(map);
			_exit(0);
		}
		if (pick(member, 2))
			kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		usleep(20000);
	}
	return NULL;
}

static void run_crew(struct crew *crew, __u64 tag)
{
	static void *(*const jobs[])(void *) = { work, work, touch, forge, have_children };
	struct member members[ARRAY_SIZE(jobs)];

	crew->tag = tag;
	crew->end = now() + SECONDS;
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		members[i] = (struct member){ .crew = crew, .number = i, .random = tag + i };
		pthread_create(&members[i].thread, NULL, jobs[i], &members[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		pthread_join(members[i].thread, NULL);
}

TEST_F(race, two_contexts_and_all_that_threads_can_do)
{
	int watch = device_open();
	struct gophership_stats before, after;
	unsigned long loans, wrong;
	pid_t child;
	int status;

	ASSERT_LE(0, watch);
	ASSERT_EQ(0, device_stats(watch, &before));
	child = fork();
	if (!child) {
		close(self->crew.fd);
		self->crew.fd = device_open();
		run_crew(&self->crew, 2);
		printf("# the child: %lu loans, %lu wrong, %ld still on lease\n",
		       (unsigned long)self->crew.loans, (unsigned long)self->crew.wrong,
		       device_leased(self->crew.fd));
		fflush(stdout);
		_exit(self->crew.wrong || device_leased(self->crew.fd) ||
		      self->crew.loans <= LOANS_MIN);
	}
	run_crew(&self->crew, 1);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	loans = self->crew.loans;
	wrong = self->crew.wrong;
	EXPECT_EQ(0, wrong);
	EXPECT_LT(LOANS_MIN, loans);

	/* What was pinned at its end is paid for until the next look, in a second. */
	for (int i = 0; i < 100 &&
	     device_machine_bytes(watch) != (long long)before.machine_bytes; i++)
		usleep(100000);
	EXPECT_EQ(0, device_leased(self->crew.fd));
	ASSERT_EQ(0, device_stats(self->crew.fd, &after));
	EXPECT_EQ(loans, after.acquires);
	EXPECT_EQ(loans, after.releases);
	EXPECT_EQ(0, after.doubled);
	EXPECT_EQ(before.machine_bytes, after.machine_bytes);
	EXPECT_EQ(before.pool_foreign, after.pool_foreign);
	EXPECT_EQ(before.pool_doubled, after.pool_doubled);
	for (int class = 0; class < NR_CLASSES; class++)
		EXPECT_EQ(before.classes[class].leased, after.classes[class].leased);
	close(watch);
}

/* Two processes share one context: what one leases, the other may release. */
TEST_F(race, two_processes_of_one_context)
{
	pid_t child = fork();
	unsigned long wrong;
	int status;

	if (!child) {
		run_crew(&self->crew, 3);
		_exit(self->crew.wrong != 0);
	}
	run_crew(&self->crew, 3);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	wrong = self->crew.wrong;
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, device_leased(self->crew.fd));
}

struct release_race {
	int fd;
	pthread_barrier_t start, end;
	struct gophership_lease lease;
	bool over;
	int results[3];
};

struct runner {
	struct release_race *race;
	int number;
};

static void *release_at_once(void *argument)
{
	struct runner *runner = argument;
	struct release_race *race = runner->race;

	for (;;) {
		pthread_barrier_wait(&race->start);
		if (race->over)
			return NULL;
		race->results[runner->number] = device_release_one(race->fd, race->lease.handle);
		pthread_barrier_wait(&race->end);
	}
}

TEST_F(race, one_of_three_releases_wins)
{
	struct release_race race = { .fd = self->crew.fd };
	struct runner runners[3];
	pthread_t threads[3];
	int strange = 0;

	pthread_barrier_init(&race.start, NULL, 4);
	pthread_barrier_init(&race.end, NULL, 4);
	for (int i = 0; i < 3; i++) {
		runners[i] = (struct runner){ .race = &race, .number = i };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, release_at_once, &runners[i]));
	}
	for (int round = 0; round < 300; round++) {
		int won = 0, late = 0;

		ASSERT_EQ(0, device_acquire_one(race.fd, PAGE << round % 5, &race.lease));
		pthread_barrier_wait(&race.start);
		pthread_barrier_wait(&race.end);
		for (int i = 0; i < 3; i++) {
			won += race.results[i] == 0;
			late += race.results[i] == -EALREADY;
		}
		strange += won != 1 || late != 2;
	}
	race.over = true;
	pthread_barrier_wait(&race.start);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_EQ(0, strange);
	EXPECT_EQ(0, device_leased(race.fd));
}

TEST_HARNESS_MAIN
