// SPDX-License-Identifier: GPL-2.0
/*
 * Handles and fork(): the child has nothing of its parent's.
 */
#include <stdatomic.h>

#include "fixture.h"
#include "memory.h"

static struct gophership *shared;

/* Everything that a child can do with its parent's handle. */
static int child(struct gophership *gs, void *buf)
{
	struct gophership_lib_stats stats = { .size = sizeof(stats) };
	struct gophership *own;
	void *bufs[4];

	errno = 0;
	if (gophership_acquire(gs, PAGE) || errno != ESTALE)
		return 1;
	errno = 0;
	if (gophership_acquire_bulk(gs, PAGE, 4, bufs) || errno != ESTALE)
		return 2;
	if (gophership_release(gs, buf) != -EINVAL || gophership_release_bulk(gs, &buf, 1))
		return 3;
	if (gophership_capacity(gs, buf) || gophership_stats(gs, &stats) != -ESTALE ||
	    gophership_trim(gs))
		return 4;
	/* One of its own. */
	if (gophership_open(&own, NULL))
		return 5;
	if (gophership_acquire_bulk(own, PAGE, 4, bufs) != 4)
		return 6;
	memset(bufs[0], 0x33, PAGE);
	if (gophership_release_bulk(own, bufs, 4) != 4 || gophership_release(own, buf) == 0)
		return 7;
	gophership_close(gs);
	if (!gophership_acquire(own, PAGE))
		return 8;
	gophership_close(own);
	return 0;
}

TEST(fork_leaves_the_parent_alone)
{
	struct gophership *gs;
	void *bufs[100];
	int status;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	for (int i = 0; i < 20; i++) {
		void *buf = gophership_acquire(gs, PAGE);
		pid_t pid;

		ASSERT_NE(NULL, buf);
		memset(buf, 0x11, PAGE);
		pid = fork();
		if (!pid)
			_exit(child(gs, buf));
		/* At the same time. */
		for (int k = 0; k < 100; k++) {
			bufs[k] = gophership_acquire(gs, PAGE);
			memset(bufs[k], 0x22, PAGE);
		}
		EXPECT_EQ(100, gophership_release_bulk(gs, bufs, 100));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("step %d", WEXITSTATUS(status));
		}
		EXPECT_TRUE(memory_is(buf, 0x11, PAGE));
		EXPECT_EQ(0, gophership_release(gs, buf));
	}
	EXPECT_EQ(0, used_of(gs));
	gophership_close(gs);
}

static int child_has_device(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(has_device());
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* A child that lives on must not keep its parent's leases alive. */
TEST(a_child_holds_no_device)
{
	struct gophership *gs;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	EXPECT_TRUE(has_device());
	EXPECT_EQ(0, child_has_device());
	gophership_close(gs);
}

static atomic_bool stop;

static void *open_and_close_until_stop(void *failed)
{
	struct gophership *gs;

	while (!stop) {
		if (gophership_open(&gs, NULL))
			return failed;
		gophership_close(gs);
	}
	return NULL;
}

/* Nor one that is born while a handle comes or goes. */
TEST(fork_around_open_and_close)
{
	unsigned int holders = 0;
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, open_and_close_until_stop, &stop));
	for (int i = 0; i < 300; i++)
		holders += !!child_has_device();
	stop = true;
	pthread_join(thread, &result);
	EXPECT_EQ(0, holders);
	EXPECT_EQ(NULL, result);
}

static void *use_until_stop(void *unused)
{
	(void)unused;
	while (!stop)
		gophership_release(shared, gophership_acquire(shared, PAGE));
	return NULL;
}

TEST(cancelled_threads_fork)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, gophership_open(&shared, NULL));
	pthread_cancel(pthread_self());
	pid = fork();
	/* A child that ended in fork() would say 0. */
	if (!pid)
		_exit(33);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(33, WEXITSTATUS(status));
	gophership_close(shared);
}

/* Whatever another thread was at in the parent, nobody is in the child. */
TEST(debug_fork_while_another_thread_is_inside)
{
	pthread_t thread;
	int status;

	setenv("GOPHERSHIP_DEBUG", "1", 1);
	ASSERT_EQ(0, gophership_open(&shared, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, use_until_stop, NULL));
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(200);
			_exit(gophership_acquire(shared, PAGE) || errno != ESTALE);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
	stop = true;
	pthread_join(thread, NULL);
	gophership_close(shared);
}

TEST_HARNESS_MAIN
