// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings: what can be mapped, what is there, and what can be done to a mapping.
 */
#include <fcntl.h>

#include "map_fixture.h"

/* 0 or -errno of the attempt; a mapping that came about stays. */
static int try_map(int fd, int flags, int prot, __u64 offset, size_t length)
{
	return mmap(NULL, length, prot, flags, fd, offset) == MAP_FAILED ? -errno : 0;
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

TEST_HARNESS_MAIN
