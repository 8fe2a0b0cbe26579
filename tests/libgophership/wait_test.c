// SPDX-License-Identifier: GPL-2.0
/*
 * gophership_acquire_wait(): a thread at the ceiling sleeps until something is
 * released, and no release goes by unseen.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "fixture.h"

#define NR_BUFS		4
/* A race goes on for so many rounds, or seconds: under emulation, on a busy machine. */
#define ROUNDS		3000
#define SECONDS		5

static struct gophership *gs;
static atomic_uint failures;

FIXTURE(wait)
{
	void *bufs[NR_BUFS];
};

FIXTURE_VARIANT(wait)
{
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(wait, caches)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(wait, no_caches)
{
	.flags = GOPHERSHIP_NO_THREAD_CACHE,
};

/* All there is, is ours. */
FIXTURE_SETUP(wait)
{
	struct gophership_options options = {
		.size = sizeof(options),
		.flags = variant->flags,
		.ceiling = NR_BUFS * PAGE,
	};

	failures = 0;
	ASSERT_EQ(0, gophership_open(&gs, &options));
	ASSERT_EQ(NR_BUFS, gophership_acquire_bulk(gs, PAGE, NR_BUFS, self->bufs));
}

FIXTURE_TEARDOWN(wait)
{
	gophership_close(gs);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/*
 * A thread that acquires one buffer, and keeps it until it is told.
 */
struct client {
	pthread_t thread;
	size_t size;
	int timeout;
	bool keeps;
	atomic_bool begun;
	void *_Atomic buf;
	atomic_int error;
	atomic_uint turn;	/* which of them it was that got one */
	atomic_bool ended;
};

static atomic_uint turns;

static void *be_client(void *argument)
{
	struct client *client = argument;
	void *buf;

	client->begun = true;
	buf = gophership_acquire_wait(gs, client->size, client->timeout);
	client->error = buf ? 0 : errno;
	client->turn = ++turns;
	client->buf = buf;
	if (buf && !client->keeps && gophership_release(gs, buf))
		failures++;
	client->ended = true;
	return NULL;
}

static void start(struct client *client, size_t size, int timeout)
{
	client->size = size;
	client->timeout = timeout;
	if (pthread_create(&client->thread, NULL, be_client, client))
		failures++;
}

/* Until so many threads are in line. */
static bool wait_for_line(unsigned int nr)
{
	double end = seconds() + 60;

	while (seconds() < end && stats_of(gs).waiting != nr)
		sched_yield();
	return stats_of(gs).waiting == nr;
}

/* Without a call of the library. */
static bool wait_until_ended(const struct client *client)
{
	double end = seconds() + 60;

	while (seconds() < end && !client->ended)
		sched_yield();
	return client->ended;
}

TEST_F_TIMEOUT(wait, a_release_wakes, 120)
{
	struct client client = { 0 };

	start(&client, PAGE, -1);
	ASSERT_TRUE(wait_for_line(1));
	EXPECT_EQ(0, gophership_release(gs, self->bufs[2]));
	ASSERT_TRUE(wait_until_ended(&client));
	pthread_join(client.thread, NULL);
	EXPECT_EQ(self->bufs[2], client.buf);
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, stats_of(gs).failed);
}

TEST_F_TIMEOUT(wait, time_passes, 120)
{
	double before = seconds();

	errno = 0;
	EXPECT_EQ(NULL, gophership_acquire_wait(gs, PAGE, 50));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_LE(0.05, seconds() - before);
	EXPECT_EQ(NULL, gophership_acquire_wait(gs, PAGE, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(2, stats_of(gs).failed);
	/* What waiting does not help. */
	EXPECT_EQ(NULL, gophership_acquire_wait(gs, LARGEST, -1));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(NULL, gophership_acquire_wait(gs, LARGEST + 1, -1));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(0, gophership_release(gs, self->bufs[0]));
	errno = 77;
	EXPECT_EQ(self->bufs[0], gophership_acquire_wait(gs, PAGE, -1));
	EXPECT_EQ(77, errno);
}

/*
 * A release at any moment of another thread's way to sleep; after it, this thread
 * makes no call that could show what went by unseen.
 */
TEST_F_TIMEOUT(wait, no_release_goes_by_unseen, 120)
{
	double end = seconds() + SECONDS;

	for (int i = 0; i < ROUNDS && seconds() < end; i++) {
		struct client client = { .keeps = true };

		start(&client, PAGE, -1);
		while (!client.begun)
			;
		for (volatile int spin = 0; spin < i % 100 * 50; spin++)
			;
		ASSERT_EQ(0, gophership_release(gs, self->bufs[0]));
		ASSERT_TRUE(wait_until_ended(&client));
		pthread_join(client.thread, NULL);
		ASSERT_EQ(self->bufs[0], client.buf);
	}
	EXPECT_EQ(0, failures);
	EXPECT_EQ(NR_BUFS, used_of(gs));
}

static void *come_and_go(void *argument)
{
	uintptr_t me = (uintptr_t)argument;
	double end = seconds() + SECONDS;

	for (int i = 0; i < ROUNDS && seconds() < end; i++) {
		size_t size = me % 3 || i % 16 ? PAGE : 2 * PAGE;
		void *buf = gophership_acquire_wait(gs, size, -1);

		if (!buf || atomic_exchange((_Atomic uintptr_t *)buf, me))
			failures++;
		if (i % 64 == 0)
			sched_yield();
		if (buf && atomic_exchange((_Atomic uintptr_t *)buf, 0) != me)
			failures++;
		if (gophership_release(gs, buf))
			failures++;
	}
	return NULL;
}

/* More threads than buffers: all of them come to an end, and no buffer has two. */
TEST_F_TIMEOUT(wait, many_take_turns, 120)
{
	pthread_t threads[3 * NR_BUFS];

	for (unsigned int i = 0; i < NR_BUFS; i++)
		*(uintptr_t *)self->bufs[i] = 0;
	EXPECT_EQ(NR_BUFS, gophership_release_bulk(gs, self->bufs, NR_BUFS));
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1)));
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
	EXPECT_EQ(0, stats_of(gs).failed);
}

TEST_F_TIMEOUT(wait, first_come_first_served, 120)
{
	struct client clients[3] = { { .keeps = true }, { .keeps = true }, { .keeps = true } };

	for (unsigned int i = 0; i < 3; i++) {
		start(&clients[i], PAGE, -1);
		ASSERT_TRUE(wait_for_line(i + 1));
	}
	for (unsigned int i = 0; i < 3; i++) {
		EXPECT_EQ(0, gophership_release(gs, self->bufs[i]));
		ASSERT_TRUE(wait_until_ended(&clients[i]));
		EXPECT_EQ(self->bufs[i], clients[i].buf);
		for (unsigned int j = i + 1; j < 3; j++)
			EXPECT_FALSE(clients[j].ended);
	}
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(clients[i].thread, NULL);
}

/* A large one is not starved by small ones, in line or not. */
TEST_F_TIMEOUT(wait, a_large_one_keeps_its_place, 120)
{
	struct client large = { 0 }, small = { .keeps = true };

	start(&large, NR_BUFS * PAGE, -1);
	ASSERT_TRUE(wait_for_line(1));
	start(&small, PAGE, -1);
	ASSERT_TRUE(wait_for_line(2));
	for (unsigned int i = 0; i < NR_BUFS - 1; i++) {
		EXPECT_EQ(0, gophership_release(gs, self->bufs[i]));
		EXPECT_EQ(NULL, gophership_acquire(gs, PAGE));
		EXPECT_EQ(ENOMEM, errno);
	}
	EXPECT_FALSE(large.ended);
	EXPECT_FALSE(small.ended);
	EXPECT_EQ(0, gophership_release(gs, self->bufs[NR_BUFS - 1]));
	ASSERT_TRUE(wait_until_ended(&large));
	ASSERT_TRUE(wait_until_ended(&small));
	EXPECT_EQ(0, large.error);
	EXPECT_LT(large.turn, small.turn);
	pthread_join(large.thread, NULL);
	pthread_join(small.thread, NULL);
	EXPECT_EQ(0, failures);
}

/* The first in line gives up: the next one is first then, and is woken. */
TEST_F_TIMEOUT(wait, who_gives_up_makes_room, 120)
{
	struct client first = { 0 }, second = { 0 };

	start(&first, NR_BUFS * PAGE, 200);
	while (!first.ended && !stats_of(gs).waiting)
		sched_yield();
	start(&second, PAGE, -1);
	EXPECT_EQ(0, gophership_release(gs, self->bufs[0]));
	ASSERT_TRUE(wait_until_ended(&first));
	EXPECT_EQ(ETIMEDOUT, first.error);
	ASSERT_TRUE(wait_until_ended(&second));
	EXPECT_EQ(0, second.error);
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	EXPECT_EQ(0, failures);
}

static void *handler_buf;

static void release_in_handler(int signal)
{
	(void)signal;
	if (gophership_release(gs, handler_buf))
		failures++;
}

/* Also on top of a thread that waits itself. */
TEST_F_TIMEOUT(wait, release_in_a_signal_handler_wakes, 120)
{
	struct client client = { 0 };

	handler_buf = self->bufs[1];
	signal(SIGUSR1, release_in_handler);
	start(&client, PAGE, -1);
	ASSERT_TRUE(wait_for_line(1));
	pthread_kill(client.thread, SIGUSR1);
	ASSERT_TRUE(wait_until_ended(&client));
	pthread_join(client.thread, NULL);
	EXPECT_EQ(self->bufs[1], client.buf);
	EXPECT_EQ(0, failures);
}

/* What a thread had at hand when it ended. */
TEST_F_TIMEOUT(wait, thread_that_ends_leaves_its_buffers, 120)
{
	struct client waits = { 0 }, ends = { .keeps = true };

	EXPECT_EQ(0, gophership_release(gs, self->bufs[3]));
	start(&ends, PAGE, -1);
	pthread_join(ends.thread, NULL);
	start(&waits, PAGE, -1);
	ASSERT_TRUE(wait_for_line(1));
	EXPECT_EQ(0, gophership_release(gs, ends.buf));
	ASSERT_TRUE(wait_until_ended(&waits));
	pthread_join(waits.thread, NULL);
	EXPECT_EQ(self->bufs[3], waits.buf);
}

/*
 * When nobody waits any more, threads keep buffers for themselves again: another
 * thread then has to ask for a barrier to get at ours.
 */
TEST_F_TIMEOUT(wait, caches_open_again, 120)
{
	struct client client = { 0 };
	uint64_t calls;

	if (variant->flags)
		SKIP(return, "there are no caches");
	EXPECT_EQ(NULL, gophership_acquire_wait(gs, PAGE, 1));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_EQ(NR_BUFS, gophership_release_bulk(gs, self->bufs, NR_BUFS));
	self->bufs[0] = gophership_acquire(gs, PAGE);
	EXPECT_EQ(0, gophership_release(gs, self->bufs[0]));
	calls = stats_of(gs).system_calls;
	start(&client, PAGE, 0);
	pthread_join(client.thread, NULL);
	EXPECT_NE(NULL, client.buf);
	EXPECT_LT(calls, stats_of(gs).system_calls);
	EXPECT_EQ(0, failures);
}

/* No handle, in every function: an error and no fault, also where caches are closed. */
TEST_F_TIMEOUT(wait, null_is_no_handle, 120)
{
	struct gophership_lib_stats stats = { .size = sizeof(stats) };
	struct client client = { 0 };
	void *buf = self->bufs[0];

	for (int i = 0; i < 2; i++) {
		errno = 0;
		EXPECT_EQ(NULL, gophership_acquire(NULL, PAGE));
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(NULL, gophership_acquire_wait(NULL, PAGE, -1));
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(0, gophership_acquire_bulk(NULL, PAGE, 1, &buf));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-EINVAL, gophership_release(NULL, self->bufs[0]));
		EXPECT_EQ(0, gophership_release_bulk(NULL, self->bufs, NR_BUFS));
		EXPECT_EQ(0, gophership_capacity(NULL, self->bufs[0]));
		EXPECT_EQ(-EINVAL, gophership_stats(NULL, &stats));
		EXPECT_EQ(0, gophership_trim(NULL));
		gophership_close(NULL);
		/* And once more while a thread waits. */
		if (i == 0)
			start(&client, PAGE, -1);
		ASSERT_TRUE(wait_for_line(1));
	}
	EXPECT_EQ(NR_BUFS, used_of(gs));
	EXPECT_EQ(0, gophership_release(gs, self->bufs[0]));
	pthread_join(client.thread, NULL);
	EXPECT_EQ(0, failures);
}

TEST_HARNESS_MAIN
