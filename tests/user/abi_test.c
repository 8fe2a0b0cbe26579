// SPDX-License-Identifier: GPL-2.0
/*
 * What every command has in common: sizes, flags, pointers, unknown commands.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "abi_fixture.h"

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
	struct gophership_export export;
	struct gophership_trim trim;
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
	  offsetof(struct gophership_stats, name) },
	{ "EXPORT", GOPHERSHIP_IOC_EXPORT, sizeof(struct gophership_export),
	  sizeof(struct gophership_export) },
	{ "TRIM", GOPHERSHIP_IOC_TRIM, sizeof(struct gophership_trim),
	  sizeof(struct gophership_trim) },
	{ 0 }
};

/* A call that works once, about @lease, which RELEASE and EXPORT need. */
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
	case GOPHERSHIP_IOC_EXPORT:
		if (device_acquire_one(fd, 0, lease))
			lease->handle = 0;
		call->export.count = 1;
		call->export.handles = (uintptr_t)&lease->handle;
		call->export.fd = -1;
		break;
	}
}

/* @wanted, but for EXPORT where the kernel has no dma-bufs. */
static int or_unsupported(int fd, const struct command *command, int wanted)
{
	struct gophership_info info;

	if (command->number != GOPHERSHIP_IOC_EXPORT || device_info(fd, &info) ||
	    info.features & GOPHERSHIP_FEATURE_DMABUF)
		return wanted;
	return -EOPNOTSUPP;
}

/* After a call of any kind: nothing on lease, as before it. */
static void give_back(int fd, const struct gophership_lease *lease, const struct command *command,
		      const union call *call)
{
	if (command->number == GOPHERSHIP_IOC_EXPORT && call->export.fd >= 0)
		close(call->export.fd);
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
		EXPECT_EQ(or_unsupported(self->fd, command, 0),
			  device_call(self->fd, command->number, &call)) {
			TH_LOG("%s", command->name);
		}
		give_back(self->fd, &self->lease, command, &call);
		EXPECT_EQ(0, device_leased(self->fd));
	}
}

TEST_F(abi, unknown_command_is_ENOTTY)
{
	static const unsigned long unknown[] = {
		0, ~0UL,
		_IO('G', 0x50), _IOR('G', 0x50, struct gophership_info),
		_IOWR('G', 0x4f, struct gophership_info),
		_IOWR('G', 0x5a, struct gophership_info),
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
		give_back(self->fd, &self->lease, command, &call);
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
		EXPECT_EQ(or_unsupported(self->fd, command, 0),
			  device_call(self->fd, command->number, &call)) {
			TH_LOG("%s", command->name);
		}
		EXPECT_TRUE(memory_is(call.bytes + command->first_size, 0xa5,
				      sizeof(call) - command->first_size));
		give_back(self->fd, &self->lease, command, &call);
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
			EXPECT_EQ(or_unsupported(self->fd, command, 0),
				  device_call(self->fd, command->number, &call)) {
				TH_LOG("%s", command->name);
			}
			give_back(self->fd, &self->lease, command, &call);
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
			give_back(self->fd, &self->lease, command, &call);
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
			give_back(self->fd, &self->lease, command, &call);
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
		EXPECT_EQ(or_unsupported(self->fd, command, 0),
			  device_call(self->fd, command->number, &call)) {
			TH_LOG("%s", command->name);
		}
		EXPECT_TRUE(memory_is(call.bytes + command->size, 0xa5,
				      sizeof(call) - command->size));
		give_back(self->fd, &self->lease, command, &call);
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
		give_back(self->fd, &self->lease, command, &call);
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
		give_back(self->fd, &self->lease, command, &call);
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
		EXPECT_EQ(or_unsupported(self->fd, command, -EFAULT),
			  device_call(self->fd, command->number, call)) {
			TH_LOG("%s", command->name);
		}
		/* What ACQUIRE could not report, it took back. */
		if (command->number == GOPHERSHIP_IOC_ACQUIRE)
			EXPECT_EQ(0, device_leased(self->fd));
		give_back(self->fd, &self->lease, command, call);
		munmap(call, 4096);
	}
	EXPECT_EQ(0, device_leased(self->fd));
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
