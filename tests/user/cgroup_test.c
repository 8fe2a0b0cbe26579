// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups: a cgroup has the use of what it pays for, dies of nothing that lies
 * idle, and is not disturbed by others.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#include "device.h"
#include "file.h"
#include "harness.h"
#include "memory.h"

#define ROOT	"/sys/fs/cgroup"
#define MB	0x100000UL
#define PAGE	4096UL
#define LARGE	(16 * PAGE)

static const char *const names[] = { "gophership-a", "gophership-b", "gophership-c" };

static int write_cgroup(const char *name, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "/%s/%s", name, file);
	return write_file(path, text);
}

/* The value of @key in a file of lines "key value". */
static long read_event(const char *name, const char *key)
{
	char path[128], word[64];
	long value, found = -1;
	FILE *file;

	snprintf(path, sizeof(path), ROOT "/%s/memory.events", name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (fscanf(file, "%63s %ld", word, &value) == 2)
		if (!strcmp(word, key))
			found = value;
	fclose(file);
	return found;
}

/* What @work says in the cgroup: its status, 1000 and more if it was killed. */
static int in_cgroup(const char *name, int (*work)(void))
{
	pid_t child = fork();

	if (!child)
		_exit(write_cgroup(name, "cgroup.procs", "0") ? 100 : work());
	return device_status_of(child);
}

FIXTURE(cgroup)
{
	int fd;
};

FIXTURE_SETUP(cgroup)
{
	struct gophership_info info;
	cpu_set_t one;
	char path[128];

	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_info(self->fd, &info));
	if (!(info.features & GOPHERSHIP_FEATURE_MEMCG) ||
	    write_file(ROOT "/cgroup.subtree_control", "+memory"))
		SKIP(return, "no memory cgroup to be had");
	/* Cgroups that take turns meet on one processor. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), ROOT "/%s", names[i]);
		ASSERT_EQ(0, mkdir(path, 0755));
		write_cgroup(names[i], "memory.swap.max", "0");
	}
	/* What tests before have left idle counts in max_cached_mb: the shrinker has it. */
	ASSERT_EQ(0, write_file("/proc/sys/vm/drop_caches", "2"));
}

FIXTURE_TEARDOWN(cgroup)
{
	char path[128];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), ROOT "/%s", names[i]);
		rmdir(path);
	}
	close(self->fd);
}

static int touch(size_t size)
{
	char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < size; i += PAGE)
		data[i] = 1;
	return munmap(data, size) ? 1 : 0;
}

static int leave_idle(void)
{
	return device_leave_idle(device_open(), LARGE, 12 * MB / LARGE) ? 0 : 2;
}

static int need_nearly_all(void)
{
	return touch(24 * MB);
}

/* Less than half of what the cgroup may use lies idle, and then all of it is wanted. */
TEST_F(cgroup, idle_buffers_kill_nobody)
{
	ASSERT_EQ(0, write_cgroup(names[0], "memory.max", "32M"));
	EXPECT_EQ(0, in_cgroup(names[0], need_nearly_all));
	EXPECT_EQ(0, in_cgroup(names[0], leave_idle));
	EXPECT_EQ(0, in_cgroup(names[0], need_nearly_all));
	EXPECT_EQ(0, read_event(names[0], "oom_kill"));
}

/*
 * A sibling uses memory again and again, while buffers of two classes come and go: what
 * lies idle of one is in the way of the other, and of the sibling.
 */
static int come_and_go(void)
{
	static struct gophership_lease leases[4096];
	int fd = device_open(), loops, nr;
	size_t size;
	cpu_set_t two;
	pid_t sibling;

	/* Both at once. */
	CPU_ZERO(&two);
	CPU_SET(0, &two);
	CPU_SET(1, &two);
	sched_setaffinity(0, sizeof(two), &two);
	sibling = fork();
	if (!sibling)
		for (;;)
			touch(8 * MB);
	for (loops = 0; loops < 60; loops++) {
		size = loops & 1 ? 2 * PAGE : LARGE;
		nr = device_acquire(fd, size, 20 * MB / size, leases);
		if (nr > 0 && device_release_leases(fd, leases, nr))
			break;
		if (waitpid(sibling, NULL, WNOHANG))
			return 4;
	}
	kill(sibling, SIGKILL);
	waitpid(sibling, NULL, 0);
	return loops < 60 ? 3 : 0;
}

TEST_F(cgroup, buffers_given_back_kill_nobody)
{
	ASSERT_EQ(0, write_cgroup(names[0], "memory.max", "32M"));
	EXPECT_EQ(0, in_cgroup(names[0], come_and_go));
	EXPECT_EQ(0, read_event(names[0], "oom_kill"));
}

#define ALLOCATED	20

#define TURN		256

/* Lease many pages and give them back: 0, or ALLOCATED if more than @most were allocated. */
static int turn_of(unsigned long most)
{
	struct gophership_stats before, after;
	int fd = device_open();

	if (device_stats(fd, &before))
		return 10;
	if (!device_leave_idle(fd, PAGE, TURN))
		return 2;
	if (device_stats(fd, &after))
		return 11;
	return after.classes[0].misses - before.classes[0].misses > most ? ALLOCATED : 0;
}

/* 0 if all of them lay idle. */
static int take_turn(void)
{
	return turn_of(0);
}

TEST_F(cgroup, cgroups_in_turn_disturb_nobody)
{
	EXPECT_EQ(ALLOCATED, in_cgroup(names[0], take_turn));
	EXPECT_EQ(ALLOCATED, in_cgroup(names[1], take_turn));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, in_cgroup(names[0], take_turn));
		EXPECT_EQ(0, in_cgroup(names[1], take_turn));
	}
}

static int lease_beyond_the_limit(void)
{
	static struct gophership_lease leases[4096];
	int fd = device_open();
	int nr = device_acquire(fd, PAGE, 4096, leases);

	if (nr == 4096 || (nr < 0 && nr != -ENOMEM))
		return 2;
	/* And it can go on: it is not alone in the world. */
	return touch(16 * PAGE);
}

TEST_F(cgroup, at_its_limit_one_takes_nothing_from_others)
{
	ASSERT_EQ(0, write_cgroup(names[2], "memory.max", "8M"));
	EXPECT_EQ(ALLOCATED, in_cgroup(names[0], take_turn));
	EXPECT_EQ(0, in_cgroup(names[2], lease_beyond_the_limit));
	EXPECT_EQ(0, read_event(names[2], "oom_kill"));
	EXPECT_EQ(0, in_cgroup(names[0], take_turn));
}

/* The array for the result is touched by the kernel first, when all is leased. */
TEST_F(cgroup, a_full_cgroup_is_told_so)
{
	for (int i = 0; i < 8; i++) {
		char limit[32];

		snprintf(limit, sizeof(limit), "%lu", 8 * MB + i * 5 * PAGE);
		ASSERT_EQ(0, write_cgroup(names[0], "memory.max", limit));
		EXPECT_EQ(0, in_cgroup(names[0], lease_beyond_the_limit));
	}
	EXPECT_EQ(0, read_event(names[0], "oom_kill"));
}

/* What the cgroup pays for, in bytes. */
static long read_current(const char *name)
{
	char path[128];
	long bytes = -1;
	FILE *file;

	snprintf(path, sizeof(path), ROOT "/%s/memory.current", name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &bytes) != 1)
		bytes = -1;
	fclose(file);
	return bytes;
}

static int make_port(int fd, __u32 count, struct gophership_port_setup *setup)
{
	*setup = (struct gophership_port_setup){ .size = sizeof(*setup), .count = count };
	return device_call(fd, GOPHERSHIP_IOC_PORT, setup);
}

/* One that is too large costs nothing; one that fits can be used to the last byte. */
static int make_ports(void)
{
	long long before;
	struct gophership_port_setup setup;
	int fd = device_open(), i;
	char *bank;

	before = device_machine_bytes(fd);
	for (i = 0; i < 10; i++) {
		if (make_port(fd, 4096, &setup) != -ENOMEM)
			return 2;
		if (device_machine_bytes(fd) != before)
			return 3;
	}
	if (make_port(fd, 512, &setup))
		return 4;
	bank = mmap(NULL, setup.bank_length, PROT_READ | PROT_WRITE, MAP_SHARED, setup.fd, 0);
	if (bank == MAP_FAILED)
		return 5;
	memset(bank, 1, setup.bank_length);
	/* The pages and the rings are the cgroup's. */
	if (read_current(names[0]) < (long)(setup.bank_length + setup.deliver_length))
		return 6;
	return touch(16 * PAGE);
}

TEST_F(cgroup, a_bank_that_does_not_fit_is_refused)
{
	ASSERT_EQ(0, write_cgroup(names[0], "memory.max", "8M"));
	EXPECT_EQ(0, in_cgroup(names[0], make_ports));
	EXPECT_EQ(0, read_event(names[0], "oom_kill"));
	/* All of it went back; the kernel keeps a stock of charges, a quarter MiB a CPU. */
	EXPECT_EQ(0, device_trim(self->fd, NULL));
	EXPECT_GT((long)MB, read_current(names[0]));
}

static int read_file_through(void)
{
	static char bytes[65536];
	int fd = open("/mnt/cgroup-test", O_RDONLY);

	if (fd < 0)
		return 2;
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	close(fd);
	return 0;
}

/*
 * Every charge takes from the page cache, and a little from what lies idle, too; which
 * costs a charge in the next turn.
 */
static int take_turns(void)
{
	int ret = ALLOCATED;

	for (int i = 0; i < 10 && ret == ALLOCATED; i++)
		ret = turn_of(TURN / 2);
	return ret;
}

/* Page cache up to the limit is the usual state of a container. */
TEST_F(cgroup, page_cache_is_no_reason_to_keep_nothing)
{
	static char bytes[65536];
	int fd = open("/mnt/cgroup-test", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		SKIP(return, "no disk at /mnt");
	for (int i = 0; i < 24; i++)
		for (int j = 0; j < 16; j++)
			ASSERT_EQ(sizeof(bytes), write(fd, bytes, sizeof(bytes)));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
	ASSERT_EQ(0, write_cgroup(names[0], "memory.max", "16M"));
	ASSERT_EQ(0, in_cgroup(names[0], read_file_through));
	EXPECT_LT(0, read_event(names[0], "max"));
	EXPECT_EQ(0, in_cgroup(names[0], take_turns));
	unlink("/mnt/cgroup-test");
}

TEST_HARNESS_MAIN
