// SPDX-License-Identifier: GPL-2.0
/*
 * Futexes in a buffer. The kernel names a futex that processes share by the file
 * that its page belongs to, and a buffer's page belongs to none: such a futex is
 * EFAULT. One that threads of a process share is named by its address, and works.
 * What processes wait for lies in a memfd beside the buffer.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"
#include "harness.h"

#define ROUNDS	2000

FIXTURE(futex)
{
	int fd;
	struct buffer buffer;
};

FIXTURE_SETUP(futex)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, buffer_acquire(self->fd, 4096, &self->buffer));
}

FIXTURE_TEARDOWN(futex)
{
	EXPECT_EQ(0, buffer_release(self->fd, &self->buffer));
	close(self->fd);
}

/* The result of a call, or -errno. It waits for a second at most. */
static int futex(void *word, int operation, uint32_t value)
{
	struct timespec second = { .tv_sec = 1 };
	int ret = syscall(SYS_futex, word, operation, value, &second, NULL, 0);

	return ret < 0 ? -errno : ret;
}

static void *shared_page(void)
{
	int fd = memfd_create("beside", MFD_CLOEXEC);
	void *page = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, 4096))
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return page;
}

TEST_F(futex, shared_by_processes_is_EFAULT)
{
	uint32_t *word = (uint32_t *)self->buffer.data, *beside = shared_page();

	ASSERT_NE(MAP_FAILED, (void *)beside);
	*word = 1;
	EXPECT_EQ(-EFAULT, futex(word, FUTEX_WAKE, 1));
	EXPECT_EQ(-EFAULT, futex(word, FUTEX_WAIT, 2));
	EXPECT_EQ(-EFAULT, futex(word, FUTEX_LOCK_PI, 0));
	EXPECT_EQ(0, futex(beside, FUTEX_WAKE, 1));
	EXPECT_EQ(-EAGAIN, futex(beside, FUTEX_WAIT, 2));
	EXPECT_EQ(1, *word);
	munmap(beside, 4096);
}

TEST_F(futex, of_one_process_works)
{
	uint32_t *word = (uint32_t *)self->buffer.data;

	EXPECT_EQ(0, futex(word, FUTEX_WAKE_PRIVATE, 1));
	EXPECT_EQ(-EAGAIN, futex(word, FUTEX_WAIT_PRIVATE, *word + 1));
}

struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	sem_t done;
	unsigned int turn;
};

/* Each waits for its turn, so both sleep and both wake. */
static void take_turns(struct shared *shared, unsigned int mine)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&shared->mutex);
		while (shared->turn % 2 != mine)
			pthread_cond_wait(&shared->changed, &shared->mutex);
		shared->turn++;
		pthread_cond_signal(&shared->changed);
		pthread_mutex_unlock(&shared->mutex);
	}
}

static void *other_thread(void *argument)
{
	struct shared *shared = argument;

	take_turns(shared, 1);
	sem_post(&shared->done);
	return NULL;
}

TEST_F(futex, mutex_condition_and_semaphore_of_threads_work)
{
	struct shared *shared = (struct shared *)self->buffer.data;
	pthread_t thread;

	ASSERT_EQ(0, pthread_mutex_init(&shared->mutex, NULL));
	ASSERT_EQ(0, pthread_cond_init(&shared->changed, NULL));
	ASSERT_EQ(0, sem_init(&shared->done, 0, 0));
	shared->turn = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, other_thread, shared));
	take_turns(shared, 0);
	EXPECT_EQ(0, sem_wait(&shared->done));
	EXPECT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(2 * ROUNDS, shared->turn);
}

struct beside {
	sem_t filled;
	sem_t empty;
};

/* The other process: it has the context, and maps the buffer for itself. */
static int consume(int fd, const struct gophership_lease *lease, struct beside *beside)
{
	unsigned char *data = device_map_lease(fd, lease);

	if (data == MAP_FAILED)
		return 1;
	for (unsigned int i = 0; i < 256; i++) {
		while (sem_wait(&beside->filled))
			;
		if (data[0] != i || data[4095] != i)
			return 2;
		sem_post(&beside->empty);
	}
	return 0;
}

TEST_F(futex, processes_wait_in_a_memfd_beside_it)
{
	struct beside *beside = shared_page();
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, (void *)beside);
	ASSERT_EQ(0, sem_init(&beside->filled, 1, 0));
	ASSERT_EQ(0, sem_init(&beside->empty, 1, 1));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(consume(self->fd, &self->buffer.lease, beside));
	for (unsigned int i = 0; i < 256; i++) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 20;
		ASSERT_EQ(0, sem_timedwait(&beside->empty, &until));
		memset(self->buffer.data, i, 4096);
		sem_post(&beside->filled);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	munmap(beside, 4096);
}

TEST_HARNESS_MAIN
