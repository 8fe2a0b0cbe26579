// SPDX-License-Identifier: GPL-2.0
/*
 * No context ever sees the bytes of another one. Each test makes sure that
 * memory did change hands, by page frame: else it would have seen nothing.
 *
 * The guest runs with init_on_alloc=0, so that the page allocator does not
 * hide a forgotten clear.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE	4096UL
#define MANY	64

FIXTURE(isolation)
{
	int fd;
	int other;
};

/* On one processor a pool gives back what it took last. */
static void use_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

FIXTURE_SETUP(isolation)
{
	use_one_processor();
	self->fd = device_open();
	self->other = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(isolation)
{
	close(self->fd);
	close(self->other);
}

static bool contains(const unsigned long *frames, int count, unsigned long frame)
{
	for (int i = 0; i < count; i++)
		if (frames[i] == frame)
			return true;
	return false;
}

/* Lease, fill with @byte, note the frames, give back. 0 or what failed. */
static int leave_bytes(int fd, size_t size, int byte, unsigned long *frames)
{
	struct buffer buffers[MANY];

	for (int i = 0; i < MANY; i++) {
		if (buffer_acquire(fd, size, &buffers[i]))
			return 1;
		memset(buffers[i].data, byte, size);
		frames[i] = memory_frame(buffers[i].data);
		if (!frames[i])
			return 2;
	}
	for (int i = 0; i < MANY; i++)
		if (buffer_release(fd, &buffers[i]))
			return 3;
	return 0;
}

/* Lease, look, give back: *@seen counts non-zero buffers, *@met known frames. */
static int look_for_bytes(int fd, size_t size, const unsigned long *frames, int *seen, int *met)
{
	struct buffer buffers[MANY];

	*seen = 0;
	*met = 0;
	for (int i = 0; i < MANY; i++) {
		if (buffer_acquire(fd, size, &buffers[i]))
			return 1;
		*seen += !memory_is(buffers[i].data, 0, size);
		*met += contains(frames, MANY, memory_frame(buffers[i].data));
	}
	for (int i = 0; i < MANY; i++)
		if (buffer_release(fd, &buffers[i]))
			return 3;
	return 0;
}

TEST_F(isolation, released_bytes_are_gone_for_others)
{
	unsigned long frames[MANY];
	int seen, met;

	for (size_t size = PAGE; size <= 16 * PAGE; size *= 2) {
		ASSERT_EQ(0, leave_bytes(self->fd, size, 0xa7, frames));
		ASSERT_EQ(0, look_for_bytes(self->other, size, frames, &seen, &met));
		EXPECT_EQ(0, seen);
		EXPECT_LT(0, met);
	}
}

TEST_F(isolation, closed_contexts_bytes_are_gone)
{
	unsigned long frames[MANY];
	int seen, met;

	for (size_t size = PAGE; size <= 16 * PAGE; size *= 2) {
		struct buffer buffers[MANY];
		int fd = device_open();

		ASSERT_LE(0, fd);
		for (int i = 0; i < MANY; i++) {
			ASSERT_EQ(0, buffer_acquire(fd, size, &buffers[i]));
			memset(buffers[i].data, 0xa8, size);
			frames[i] = memory_frame(buffers[i].data);
		}
		close(fd);
		for (int i = 0; i < MANY; i++)
			munmap(buffers[i].data, size);
		ASSERT_EQ(0, look_for_bytes(self->other, size, frames, &seen, &met));
		EXPECT_EQ(0, seen);
		EXPECT_LT(0, met);
	}
}

/* One's own bytes may be there, or zeroes, but nothing else. */
TEST_F(isolation, own_bytes_or_zero_when_it_comes_back)
{
	struct buffer buffers[MANY];
	unsigned long frames[MANY];
	int met = 0;

	ASSERT_EQ(0, leave_bytes(self->fd, 4 * PAGE, 0xa9, frames));
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, buffer_acquire(self->fd, 4 * PAGE, &buffers[i]));
		EXPECT_TRUE(memory_is_zero_or(buffers[i].data, 0xa9, 4 * PAGE));
		met += contains(frames, MANY, memory_frame(buffers[i].data));
	}
	EXPECT_LT(0, met);
}

/* And not after somebody else had it, even if that one wrote nothing. */
TEST_F(isolation, others_bytes_are_gone_when_it_comes_back)
{
	unsigned long frames[MANY], others[MANY];
	int seen, met;

	ASSERT_EQ(0, leave_bytes(self->fd, 2 * PAGE, 0xaa, frames));
	ASSERT_EQ(0, leave_bytes(self->other, 2 * PAGE, 0xbb, others));
	EXPECT_TRUE(contains(frames, MANY, others[0]) || contains(frames, MANY, others[MANY - 1]));
	ASSERT_EQ(0, look_for_bytes(self->fd, 2 * PAGE, others, &seen, &met));
	EXPECT_EQ(0, seen);
	EXPECT_LT(0, met);
}

TEST_F(isolation, only_what_changes_hands_is_counted_as_cleared)
{
	struct gophership_stats before, after;
	struct gophership_lease lease;

	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	ASSERT_EQ(0, device_release_one(self->fd, lease.handle));
	ASSERT_EQ(0, device_stats(self->other, &before));
	ASSERT_EQ(0, device_acquire_one(self->other, PAGE, &lease));
	ASSERT_EQ(0, device_release_one(self->other, lease.handle));
	ASSERT_EQ(0, device_stats(self->other, &after));
	EXPECT_EQ(before.cleared + 1, after.cleared);
	/* Nobody had it in between. */
	ASSERT_EQ(0, device_acquire_one(self->other, PAGE, &lease));
	ASSERT_EQ(0, device_stats(self->other, &after));
	EXPECT_EQ(before.cleared + 1, after.cleared);
}

/* Most of the free memory has a secret in it, and is then leased. */
TEST_F_TIMEOUT(isolation, bytes_of_former_processes_are_gone, 900)
{
	struct gophership_info info;
	struct buffer buffer;
	int status, seen = 0;
	pid_t child = fork();

	if (!child) {
		size_t size = (size_t)memory_info("MemFree") * 1024 / 4 * 3;
		void *secret = mmap(NULL, size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (secret == MAP_FAILED)
			_exit(1);
		memset(secret, 0xcc, size);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, device_info(self->fd, &info));
	for (int i = 0; i < 400; i++) {
		ASSERT_EQ(0, buffer_acquire(self->fd, PAGE << (i % 5), &buffer));
		seen += !memory_is(buffer.data, 0, buffer.lease.capacity);
		munmap(buffer.data, buffer.lease.capacity);
	}
	EXPECT_EQ(0, seen);
}

/* A victim of many threads, all of which write, until it is killed. */
struct victim {
	int fd;
	unsigned int seed;
};

static void *lease_and_write(void *argument)
{
	struct victim victim = *(struct victim *)argument;
	struct buffer buffers[8] = { 0 };

	for (unsigned int i = 0;; i++) {
		struct buffer *buffer = &buffers[i % 8];

		if (buffer->data)
			buffer_release(victim.fd, buffer);
		buffer->data = NULL;
		if (buffer_acquire(victim.fd, PAGE << ((victim.seed + i) % 5), buffer)) {
			buffer->data = NULL;
			continue;
		}
		memset(buffer->data, 0xdd, buffer->lease.capacity);
	}
	return NULL;
}

static void run_victim(unsigned int round)
{
	struct victim victim = { .fd = device_open(), .seed = round };
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, lease_and_write, &victim);
	lease_and_write(&victim);
}

TEST_F_TIMEOUT(isolation, killed_owners_bytes_are_gone, 600)
{
	long long before = device_machine_bytes(self->fd);
	int found = 0;

	for (unsigned int round = 0; round < 40; round++) {
		struct buffer buffers[MANY];
		pid_t child = fork();
		int status;

		if (!child)
			run_victim(round);
		/* Somewhere in what it does, and not before. */
		for (int i = 0; i < 6000 && device_machine_bytes(self->fd) <= before; i++)
			usleep(10000);
		usleep(round * 1700);
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		ASSERT_EQ(before, device_machine_bytes(self->fd));

		for (int i = 0; i < MANY; i++) {
			ASSERT_EQ(0, buffer_acquire(self->fd, PAGE << (i % 5), &buffers[i]));
			found += !memory_is_zero_or(buffers[i].data, 0x11,
						    buffers[i].lease.capacity);
			memset(buffers[i].data, 0x11, buffers[i].lease.capacity);
		}
		for (int i = 0; i < MANY; i++)
			ASSERT_EQ(0, buffer_release(self->fd, &buffers[i]));
	}
	EXPECT_EQ(0, found);
}

struct writer {
	unsigned char *data;
	atomic_bool stop;
	atomic_ulong writes;
};

static void *write_on(void *argument)
{
	struct writer *writer = argument;

	while (!writer->stop)
		if (!memory_fill_signal(writer->data, 0xee, 64))
			writer->writes++;
	return NULL;
}

/*
 * A thread writes to a buffer without end while it is released and leased by
 * another context: not one of its bytes gets through, before, while or after.
 */
TEST_F_TIMEOUT(isolation, writer_that_does_not_stop_reaches_nobody, 600)
{
	unsigned long frame, same = 0;
	int dirty = 0;

	for (int round = 0; round < 150; round++) {
		struct writer writer = { 0 };
		struct buffer mine, theirs;
		cpu_set_t second;
		pthread_t thread;

		ASSERT_EQ(0, buffer_acquire(self->fd, PAGE, &mine));
		writer.data = mine.data;
		ASSERT_EQ(0, pthread_create(&thread, NULL, write_on, &writer));
		CPU_ZERO(&second);
		CPU_SET(1, &second);
		pthread_setaffinity_np(thread, sizeof(second), &second);
		while (!writer.writes)
			sched_yield();
		frame = memory_frame(mine.data);
		ASSERT_EQ(0, device_release_one(self->fd, mine.lease.handle));
		ASSERT_EQ(0, buffer_acquire(self->other, PAGE, &theirs));
		dirty += !memory_is(theirs.data, 0, PAGE);
		same += memory_frame(theirs.data) == frame;
		for (int i = 0; i < 20; i++)
			dirty += !memory_is(theirs.data, 0, PAGE);
		writer.stop = true;
		ASSERT_EQ(0, pthread_join(thread, NULL));
		dirty += !memory_is(theirs.data, 0, PAGE);
		ASSERT_EQ(0, buffer_release(self->other, &theirs));
		munmap(mine.data, PAGE);
	}
	EXPECT_EQ(0, dirty);
	EXPECT_LT(50, same);
}

TEST_HARNESS_MAIN
