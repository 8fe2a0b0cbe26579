// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings: what can be mapped, what is there, and that a release takes it
 * away wherever it was.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE	4096UL

FIXTURE(map)
{
	int fd;
	struct gophership_info info;
	struct buffer buffer;	/* of the largest class, filled with 0x5a */
};

FIXTURE_SETUP(map)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_info(self->fd, &self->info));
	ASSERT_EQ(0, buffer_acquire(self->fd, 16 * PAGE, &self->buffer));
	memset(self->buffer.data, 0x5a, 16 * PAGE);
}

FIXTURE_TEARDOWN(map)
{
	close(self->fd);
}

/* 0 or -errno of the attempt; a mapping that came about stays. */
static int try_map(int fd, int flags, int prot, __u64 offset, size_t length)
{
	return mmap(NULL, length, prot, flags, fd, offset) == MAP_FAILED ? -errno : 0;
}

/* The mapping stays. */
static int release_only(int fd, const struct buffer *buffer)
{
	return device_release_one(fd, buffer->lease.handle);
}

TEST_F(map, data_is_there_in_a_second_mapping)
{
	unsigned char *again = device_map_lease(self->fd, &self->buffer.lease);

	ASSERT_NE(MAP_FAILED, again);
	EXPECT_TRUE(memory_is(again, 0x5a, 16 * PAGE));
	again[5 * PAGE] = 0x11;
	EXPECT_EQ(0x11, self->buffer.data[5 * PAGE]);
	self->buffer.data[6 * PAGE] = 0x22;
	EXPECT_EQ(0x22, again[6 * PAGE]);

	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(again + 5 * PAGE));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data + 5 * PAGE));
}

TEST_F(map, every_whole_window)
{
	for (unsigned int class = 0; class < NR_CLASSES; class++) {
		const struct gophership_class_info *window = &self->info.classes[class];
		struct gophership_lease leases[3];
		unsigned char *map;

		ASSERT_EQ(3, device_acquire(self->fd, window->capacity, 3, leases));
		map = device_map(self->fd, window->offset, window->length);
		ASSERT_NE(MAP_FAILED, map);
		for (int i = 0; i < 3; i++) {
			unsigned char *data = map + (leases[i].offset - window->offset);

			EXPECT_EQ(0, memory_fill_signal(data, i + 1, window->capacity));
		}
		for (int i = 0; i < 3; i++) {
			unsigned char *data = map + (leases[i].offset - window->offset);

			EXPECT_TRUE(memory_is(data, i + 1, window->capacity));
			ASSERT_EQ(0, device_release_one(self->fd, leases[i].handle));
			EXPECT_EQ(SIGBUS, memory_read_signal(data + window->capacity - 1));
		}
		/* The last byte of the window, which nobody leased. */
		EXPECT_EQ(SIGBUS, memory_read_signal(map + window->length - 1));
		munmap(map, window->length);
	}
}

TEST_F(map, part_of_a_buffer)
{
	unsigned char *part = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, part);
	ASSERT_EQ(part, mmap(part, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			     self->fd, self->buffer.lease.offset + 3 * PAGE));
	self->buffer.data[3 * PAGE] = 0x33;
	self->buffer.data[5 * PAGE - 1] = 0x44;
	EXPECT_EQ(0x33, part[0]);
	EXPECT_EQ(0x44, part[2 * PAGE - 1]);
	EXPECT_EQ(SIGSEGV, memory_read_signal(part + 2 * PAGE));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(part + PAGE));
}

/* The end of one buffer and the start of the next: each goes on its own. */
TEST_F(map, parts_of_two_buffers)
{
	struct gophership_lease leases[2];
	unsigned char *map;

	ASSERT_EQ(2, device_acquire(self->fd, 4 * PAGE, 2, leases));
	ASSERT_EQ(leases[0].offset + 4 * PAGE, leases[1].offset);
	map = device_map(self->fd, leases[0].offset + 3 * PAGE, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, memory_fill_signal(map, 0x77, 2 * PAGE));
	ASSERT_EQ(0, device_release_one(self->fd, leases[0].handle));
	EXPECT_EQ(SIGBUS, memory_read_signal(map));
	EXPECT_TRUE(memory_is(map + PAGE, 0x77, PAGE));
	ASSERT_EQ(0, device_release_one(self->fd, leases[1].handle));
	EXPECT_EQ(SIGBUS, memory_read_signal(map + PAGE));
}

TEST_F(map, data_stays_when_it_is_not_mapped)
{
	ASSERT_EQ(0, munmap(self->buffer.data, 16 * PAGE));
	self->buffer.data = device_map_lease(self->fd, &self->buffer.lease);
	ASSERT_NE(MAP_FAILED, self->buffer.data);
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
}

TEST_F(map, beyond_the_windows_is_EINVAL)
{
	for (unsigned int class = 0; class < NR_CLASSES; class++) {
		const struct gophership_class_info *window = &self->info.classes[class];
		__u64 end = window->offset + window->length;

		EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ, end, PAGE));
		EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ, end - PAGE, 2 * PAGE));
		EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ, window->offset - PAGE,
					   PAGE));
		EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ, window->offset - PAGE,
					   2 * PAGE));
		EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ, window->offset,
					   window->length + PAGE));
		EXPECT_EQ(0, try_map(self->fd, MAP_SHARED, PROT_READ, end - PAGE, PAGE));
	}
	EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ,
				   self->info.pressure_offset + PAGE, PAGE));
	/* The kernel's own answer where it has 32 bits: no file is that large. */
	if (try_map(self->fd, MAP_SHARED, PROT_READ, 1ULL << 43, PAGE) != -EOVERFLOW)
		EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ, 1ULL << 43, PAGE));
}

/* From the end of one window to the start of the next. */
TEST_F(map, across_windows_is_EINVAL)
{
	const struct gophership_class_info *classes = self->info.classes;

	for (unsigned int class = 0; class + 1 < NR_CLASSES; class++) {
		__u64 last = classes[class].offset + classes[class].length - PAGE;
		__u64 length = classes[class + 1].offset + PAGE - last;
		int ret;

		if (length > SIZE_MAX / 2)
			SKIP(return, "the next window is out of a 32-bit program's reach");
		ret = try_map(self->fd, MAP_SHARED | MAP_NORESERVE, PROT_READ, last, length);
		EXPECT_EQ(-EINVAL, ret);
	}
}

TEST_F(map, offset_within_a_page_is_EINVAL)
{
	for (__u64 shift = 1; shift < PAGE; shift *= 2)
		EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_SHARED, PROT_READ,
					   self->buffer.lease.offset + shift, PAGE));
}

TEST_F(map, private_is_EINVAL)
{
	EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_PRIVATE, PROT_READ,
				   self->buffer.lease.offset, PAGE));
	EXPECT_EQ(-EINVAL, try_map(self->fd, MAP_PRIVATE, PROT_READ | PROT_WRITE,
				   self->buffer.lease.offset, PAGE));
}

/* What is handed from domain to domain is data. */
TEST_F(map, never_executable)
{
	EXPECT_NE(0, try_map(self->fd, MAP_SHARED, PROT_READ | PROT_EXEC,
			     self->buffer.lease.offset, PAGE));
	EXPECT_EQ(-1, mprotect(self->buffer.data, PAGE, PROT_READ | PROT_EXEC));
}

TEST_F(map, mode_of_the_open_counts)
{
	int fd = open(DEVICE, O_RDONLY);
	struct gophership_lease lease;
	struct gophership_info info;
	unsigned char *map;

	ASSERT_LE(0, fd);
	/* Who may only read looks on: no lease, and nothing to write to. */
	EXPECT_EQ(0, device_info(fd, &info));
	EXPECT_EQ(-EBADF, device_acquire_one(fd, 0, &lease));
	EXPECT_EQ(-EBADF, device_release_one(fd, self->buffer.lease.handle));
	EXPECT_EQ(-EACCES, try_map(fd, MAP_SHARED, PROT_READ | PROT_WRITE,
				   self->buffer.lease.offset, PAGE));
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, self->buffer.lease.offset);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(SIGBUS, memory_read_signal(map));
	close(fd);
	fd = open(DEVICE, O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_acquire_one(fd, 0, &lease));
	EXPECT_EQ(-EACCES, try_map(fd, MAP_SHARED, PROT_WRITE, lease.offset, PAGE));
	close(fd);
}

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

TEST_F(map, faults_are_counted)
{
	struct gophership_stats before, after;
	struct buffer buffer;

	ASSERT_EQ(0, device_stats(self->fd, &before));
	ASSERT_EQ(0, buffer_acquire(self->fd, 0, &buffer));
	ASSERT_EQ(0, device_stats(self->fd, &after));
	EXPECT_EQ(before.faults, after.faults);
	EXPECT_EQ(0, memory_write_signal(buffer.data));
	EXPECT_EQ(0, memory_read_signal(buffer.data));
	ASSERT_EQ(0, device_stats(self->fd, &after));
	EXPECT_EQ(before.faults + 1, after.faults);
	ASSERT_EQ(0, device_release_one(self->fd, buffer.lease.handle));
	EXPECT_EQ(SIGBUS, memory_read_signal(buffer.data));
	ASSERT_EQ(0, device_stats(self->fd, &after));
	EXPECT_EQ(before.faults + 1, after.faults);
}

/* Whichever page is touched first brings the whole buffer. */
TEST_F(map, a_buffer_is_one_fault)
{
	struct gophership_stats before, after;
	struct buffer buffer;

	for (unsigned int class = 0; class < NR_CLASSES; class++) {
		for (int first = 0; first < 1 << class; first++) {
			ASSERT_EQ(0, buffer_acquire(self->fd, PAGE << class, &buffer));
			ASSERT_EQ(0, device_stats(self->fd, &before));
			for (int i = 0; i < 1 << class; i++) {
				int page = (first + i) % (1 << class);

				EXPECT_EQ(0, memory_write_signal(buffer.data + page * PAGE));
			}
			ASSERT_EQ(0, device_stats(self->fd, &after));
			EXPECT_EQ(before.faults + 1, after.faults);
			ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		}
	}
}

TEST_F(map, populate)
{
	struct gophership_stats before, after;
	struct gophership_lease lease;
	unsigned char *map;

	ASSERT_EQ(0, device_acquire_one(self->fd, 8 * PAGE, &lease));
	/* The first slot is leased, the second is not. */
	map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, self->fd,
		   lease.offset);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, device_stats(self->fd, &before));
	for (int page = 0; page < 8; page++) {
		EXPECT_NE(0, memory_frame(map + page * PAGE));
		EXPECT_EQ(0, memory_write_signal(map + page * PAGE));
	}
	ASSERT_EQ(0, device_stats(self->fd, &after));
	EXPECT_EQ(before.faults, after.faults);
	EXPECT_EQ(SIGBUS, memory_read_signal(map + 8 * PAGE));
	ASSERT_EQ(0, device_release_one(self->fd, lease.handle));
	EXPECT_EQ(SIGBUS, memory_read_signal(map));
}

TEST_F(map, locked_memory_goes_as_well)
{
	ASSERT_EQ(0, mlock(self->buffer.data, 16 * PAGE));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data + 7 * PAGE));
}

TEST_F(map, mremap_moves)
{
	unsigned char *place = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *old = self->buffer.data;
	unsigned char *moved;

	ASSERT_NE(MAP_FAILED, place);
	moved = mremap(old, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_EQ(place, moved);
	EXPECT_EQ(SIGSEGV, memory_read_signal(old));
	EXPECT_TRUE(memory_is(moved, 0x5a, 16 * PAGE));
	EXPECT_EQ(0, memory_fill_signal(moved, 0x5b, 16 * PAGE));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(moved));
	EXPECT_EQ(SIGBUS, memory_read_signal(moved + 15 * PAGE));
}

TEST_F(map, mremap_does_not_grow)
{
	unsigned char *part = device_map(self->fd, self->buffer.lease.offset, 4 * PAGE);

	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(MAP_FAILED, mremap(part, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(part, PAGE, 2 * PAGE, 0));
	EXPECT_TRUE(memory_is(part, 0x5a, 4 * PAGE));
}

TEST_F(map, mremap_shrinks)
{
	ASSERT_EQ(self->buffer.data, mremap(self->buffer.data, 16 * PAGE, 4 * PAGE, 0));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 4 * PAGE));
	EXPECT_EQ(SIGSEGV, memory_read_signal(self->buffer.data + 4 * PAGE));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
}

/* A length of 0 copies a shared mapping, if it does: no copy outlives the lease. */
TEST_F(map, mremap_copies_nothing_that_stays)
{
	unsigned char *copy = mremap(self->buffer.data, 0, 16 * PAGE, MREMAP_MAYMOVE);
	unsigned char *rest = mremap(self->buffer.data, 16 * PAGE, 16 * PAGE,
				     MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */);

	if (copy != MAP_FAILED)
		EXPECT_TRUE(memory_is(copy, 0x5a, 16 * PAGE));
	if (rest != MAP_FAILED)
		EXPECT_TRUE(memory_is(rest, 0x5a, 16 * PAGE));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	if (copy != MAP_FAILED)
		EXPECT_EQ(SIGBUS, memory_read_signal(copy));
	if (rest != MAP_FAILED)
		EXPECT_EQ(SIGBUS, memory_read_signal(rest));
}

TEST_F(map, mprotect)
{
	unsigned char *data = self->buffer.data;

	ASSERT_EQ(0, mprotect(data + 4 * PAGE, 4 * PAGE, PROT_READ));
	EXPECT_EQ(0, memory_read_signal(data + 5 * PAGE));
	EXPECT_EQ(SIGSEGV, memory_write_signal(data + 5 * PAGE));
	EXPECT_EQ(0, memory_write_signal(data + 3 * PAGE));
	ASSERT_EQ(0, mprotect(data + 4 * PAGE, PAGE, PROT_NONE));
	EXPECT_EQ(SIGSEGV, memory_read_signal(data + 4 * PAGE));
	ASSERT_EQ(0, mprotect(data, 16 * PAGE, PROT_READ | PROT_WRITE));
	data[3 * PAGE] = 0x5a;
	EXPECT_TRUE(memory_is(data, 0x5a, 16 * PAGE));
	EXPECT_EQ(0, memory_fill_signal(data, 0x5c, 16 * PAGE));
	ASSERT_EQ(0, mprotect(data, PAGE, PROT_NONE));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	ASSERT_EQ(0, mprotect(data, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(SIGBUS, memory_read_signal(data));
	EXPECT_EQ(SIGBUS, memory_write_signal(data + 5 * PAGE));
}

TEST_F(map, munmap_in_pieces)
{
	unsigned char *data = self->buffer.data;

	for (int page = 1; page < 16; page += 2) {
		ASSERT_EQ(0, munmap(data + page * PAGE, PAGE));
		EXPECT_EQ(SIGSEGV, memory_read_signal(data + page * PAGE));
		EXPECT_TRUE(memory_is(data + (page - 1) * PAGE, 0x5a, PAGE));
	}
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	for (int page = 0; page < 16; page += 2)
		EXPECT_EQ(SIGBUS, memory_read_signal(data + page * PAGE));
	for (int page = 0; page < 16; page += 2)
		ASSERT_EQ(0, munmap(data + page * PAGE, PAGE));
}

TEST_F(map, dontneed_forgets_nothing)
{
	ASSERT_EQ(0, madvise(self->buffer.data, 16 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, memory_frame(self->buffer.data));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
	ASSERT_EQ(0, madvise(self->buffer.data, 16 * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
}

/* Whether taken or refused: no advice changes data or outlives the release. */
TEST_F(map, no_advice_does_harm)
{
	for (int advice = 0; advice <= 25; advice++) {
		madvise(self->buffer.data, 16 * PAGE, advice);
		ASSERT_EQ(0, memory_read_signal(self->buffer.data)) {
			TH_LOG("advice %d", advice);
		}
		ASSERT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE)) {
			TH_LOG("advice %d", advice);
		}
	}
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data + 3 * PAGE));
}

/* The first byte as another process sees it: a value, or minus a signal. */
static int child_reads(const unsigned char *data)
{
	int status;
	pid_t child = fork();

	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		_exit(*data);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(map, child_inherits_no_mapping)
{
	EXPECT_EQ(-SIGSEGV, child_reads(self->buffer.data));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
}

TEST_F(map, child_maps_by_the_inherited_fd)
{
	pid_t child = fork();
	int status;

	if (!child) {
		unsigned char *map = device_map_lease(self->fd, &self->buffer.lease);

		if (map == MAP_FAILED || !memory_is(map, 0x5a, 16 * PAGE))
			_exit(1);
		memset(map, 0x6b, 16 * PAGE);
		if (release_only(self->fd, &self->buffer))
			_exit(2);
		_exit(memory_read_signal(map) == SIGBUS ? 0 : 3);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	/* The child released it: gone here, too. */
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	EXPECT_EQ(-EALREADY, release_only(self->fd, &self->buffer));
}

/* MADV_DOFORK asks for inheritance: then the release reaches the child. */
TEST_F(map, child_that_inherits_after_all_loses_it_at_release)
{
	int to_child[2], to_parent[2], status;
	char byte;
	pid_t child;

	madvise(self->buffer.data, 16 * PAGE, MADV_DOFORK);
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	child = fork();
	if (!child) {
		int before = memory_read_signal(self->buffer.data + PAGE);
		int after;

		if (write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) != 1)
			_exit(1);
		after = memory_read_signal(self->buffer.data + PAGE);
		if (before == SIGSEGV)
			_exit(after == SIGSEGV ? 0 : 2);
		_exit(after == SIGBUS ? 0 : 3);
	}
	ASSERT_EQ(1, read(to_parent[0], &byte, 1));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	ASSERT_EQ(1, write(to_child[1], "x", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

static int send_fd(int socket, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec iov = { .iov_base = "f", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Who has the fd has the context, and both ends see one release. */
TEST_F(map, fd_passed_over_a_socket)
{
	int sockets[2], status;
	char byte;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child) {
		unsigned char *map;
		int fd;

		close(self->fd);
		close(sockets[0]);
		fd = receive_fd(sockets[1]);
		map = fd < 0 ? MAP_FAILED : device_map_lease(fd, &self->buffer.lease);
		if (map == MAP_FAILED || !memory_is(map, 0x5a, 16 * PAGE))
			_exit(1);
		map[0] = 0x99;
		if (write(sockets[1], "m", 1) != 1 || read(sockets[1], &byte, 1) != 1)
			_exit(2);
		_exit(memory_read_signal(map) == SIGBUS ? 0 : 3);
	}
	close(sockets[1]);
	ASSERT_EQ(0, send_fd(sockets[0], self->fd));
	ASSERT_EQ(1, read(sockets[0], &byte, 1));
	EXPECT_EQ(0x99, self->buffer.data[0]);
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	ASSERT_EQ(1, write(sockets[0], "r", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* An fd that is nowhere but in a socket's queue keeps what it owns. */
TEST_F(map, fd_in_flight_keeps_the_context)
{
	int sockets[2], other = device_open(), fd;
	long long before;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	before = device_machine_bytes(other);
	ASSERT_EQ(0, send_fd(sockets[0], self->fd));
	munmap(self->buffer.data, 16 * PAGE);
	close(self->fd);
	EXPECT_EQ(before, device_machine_bytes(other));
	fd = receive_fd(sockets[1]);
	ASSERT_LE(0, fd);
	self->fd = fd;
	self->buffer.data = device_map_lease(fd, &self->buffer.lease);
	ASSERT_NE(MAP_FAILED, self->buffer.data);
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
	EXPECT_EQ(0, release_only(self->fd, &self->buffer));
}

TEST_F(map, mapping_keeps_the_context_when_the_fd_is_closed)
{
	int other = device_open();
	long long before;

	ASSERT_LE(0, other);
	before = device_machine_bytes(other);
	close(self->fd);
	EXPECT_EQ(before, device_machine_bytes(other));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
	ASSERT_EQ(0, munmap(self->buffer.data + PAGE, 15 * PAGE));
	EXPECT_EQ(before, device_machine_bytes(other));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, PAGE));
	ASSERT_EQ(0, munmap(self->buffer.data, PAGE));
	EXPECT_EQ(before - 16 * (long long)PAGE, device_machine_bytes(other));
	self->fd = other;
}

/* Every context's windows are its own. */
TEST_F(map, same_offset_of_another_context_is_another_buffer)
{
	struct buffer other;
	int fd = device_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, buffer_acquire(fd, 16 * PAGE, &other));
	ASSERT_EQ(self->buffer.lease.offset, other.lease.offset);
	EXPECT_NE(0x5a, other.data[0]);
	memset(other.data, 0x77, 16 * PAGE);
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
	/* And unmapping one leaves the other. */
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	EXPECT_TRUE(memory_is(other.data, 0x77, 16 * PAGE));
	close(fd);
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
