// SPDX-License-Identifier: GPL-2.0
/*
 * ACQUIRE: sizes, counts, what a lease says, and what happens to the leases
 * that could not be reported.
 */
#include <sys/time.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

FIXTURE(lease)
{
	int fd;
	struct gophership_info info;
};

FIXTURE_SETUP(lease)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_info(self->fd, &self->info));
}

FIXTURE_TEARDOWN(lease)
{
	close(self->fd);
}

TEST_F(lease, smallest_class_that_fits_serves)
{
	for (unsigned int class = 0; class < NR_CLASSES; class++) {
		__u64 capacity = self->info.classes[class].capacity;
		__u64 sizes[] = { class ? capacity / 2 + 1 : 0, capacity - 1, capacity };

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct gophership_lease lease;

			ASSERT_EQ(0, device_acquire_one(self->fd, sizes[i], &lease));
			EXPECT_EQ(capacity, lease.capacity);
			EXPECT_EQ(0, device_release_one(self->fd, lease.handle));
		}
	}
}

TEST_F(lease, min_size_above_the_largest_class_is_EINVAL)
{
	__u64 largest = self->info.classes[NR_CLASSES - 1].capacity;
	__u64 sizes[] = { largest + 1, 1 << 20, 1ULL << 32, (1ULL << 32) + 1, 1ULL << 63, ~0ULL };
	struct gophership_lease lease;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-EINVAL, device_acquire(self->fd, sizes[i], 1, &lease));
	EXPECT_EQ(0, device_leased(self->fd));
}

TEST_F(lease, count_out_of_range_is_EINVAL)
{
	static const __u32 counts[] = { 0, GOPHERSHIP_BATCH_MAX + 1, 0x80000000, 0xffffffff };
	static struct gophership_lease leases[GOPHERSHIP_BATCH_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		EXPECT_EQ(-EINVAL, device_acquire(self->fd, 0, counts[i], leases));
	EXPECT_EQ(0, device_leased(self->fd));
}

TEST_F(lease, largest_batch_works)
{
	static struct gophership_lease leases[GOPHERSHIP_BATCH_MAX];
	int granted;

	ASSERT_LE((__u64)GOPHERSHIP_BATCH_MAX * 4096, self->info.quota);
	granted = device_acquire(self->fd, 0, GOPHERSHIP_BATCH_MAX, leases);
	ASSERT_EQ(GOPHERSHIP_BATCH_MAX, granted);
	EXPECT_EQ(GOPHERSHIP_BATCH_MAX, device_leased(self->fd));
	EXPECT_EQ(0, device_release_leases(self->fd, leases, granted));
	EXPECT_EQ(0, device_leased(self->fd));
}

TEST_F(lease, lies_in_its_window_and_overlaps_no_other)
{
	for (unsigned int class = 0; class < NR_CLASSES; class++) {
		const struct gophership_class_info *window = &self->info.classes[class];
		struct gophership_lease leases[50];

		memset(leases, 0xff, sizeof(leases));
		ASSERT_EQ(50, device_acquire(self->fd, window->capacity, 50, leases));
		for (int i = 0; i < 50; i++) {
			EXPECT_EQ(window->capacity, leases[i].capacity);
			EXPECT_EQ(0, leases[i].reserved);
			EXPECT_LE(window->offset, leases[i].offset);
			EXPECT_GE(window->offset + window->length - window->capacity,
				  leases[i].offset);
			EXPECT_EQ(0, (leases[i].offset - window->offset) % window->capacity);
			EXPECT_NE(0, leases[i].handle);
			for (int j = 0; j < i; j++) {
				EXPECT_NE(leases[j].offset, leases[i].offset);
				EXPECT_NE(leases[j].handle, leases[i].handle);
			}
		}
		EXPECT_EQ(0, device_release_leases(self->fd, leases, 50));
	}
}

TEST_F(lease, slot_is_used_again)
{
	struct gophership_lease first, again;

	ASSERT_EQ(0, device_acquire_one(self->fd, 0, &first));
	ASSERT_EQ(0, device_release_one(self->fd, first.handle));
	ASSERT_EQ(0, device_acquire_one(self->fd, 0, &again));
	EXPECT_EQ(first.offset, again.offset);
	EXPECT_NE(first.handle, again.handle);
}

TEST_F(lease, bad_pointer_is_EFAULT_and_leases_nothing)
{
	struct gophership_lease *bad[] = {
		NULL, (void *)8, (void *)-4096L, (void *)-8L, (void *)((~0UL >> 1) - 4095),
	};
	struct gophership_stats before, after;

	ASSERT_EQ(0, device_stats(self->fd, &before));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EFAULT, device_acquire(self->fd, 0, 1, bad[i]));
		EXPECT_EQ(-EFAULT, device_acquire(self->fd, 65536, 100, bad[i]));
	}
	ASSERT_EQ(0, device_stats(self->fd, &after));
	EXPECT_EQ(0, after.leased);
	EXPECT_EQ(0, after.leased_bytes);
	EXPECT_EQ(before.machine_bytes, after.machine_bytes);
	EXPECT_EQ(before.classes[0].leased, after.classes[0].leased);
	EXPECT_EQ(before.classes[4].leased, after.classes[4].leased);
	EXPECT_EQ(after.acquires, after.releases);
}

/* The array is there for so many entries only. */
TEST_F(lease, array_that_ends_in_a_hole)
{
	static const unsigned int fits[] = { 1, 15, 16, 17, 31, 32, 33, 64, 99 };
	long long before = device_machine_bytes(self->fd);

	for (size_t i = 0; i < ARRAY_SIZE(fits); i++) {
		struct gophership_lease *edge = memory_before_hole(fits[i] * sizeof(*edge));
		int granted;

		ASSERT_NE(NULL, edge);
		granted = device_acquire(self->fd, 4096, 100, edge);
		/* The ones that were reported are ours; or none is. */
		ASSERT_TRUE(granted == -EFAULT ||
			    (granted > 0 && granted <= (int)fits[i])) {
			TH_LOG("%d granted with room for %u", granted, fits[i]);
		}
		EXPECT_EQ(granted > 0 ? granted : 0, device_leased(self->fd));
		if (granted > 0)
			EXPECT_EQ(0, device_release_leases(self->fd, edge, granted));
		EXPECT_EQ(before, device_machine_bytes(self->fd));
	}
}

/* The leases could be written, but not how many there are. */
TEST_F(lease, granted_that_cannot_be_written_is_EFAULT_and_leases_nothing)
{
	struct gophership_acquire *acquire = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
						  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long long before = device_machine_bytes(self->fd);
	struct gophership_lease leases[100];

	ASSERT_NE(MAP_FAILED, acquire);
	*acquire = (struct gophership_acquire){
		.size = sizeof(*acquire), .count = 100, .leases = (uintptr_t)leases,
	};
	ASSERT_EQ(0, mprotect(acquire, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, device_call(self->fd, GOPHERSHIP_IOC_ACQUIRE, acquire));
	EXPECT_EQ(0, device_leased(self->fd));
	EXPECT_EQ(before, device_machine_bytes(self->fd));
}

/* The array lies in a buffer of the same context: no deadlock, no surprise. */
TEST_F(lease, array_in_a_leased_buffer)
{
	struct gophership_lease *leases;
	struct buffer buffer;

	ASSERT_EQ(0, buffer_acquire(self->fd, 65536, &buffer));
	/* Not touched yet: the command itself faults it in. */
	leases = (void *)buffer.data;
	EXPECT_EQ(1000, device_acquire(self->fd, 0, 1000, leases));
	EXPECT_EQ(1001, device_leased(self->fd));
	EXPECT_EQ(0, device_release_leases(self->fd, leases, 1000));
	EXPECT_EQ(1, device_leased(self->fd));
}

/* The array lies in the very slots that the call is about to lease. */
TEST_F(lease, array_in_slots_that_are_not_leased_yet)
{
	struct gophership_lease *leases;
	int granted;

	leases = device_map(self->fd, self->info.classes[0].offset, 64 * 4096);
	ASSERT_NE(MAP_FAILED, leases);
	granted = device_acquire(self->fd, 0, 50, leases);
	if (granted > 0) {
		EXPECT_EQ(granted, device_leased(self->fd));
	} else {
		EXPECT_EQ(-EFAULT, granted);
		EXPECT_EQ(0, device_leased(self->fd));
	}
}

static void ignore_alarm(int signal)
{
	(void)signal;
}

/* Signals come all the time: a call ends early or says EINTR, and counts well. */
TEST_F(lease, signals_lose_nothing)
{
	static struct gophership_lease leases[GOPHERSHIP_BATCH_MAX];
	struct itimerval often = { { 0, 1500 }, { 0, 1500 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = ignore_alarm };
	int granted[40];

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(granted); i++) {
		granted[i] = device_acquire(self->fd, 0, 2000, leases);
		if (granted[i] > 0)
			while (device_release_leases(self->fd, leases, granted[i]) == -EINTR)
				;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(granted); i++) {
		EXPECT_TRUE(granted[i] == -EINTR || (granted[i] > 0 && granted[i] <= 2000)) {
			TH_LOG("granted %d", granted[i]);
		}
	}
	EXPECT_EQ(0, device_leased(self->fd));
}

/* One context, many leases, given back in an order of their own. */
TEST_F(lease, any_order_of_release)
{
	struct gophership_lease leases[200];

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(200, device_acquire(self->fd, 0, 200, leases));
		for (int i = 0; i < 200; i++)
			ASSERT_EQ(0, device_release_one(self->fd, leases[i * 77 % 200].handle));
		EXPECT_EQ(0, device_leased(self->fd));
	}
}

TEST_F(lease, close_gives_everything_back)
{
	struct gophership_lease leases[100];
	struct gophership_stats before, after;
	int fd = device_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_stats(self->fd, &before));
	for (unsigned int class = 0; class < NR_CLASSES; class++)
		ASSERT_EQ(100, device_acquire(fd, 4096 << class, 100, leases));
	EXPECT_EQ((long long)before.machine_bytes + 100 * 31 * 4096,
		  device_machine_bytes(self->fd));
	close(fd);
	ASSERT_EQ(0, device_stats(self->fd, &after));
	EXPECT_EQ(before.machine_bytes, after.machine_bytes);
	for (unsigned int class = 0; class < NR_CLASSES; class++)
		EXPECT_EQ(before.classes[class].leased, after.classes[class].leased);
}

/* Of the machine, or -1. */
static long nr_inodes(void)
{
	FILE *file = fopen("/proc/sys/fs/inode-nr", "re");
	long nr = -1;

	if (file && fscanf(file, "%ld", &nr) != 1)
		nr = -1;
	if (file)
		fclose(file);
	return nr;
}

TEST_F(lease, contexts_leave_no_inode)
{
	long before = nr_inodes();

	ASSERT_LT(0, before);
	for (int i = 0; i < 1000; i++)
		ASSERT_EQ(0, close(device_open()));
	EXPECT_GT(before + 500, nr_inodes());
}

TEST_HARNESS_MAIN
