// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that something else has a reference to when their buffer is released: they are
 * handed on to nobody, and what is in flight ends as it began.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "pin_fixture.h"

static int splice_in(int pipe, void *data, size_t length)
{
	struct iovec iov = { .iov_base = data, .iov_len = length };
	ssize_t done = vmsplice(pipe, &iov, 1, 0);

	return done < 0 ? -errno : done;
}

/* What the others look at is worth something only if memory does change hands. */
TEST_F(pin, without_a_pin_the_memory_is_handed_on)
{
	struct buffer buffer;
	unsigned long frame;

	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		long retired = device_retired(self->fd);

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		EXPECT_EQ(retired, device_retired(self->fd));
		EXPECT_EQ(1, others_take_over(&self->others, size, frame));
		others_give_back(&self->others);
	}
}

TEST_F(pin, vmsplice_keeps_what_was_spliced)
{
	struct buffer buffer;
	unsigned long frame;

	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		long retired = device_retired(self->fd);

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		/* The last page: a pin anywhere counts for the whole buffer. */
		ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data + size - PAGE, PAGE));
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		EXPECT_EQ(retired + 1, device_retired(self->fd));
		EXPECT_EQ(0, others_take_over(&self->others, size, frame));
		EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
		others_give_back(&self->others);
	}
	EXPECT_EQ(0, device_leased(self->fd));
}

static void go_on(int signal)
{
	(void)signal;
}

/*
 * A page on which the machine reports an error (this one only seems to) is
 * nobody's any more, wherever in the buffer it is.
 */
TEST_F(pin, failed_memory_is_not_handed_on)
{
	struct buffer buffer;
	unsigned long frame;

	/* The error is reported to who asks for it, too. */
	ASSERT_NE(SIG_ERR, signal(SIGBUS, go_on));
	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		long retired = device_retired(self->fd);

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		/* Parts of a large buffer the kernel marks, and has no way to handle. */
		if (madvise(buffer.data + size - PAGE, PAGE, MADV_HWPOISON) && errno == EINVAL)
			SKIP(return, "this kernel knows no failing memory");
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		EXPECT_EQ(retired + 1, device_retired(self->fd));
		EXPECT_EQ(0, others_take_over(&self->others, size, frame));
		others_give_back(&self->others);
	}
}

/* The same while it lies idle in the pool. */
TEST_F(pin, memory_that_failed_idle_is_not_handed_on)
{
	struct buffer buffer;
	unsigned long frame;
	int offline = open("/sys/devices/system/memory/hard_offline_page", O_WRONLY);

	if (offline < 0)
		SKIP(return, "this kernel knows no failing memory");
	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		char address[32];

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		snprintf(address, sizeof(address), "%#lx", (frame + size / PAGE - 1) * PAGE);
		/* It is marked, and then they find that they can do nothing (EBUSY). */
		if (write(offline, address, strlen(address)) < 0)
			EXPECT_EQ(EBUSY, errno);
		EXPECT_EQ(0, others_take_over(&self->others, size, frame));
		others_give_back(&self->others);
	}
	close(offline);
}

TEST_F(pin, vmsplice_and_munmap)
{
	struct buffer buffer;
	unsigned long frame;

	ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &buffer));
	frame = memory_frame(buffer.data);
	ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data, PAGE));
	ASSERT_EQ(0, munmap(buffer.data, PAGE));
	ASSERT_EQ(0, device_release_one(self->fd, buffer.lease.handle));
	EXPECT_EQ(1, device_retired(self->fd));
	EXPECT_EQ(0, others_take_over(&self->others, PAGE, frame));
	EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
}

TEST_F(pin, one_that_ended_before_release_retires_nothing)
{
	struct buffer buffer;

	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
	ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data + PAGE, PAGE));
	EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
	ASSERT_EQ(0, buffer_release(self->fd, &buffer));
	EXPECT_EQ(0, device_retired(self->fd));
}

/* Among many that are released by one call, the pinned ones are retired. */
TEST_F(pin, some_of_a_batch)
{
	struct gophership_lease leases[MANY];
	struct buffer buffers[MANY];
	unsigned long frames[3];

	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &buffers[i]));
		leases[i] = buffers[i].lease;
		if (i % 16 == 7) {
			frames[i / 16] = memory_frame(buffers[i].data);
			ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffers[i].data, PAGE));
		}
	}
	ASSERT_EQ(0, device_release_leases(self->fd, leases, MANY));
	EXPECT_EQ(3, device_retired(self->fd));
	EXPECT_EQ(0, others_take_over(&self->others, PAGE, frames[0]));
	for (int i = 0; i < MANY; i++) {
		unsigned long frame = memory_frame(self->others.buffers[i].data);

		EXPECT_TRUE(frame != frames[1] && frame != frames[2]);
	}
	EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, 3 * PAGE));
}

/* The owner is killed; a pipe that lives on has its page. */
TEST_F(pin, of_a_killed_process)
{
	for (int round = 0; round < 10; round++) {
		int to_parent[2];
		unsigned long frame = 0;
		pid_t child;

		ASSERT_EQ(0, pipe(to_parent));
		child = fork();
		if (!child) {
			struct buffer buffer;
			int fd = device_open();

			if (acquire_filled(fd, LARGE, 0x5a, &buffer) ||
			    splice_in(self->pipe[1], buffer.data + 3 * PAGE, PAGE) != PAGE)
				_exit(1);
			frame = memory_frame(buffer.data);
			if (write(to_parent[1], &frame, sizeof(frame)) == sizeof(frame))
				pause();
			_exit(2);
		}
		ASSERT_EQ(sizeof(frame), read(to_parent[0], &frame, sizeof(frame)));
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		EXPECT_EQ(0, others_take_over(&self->others, LARGE, frame));
		EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
		others_give_back(&self->others);
		close(to_parent[0]);
		close(to_parent[1]);
	}
}

/* KiB that are missing since there were so many, when grace periods had their time. */
static long missing_since(long before, long allowed)
{
	long missing = LONG_MAX;

	for (int tries = 0; tries < 600 && missing > allowed; tries++) {
		usleep(tries ? 100000 : 0);
		missing = before - memory_info("MemAvailable");
	}
	return missing;
}

/* When the last reference goes, so does the memory: 25 MiB would be missing. */
TEST_F(pin, retired_pages_are_freed_with_the_pin)
{
	long before = memory_info("MemAvailable");
	struct buffer buffer;

	for (int round = 0; round < 400; round++) {
		ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
		ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data, PAGE));
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		ASSERT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
	}
	EXPECT_EQ(400, device_retired(self->fd));
	EXPECT_GE(8 * 1024, missing_since(before, 8 * 1024));
}

struct splicer {
	int pipe[2];
	unsigned char *data;
	atomic_ulong spliced;
	unsigned long wrong;
	atomic_bool stop;
};

/* Splice until the buffer is gone; what got into the pipe stays 0x5a. */
static void *splice_until_gone(void *argument)
{
	struct splicer *splicer = argument;

	while (!splicer->stop && splice_in(splicer->pipe[1], splicer->data, PAGE) == PAGE) {
		splicer->spliced++;
		for (int i = 0; i < 3; i++)
			sched_yield();
		splicer->wrong += !pipe_holds(splicer->pipe[0], 0x5a, PAGE);
	}
	return NULL;
}

/* The reference is taken at the very moment of the release, on another CPU. */
TEST_F_TIMEOUT(pin, taken_while_the_buffer_is_released, 600)
{
	struct splicer splicer;
	int dirty = 0;

	for (int round = 0; round < 150; round++) {
		struct buffer mine, theirs;
		pthread_t thread;
		cpu_set_t second;

		splicer = (struct splicer){ .pipe = { self->pipe[0], self->pipe[1] } };
		ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &mine));
		splicer.data = mine.data;
		ASSERT_EQ(0, pthread_create(&thread, NULL, splice_until_gone, &splicer));
		CPU_ZERO(&second);
		CPU_SET(1, &second);
		pthread_setaffinity_np(thread, sizeof(second), &second);
		while (splicer.spliced < 1 + (unsigned long)round % 3)
			sched_yield();
		ASSERT_EQ(0, device_release_one(self->fd, mine.lease.handle));
		ASSERT_EQ(0, buffer_acquire(self->others.fd, PAGE, &theirs));
		/* The second is what they wrote themselves, an earlier time. */
		dirty += !memory_is(theirs.data, 0, PAGE) && !memory_is(theirs.data, 0x22, PAGE);
		memset(theirs.data, 0x22, PAGE);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(0, splicer.wrong);
		dirty += !memory_is(theirs.data, 0x22, PAGE);
		ASSERT_EQ(0, buffer_release(self->others.fd, &theirs));
		munmap(mine.data, PAGE);
	}
	EXPECT_EQ(0, dirty);
}

TEST_HARNESS_MAIN
