// SPDX-License-Identifier: GPL-2.0
/* Ports: what GOPHERSHIP_IOC_PORT makes, its maps, and who may have it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

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

TEST_F(ports, buffers_of_every_size_work)
{
	struct gophership_entry entry;
	__u32 size, capacity, i;
	struct port port;

	for (size = PAGE; size <= 16 * PAGE; size *= 2) {
		/* The smallest request that needs the class, and the largest. */
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, port_open(self->device, i ? size : size / 2 + 1, 3, &port));
			capacity = port.setup.capacity;
			ASSERT_EQ(size, capacity);
			ASSERT_EQ(3 * size, port.setup.bank_length);
			ASSERT_EQ(0, port_attach(&port, ECHO));
			memset(port_buffer(&port, 2), 0x3d, capacity);
			ASSERT_EQ(0, port_submit(&port, 2, 0, capacity, 0, size));
			ASSERT_TRUE(receive(&port, &entry));
			ASSERT_EQ(capacity, entry.len);
			ASSERT_EQ(0x3d, port_buffer(&port, 2)[capacity - 1]);
			ASSERT_EQ(0, port_buffer(&port, 1)[capacity - 1]);
			/* One byte more is no message. */
			ASSERT_EQ(0, port_submit(&port, 2, 1, capacity, 0, size));
			ASSERT_FALSE(port_receive(&port, &entry));
			ASSERT_EQ(1, port.deliver->bad);
			port_close(&port);
		}
	}
}

TEST_F(ports, largest_count_is_above_the_quota)
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

/* No fewest number of buffers, so that the bounds are told apart. */
TEST_F(ports, attach_takes_what_the_endpoint_tells)
{
	struct gophership_endpoint_info info = { .size = sizeof(info) };
	int node = open(PULSE, O_RDWR);
	struct port port;

	ASSERT_GE(node, 0);
	ASSERT_EQ(0, device_call(node, GOPHERSHIP_IOC_ENDPOINT, &info));
	close(node);
	EXPECT_EQ(PAGE, info.buf_size_min);
	EXPECT_EQ(1, info.count_min);
	ASSERT_EQ(0, port_open(self->device, info.buf_size_min, info.count_max + 1, &port));
	EXPECT_EQ(-EINVAL, port_attach(&port, PULSE));
	port_close(&port);
	ASSERT_EQ(0, port_open(self->device, info.buf_size_min, info.count_max, &port));
	EXPECT_EQ(0, port_attach(&port, PULSE));
	port_close(&port);
	ASSERT_EQ(0, port_open(self->device, info.buf_size_min, info.count_min, &port));
	EXPECT_EQ(0, port_attach(&port, PULSE));
	port_close(&port);
}

TEST_HARNESS_MAIN
