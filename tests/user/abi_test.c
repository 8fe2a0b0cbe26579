// SPDX-License-Identifier: GPL-2.0
/*
 * What every command has in common: sizes, flags, pointers, unknown commands;
 * and what INFO and STATS say.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

/* Longer than each structure by so much: a program of the future. */
#define TAIL	64

/* A call whose structure may be larger than the kernel knows. */
union call {
	struct {
		__u32 size;
		__u32 flags;
	};
	struct gophership_info info;
	struct gophership_acquire acquire;
	struct gophership_release release;
	struct gophership_stats stats;
	unsigned char bytes[sizeof(struct gophership_stats) + TAIL];
};

static const struct command {
	const char *name;
	unsigned long number;
	size_t size;
	size_t first_size;	/* of the first version */
} commands[] = {
	{ "INFO", GOPHERSHIP_IOC_INFO, sizeof(struct gophership_info),
	  offsetof(struct gophership_info, pressure_offset) },
	{ "ACQUIRE", GOPHERSHIP_IOC_ACQUIRE, sizeof(struct gophership_acquire),
	  sizeof(struct gophership_acquire) },
	{ "RELEASE", GOPHERSHIP_IOC_RELEASE, sizeof(struct gophership_release),
	  sizeof(struct gophership_release) },
	{ "STATS", GOPHERSHIP_IOC_STATS, sizeof(struct gophership_stats),
	  sizeof(struct gophership_stats) },
	{ 0 }
};

FIXTURE(abi)
{
	int fd;
	struct gophership_lease lease;
};

FIXTURE_SETUP(abi)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(abi)
{
	close(self->fd);
}

/* A call that works once, about @lease. RELEASE needs something to release. */
static void make_valid(int fd, struct gophership_lease *lease, const struct command *command,
		       union call *call)
{
	memset(call, 0, sizeof(*call));
	call->size = command->size;
	switch (command->number) {
	case GOPHERSHIP_IOC_ACQUIRE:
		call->acquire.count = 1;
		call->acquire.leases = (uintptr_t)lease;
		break;
	case GOPHERSHIP_IOC_RELEASE:
		if (device_acquire_one(fd, 0, lease))
			lease->handle = 0;
		call->release.count = 1;
		call->release.handles = (uintptr_t)&lease->handle;
		break;
	}
}

/* After a call of any kind: nothing on lease, as before it. */
static void give_back(int fd, const struct gophership_lease *lease)
{
	if (device_leased(fd) > 0)
		device_release_one(fd, lease->handle);
}

TEST_F(abi, device_is_a_character_device_for_root)
{
	struct stat status;

	ASSERT_EQ(0, stat(DEVICE, &status));
	EXPECT_TRUE(S_ISCHR(status.st_mode));
	EXPECT_EQ(0600, status.st_mode & 07777);
	EXPECT_EQ(0, status.st_uid);
}

TEST_F(abi, commands_work)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		make_valid(self->fd, &self->lease, command, &call);
		EXPECT_EQ(0, device_call(self->fd, command->number, &call)) {
			TH_LOG("%s", command->name);
		}
		give_back(self->fd, &self->lease);
		EXPECT_EQ(0, device_leased(self->fd));
	}
}

TEST_F(abi, unknown_command_is_ENOTTY)
{
	static const unsigned long unknown[] = {
		0, ~0UL,
		_IO('G', 0x50), _IOR('G', 0x50, struct gophership_info),
		_IOWR('G', 0x4f, struct gophership_info),
		_IOWR('G', 0x54, struct gophership_info),
		_IOWR('G', 0xff, struct gophership_info),
		_IOWR('g', 0x50, struct gophership_info),
		0x5401 /* TCGETS */,
	};
	union call call;

	make_valid(self->fd, &self->lease, &commands[0], &call);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-ENOTTY, device_call(self->fd, unknown[i], &call)) {
			TH_LOG("command %#lx", unknown[i]);
		}
	}
}

TEST_F(abi, size_too_small_is_EINVAL)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		make_valid(self->fd, &self->lease, command, &call);
		for (__u32 size = 0; size < command->first_size; size += 4) {
			call.size = size;
			EXPECT_EQ(-EINVAL, device_call(self->fd, command->number, &call)) {
				TH_LOG("%s", command->name);
			}
		}
		call.size = command->first_size - 1;
		EXPECT_EQ(-EINVAL, device_call(self->fd, command->number, &call)) {
			TH_LOG("%s", command->name);
		}
		give_back(self->fd, &self->lease);
	}
}

/* As a program calls that was compiled with the first header. */
TEST_F(abi, first_size_works)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		make_valid(self->fd, &self->lease, command, &call);
		memset(call.bytes + command->first_size, 0xa5, sizeof(call) - command->first_size);
		call.size = command->first_size;
		EXPECT_EQ(0, device_call(self->fd, command->number, &call)) {
			TH_LOG("%s", command->name);
		}
		EXPECT_TRUE(memory_is(call.bytes + command->first_size, 0xa5,
				      sizeof(call) - command->first_size));
		give_back(self->fd, &self->lease);
	}
}

TEST_F(abi, larger_with_zero_tail_works)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		for (__u32 tail = 1; tail <= TAIL; tail = tail < 8 ? 8 : tail + 28) {
			make_valid(self->fd, &self->lease, command, &call);
			call.size += tail;
			EXPECT_EQ(0, device_call(self->fd, command->number, &call)) {
				TH_LOG("%s", command->name);
			}
			give_back(self->fd, &self->lease);
		}
	}
}

/* A larger structure has another command number: that is no other command. */
TEST_F(abi, size_in_the_number_does_not_matter)
{
	struct larger {
		struct gophership_info info;
		__u64 more;
	} call = { .info.size = sizeof(call) };

	ASSERT_NE(GOPHERSHIP_IOC_INFO, _IOWR(GOPHERSHIP_IOC_MAGIC, 0x50, struct larger));
	EXPECT_EQ(0, device_call(self->fd, _IOWR(GOPHERSHIP_IOC_MAGIC, 0x50, struct larger),
				 &call));
	EXPECT_EQ(NR_CLASSES, call.info.nr_classes);
}

TEST_F(abi, larger_with_non_zero_tail_is_E2BIG)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		for (size_t byte = 0; byte < TAIL; byte += 9) {
			make_valid(self->fd, &self->lease, command, &call);
			call.size += TAIL;
			call.bytes[command->size + byte] = 1;
			EXPECT_EQ(-E2BIG, device_call(self->fd, command->number, &call)) {
				TH_LOG("%s", command->name);
			}
			give_back(self->fd, &self->lease);
		}
	}
}

/* The tail is not there to be looked at. */
TEST_F(abi, huge_size_is_refused)
{
	static const __u32 sizes[] = { 0x10000, 0x7fffffff, 0x80000000, 0xffffffff };
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		unsigned char *edge = memory_before_hole(command->size);

		ASSERT_NE(NULL, edge);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			int ret;

			make_valid(self->fd, &self->lease, command, &call);
			call.size = sizes[i];
			memcpy(edge, &call, command->size);
			ret = device_call(self->fd, command->number, edge);
			EXPECT_TRUE(ret == -E2BIG || ret == -EFAULT) {
				TH_LOG("%s with size %#x: %d", command->name, sizes[i], ret);
			}
			give_back(self->fd, &self->lease);
		}
	}
}

TEST_F(abi, out_size_is_what_the_kernel_knows)
{
	union call call;

	for (__u32 tail = 0; tail <= TAIL; tail += TAIL) {
		make_valid(self->fd, &self->lease, &commands[0], &call);
		call.size += tail;
		EXPECT_EQ(0, device_call(self->fd, commands[0].number, &call));
		EXPECT_EQ(sizeof(struct gophership_info), call.size);

		make_valid(self->fd, &self->lease, &commands[3], &call);
		call.size += tail;
		EXPECT_EQ(0, device_call(self->fd, commands[3].number, &call));
		EXPECT_EQ(sizeof(struct gophership_stats), call.size);
	}
}

TEST_F(abi, nothing_is_written_past_the_structure)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		make_valid(self->fd, &self->lease, command, &call);
		memset(call.bytes + command->size, 0xa5, sizeof(call) - command->size);
		EXPECT_EQ(0, device_call(self->fd, command->number, &call)) {
			TH_LOG("%s", command->name);
		}
		EXPECT_TRUE(memory_is(call.bytes + command->size, 0xa5,
				      sizeof(call) - command->size));
		give_back(self->fd, &self->lease);
	}
}

TEST_F(abi, unknown_flags_are_EINVAL)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		make_valid(self->fd, &self->lease, command, &call);
		for (unsigned int bit = 0; bit < 32; bit++) {
			call.flags = 1U << bit;
			EXPECT_EQ(-EINVAL, device_call(self->fd, command->number, &call)) {
				TH_LOG("%s", command->name);
			}
		}
		give_back(self->fd, &self->lease);
	}
}

TEST_F(abi, non_zero_reserved_is_EINVAL)
{
	union call call;

	make_valid(self->fd, &self->lease, &commands[0], &call);
	for (unsigned int bit = 0; bit < 32; bit++) {
		call.info.reserved = 1U << bit;
		EXPECT_EQ(-EINVAL, device_call(self->fd, commands[0].number, &call));
	}
}

TEST_F(abi, bad_structure_pointer_is_EFAULT)
{
	const struct command *command;
	void *hole = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, hole);
	for (command = commands; command->name; command++) {
		void *bad[] = {
			NULL, (void *)8, hole, (void *)-4096L, (void *)-1L, (void *)-64L,
			(void *)((~0UL >> 1) - 4095),
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			EXPECT_EQ(-EFAULT, device_call(self->fd, command->number, bad[i])) {
				TH_LOG("%s", command->name);
			}
	}
}

TEST_F(abi, structure_that_ends_in_a_hole_is_EFAULT)
{
	const struct command *command;
	union call call;

	for (command = commands; command->name; command++) {
		make_valid(self->fd, &self->lease, command, &call);
		for (size_t there = 4; there < command->size; there += 4) {
			void *edge = memory_before_hole(there);

			ASSERT_NE(NULL, edge);
			memcpy(edge, &call, there);
			EXPECT_EQ(-EFAULT, device_call(self->fd, command->number, edge)) {
				TH_LOG("%s", command->name);
			}
			munmap((void *)((uintptr_t)edge & -4096), 8192);
		}
		give_back(self->fd, &self->lease);
		EXPECT_EQ(0, device_leased(self->fd));
	}
}

/* Each command reports something: where it cannot, it is EFAULT. */
TEST_F(abi, read_only_structure_is_EFAULT)
{
	const struct command *command;

	for (command = commands; command->name; command++) {
		union call *call = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		ASSERT_NE(MAP_FAILED, call);
		make_valid(self->fd, &self->lease, command, call);
		ASSERT_EQ(0, mprotect(call, 4096, PROT_READ));
		EXPECT_EQ(-EFAULT, device_call(self->fd, command->number, call)) {
			TH_LOG("%s", command->name);
		}
		munmap(call, 4096);
		/* What ACQUIRE could not report, it took back. */
		if (command->number == GOPHERSHIP_IOC_ACQUIRE)
			EXPECT_EQ(0, device_leased(self->fd));
		give_back(self->fd, &self->lease);
	}
	EXPECT_EQ(0, device_leased(self->fd));
}

TEST_F(abi, info_describes_the_device)
{
	struct gophership_info info;

	ASSERT_EQ(0, device_info(self->fd, &info));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(0, info.reserved);
	EXPECT_EQ(sysconf(_SC_PAGESIZE), info.page_size);
	EXPECT_EQ(NR_CLASSES, info.nr_classes);
	EXPECT_EQ(GOPHERSHIP_BATCH_MAX, info.batch_max);
	EXPECT_EQ(GOPHERSHIP_FEATURE_PRESSURE, info.features & ~GOPHERSHIP_FEATURE_MEMCG);
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
	static const __u32 pools[] = { 2, 3, 0x100, 0x80000000, 0xffffffff };
	struct gophership_stats stats;

	for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
		stats = (struct gophership_stats){ .size = sizeof(stats), .pool = pools[i] };
		EXPECT_EQ(-EINVAL, device_call(self->fd, GOPHERSHIP_IOC_STATS, &stats));
	}
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

/* 10,000 calls of every bad kind there is. */
static void make_bad_calls(int fd)
{
	struct gophership_acquire acquire = { .size = sizeof(acquire), .count = 1 };
	struct gophership_lease lease;
	struct gophership_info info;
	int pipe_ends[2];
	void *map;

	device_info(fd, &info);
	map = device_map(fd, info.classes[0].offset, 4096);
	if (pipe(pipe_ends))
		return;
	for (int i = 0; i < 1000; i++) {
		device_call(fd, 0x1234 + i, NULL);
		device_call(fd, GOPHERSHIP_IOC_INFO, NULL);
		device_call(fd, GOPHERSHIP_IOC_ACQUIRE, &acquire);
		device_acquire(fd, ~0ULL, 1, &lease);
		device_acquire(fd, 0, 0, &lease);
		device_release_one(fd, i);
		device_release_one(fd, 0x123456789abcdefULL * i);
		device_acquire_one(fd, 0, &lease);
		device_release_one(fd, lease.handle);
		device_release_one(fd, lease.handle);
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 4096ULL * i);
		/* A fault without a lease, in the kernel's own hands. */
		if (write(pipe_ends[1], map, 1) == 1)
			break;
	}
	munmap(map, 4096);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

TEST_F(abi, bad_calls_do_not_flood_the_log)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char line[2048];
	int lines = 0;

	ASSERT_LE(0, log);
	ASSERT_EQ(0, lseek(log, 0, SEEK_END));
	make_bad_calls(self->fd);
	while (read(log, line, sizeof(line)) > 0)
		lines++;
	EXPECT_GE(5, lines);
	EXPECT_EQ(0, device_leased(self->fd));
	close(log);
}

TEST_HARNESS_MAIN
