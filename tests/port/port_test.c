// SPDX-License-Identifier: GPL-2.0
/*
 * Ports, by the raw interface, with the drivers echo and pulse. The module is loaded
 * with quota_mb=8 user_limit_mb=24.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "device.h"
#include "port.h"

#define ECHO	"/dev/gophership-echo"
#define PULSE	"/dev/gophership-pulse"
#define PAGE	4096U
#define SECONDS	20

/* Long enough for a guest whose machine is busy. */
#define PATIENCE	10000

FIXTURE(ports)
{
	int device;
	long long machine_bytes;
	struct port port;
};

/* A parameter of a driver, as it is now; -1 if there is none. */
static long parameter(const char *name)
{
	char path[128], text[32] = "";
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/gophership_pulse/parameters/%s", name);
	fd = open(path, O_RDONLY);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	return got > 0 ? strtol(text, NULL, 10) : -1;
}

static int set_parameter(const char *name, const char *value)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/module/gophership_pulse/parameters/%s", name);
	fd = open(path, O_WRONLY);
	ret = write(fd, value, strlen(value)) == (ssize_t)strlen(value) ? 0 : -1;
	close(fd);
	return ret;
}

FIXTURE_SETUP(ports)
{
	self->device = device_open();
	ASSERT_GE(self->device, 0);
	/* A test that failed may have left them otherwise. */
	set_parameter("quiet", "0");
	set_parameter("stuck", "0");
	set_parameter("misuse", "0");
	set_parameter("forget", "0");
	set_parameter("linger", "0");
	set_parameter("bulk", "0");
	set_parameter("hold_ms", "0");
	self->machine_bytes = device_machine_bytes(self->device);
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &self->port));
}

FIXTURE_TEARDOWN(ports)
{
	port_close(&self->port);
	close(self->device);
}

static bool in_time(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec < SECONDS;
}

/* Receive, and wait for it as long as it takes, within reason. */
static bool receive(struct port *port, struct gophership_entry *entry)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!port_receive(port, entry)) {
		if (!in_time(&begin))
			return false;
		sched_yield();
	}
	return true;
}

static bool machine_bytes_become(int device, long long bytes)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (device_machine_bytes(device) != bytes) {
		if (!in_time(&begin))
			return false;
		sched_yield();
	}
	return true;
}

/* Setup */

TEST_F(ports, info_tells_of_ports)
{
	struct gophership_info info;

	ASSERT_EQ(0, device_info(self->device, &info));
	EXPECT_TRUE(info.features & GOPHERSHIP_FEATURE_PORT);
}

TEST_F(ports, bad_setups_are_refused_and_cost_nothing)
{
	long long before = device_machine_bytes(self->device);
	struct gophership_port_setup setup = { .size = sizeof(setup), .count = 1 };
	char larger[sizeof(setup) + 8] = {};
	int device;

	EXPECT_EQ(-EINVAL, port_setup(self->device, PAGE, 0, &setup));
	EXPECT_EQ(-EINVAL, port_setup(self->device, PAGE, GOPHERSHIP_PORT_COUNT_MAX + 1, &setup));
	EXPECT_EQ(-EINVAL, port_setup(self->device, 65537, 1, &setup));
	setup = (struct gophership_port_setup){ .size = sizeof(setup), .count = 1, .flags = 1 };
	EXPECT_EQ(-EINVAL, device_call(self->device, GOPHERSHIP_IOC_PORT, &setup));
	setup = (struct gophership_port_setup){ .size = sizeof(setup), .count = 1, .reserved = 1 };
	EXPECT_EQ(-EINVAL, device_call(self->device, GOPHERSHIP_IOC_PORT, &setup));
	setup = (struct gophership_port_setup){ .size = sizeof(setup) - 8, .count = 1 };
	EXPECT_EQ(-EINVAL, device_call(self->device, GOPHERSHIP_IOC_PORT, &setup));
	setup = (struct gophership_port_setup){ .size = sizeof(larger), .count = 1 };
	memcpy(larger, &setup, sizeof(setup));
	larger[sizeof(setup)] = 1;
	EXPECT_EQ(-E2BIG, device_call(self->device, GOPHERSHIP_IOC_PORT, larger));
	EXPECT_EQ(-EFAULT, device_call(self->device, GOPHERSHIP_IOC_PORT, (void *)8));
	setup = (struct gophership_port_setup){ .size = sizeof(setup), .count = 1 };
	device = open(DEVICE, O_RDONLY);
	EXPECT_EQ(-EBADF, device_call(device, GOPHERSHIP_IOC_PORT, &setup));
	close(device);
	EXPECT_EQ(before, device_machine_bytes(self->device));
}

TEST_F(ports, setup_that_cannot_be_reported_costs_nothing)
{
	long long before = device_machine_bytes(self->device);
	struct gophership_port_setup *setup = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = dup(0);

	ASSERT_NE(MAP_FAILED, setup);
	close(fd);
	*setup = (struct gophership_port_setup){ .size = sizeof(*setup), .count = 4 };
	mprotect(setup, PAGE, PROT_READ);
	EXPECT_EQ(-EFAULT, device_call(self->device, GOPHERSHIP_IOC_PORT, setup));
	EXPECT_TRUE(machine_bytes_become(self->device, before));
	/* The descriptor is free, too. */
	EXPECT_EQ(fd, dup(0));
	close(fd);
}

TEST_F(ports, setup_describes_what_is_there)
{
	const struct gophership_port_setup *setup = &self->port.setup;
	struct port port;

	EXPECT_EQ(PAGE, setup->capacity);
	EXPECT_EQ(8, setup->entries);
	EXPECT_EQ(8 * PAGE, setup->bank_length);
	EXPECT_EQ(FD_CLOEXEC, fcntl(setup->fd, F_GETFD));
	ASSERT_EQ(0, port_open(self->device, 5000, 9, &port));
	EXPECT_EQ(8192, port.setup.capacity);
	EXPECT_EQ(16, port.setup.entries);
	EXPECT_EQ(9 * 8192, port.setup.bank_length);
	port_close(&port);
}

TEST_F(ports, largest_count_works)
{
	struct gophership_port_setup setup;

	/* More than the quota of 8 MiB. */
	EXPECT_EQ(-EDQUOT, port_setup(self->device, PAGE, GOPHERSHIP_PORT_COUNT_MAX, &setup));
}

/* Maps */

static void *map_part(const struct port *port, __u64 offset, size_t length, int protection,
		      int flags)
{
	void *at = mmap(NULL, length, protection, flags, port->fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

TEST_F(ports, deliver_map_cannot_be_written)
{
	const struct gophership_port_setup *setup = &self->port.setup;
	struct gophership_entry *entry;
	char path[] = "/proc/self/mem", byte = 1;
	int mem = open(path, O_RDWR);

	EXPECT_FALSE(map_part(&self->port, setup->deliver_offset, setup->deliver_length,
			      PROT_READ | PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->port.deliver, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	entry = (void *)((char *)self->port.deliver + GOPHERSHIP_PORT_ENTRIES_OFFSET);
	ASSERT_GE(mem, 0);
	EXPECT_EQ(-1, pwrite(mem, &byte, 1, (off_t)(uintptr_t)entry));
	EXPECT_EQ(0, entry->seq);
	close(mem);
}

TEST_F(ports, maps_are_shared_and_within_one_part)
{
	const struct gophership_port_setup *setup = &self->port.setup;
	__u64 end = setup->submit_offset + setup->submit_length;

	EXPECT_FALSE(map_part(&self->port, 0, PAGE, PROT_READ, MAP_PRIVATE));
	EXPECT_FALSE(map_part(&self->port, setup->deliver_offset, PAGE, PROT_READ, MAP_PRIVATE));
	/* EPERM: newer kernels refuse it for every file of that kind. */
	EXPECT_FALSE(map_part(&self->port, 0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED));
	EXPECT_TRUE(errno == EACCES || errno == EPERM);
	EXPECT_FALSE(map_part(&self->port, 0, setup->bank_length + PAGE, PROT_READ, MAP_SHARED));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_FALSE(map_part(&self->port, 7 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED));
	EXPECT_FALSE(map_part(&self->port, end, PAGE, PROT_READ, MAP_SHARED));
	EXPECT_FALSE(map_part(&self->port, setup->submit_offset, setup->submit_length + PAGE,
			      PROT_READ, MAP_SHARED));
	EXPECT_TRUE(map_part(&self->port, 7 * PAGE, PAGE, PROT_READ, MAP_SHARED));
}

TEST_F(ports, bank_is_zero_and_contiguous)
{
	size_t i, length = self->port.setup.bank_length;

	for (i = 0; i < length; i++)
		ASSERT_EQ(0, self->port.bank[i]);
	for (i = 0; i < 8; i++)
		memset(port_buffer(&self->port, i), i + 1, PAGE);
	for (i = 0; i < length; i++)
		ASSERT_EQ(i / PAGE + 1, self->port.bank[i]);
}

TEST_F(ports, next_port_sees_no_byte_of_the_last_one)
{
	int round, i;

	for (round = 0; round < 8; round++) {
		struct port port;

		ASSERT_EQ(0, port_open(self->device, 16 * PAGE, 16, &port));
		for (i = 0; i < 16 * 16 * (int)PAGE; i += 64)
			ASSERT_EQ(0, port.bank[i]);
		memset(port.bank, 0xa5, port.setup.bank_length);
		port_close(&port);
	}
}

/* A context's own buffers are not cleared for it; in between these were a port's. */
TEST_F(ports, lease_sees_no_byte_of_a_port)
{
	struct buffer buffers[8];
	struct port port;
	int i, k;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, buffer_acquire(self->device, PAGE, &buffers[i]));
		memset(buffers[i].data, 0x11, PAGE);
	}
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, buffer_release(self->device, &buffers[i]));
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &port));
	memset(port.bank, 0xa5, port.setup.bank_length);
	port_close(&port);
	ASSERT_TRUE(machine_bytes_become(self->device, self->machine_bytes + 10 * PAGE));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, buffer_acquire(self->device, PAGE, &buffers[i]));
		for (k = 0; k < (int)PAGE; k++)
			ASSERT_NE(0xa5, buffers[i].data[k]);
	}
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, buffer_release(self->device, &buffers[i]));
}

TEST_F(ports, mappings_may_be_split_moved_dropped_and_inherited)
{
	unsigned char *bank = self->port.bank, *moved;
	struct gophership_entry entry;
	int status;
	pid_t pid;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	memset(bank, 7, 8 * PAGE);
	EXPECT_EQ(0, madvise(bank, 8 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(7, bank[3 * PAGE]);
	madvise(bank, 8 * PAGE, MADV_REMOVE);
	madvise(bank, 8 * PAGE, MADV_HUGEPAGE);
	madvise(self->port.submit, PAGE, MADV_DONTNEED);
	EXPECT_EQ(0, mprotect(bank + 2 * PAGE, PAGE, PROT_READ));
	EXPECT_EQ(0, munmap(bank + 5 * PAGE, PAGE));
	moved = mremap(bank + 6 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       bank + 64 * PAGE);
	if (moved != MAP_FAILED)
		EXPECT_EQ(7, moved[PAGE]);
	EXPECT_EQ(MAP_FAILED, mremap(bank, PAGE, 64 * PAGE, MREMAP_MAYMOVE));
	/* Newer kernels refuse it. */
	madvise(bank, 2 * PAGE, MADV_DOFORK);
	madvise(self->port.submit, PAGE, MADV_DOFORK);
	madvise(self->port.deliver, PAGE, MADV_DOFORK);
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		bank[0] = 9;
		munmap(self->port.submit, PAGE);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* All of that is nothing to the port. */
	ASSERT_EQ(0, port_submit(&self->port, 5, 0, 1, 0, 55));
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(5, entry.index);
	EXPECT_EQ(55, entry.tag);
	if (moved != MAP_FAILED)
		munmap(moved, 2 * PAGE);
}

/* Messages */

TEST_F(ports, messages_come_back_as_they_were)
{
	struct gophership_entry entry;
	unsigned int round;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	for (round = 0; round < 1000; round++) {
		__u32 index = round * 3 % 8, len = round * 37 % (PAGE + 1);
		__u32 offset = round * 11 % (PAGE - len + 1);
		__u32 flags = round % 4 & GOPHERSHIP_MESSAGE_MORE;

		ASSERT_EQ(0, port_submit(&self->port, index, offset, len, flags, ~(__u64)round));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_EQ(index, entry.index);
		ASSERT_EQ(offset, entry.offset);
		ASSERT_EQ(len, entry.len);
		ASSERT_EQ(flags, entry.flags);
		ASSERT_EQ(~(__u64)round, entry.tag);
	}
	EXPECT_EQ(0, self->port.deliver->bad);
}

TEST_F(ports, whole_bank_may_be_under_way)
{
	struct gophership_entry entry;
	unsigned int round, i, seen;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 8; i++)
			port_write(&self->port, i, 0, i, GOPHERSHIP_MESSAGE_BATCH, i);
		ASSERT_EQ(0, port_kick(&self->port));
		for (seen = 0, i = 0; i < 8; i++) {
			ASSERT_TRUE(receive(&self->port, &entry));
			EXPECT_EQ(entry.index, entry.tag);
			seen |= 1U << entry.index;
		}
		ASSERT_EQ(0xff, seen);
	}
}

TEST_F(ports, bad_entries_are_skipped_and_counted)
{
	struct gophership_entry entry;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	port_write(&self->port, 8, 0, 1, 0, 1);
	port_write(&self->port, ~0U, 0, 1, 0, 2);
	port_write(&self->port, 0, 0, PAGE + 1, 0, 3);
	port_write(&self->port, 0, 1, PAGE, 0, 4);
	port_write(&self->port, 0, PAGE + 1, 0, 0, 5);
	port_write(&self->port, 0, 1, ~0U, 0, 6);
	port_write(&self->port, 0, 0, 1, 1U << 31, 7);
	ASSERT_EQ(0, port_submit(&self->port, 0, PAGE, 0, 0, 8));
	if (self->port.received == 0)
		port_kick(&self->port);
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(8, entry.tag);
	EXPECT_EQ(7, self->port.deliver->bad);
	EXPECT_FALSE(port_receive(&self->port, &entry));
}

TEST_F(ports, driver_is_called_again_behind_bad_entries)
{
	struct gophership_entry entry;
	struct port port;
	int i;

	ASSERT_EQ(0, port_open(self->device, PAGE, 32, &port));
	ASSERT_EQ(0, port_attach(&port, ECHO));
	/* More than a take skips, and one KICK for all. */
	for (i = 0; i < 30; i++)
		port_write(&port, 99, 0, 0, 0, i);
	port_write(&port, 3, 0, 0, 0, i);
	ASSERT_EQ(0, port_kick(&port));
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(3, entry.index);
	EXPECT_EQ(30, port.deliver->bad);
	port_close(&port);
}

TEST_F(ports, buffer_that_is_not_ours_is_a_bad_entry)
{
	struct gophership_entry entry;

	/* Before there is a driver: twice the same. */
	port_write(&self->port, 3, 0, 1, 0, 1);
	port_write(&self->port, 3, 0, 2, 0, 2);
	set_parameter("quiet", "1");
	set_parameter("stuck", "1");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("quiet", "0");
	set_parameter("stuck", "0");
	/* The driver keeps the first for good. */
	port_write(&self->port, 3, 0, 3, 0, 3);
	port_write(&self->port, 4, 0, 4, 0, 4);
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(4, entry.tag);
	EXPECT_EQ(2, self->port.deliver->bad);
}

TEST_F(ports, wrong_seq_is_no_entry)
{
	struct gophership_entry *at, entry;
	__u32 wrong[] = { 0, 2, 3, 9, 17, ~0U, 0x80000001 };
	unsigned int i;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	at = port_entry(&self->port, 0);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		at->seq = wrong[i];
		ASSERT_EQ(0, port_kick(&self->port));
		ASSERT_FALSE(port_receive(&self->port, &entry));
	}
	EXPECT_EQ(0, self->port.deliver->bad);
	ASSERT_EQ(0, port_submit(&self->port, 0, 0, 0, 0, 0));
	EXPECT_TRUE(receive(&self->port, &entry));
}

TEST_F(ports, misuse_by_a_driver_is_refused)
{
	long before = parameter("mistakes");
	struct gophership_entry entry;
	struct port port;
	int i;

	ASSERT_EQ(0, port_open(self->device, PAGE, 16, &port));
	port_write(&port, 2, 5, 6, 0, 77);
	for (i = 0; i < 8; i++)
		port_write(&port, 99, 0, 0, 0, i);
	/* A take skips eight and gives up; so the driver has lost something when it gets this. */
	port_write(&port, 1, 0, 0, 0, 78);
	set_parameter("quiet", "1");
	set_parameter("misuse", "1");
	EXPECT_EQ(0, port_attach(&port, PULSE));
	set_parameter("misuse", "0");
	set_parameter("quiet", "0");
	EXPECT_EQ(before, parameter("mistakes"));
	/* Outside of the buffer: delivered with nothing in it. */
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(2, entry.index);
	EXPECT_EQ(0, entry.len);
	EXPECT_EQ(0, entry.offset);
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(78, entry.tag);
	EXPECT_EQ(GOPHERSHIP_MESSAGE_LOST, entry.flags);
	EXPECT_EQ(3, port.deliver->lost);
	EXPECT_EQ(8, port.deliver->bad);
	port_write(&port, 1, 0, 0, 0, 79);
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(79, entry.tag);
	EXPECT_EQ(0, entry.flags);
	port_close(&port);
}

/* Sleep and wake */

TEST_F(ports, poll_tells_what_there_is)
{
	struct gophership_entry entry;

	EXPECT_EQ(0, port_events(&self->port));
	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	EXPECT_EQ(0, port_events(&self->port));
	ASSERT_EQ(0, port_kick(&self->port));
	EXPECT_EQ(POLLPRI, port_events(&self->port));
	EXPECT_EQ(1, self->port.deliver->starved);
	port_write(&self->port, 0, 0, 0, 0, 0);
	EXPECT_EQ(0, port_events(&self->port));
	ASSERT_EQ(0, port_kick(&self->port));
	EXPECT_EQ(POLLIN | POLLPRI, port_events(&self->port));
	ASSERT_TRUE(port_receive(&self->port, &entry));
	EXPECT_EQ(POLLPRI, port_events(&self->port));
	EXPECT_EQ(2, self->port.deliver->starved);
}

/* Its KICK found no driver, and no later one is due. */
TEST_F(ports, what_was_submitted_before_the_driver_came_is_announced)
{
	struct gophership_entry entry;

	port_write(&self->port, 5, 0, 0, 0, 55);
	ASSERT_EQ(-ENOTCONN, port_kick(&self->port));
	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	ASSERT_EQ(1, port_wait(&self->port, 60000));
	ASSERT_TRUE(port_receive(&self->port, &entry));
	EXPECT_EQ(5, entry.index);
	EXPECT_EQ(55, entry.tag);
}

/* BATCH is about the way to the driver: what comes back wakes. */
TEST_F(ports, batch_does_not_come_back)
{
	struct gophership_entry entry;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	port_write(&self->port, 2, 0, 0, GOPHERSHIP_MESSAGE_BATCH, 7);
	ASSERT_EQ(0, port_kick(&self->port));
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(7, entry.tag);
	EXPECT_EQ(0, entry.flags);
}

TEST_F(ports, driver_that_found_nothing_wants_a_kick)
{
	struct gophership_entry entry;
	int i;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	for (i = 0; i < 20; i++) {
		/* Echo sleeps: nothing comes back unless the kick is asked for. */
		ASSERT_EQ(self->port.submitted, self->port.deliver->wake_at);
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 0, 0, i));
		ASSERT_TRUE(port_receive(&self->port, &entry));
		ASSERT_EQ(i, entry.tag);
	}
}

/* A driver that finds nothing wakes, too; so it has to find that before it delivers. */
TEST_F_TIMEOUT(ports, late_delivery_wakes, 120)
{
	struct gophership_entry entry;
	int i;

	set_parameter("quiet", "1");
	set_parameter("hold_ms", "300");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("hold_ms", "0");
	set_parameter("quiet", "0");
	/* The 16th comes late. */
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 8, 0, i));
		while (!port_receive(&self->port, &entry))
			ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
	}
	EXPECT_EQ(7, entry.index);
	EXPECT_EQ(~0ULL, entry.tag);
}

/**
 * struct waker - a thread that submits when another one sleeps
 * @port: where to
 * @sleeper: the other one
 * @batch: one with BATCH comes before the one that wakes
 */
struct waker {
	struct port *port;
	pid_t sleeper;
	bool batch;
};

static bool sleeps(pid_t thread)
{
	char path[64], text[128] = "";
	const char *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	fd = open(path, O_RDONLY);
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	state = strrchr(text, ')');
	return state && state[2] == 'S';
}

static void *submit_to_sleeper(void *argument)
{
	const struct waker *waker = argument;

	while (!sleeps(waker->sleeper))
		sched_yield();
	if (waker->batch)
		port_write(waker->port, 1, 0, 0, GOPHERSHIP_MESSAGE_BATCH, 1);
	port_write(waker->port, 2, 0, 0, 0, 2);
	return NULL;
}

TEST_F_TIMEOUT(ports, sleeper_is_woken_in_any_context, 240)
{
	struct waker waker = { &self->port, syscall(SYS_gettid), false };
	struct gophership_entry entry;
	pthread_t thread;
	int i;

	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, submit_to_sleeper, &waker));
		ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_EQ(2, entry.tag);
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
	/* And without a pause: the sleeper comes at any moment. */
	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 8, 0, i));
		while (!port_receive(&self->port, &entry))
			ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
		ASSERT_EQ(i, entry.tag);
	}
}

TEST_F_TIMEOUT(ports, batch_sleeps_on, 120)
{
	struct waker waker = { &self->port, syscall(SYS_gettid), true };
	struct gophership_entry entry;
	pthread_t thread;
	int i;

	set_parameter("quiet", "1");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("quiet", "0");
	/* What comes with BATCH wakes with the next one without. */
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, submit_to_sleeper, &waker));
		ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
}

TEST_F(ports, bulk_calls_keep_the_order_and_skip_what_is_bad)
{
	struct gophership_entry entry;
	unsigned int round, i;
	struct port port;

	ASSERT_EQ(0, port_open(self->device, PAGE, 64, &port));
	/* A whole bank with eight that are bad among them, before there is a driver. */
	for (i = 0; i < 56; i++) {
		port_write(&port, i, i, i, 0, i);
		if (i % 7 == 6)
			port_write(&port, i, 0, 1, 0, 99);
	}
	set_parameter("quiet", "1");
	set_parameter("bulk", "1");
	ASSERT_EQ(0, port_attach(&port, PULSE));
	set_parameter("bulk", "0");
	set_parameter("quiet", "0");
	for (i = 0; i < 56; i++) {
		while (!port_receive(&port, &entry))
			ASSERT_EQ(1, port_wait(&port, PATIENCE));
		ASSERT_EQ(i, entry.index);
		ASSERT_EQ(i, entry.tag);
		ASSERT_EQ(i, entry.offset);
		ASSERT_EQ(i, entry.len);
		ASSERT_EQ(GOPHERSHIP_MESSAGE_BATCH, entry.flags);
	}
	EXPECT_EQ(8, port.deliver->bad);
	/* All that comes has BATCH, so that only the flush wakes. */
	for (round = 0; round < 200; round++) {
		for (i = 0; i < 3; i++)
			port_write(&port, i, 0, i, 0, round);
		for (i = 0; i < 3; i++) {
			while (!port_receive(&port, &entry))
				ASSERT_EQ(1, port_wait(&port, PATIENCE));
			ASSERT_EQ(i, entry.index);
			ASSERT_EQ(round, entry.tag);
		}
	}
	EXPECT_EQ(0, parameter("mistakes"));
	port_close(&port);
}

/* Attaching */

TEST_F(ports, attach_refuses_what_is_no_free_port)
{
	struct gophership_attach attach = { .size = sizeof(attach), .fd = self->port.fd };
	struct gophership_endpoint_info info = { .size = sizeof(info) };
	int node = open(ECHO, O_RDWR);
	struct port other;

	ASSERT_GE(node, 0);
	EXPECT_EQ(-ENOTCONN, port_kick(&self->port));
	EXPECT_EQ(-EBADF, port_attach_fd(-1, ECHO));
	EXPECT_EQ(-EBADF, port_attach_fd(1000, ECHO));
	EXPECT_EQ(-EINVAL, port_attach_fd(self->device, ECHO));
	attach.flags = 1;
	EXPECT_EQ(-EINVAL, device_call(node, GOPHERSHIP_IOC_ATTACH, &attach));
	EXPECT_EQ(-EFAULT, device_call(node, GOPHERSHIP_IOC_ATTACH, (void *)8));
	EXPECT_EQ(-ENOTTY, device_call(node, GOPHERSHIP_IOC_PORT, &attach));
	EXPECT_EQ(-ENOTTY, device_call(self->port.fd, GOPHERSHIP_IOC_ATTACH, &attach));
	EXPECT_EQ(0, port_attach(&self->port, ECHO));
	EXPECT_EQ(-EBUSY, port_attach(&self->port, ECHO));
	EXPECT_EQ(-EBUSY, port_attach(&self->port, PULSE));
	EXPECT_EQ(0, device_call(node, GOPHERSHIP_IOC_ENDPOINT, &info));
	EXPECT_EQ(1, info.count_min);
	EXPECT_EQ(GOPHERSHIP_PORT_COUNT_MAX, info.count_max);
	/* A driver that says yes and forgets the rest. */
	ASSERT_EQ(0, port_open(self->device, PAGE, 4, &other));
	set_parameter("forget", "1");
	EXPECT_EQ(-EIO, port_attach(&other, PULSE));
	set_parameter("forget", "0");
	EXPECT_EQ(-ENOTCONN, port_kick(&other));
	EXPECT_EQ(0, port_attach(&other, PULSE));
	port_close(&other);
	/* A port each. */
	ASSERT_EQ(0, port_open(self->device, PAGE, 4, &other));
	EXPECT_EQ(0, port_attach(&other, ECHO));
	port_close(&other);
	close(node);
}

/* Who pays */

TEST_F(ports, charge_is_exact_and_ends_with_the_port)
{
	const struct gophership_port_setup *setup = &self->port.setup;
	long long bytes = setup->bank_length + setup->deliver_length + setup->submit_length;

	EXPECT_EQ(self->machine_bytes + bytes, device_machine_bytes(self->device));
	port_close(&self->port);
	EXPECT_EQ(self->machine_bytes, device_machine_bytes(self->device));
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &self->port));
}

TEST_F(ports, port_outlives_its_context)
{
	int device = device_open();
	struct gophership_entry entry;
	struct port port;

	ASSERT_EQ(0, port_open(device, PAGE, 4, &port));
	close(device);
	ASSERT_EQ(0, port_attach(&port, ECHO));
	ASSERT_EQ(0, port_submit(&port, 3, 0, 0, 0, 3));
	EXPECT_TRUE(receive(&port, &entry));
	EXPECT_GT(device_machine_bytes(self->device), self->machine_bytes + 8 * PAGE);
	port_close(&port);
	port_close(&self->port);
	EXPECT_TRUE(machine_bytes_become(self->device, self->machine_bytes));
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &self->port));
}

TEST_F(ports, mapping_alone_keeps_the_port)
{
	long long before = device_machine_bytes(self->device);
	struct port port;

	ASSERT_EQ(0, port_open(self->device, PAGE, 4, &port));
	close(port.fd);
	port.bank[0] = 5;
	EXPECT_LT(before, device_machine_bytes(self->device));
	port_unmap(&port);
	EXPECT_TRUE(machine_bytes_become(self->device, before));
}

TEST_F(ports, quota_holds_for_bank_and_rings)
{
	long long before = device_machine_bytes(self->device);
	struct port port;
	int i;

	/* 8 MiB are 2048 pages; the rings want some, and the fixture's port has some. */
	for (i = 0; i < 20; i++)
		ASSERT_EQ(-EDQUOT, port_open(self->device, PAGE, 2048 - 8 - 2, &port));
	EXPECT_EQ(before, device_machine_bytes(self->device));
	ASSERT_EQ(0, port_open(self->device, PAGE, 1900, &port));
	port_close(&port);
}

TEST_F(ports, machine_limit_is_ENOMEM)
{
	int devices[4], i, ret = 0, nr = 0;
	struct port ports[4];

	for (i = 0; i < 4 && !ret; i++) {
		devices[i] = device_open();
		ret = port_open(devices[i], 16 * PAGE, 120, &ports[i]);
		nr += !ret;
	}
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_EQ(3, nr);
	for (i = 0; i < nr; i++)
		port_close(&ports[i]);
	for (i = 0; i <= nr; i++)
		close(devices[i]);
	EXPECT_TRUE(machine_bytes_become(self->device,
					 self->machine_bytes + 8 * PAGE + 2 * PAGE));
}

TEST_F(ports, memlock_holds_for_an_ordinary_user)
{
	struct rlimit limit = { 64 * PAGE, 64 * PAGE };
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct port port;
		int device, ok;

		if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(1000) || setuid(1000))
			_exit(2);
		device = device_open();
		ok = port_open(device, PAGE, 64, &port) == -EDQUOT &&
		     port_open(device, PAGE, 63, &port) == -EDQUOT;
		ok = ok && !port_open(device, PAGE, 50, &port);
		port_close(&port);
		ok = ok && !port_open(device, PAGE, 50, &port);
		_exit(!ok);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Ends */

TEST_F(ports, pinned_pages_are_not_reused)
{
	struct iovec iov = { self->port.bank, PAGE };
	unsigned char copy[PAGE];
	int fds[2], i, round;

	memset(self->port.bank, 0x3c, PAGE);
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(PAGE, vmsplice(fds[1], &iov, 1, SPLICE_F_GIFT));
	port_close(&self->port);
	/* What the pipe has is paid for: else a program could pin without end. */
	EXPECT_TRUE(machine_bytes_become(self->device, self->machine_bytes + PAGE));
	for (round = 0; round < 20; round++) {
		ASSERT_EQ(0, port_open(self->device, PAGE, 8, &self->port));
		memset(self->port.bank, 0xff, self->port.setup.bank_length);
		port_close(&self->port);
	}
	ASSERT_EQ(PAGE, read(fds[0], copy, PAGE));
	for (i = 0; i < (int)PAGE; i++)
		ASSERT_EQ(0x3c, copy[i]);
	close(fds[0]);
	close(fds[1]);
	EXPECT_TRUE(machine_bytes_become(self->device, self->machine_bytes));
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &self->port));
}

/* In a child: the driver keeps a buffer for a while; the program goes meanwhile. */
static int leave_one_with_the_driver(int device)
{
	struct gophership_entry entry;
	struct port port;
	int i, round;

	if (port_open(device, PAGE, 8, &port) || port_attach(&port, PULSE))
		return 1;
	/* The 16th stays with the driver. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 8; i++)
			port_write(&port, i, 0, 0, 0, i);
		for (i = 0; i < 8 - round; i++)
			if (!receive(&port, &entry))
				return 1;
	}
	return 0;
}

TEST_F_TIMEOUT(ports, buffers_that_the_driver_has_are_freed_when_they_come_back, 120)
{
	int i, status;
	pid_t pid;

	set_parameter("hold_ms", "100");
	set_parameter("quiet", "1");
	for (i = 0; i < 5; i++) {
		set_parameter("linger", "1");
		pid = fork();
		if (!pid)
			_exit(leave_one_with_the_driver(self->device));
		/* The child's rings stay as long as the driver. Its end is that of its bank. */
		EXPECT_TRUE(machine_bytes_become(self->device, self->machine_bytes + 12 * PAGE));
		set_parameter("linger", "0");
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	set_parameter("hold_ms", "0");
	set_parameter("quiet", "0");
	EXPECT_TRUE(machine_bytes_become(self->device, self->machine_bytes + 10 * PAGE));
	EXPECT_EQ(0, parameter("ports"));
	EXPECT_EQ(0, parameter("mistakes"));
}

/* Send @fd over a socket, and back as another number. */
static int through_a_socket(int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int sockets[2], got = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return -1;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	if (sendmsg(sockets[0], &message, 0) == 1 && recvmsg(sockets[1], &message, 0) == 1)
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	close(sockets[0]);
	close(sockets[1]);
	return got;
}

TEST_F(ports, two_processes_share_a_port)
{
	struct gophership_entry entry;
	int fd = through_a_socket(self->port.fd), status;
	pid_t pid;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, port_attach_fd(fd, ECHO));
	pid = fork();
	if (!pid) {
		const struct gophership_port_setup *setup = &self->port.setup;
		struct port port = { .setup = *setup, .fd = fd };

		port.submit = mmap(NULL, setup->submit_length, PROT_READ | PROT_WRITE, MAP_SHARED,
				   fd, setup->submit_offset);
		port.deliver = mmap(NULL, setup->deliver_length, PROT_READ, MAP_SHARED, fd,
				    setup->deliver_offset);
		_exit(port_submit(&port, 6, 0, 9, 0, 66) != 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(66, entry.tag);
	/* The child's end is not the port's. */
	close(fd);
	self->port.submitted = 1;
	ASSERT_EQ(0, port_submit(&self->port, 6, 0, 9, 0, 67));
	EXPECT_TRUE(receive(&self->port, &entry));
}

/* All contexts */

TEST_F_TIMEOUT(ports, all_contexts_take_and_deliver_at_once, 120)
{
	long hardirqs = parameter("hardirqs"), nmis = parameter("nmis"), tasks = parameter("tasks");
	struct gophership_entry entry;
	struct timespec begin;
	struct port port;
	long nr = 0, i;
	__u64 *payload;

	ASSERT_EQ(0, port_open(self->device, PAGE, 64, &port));
	ASSERT_EQ(0, port_attach(&port, PULSE));
	for (i = 0; i < 64; i++)
		port_write(&port, i, 0, 8, 0, i);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (in_time(&begin) &&
	       (nr < 50000 || parameter("hardirqs") - hardirqs < 200 ||
		parameter("nmis") - nmis < 200 || parameter("tasks") - tasks < 200)) {
		for (i = 0; i < 256; i++) {
			if (!port_receive(&port, &entry))
				break;
			ASSERT_LT(entry.index, 64);
			ASSERT_EQ(entry.index, entry.tag);
			payload = (__u64 *)port_buffer(&port, entry.index);
			ASSERT_EQ(entry.tag, __atomic_load_n(payload, __ATOMIC_RELAXED));
			__atomic_store_n(payload, ~0ULL, __ATOMIC_RELAXED);
			port_write(&port, entry.index, 0, 8, 0, entry.tag);
			nr++;
		}
	}
	TH_LOG("%ld buffers; %ld by tasks, %ld by hard interrupts, %ld by NMIs", nr,
	       parameter("tasks") - tasks, parameter("hardirqs") - hardirqs,
	       parameter("nmis") - nmis);
	EXPECT_EQ(0, parameter("mistakes"));
	EXPECT_EQ(0, port.deliver->bad);
	EXPECT_LE(200, parameter("hardirqs") - hardirqs);
	EXPECT_LE(200, parameter("nmis") - nmis);
	port_close(&port);
}

/* A hostile program */

static unsigned int dice(unsigned int *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

TEST_F_TIMEOUT(ports, hostile_submit_map_harms_nobody, 120)
{
	unsigned int seed = time(NULL), i;
	struct gophership_entry entry;
	struct timespec begin;
	struct port port;

	TH_LOG("seed %u", seed);
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &port));
	ASSERT_EQ(0, port_attach(&port, PULSE));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < 300000 && in_time(&begin); i++) {
		struct gophership_entry *at = port_entry(&port, dice(&seed));

		switch (dice(&seed) % 8) {
		case 0:
			at->index = dice(&seed) % 2 ? dice(&seed) % 16 : dice(&seed) * dice(&seed);
			break;
		case 1:
			at->len = dice(&seed) % 8192;
			break;
		case 2:
			at->offset = dice(&seed) % 9000 - dice(&seed) % 2 * 9000;
			break;
		case 3:
			at->seq = port.submitted + dice(&seed) % 16 - 8;
			break;
		case 4:
			port.submit->wake_at = dice(&seed);
			port.submit->consumed = dice(&seed) * 3;
			break;
		case 5:
			port.submitted = port.deliver->wake_at;
			__attribute__((__fallthrough__));
		default:
			port_write(&port, dice(&seed) % 9, 0, dice(&seed) % 5000, 0, i);
			break;
		}
		if (i % 1024 == 0)
			port_events(&port);
	}
	EXPECT_EQ(0, parameter("mistakes"));
	EXPECT_LT(0, port.deliver->bad);
	port_close(&port);
	/* The other port works. */
	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	ASSERT_EQ(0, port_submit(&self->port, 0, 0, 0, 0, 1));
	EXPECT_TRUE(receive(&self->port, &entry));
}

TEST_HARNESS_MAIN
