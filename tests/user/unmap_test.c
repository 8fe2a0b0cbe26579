// SPDX-License-Identifier: GPL-2.0
/*
 * A release takes a mapping away, wherever it is.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "map_fixture.h"

TEST_F(map, unleased_offset_is_SIGBUS)
{
	unsigned char *map = device_map(self->fd, self->info.classes[0].offset, 4 * PAGE);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(SIGBUS, memory_read_signal(map));
	EXPECT_EQ(SIGBUS, memory_write_signal(map + 2 * PAGE + 8));
	EXPECT_EQ(map + 2 * PAGE + 8, memory_signal_address);
	EXPECT_EQ(BUS_ADRERR, memory_signal_code);
}

TEST_F(map, released_buffer_is_SIGBUS)
{
	struct gophership_lease untouched;
	unsigned char *map;

	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	for (int page = 0; page < 16; page++) {
		EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data + page * PAGE));
		EXPECT_EQ(SIGBUS, memory_write_signal(self->buffer.data + page * PAGE));
	}
	ASSERT_EQ(0, device_acquire_one(self->fd, 0, &untouched));
	map = device_map_lease(self->fd, &untouched);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, device_release_one(self->fd, untouched.handle));
	EXPECT_EQ(SIGBUS, memory_write_signal(map));
}

#define MANY	64

/* Three neighbours of every five. */
static bool is_chosen(int which)
{
	return which % 5 < 3;
}

/* The chosen ones, from @first on, with steps of @step, in one call. */
static int release_chosen(int fd, const struct gophership_lease *leases, int first, int step)
{
	__u64 handles[MANY];
	__u32 nr = 0, done;

	for (int i = 0; i < MANY; i++) {
		int which = (first + i * step) % MANY;

		if (is_chosen(which))
			handles[nr++] = leases[which].handle;
	}
	return device_release(fd, handles, nr, &done);
}

/* They are unmapped run by run, and neighbours at once: in whatever order they come. */
TEST_F(map, release_of_many_unmaps_these_and_no_others)
{
	static const int orders[][2] = { { 0, 1 }, { MANY - 1, MANY - 1 }, { 5, 37 } };
	struct gophership_lease leases[MANY];
	__u64 window = self->info.classes[1].offset;
	unsigned char *map = device_map(self->fd, window, MANY * 2 * PAGE);

	ASSERT_NE(MAP_FAILED, map);
	for (size_t k = 0; k < ARRAY_SIZE(orders); k++) {
		ASSERT_EQ(MANY, device_acquire(self->fd, 2 * PAGE, MANY, leases));
		ASSERT_EQ(0, memory_fill_signal(map, 0x33, MANY * 2 * PAGE));
		ASSERT_EQ(0, release_chosen(self->fd, leases, orders[k][0], orders[k][1]));
		for (int i = 0; i < MANY; i++) {
			unsigned char *data = map + leases[i].offset - window;

			EXPECT_EQ(is_chosen(i) ? SIGBUS : 0, memory_read_signal(data)) {
				TH_LOG("order %zu, buffer %d", k, i);
			}
			EXPECT_EQ(is_chosen(i) ? SIGBUS : 0, memory_read_signal(data + PAGE));
		}
		for (int i = 0; i < MANY; i++)
			if (!is_chosen(i))
				ASSERT_EQ(0, device_release_one(self->fd, leases[i].handle));
	}
}

#define FEW	5

/*
 * Some of what a call gives back was never touched, so there is nothing to unmap:
 * each set of touched ones, in both orders of the call.
 */
TEST_F(map, release_of_untouched_ones_unmaps_the_touched)
{
	struct gophership_lease leases[FEW];
	__u64 window = self->info.classes[1].offset, handles[FEW];
	unsigned char *map = device_map(self->fd, window, FEW * 2 * PAGE);
	__u32 done;

	ASSERT_NE(MAP_FAILED, map);
	for (int touched = 0; touched < 2 << FEW; touched++) {
		ASSERT_EQ(FEW, device_acquire(self->fd, 2 * PAGE, FEW, leases));
		for (int i = 0; i < FEW; i++) {
			unsigned char *data = map + leases[i].offset - window;

			handles[touched & 1 << FEW ? FEW - 1 - i : i] = leases[i].handle;
			/* The second page comes along. */
			if (touched & 1 << i)
				ASSERT_EQ(0, memory_fill_signal(data, 0x33, PAGE));
		}
		ASSERT_EQ(0, device_release(self->fd, handles, FEW, &done));
		ASSERT_EQ(FEW, done);
		for (int i = 0; i < FEW * 2; i++) {
			EXPECT_EQ(SIGBUS, memory_read_signal(map + i * PAGE)) {
				TH_LOG("touched: %#x, page %d", touched, i);
			}
		}
	}
}

/* The same slot, leased again: the mapping shows the new buffer. */
TEST_F(map, leased_again_is_there_again)
{
	struct gophership_lease again;

	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	ASSERT_EQ(0, device_acquire_one(self->fd, 16 * PAGE, &again));
	ASSERT_EQ(self->buffer.lease.offset, again.offset);
	EXPECT_EQ(0, memory_fill_signal(self->buffer.data, 0x66, 16 * PAGE));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x66, 16 * PAGE));
	ASSERT_EQ(0, device_release_one(self->fd, again.handle));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
}

/* Calls that meet a hole fail, and go on with what is there. */
TEST_F(map, system_calls_get_EFAULT)
{
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(100, write(ends[1], self->buffer.data, 100));
	EXPECT_EQ(100, read(ends[0], self->buffer.data, 100));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(-1, write(ends[1], self->buffer.data, 100));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(1, write(ends[1], "x", 1));
	EXPECT_EQ(-1, read(ends[0], self->buffer.data, 1));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(map, locked_memory_goes_as_well)
{
	ASSERT_EQ(0, mlock(self->buffer.data, 16 * PAGE));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data + 7 * PAGE));
}

TEST_F(map, other_ways_to_the_memory_end_at_release)
{
	int memory = open("/proc/self/mem", O_RDWR);
	struct iovec remote = { .iov_base = self->buffer.data, .iov_len = 64 };
	char bytes[64];
	struct iovec local = { .iov_base = bytes, .iov_len = 64 };

	ASSERT_LE(0, memory);
	EXPECT_EQ(64, pread(memory, bytes, 64, (off_t)(uintptr_t)self->buffer.data));
	EXPECT_TRUE(memory_is(bytes, 0x5a, 64));
	EXPECT_EQ(64, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(-1, pread(memory, bytes, 64, (off_t)(uintptr_t)self->buffer.data));
	EXPECT_EQ(-1, pwrite(memory, bytes, 64, (off_t)(uintptr_t)self->buffer.data));
	EXPECT_EQ(-1, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	close(memory);
}

struct hammer {
	unsigned char *data;
	int signal;
	atomic_bool started;
};

static void *hammer_until_signal(void *argument)
{
	struct hammer *hammer = argument;

	hammer->started = true;
	while (!hammer->signal)
		hammer->signal = memory_fill_signal(hammer->data, 0x3c, 256);
	return NULL;
}

/* One thread works on the buffer, another one releases it. */
TEST_F(map, thread_that_uses_a_released_buffer_gets_SIGBUS)
{
	for (int round = 0; round < 30; round++) {
		struct buffer buffer;
		struct hammer hammer = { 0 };
		pthread_t thread;

		ASSERT_EQ(0, buffer_acquire(self->fd, 0, &buffer));
		hammer.data = buffer.data;
		ASSERT_EQ(0, pthread_create(&thread, NULL, hammer_until_signal, &hammer));
		while (!hammer.started)
			sched_yield();
		ASSERT_EQ(0, device_release_one(self->fd, buffer.lease.handle));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(SIGBUS, hammer.signal);
		munmap(buffer.data, PAGE);
	}
}

TEST_HARNESS_MAIN
