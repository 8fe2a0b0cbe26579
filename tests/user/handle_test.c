// SPDX-License-Identifier: GPL-2.0
/*
 * Handles: forged ones, stale ones, other contexts', and RELEASE's answers.
 */

#include "device.h"
#include "harness.h"
#include "memory.h"

FIXTURE(handle)
{
	int fd;
	struct gophership_lease lease;
};

FIXTURE_SETUP(handle)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_acquire_one(self->fd, 0, &self->lease));
	ASSERT_NE(0, self->lease.handle);
}

FIXTURE_TEARDOWN(handle)
{
	close(self->fd);
}

TEST_F(handle, good_one_is_released)
{
	__u32 done;

	EXPECT_EQ(0, device_release(self->fd, &self->lease.handle, 1, &done));
	EXPECT_EQ(1, done);
	EXPECT_EQ(0, device_leased(self->fd));
}

TEST_F(handle, every_flipped_bit_is_EINVAL)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		EXPECT_EQ(-EINVAL, device_release_one(self->fd,
						      self->lease.handle ^ (1ULL << bit))) {
			TH_LOG("bit %u", bit);
		}
	}
	EXPECT_EQ(1, device_leased(self->fd));
}

/* The MAC has few bits: of 2016 one may pass for a stale handle, none for good. */
TEST_F(handle, two_flipped_bits_are_EINVAL)
{
	int wrong = 0;

	for (unsigned int a = 0; a < 64; a++)
		for (unsigned int b = 0; b < a; b++)
			wrong += device_release_one(self->fd, self->lease.handle ^
						    (1ULL << a) ^ (1ULL << b)) != -EINVAL;
	EXPECT_GE(1, wrong);
	EXPECT_EQ(1, device_leased(self->fd));
}

TEST_F(handle, numbers_and_random_bits_are_EINVAL)
{
	static const __u64 numbers[] = {
		0, 1, 2, 4096, 0x7fffffff, 0xffffffff, 0x100000000, 1ULL << 63, ~0ULL,
	};
	__u64 random = 88172645463325252ULL;
	int wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		EXPECT_EQ(-EINVAL, device_release_one(self->fd, numbers[i]));
	for (int i = 0; i < 5000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		wrong += device_release_one(self->fd, random) != -EINVAL;
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(1, device_leased(self->fd));
}

/* An address of the kernel's is never followed. */
TEST_F(handle, addresses_are_EINVAL)
{
	static const __u64 addresses[] = {
		0xffff888000000000, 0xffffffff81000000, 0xffffea0000000000,
		0xdead000000000100, 0x8000000000000000,
	};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		EXPECT_EQ(-EINVAL, device_release_one(self->fd, addresses[i]));
	EXPECT_EQ(-EINVAL, device_release_one(self->fd, (uintptr_t)&self->lease));
}

TEST_F(handle, of_another_context_is_EINVAL)
{
	struct gophership_lease other;
	int fd = device_open();

	ASSERT_LE(0, fd);
	/* The same slot of the same class, for the first time, too. */
	ASSERT_EQ(0, device_acquire_one(fd, 0, &other));
	EXPECT_EQ(self->lease.offset, other.offset);
	EXPECT_NE(self->lease.handle, other.handle);
	EXPECT_EQ(-EINVAL, device_release_one(self->fd, other.handle));
	EXPECT_EQ(-EINVAL, device_release_one(fd, self->lease.handle));
	EXPECT_EQ(1, device_leased(self->fd));
	EXPECT_EQ(1, device_leased(fd));
	EXPECT_EQ(0, device_release_one(fd, other.handle));
	/* Now stale there, and still nothing here. */
	EXPECT_EQ(-EINVAL, device_release_one(self->fd, other.handle));
	close(fd);
	EXPECT_EQ(0, device_release_one(self->fd, self->lease.handle));
}

TEST_F(handle, of_a_context_that_is_gone_is_EINVAL)
{
	int fd;

	close(self->fd);
	fd = device_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, device_release_one(fd, self->lease.handle));
	self->fd = fd;
}

TEST_F(handle, released_before_is_EALREADY)
{
	__u32 done;

	ASSERT_EQ(0, device_release_one(self->fd, self->lease.handle));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-EALREADY, device_release(self->fd, &self->lease.handle, 1, &done));
		EXPECT_EQ(0, done);
	}
}

TEST_F(handle, flipped_after_release_is_EINVAL)
{
	ASSERT_EQ(0, device_release_one(self->fd, self->lease.handle));
	for (unsigned int bit = 0; bit < 64; bit++) {
		EXPECT_EQ(-EINVAL, device_release_one(self->fd,
						      self->lease.handle ^ (1ULL << bit))) {
			TH_LOG("bit %u", bit);
		}
	}
}

/* The slot is leased again and again: an old handle never becomes good. */
TEST_F(handle, released_long_before_is_EALREADY)
{
	struct gophership_lease lease;
	__u64 stale = self->lease.handle;
	__u64 last = stale;

	ASSERT_EQ(0, device_release_one(self->fd, stale));
	for (int i = 0; i < 1500; i++) {
		ASSERT_EQ(0, device_acquire_one(self->fd, 0, &lease));
		ASSERT_EQ(self->lease.offset, lease.offset);
		ASSERT_NE(stale, lease.handle);
		ASSERT_NE(last, lease.handle);
		if (i % 50 == 0) {
			ASSERT_EQ(-EALREADY, device_release_one(self->fd, stale));
			ASSERT_EQ(-EALREADY, device_release_one(self->fd, last));
		}
		ASSERT_EQ(0, device_release_one(self->fd, lease.handle));
		last = lease.handle;
	}
	EXPECT_EQ(-EALREADY, device_release_one(self->fd, stale));
	EXPECT_EQ(0, device_leased(self->fd));
}

TEST_F(handle, twice_in_one_call_is_released_once)
{
	__u64 handles[3] = { self->lease.handle, self->lease.handle, self->lease.handle };
	__u32 done;

	EXPECT_EQ(-EALREADY, device_release(self->fd, handles, 3, &done));
	EXPECT_EQ(1, done);
	EXPECT_EQ(0, device_leased(self->fd));
}

/* Pairs of every distance: whatever the kernel takes at once, it sees them. */
TEST_F(handle, twice_in_a_large_call_is_seen)
{
	static const unsigned int seconds[] = { 1, 2, 15, 16, 31, 32, 33, 63, 64, 65, 99 };
	struct gophership_lease leases[100];
	__u64 handles[100];
	__u32 done;

	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		ASSERT_EQ(100, device_acquire(self->fd, 0, 100, leases));
		for (int j = 0; j < 100; j++)
			handles[j] = leases[j].handle;
		handles[seconds[i]] = handles[0];
		EXPECT_EQ(-EALREADY, device_release(self->fd, handles, 100, &done));
		EXPECT_EQ(seconds[i], done);
		EXPECT_EQ(1 + 100 - (long)seconds[i], device_leased(self->fd));
		ASSERT_EQ(0, device_release_leases(self->fd, leases + done, 100 - done));
	}
}

/* The first bad handle ends the call; done is its index. */
TEST_F(handle, bad_one_ends_the_call_where_it_is)
{
	static const unsigned int places[] = { 0, 1, 31, 32, 33, 64, 98, 99 };
	struct gophership_lease leases[100];
	__u64 handles[100];
	__u32 done;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		unsigned int place = places[i];

		ASSERT_EQ(100, device_acquire(self->fd, 16384, 100, leases));
		for (int j = 0; j < 100; j++)
			handles[j] = leases[j].handle;
		handles[place] ^= 1;
		EXPECT_EQ(-EINVAL, device_release(self->fd, handles, 100, &done));
		EXPECT_EQ(place, done);
		EXPECT_EQ(1 + 100 - (long)place, device_leased(self->fd));
		handles[place] ^= 1;
		/* Those before it are gone, it and those after it are not. */
		if (place)
			EXPECT_EQ(-EALREADY, device_release_one(self->fd, handles[place - 1]));
		EXPECT_EQ(0, device_release(self->fd, handles + place, 100 - place, &done));
		EXPECT_EQ(100 - place, done);
		EXPECT_EQ(1, device_leased(self->fd));
	}
}

TEST_F(handle, count_out_of_range_is_EINVAL)
{
	static const __u32 counts[] = { 0, GOPHERSHIP_BATCH_MAX + 1, 0x80000000, 0xffffffff };
	static __u64 handles[GOPHERSHIP_BATCH_MAX + 1];

	for (int i = 0; i <= GOPHERSHIP_BATCH_MAX; i++)
		handles[i] = self->lease.handle;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		EXPECT_EQ(-EINVAL, device_release(self->fd, handles, counts[i], NULL));
	EXPECT_EQ(1, device_leased(self->fd));
}

TEST_F(handle, bad_pointer_is_EFAULT)
{
	const __u64 *bad[] = {
		NULL, (void *)8, (void *)-4096L, (void *)-8L, (void *)((~0UL >> 1) - 4095),
	};
	__u32 done;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EFAULT, device_release(self->fd, bad[i], 1, &done));
		EXPECT_EQ(0, done);
	}
	EXPECT_EQ(1, device_leased(self->fd));
}

/* Only some of the handles can be read: done says how many were taken. */
TEST_F(handle, array_that_ends_in_a_hole_is_EFAULT)
{
	struct gophership_lease leases[100];
	__u64 *edge = memory_before_hole(70 * sizeof(*edge));
	__u32 done;

	ASSERT_NE(NULL, edge);
	ASSERT_EQ(100, device_acquire(self->fd, 0, 100, leases));
	for (int i = 0; i < 70; i++)
		edge[i] = leases[i].handle;
	EXPECT_EQ(-EFAULT, device_release(self->fd, edge, 100, &done));
	ASSERT_GE(70, done);
	EXPECT_EQ(1 + 100 - (long)done, device_leased(self->fd));
	EXPECT_EQ(0, device_release_leases(self->fd, leases + done, 100 - done));
	EXPECT_EQ(1, device_leased(self->fd));
}

/* Handles at every odd address. */
TEST_F(handle, array_need_not_be_aligned)
{
	unsigned char bytes[2 * sizeof(__u64)];

	for (unsigned int shift = 1; shift < 8; shift++) {
		struct gophership_lease lease;

		ASSERT_EQ(0, device_acquire_one(self->fd, 0, &lease));
		memcpy(bytes + shift, &lease.handle, sizeof(lease.handle));
		EXPECT_EQ(0, device_release(self->fd, (void *)(bytes + shift), 1, NULL));
	}
}

/* The array of handles is in a buffer that the very call takes away. */
TEST_F(handle, array_in_the_buffer_that_is_released)
{
	struct gophership_lease leases[200];
	struct buffer array;
	__u64 *handles;
	__u32 done;
	int ret;

	ASSERT_EQ(0, buffer_acquire(self->fd, 4096, &array));
	ASSERT_EQ(200, device_acquire(self->fd, 0, 200, leases));
	handles = (void *)array.data;
	handles[0] = array.lease.handle;
	for (int i = 1; i <= 200; i++)
		handles[i] = leases[i - 1].handle;
	ret = device_release(self->fd, handles, 201, &done);
	/* Read in one go, or in pieces of which the second is gone. */
	EXPECT_TRUE((ret == 0 && done == 201) || (ret == -EFAULT && done >= 1 && done < 201));
	EXPECT_EQ(1 + 201 - (long)done, device_leased(self->fd));
	EXPECT_EQ(SIGBUS, memory_read_signal(array.data));
}

/* RELEASE's own structure lies in the buffer. */
TEST_F(handle, structure_in_the_buffer_that_is_released)
{
	struct gophership_release *release;
	struct buffer buffer;

	ASSERT_EQ(0, buffer_acquire(self->fd, 4096, &buffer));
	release = (void *)buffer.data;
	*release = (struct gophership_release){
		.size = sizeof(*release),
		.count = 1,
		.handles = (uintptr_t)&buffer.lease.handle,
	};
	EXPECT_EQ(-EFAULT, device_call(self->fd, GOPHERSHIP_IOC_RELEASE, release));
	EXPECT_EQ(1, device_leased(self->fd));
	EXPECT_EQ(-EALREADY, device_release_one(self->fd, buffer.lease.handle));
}

TEST_HARNESS_MAIN
