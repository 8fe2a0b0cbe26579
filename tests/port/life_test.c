// SPDX-License-Identifier: GPL-2.0
/* Ports: who pays, and how a port ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

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

/* A lease that was pinned when it was given back, and is not any more. False if it cannot be. */
static bool leave_unpinned(int device)
{
	struct buffer buffer;
	struct iovec iov = { .iov_len = PAGE };
	int fds[2];
	bool ok;

	if (pipe(fds) || buffer_acquire(device, PAGE, &buffer))
		return false;
	buffer.data[0] = 1;
	iov.iov_base = buffer.data;
	ok = vmsplice(fds[1], &iov, 1, 0) == PAGE && !buffer_release(device, &buffer);
	close(fds[0]);
	close(fds[1]);
	return ok;
}

/* A look for what is pinned no more is no reason to pay a second time. */
TEST_F(ports, a_port_is_paid_for_once)
{
	long long before = device_machine_bytes(self->device);
	struct port port;

	ASSERT_TRUE(leave_unpinned(self->device));
	ASSERT_EQ(0, port_open(self->device, PAGE, 4, &port));
	port_close(&port);
	EXPECT_TRUE(machine_bytes_become(self->device, before));
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

/*
 * The driver unregisters its endpoint while a call of it is under way, which
 * @parameter keeps from returning; @child does what made the call.
 */
static bool unregister_waits(const char *parameter_name, pid_t child)
{
	long before = parameter("mistakes");
	struct timespec begin;
	int status;

	if (!parameter_becomes("inside", 1))
		return false;
	set_parameter("registered", "0");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!access(PULSE, F_OK))
		if (!in_time(&begin))
			return false;
	/* The rest of it has to wait. If it does not, it shall be seen. */
	usleep(100000);
	set_parameter(parameter_name, "0");
	if (waitpid(child, &status, 0) != child || status)
		return false;
	/* The driver looks, when it is unregistered, whether it is called still. */
	return parameter_becomes("registered", 0) && parameter("mistakes") == before &&
	       parameter("inside") == 0;
}

TEST_F_TIMEOUT(ports, unregister_waits_for_attach, 120)
{
	pid_t pid;

	set_parameter("quiet", "1");
	set_parameter("dawdle", "1");
	pid = fork();
	if (!pid)
		_exit(port_attach(&self->port, PULSE) != 0);
	EXPECT_TRUE(unregister_waits("dawdle", pid));
	EXPECT_EQ(POLLHUP, port_events(&self->port) & POLLHUP);
}

TEST_F_TIMEOUT(ports, unregister_waits_for_callbacks, 120)
{
	struct port port;
	pid_t pid;

	set_parameter("quiet", "1");
	set_parameter("linger", "1");
	pid = fork();
	if (!pid)
		_exit(port_open(self->device, PAGE, 8, &port) || port_attach(&port, PULSE));
	EXPECT_TRUE(unregister_waits("linger", pid));
	EXPECT_EQ(0, parameter("ports"));
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

TEST_HARNESS_MAIN
