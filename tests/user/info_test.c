// SPDX-License-Identifier: GPL-2.0
/*
 * What INFO and STATS say.
 */
#include "abi_fixture.h"

TEST_F(abi, info_describes_the_device)
{
	struct gophership_info info;

	ASSERT_EQ(0, device_info(self->fd, &info));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(0, info.reserved);
	EXPECT_EQ(sysconf(_SC_PAGESIZE), info.page_size);
	EXPECT_EQ(NR_CLASSES, info.nr_classes);
	EXPECT_EQ(GOPHERSHIP_BATCH_MAX, info.batch_max);
	/* These two are the kernel's own. */
	EXPECT_EQ(GOPHERSHIP_FEATURE_PRESSURE | GOPHERSHIP_FEATURE_PORT | GOPHERSHIP_FEATURE_POOLS |
		  GOPHERSHIP_FEATURE_TRIM,
		  info.features & ~(GOPHERSHIP_FEATURE_MEMCG | GOPHERSHIP_FEATURE_DMABUF));
	EXPECT_LT(0, info.quota);
	EXPECT_EQ(0, info.quota % info.page_size);
	EXPECT_LT(0, info.machine_limit);
	EXPECT_EQ(0, info.machine_limit % info.page_size);
}

TEST_F(abi, info_describes_the_windows)
{
	struct gophership_info info;
	__u64 end = 0;

	ASSERT_EQ(0, device_info(self->fd, &info));
	ASSERT_EQ(NR_CLASSES, info.nr_classes);
	for (unsigned int i = 0; i < info.nr_classes; i++) {
		const struct gophership_class_info *class = &info.classes[i];

		EXPECT_EQ(info.page_size << i, class->capacity);
		EXPECT_LT(0, class->slots);
		EXPECT_EQ((__u64)class->slots * class->capacity, class->length);
		/* One context can use all of its quota in any class. */
		EXPECT_LE(info.quota / class->capacity, class->slots);
		EXPECT_EQ(0, class->offset % info.page_size);
		EXPECT_LE(end, class->offset);
		/* In reach of a 32-bit program: mmap2 counts pages in 32 bits. */
		EXPECT_GE(1ULL << 44, class->offset + class->length);
		end = class->offset + class->length;
	}
	EXPECT_TRUE(memory_is(&info.classes[NR_CLASSES], 0,
			      sizeof(info.classes[0]) * (GOPHERSHIP_CLASSES_MAX - NR_CLASSES)));
}

TEST_F(abi, info_is_the_same_for_every_context)
{
	struct gophership_info mine, others;
	int fd = device_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_info(self->fd, &mine));
	ASSERT_EQ(0, device_info(fd, &others));
	EXPECT_EQ(0, memcmp(&mine, &others, sizeof(mine)));
	close(fd);
}

TEST_F(abi, stats_tell_of_both_pools)
{
	struct gophership_stats stats;

	for (__u32 pool = GOPHERSHIP_POOL_USER; pool <= GOPHERSHIP_POOL_KERNEL; pool++) {
		stats = (struct gophership_stats){ .size = sizeof(stats), .pool = pool };
		ASSERT_EQ(0, device_call(self->fd, GOPHERSHIP_IOC_STATS, &stats));
		EXPECT_EQ(pool, stats.pool);
		EXPECT_EQ(0, stats.flags);
		ASSERT_EQ(NR_CLASSES + 1, stats.nr_classes);
		for (unsigned int i = 0; i < NR_CLASSES; i++) {
			EXPECT_EQ(4096u << i, stats.classes[i].capacity);
			EXPECT_EQ(0, stats.classes[i].reserved);
		}
		EXPECT_EQ(0, stats.classes[NR_CLASSES].capacity);
		EXPECT_TRUE(memory_is(&stats.classes[NR_CLASSES + 1], 0,
				      sizeof(stats.classes[0]) *
				      (GOPHERSHIP_CLASSES_MAX - NR_CLASSES - 1)));
	}
}

static struct gophership_stats stats_of(int fd, __u32 pool)
{
	struct gophership_stats stats = { .size = sizeof(stats), .pool = pool };

	if (device_call(fd, GOPHERSHIP_IOC_STATS, &stats))
		memset(&stats, 0xee, sizeof(stats));
	return stats;
}

/* A program's leases move the rows of the user pool, each its own, and none of the kernel's. */
TEST_F(abi, stats_tell_the_pools_and_the_classes_apart)
{
	for (unsigned int class = 0; class < NR_CLASSES; class++) {
		struct gophership_stats user = stats_of(self->fd, GOPHERSHIP_POOL_USER);
		struct gophership_stats kernel = stats_of(self->fd, GOPHERSHIP_POOL_KERNEL), now;
		struct gophership_lease leases[7];

		ASSERT_EQ(7, device_acquire(self->fd, 4096 << class, 7, leases));
		ASSERT_EQ(0, device_release_leases(self->fd, leases, 3));
		now = stats_of(self->fd, GOPHERSHIP_POOL_USER);
		for (unsigned int i = 0; i <= NR_CLASSES; i++) {
			unsigned int ours = i == class;

			EXPECT_EQ(user.classes[i].acquires + 7 * ours, now.classes[i].acquires);
			EXPECT_EQ(user.classes[i].releases + 3 * ours, now.classes[i].releases);
			EXPECT_EQ(user.classes[i].leased + 4 * ours, now.classes[i].leased);
		}
		now = stats_of(self->fd, GOPHERSHIP_POOL_KERNEL);
		for (unsigned int i = 0; i <= NR_CLASSES; i++) {
			EXPECT_EQ(kernel.classes[i].acquires, now.classes[i].acquires);
			EXPECT_EQ(kernel.classes[i].releases, now.classes[i].releases);
			EXPECT_EQ(kernel.classes[i].leased, now.classes[i].leased);
		}
		/* What is this context's is told of either way. */
		EXPECT_EQ(4, now.leased);
		ASSERT_EQ(0, device_release_leases(self->fd, leases + 3, 4));
	}
}

TEST_F(abi, stats_of_an_unknown_pool_are_EINVAL)
{
	static const __u32 pools[] = { 4, 5, 0x100, 0x80000000, 0xffffffff };
	struct gophership_stats stats;

	for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
		stats = (struct gophership_stats){ .size = sizeof(stats), .pool = pools[i] };
		EXPECT_EQ(-EINVAL, device_call(self->fd, GOPHERSHIP_IOC_STATS, &stats));
	}
}

/* The pools of the module itself are all that there are here. */
TEST_F(abi, stats_name_the_pools)
{
	static const char *const names[] = { "kernel", "user" };
	struct gophership_stats stats = { .size = sizeof(stats) };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		/* What came back goes in as it is. */
		stats.pool = GOPHERSHIP_POOL_AFTER;
		ASSERT_EQ(0, device_call(self->fd, GOPHERSHIP_IOC_STATS, &stats));
		EXPECT_STREQ(names[i], stats.name);
		ASSERT_EQ(NR_CLASSES + 1, stats.nr_classes);
		stats.pool = GOPHERSHIP_POOL_NAMED;
		ASSERT_EQ(0, device_call(self->fd, GOPHERSHIP_IOC_STATS, &stats));
		EXPECT_STREQ(names[i], stats.name);
	}
	stats.pool = GOPHERSHIP_POOL_AFTER;
	EXPECT_EQ(-ENOENT, device_call(self->fd, GOPHERSHIP_IOC_STATS, &stats));
	EXPECT_STREQ("user", stats.name);
}

static int name_stats(int fd, __u32 pool, const char *name, __u32 size)
{
	struct gophership_stats stats = { .size = size, .pool = pool };

	memcpy(stats.name, name, sizeof(stats.name));
	return device_call(fd, GOPHERSHIP_IOC_STATS, &stats);
}

TEST_F(abi, stats_of_names_that_are_none)
{
	static const char kernel[GOPHERSHIP_STATS_NAME_LEN] = "kernel";
	static const char longer[GOPHERSHIP_STATS_NAME_LEN] = "kernel0";
	static const char orphans[GOPHERSHIP_STATS_NAME_LEN] = "orphans";
	__u32 least = offsetof(struct gophership_stats, name) + GOPHERSHIP_STATS_NAME_LEN;
	char endless[GOPHERSHIP_STATS_NAME_LEN];

	memset(endless, 'a', sizeof(endless));
	EXPECT_EQ(0, name_stats(self->fd, GOPHERSHIP_POOL_NAMED, kernel, least));
	EXPECT_EQ(-ENOENT, name_stats(self->fd, GOPHERSHIP_POOL_NAMED, longer, least));
	EXPECT_EQ(-ENOENT, name_stats(self->fd, GOPHERSHIP_POOL_NAMED, orphans, least));
	EXPECT_EQ(0, name_stats(self->fd, GOPHERSHIP_POOL_AFTER, longer, least));
	for (__u32 pool = GOPHERSHIP_POOL_NAMED; pool <= GOPHERSHIP_POOL_AFTER; pool++) {
		EXPECT_EQ(-EINVAL, name_stats(self->fd, pool, endless, least));
		/* No room for a name: it could not be told either. */
		EXPECT_EQ(-EINVAL, name_stats(self->fd, pool, kernel, least - 1));
		EXPECT_EQ(-EINVAL, name_stats(self->fd, pool, kernel,
					      offsetof(struct gophership_stats, name)));
	}
	/* Where no name is asked for none is looked at. */
	EXPECT_EQ(0, name_stats(self->fd, GOPHERSHIP_POOL_KERNEL, endless, least));
}

/* What one context did is counted for the machine, also when it is closed. */
TEST_F(abi, stats_count_the_machine)
{
	struct gophership_stats before, stats;
	int fd = device_open();
	struct buffer buffer;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_stats(self->fd, &before));
	ASSERT_EQ(0, buffer_acquire(fd, 4096, &buffer));
	memset(buffer.data, 1, 4096);
	ASSERT_EQ(0, device_stats(fd, &stats));
	ASSERT_EQ(1, stats.cleared);
	ASSERT_LE(1, stats.faults);
	munmap(buffer.data, buffer.lease.capacity);
	close(fd);
	EXPECT_EQ(before.machine_faults + stats.faults, stats.machine_faults);
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(before.machine_cleared + 1, stats.machine_cleared);
	EXPECT_LE(before.machine_faults + 1, stats.machine_faults);
	EXPECT_EQ(before.machine_retired, stats.machine_retired);
	EXPECT_EQ(before.cleared, stats.cleared);
}

/* In the order of their fields; the rest of STATS is in lease_test.c. */
TEST_F(abi, stats_count_this_context)
{
	struct gophership_lease leases[3];
	struct gophership_stats before, stats;
	int other = device_open();

	ASSERT_LE(0, other);
	ASSERT_EQ(0, device_stats(self->fd, &before));
	ASSERT_EQ(3, device_acquire(self->fd, 8192, 3, leases));
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(3, stats.leased);
	EXPECT_EQ(3 * 8192, stats.leased_bytes);
	EXPECT_EQ(before.acquires + 3, stats.acquires);
	EXPECT_EQ(before.releases, stats.releases);
	EXPECT_EQ(before.machine_bytes + 3 * 8192, stats.machine_bytes);
	EXPECT_EQ(before.classes[1].leased + 3, stats.classes[1].leased);
	EXPECT_EQ(before.classes[1].acquires + 3, stats.classes[1].acquires);

	ASSERT_EQ(0, device_stats(other, &stats));
	EXPECT_EQ(0, stats.leased);
	EXPECT_EQ(0, stats.acquires);
	EXPECT_EQ(before.machine_bytes + 3 * 8192, stats.machine_bytes);

	ASSERT_EQ(0, device_release_leases(self->fd, leases, 3));
	EXPECT_EQ(-EALREADY, device_release_one(self->fd, leases[0].handle));
	EXPECT_EQ(-EINVAL, device_release_one(self->fd, 1));
	EXPECT_EQ(-EINVAL, device_release_one(self->fd, 2));
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(0, stats.leased);
	EXPECT_EQ(0, stats.leased_bytes);
	EXPECT_EQ(before.releases + 3, stats.releases);
	EXPECT_EQ(before.doubled + 1, stats.doubled);
	EXPECT_EQ(before.foreign + 2, stats.foreign);
	EXPECT_EQ(before.machine_bytes, stats.machine_bytes);
	EXPECT_EQ(before.classes[1].leased, stats.classes[1].leased);
	EXPECT_EQ(before.classes[1].releases + 3, stats.classes[1].releases);
	/* A user's mistakes are not the kernel's. */
	EXPECT_EQ(before.pool_foreign, stats.pool_foreign);
	EXPECT_EQ(before.pool_doubled, stats.pool_doubled);
	close(other);
}

TEST_F(abi, stats_count_contexts)
{
	struct gophership_stats before, stats;
	int fds[20];

	ASSERT_EQ(0, device_stats(self->fd, &before));
	EXPECT_LE(1, before.contexts);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = device_open();
		ASSERT_LE(0, fds[i]);
	}
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(before.contexts + ARRAY_SIZE(fds), stats.contexts);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(before.contexts, stats.contexts);
}

TEST_HARNESS_MAIN
