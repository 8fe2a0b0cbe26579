// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings and processes: children, descriptors that are passed on, other contexts.
 */
#include <sys/socket.h>

#include "map_fixture.h"

/* The first byte as another process sees it: a value, or minus a signal. */
static int child_reads(const unsigned char *data)
{
	int status;
	pid_t child = fork();

	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		_exit(*data);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(map, child_inherits_no_mapping)
{
	EXPECT_EQ(-SIGSEGV, child_reads(self->buffer.data));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
}

TEST_F(map, child_maps_by_the_inherited_fd)
{
	pid_t child = fork();
	int status;

	if (!child) {
		unsigned char *map = device_map_lease(self->fd, &self->buffer.lease);

		if (map == MAP_FAILED || !memory_is(map, 0x5a, 16 * PAGE))
			_exit(1);
		memset(map, 0x6b, 16 * PAGE);
		if (release_only(self->fd, &self->buffer))
			_exit(2);
		_exit(memory_read_signal(map) == SIGBUS ? 0 : 3);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	/* The child released it: gone here, too. */
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	EXPECT_EQ(-EALREADY, release_only(self->fd, &self->buffer));
}

/* MADV_DOFORK asks for inheritance: then the release reaches the child. */
TEST_F(map, child_that_inherits_after_all_loses_it_at_release)
{
	int to_child[2], to_parent[2], status;
	char byte;
	pid_t child;

	madvise(self->buffer.data, 16 * PAGE, MADV_DOFORK);
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	child = fork();
	if (!child) {
		int before = memory_read_signal(self->buffer.data + PAGE);
		int after;

		if (write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) != 1)
			_exit(1);
		after = memory_read_signal(self->buffer.data + PAGE);
		if (before == SIGSEGV)
			_exit(after == SIGSEGV ? 0 : 2);
		_exit(after == SIGBUS ? 0 : 3);
	}
	ASSERT_EQ(1, read(to_parent[0], &byte, 1));
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	ASSERT_EQ(1, write(to_child[1], "x", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

static int send_fd(int socket, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec iov = { .iov_base = "f", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Who has the fd has the context, and both ends see one release. */
TEST_F(map, fd_passed_over_a_socket)
{
	int sockets[2], status;
	char byte;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child) {
		unsigned char *map;
		int fd;

		close(self->fd);
		close(sockets[0]);
		fd = receive_fd(sockets[1]);
		map = fd < 0 ? MAP_FAILED : device_map_lease(fd, &self->buffer.lease);
		if (map == MAP_FAILED || !memory_is(map, 0x5a, 16 * PAGE))
			_exit(1);
		map[0] = 0x99;
		if (write(sockets[1], "m", 1) != 1 || read(sockets[1], &byte, 1) != 1)
			_exit(2);
		_exit(memory_read_signal(map) == SIGBUS ? 0 : 3);
	}
	close(sockets[1]);
	ASSERT_EQ(0, send_fd(sockets[0], self->fd));
	ASSERT_EQ(1, read(sockets[0], &byte, 1));
	EXPECT_EQ(0x99, self->buffer.data[0]);
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	ASSERT_EQ(1, write(sockets[0], "r", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* An fd that is nowhere but in a socket's queue keeps what it owns. */
TEST_F(map, fd_in_flight_keeps_the_context)
{
	int sockets[2], other = device_open(), fd;
	long long before;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	before = device_machine_bytes(other);
	ASSERT_EQ(0, send_fd(sockets[0], self->fd));
	munmap(self->buffer.data, 16 * PAGE);
	close(self->fd);
	EXPECT_EQ(before, device_machine_bytes(other));
	fd = receive_fd(sockets[1]);
	ASSERT_LE(0, fd);
	self->fd = fd;
	self->buffer.data = device_map_lease(fd, &self->buffer.lease);
	ASSERT_NE(MAP_FAILED, self->buffer.data);
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
	EXPECT_EQ(0, release_only(self->fd, &self->buffer));
}

TEST_F(map, mapping_keeps_the_context_when_the_fd_is_closed)
{
	int other = device_open();
	long long before;

	ASSERT_LE(0, other);
	before = device_machine_bytes(other);
	close(self->fd);
	EXPECT_EQ(before, device_machine_bytes(other));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
	ASSERT_EQ(0, munmap(self->buffer.data + PAGE, 15 * PAGE));
	EXPECT_EQ(before, device_machine_bytes(other));
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, PAGE));
	ASSERT_EQ(0, munmap(self->buffer.data, PAGE));
	EXPECT_EQ(before - 16 * (long long)PAGE, device_machine_bytes(other));
	self->fd = other;
}

/* Every context's windows are its own. */
TEST_F(map, same_offset_of_another_context_is_another_buffer)
{
	struct buffer other;
	int fd = device_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, buffer_acquire(fd, 16 * PAGE, &other));
	ASSERT_EQ(self->buffer.lease.offset, other.lease.offset);
	EXPECT_NE(0x5a, other.data[0]);
	memset(other.data, 0x77, 16 * PAGE);
	EXPECT_TRUE(memory_is(self->buffer.data, 0x5a, 16 * PAGE));
	/* And unmapping one leaves the other. */
	ASSERT_EQ(0, release_only(self->fd, &self->buffer));
	EXPECT_EQ(SIGBUS, memory_read_signal(self->buffer.data));
	EXPECT_TRUE(memory_is(other.data, 0x77, 16 * PAGE));
	close(fd);
}

TEST_HARNESS_MAIN
