// SPDX-License-Identifier: GPL-2.0
/*
 * Banks: no buffer has two owners, every release is judged, by threads at once.
 */
#include <stdatomic.h>
#include <sys/uio.h>

#include "fixture.h"
#include "memory.h"

#define COUNT	100
#define THREADS	4
#define AT_ONCE	2
#ifdef MEMCHECK
#define ROUNDS	2000
#else
#define ROUNDS	100000
#endif

FIXTURE(bank)
{
	struct gophership *gs;
	struct gophership_bank *bank;
	struct iovec whole;
};

FIXTURE_SETUP(bank)
{
	ASSERT_EQ(0, gophership_open(&self->gs, NULL));
	ASSERT_EQ(0, gophership_bank_open(self->gs, PAGE + 1, COUNT, 0, &self->bank));
	gophership_bank_iovec(self->bank, &self->whole);
}

FIXTURE_TEARDOWN(bank)
{
	gophership_bank_close(self->bank);
	gophership_close(self->gs);
}

TEST_F(bank, every_buffer_once)
{
	size_t capacity = gophership_bank_capacity(self->bank);
	void *bufs[COUNT];

	EXPECT_EQ(2 * PAGE, capacity);
	EXPECT_EQ(COUNT * capacity, self->whole.iov_len);
	for (int i = 0; i < COUNT; i++) {
		bufs[i] = gophership_bank_acquire(self->bank);
		ASSERT_NE(NULL, bufs[i]);
		EXPECT_TRUE(memory_is(bufs[i], 0, capacity));
		memset(bufs[i], i, capacity);
	}
	errno = 0;
	EXPECT_EQ(NULL, gophership_bank_acquire(self->bank));
	EXPECT_EQ(ENOMEM, errno);
	for (int i = 0; i < COUNT; i++)
		EXPECT_TRUE(memory_is(bufs[i], i, capacity));
	EXPECT_FALSE(has_twins(bufs, COUNT));
	for (int i = 0; i < COUNT; i++) {
		EXPECT_EQ((char *)self->whole.iov_base + i * capacity, bufs[i]);
		EXPECT_EQ(i, gophership_bank_index(self->bank, bufs[i]));
		EXPECT_EQ(i, gophership_bank_index(self->bank, (char *)bufs[i] + capacity - 1));
	}
	for (int i = 0; i < COUNT; i++)
		EXPECT_EQ(0, gophership_bank_release(self->bank, bufs[i]));
	errno = 77;
	for (int i = 0; i < COUNT; i++)
		ASSERT_NE(NULL, gophership_bank_acquire(self->bank));
	EXPECT_EQ(77, errno);
}

/* The same one again: it is warm. */
TEST_F(bank, recycled)
{
	void *buf = gophership_bank_acquire(self->bank);

	for (int i = 0; i < 1000; i++) {
		ASSERT_EQ(0, gophership_bank_release(self->bank, buf));
		ASSERT_EQ(buf, gophership_bank_acquire(self->bank));
	}
}

TEST_F(bank, every_release_is_judged)
{
	char *buf = gophership_bank_acquire(self->bank), *base = self->whole.iov_base;
	char *other = gophership_acquire(self->gs, 2 * PAGE);
	char *const end = base + self->whole.iov_len;

	EXPECT_EQ(-EINVAL, gophership_bank_release(self->bank, buf + 1));
	EXPECT_EQ(-EINVAL, gophership_bank_release(self->bank, buf + PAGE));
	EXPECT_EQ(-EINVAL, gophership_bank_release(self->bank, base - 2 * PAGE));
	EXPECT_EQ(-EINVAL, gophership_bank_release(self->bank, end));
	EXPECT_EQ(-EINVAL, gophership_bank_release(self->bank, &buf));
	EXPECT_EQ(-EINVAL, gophership_bank_release(self->bank, (void *)-1));
	EXPECT_EQ(-EINVAL, gophership_bank_release(self->bank, other));
	EXPECT_EQ(-EINVAL, gophership_bank_release(NULL, buf));
	EXPECT_EQ(-EINVAL, gophership_release(self->gs, buf));
	EXPECT_EQ(0, gophership_bank_release(self->bank, NULL));
	EXPECT_EQ(0, gophership_bank_release(self->bank, buf));
	EXPECT_EQ(-EALREADY, gophership_bank_release(self->bank, buf));
	EXPECT_EQ(-EALREADY, gophership_bank_release(self->bank, end - 2 * PAGE));
	EXPECT_EQ(-EINVAL, gophership_bank_index(self->bank, end));
	EXPECT_EQ(-EINVAL, gophership_bank_index(self->bank, base - 1));
	EXPECT_EQ(-EINVAL, gophership_bank_index(self->bank, NULL));
	EXPECT_EQ(-EINVAL, gophership_bank_index(NULL, base));
	EXPECT_EQ(0, gophership_release(self->gs, other));
	/* None of that made a buffer more. */
	for (int i = 0; i < COUNT; i++)
		ASSERT_NE(NULL, gophership_bank_acquire(self->bank));
	EXPECT_EQ(NULL, gophership_bank_acquire(self->bank));
}

TEST_F(bank, nothing_of_nothing)
{
	struct iovec iovec = { self, 1 };

	errno = 0;
	EXPECT_EQ(NULL, gophership_bank_acquire(NULL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, gophership_bank_capacity(NULL));
	gophership_bank_iovec(NULL, &iovec);
	EXPECT_EQ(NULL, iovec.iov_base);
	EXPECT_EQ(0, iovec.iov_len);
	gophership_bank_close(NULL);
}

TEST_F(bank, options)
{
	struct gophership_bank *bank = self->bank;

	EXPECT_EQ(-EINVAL, gophership_bank_open(self->gs, PAGE, 1, 0, NULL));
	EXPECT_EQ(-EINVAL, gophership_bank_open(NULL, PAGE, 1, 0, &bank));
	EXPECT_EQ(NULL, bank);
	EXPECT_EQ(-EINVAL, gophership_bank_open(self->gs, PAGE, 0, 0, &bank));
	EXPECT_EQ(-EINVAL, gophership_bank_open(self->gs, PAGE, 32769, 0, &bank));
	EXPECT_EQ(-EINVAL, gophership_bank_open(self->gs, PAGE, 1, 1, &bank));
	EXPECT_EQ(-EINVAL, gophership_bank_open(self->gs, LARGEST + 1, 1, 0, &bank));
	EXPECT_EQ(-EINVAL, gophership_bank_open(self->gs, SIZE_MAX, 1, 0, &bank));
}

/* Counts that fill a word of bits, or do not. */
TEST_F(bank, any_count)
{
	const unsigned int counts[] = { 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300 };
	struct gophership_bank *bank;
	unsigned int i, nr;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		ASSERT_EQ(0, gophership_bank_open(self->gs, 0, counts[i], 0, &bank));
		for (nr = 0; gophership_bank_acquire(bank); nr++)
			;
		EXPECT_EQ(counts[i], nr);
		gophership_bank_close(bank);
	}
}

struct worker {
	struct gophership_bank *bank;
	uint64_t wrong;
	uint64_t refused;
	pthread_t thread;
};

/* Each has several at a time, and nobody else writes to them. */
static void *work(void *argument)
{
	struct worker *worker = argument;
	_Atomic uintptr_t *mine[AT_ONCE];
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		for (j = 0; j < AT_ONCE; j++) {
			mine[j] = gophership_bank_acquire(worker->bank);
			if (!mine[j]) {
				worker->refused++;
				return NULL;
			}
			worker->wrong += atomic_exchange(mine[j], (uintptr_t)worker) != 0;
		}
		for (j = 0; j < AT_ONCE; j++) {
			worker->wrong += atomic_exchange(mine[j], 0) != (uintptr_t)worker;
			worker->wrong += gophership_bank_release(worker->bank, mine[j]) != 0;
		}
	}
	return NULL;
}

/* There are just as many as they want together: none is ever told that there is none. */
TEST_F(bank, threads)
{
	struct worker workers[THREADS];
	struct gophership_bank *bank;

	ASSERT_EQ(0, gophership_bank_open(self->gs, PAGE, THREADS * AT_ONCE, 0, &bank));
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker) { .bank = bank };
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].wrong);
		EXPECT_EQ(0, workers[i].refused);
	}
	gophership_bank_close(bank);
}

struct twice {
	struct gophership_bank *bank;
	void *buf;
	pthread_barrier_t barrier;
	_Atomic int done;
	_Atomic int refused;
};

static void *release_too(void *argument)
{
	struct twice *twice = argument;

	for (int i = 0; i < 500; i++) {
		pthread_barrier_wait(&twice->barrier);
		if (gophership_bank_release(twice->bank, twice->buf) == 0)
			twice->done++;
		else
			twice->refused++;
		pthread_barrier_wait(&twice->barrier);
	}
	return NULL;
}

/* Of two that release a buffer at the same moment one is refused. */
TEST_F(bank, release_at_once)
{
	struct twice twice = { .bank = self->bank };
	pthread_t thread;

	pthread_barrier_init(&twice.barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, release_too, &twice));
	for (int i = 0; i < 500; i++) {
		twice.buf = gophership_bank_acquire(self->bank);
		pthread_barrier_wait(&twice.barrier);
		if (gophership_bank_release(self->bank, twice.buf) == 0)
			twice.done++;
		else
			twice.refused++;
		pthread_barrier_wait(&twice.barrier);
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(500, twice.done);
	EXPECT_EQ(500, twice.refused);
}

static int in_child(struct gophership_bank *bank, void *buf)
{
	if (gophership_bank_acquire(bank) || errno != ESTALE)
		return 1;
	if (gophership_bank_release(bank, buf) != -EINVAL)
		return 2;
	gophership_bank_close(bank);
	return 0;
}

TEST_F(bank, a_child_has_no_use_of_it)
{
	void *buf = gophership_bank_acquire(self->bank);
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(in_child(self->bank, buf));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	memset(buf, 1, PAGE);
	EXPECT_EQ(0, gophership_bank_release(self->bank, buf));
}

/* Ceiling and pressure are the handle's; a bank is not idle, and is not trimmed. */
TEST_F(bank, it_outlives_its_handle)
{
	void *buf = gophership_bank_acquire(self->bank);

	memset(buf, 0x5a, PAGE);
	EXPECT_EQ(0, gophership_bank_release(self->bank, buf));
	gophership_trim(self->gs);
	gophership_close(self->gs);
	self->gs = NULL;
	EXPECT_TRUE(memory_is(buf, 0x5a, PAGE));
	EXPECT_EQ(buf, gophership_bank_acquire(self->bank));
}

TEST_HARNESS_MAIN
