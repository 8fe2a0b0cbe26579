// SPDX-License-Identifier: GPL-2.0
/*
 * GOPHERSHIP_IOC_TRIM: what lies idle goes back when it is asked for, and for whom.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define LARGE	65536
#define MANY	32

FIXTURE(trim)
{
	int fd;
	long long idle;
};

FIXTURE_SETUP(trim)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_TRUE(device_leave_idle(self->fd, LARGE, MANY));
	self->idle = device_idle_bytes(self->fd);
	ASSERT_LE(MANY * LARGE, self->idle);
}

FIXTURE_TEARDOWN(trim)
{
	close(self->fd);
}

/* What drivers have idle is in it, too; the rest of the machine is not at work here. */
TEST_F(trim, all_that_is_idle_goes)
{
	__u64 bytes;

	EXPECT_EQ(0, device_trim(self->fd, &bytes));
	EXPECT_LE(self->idle, bytes);
	EXPECT_EQ(0, device_idle_bytes(self->fd));
	EXPECT_EQ(0, device_trim(self->fd, &bytes));
	EXPECT_EQ(0, bytes);
}

TEST_F(trim, what_is_on_lease_stays)
{
	struct buffer buffer;
	__u64 bytes;

	ASSERT_EQ(0, buffer_acquire(self->fd, LARGE, &buffer));
	memset(buffer.data, 0x5a, LARGE);
	EXPECT_EQ(0, device_trim(self->fd, &bytes));
	EXPECT_TRUE(memory_is(buffer.data, 0x5a, LARGE));
	EXPECT_EQ(0, buffer_release(self->fd, &buffer));
}

/*
 * The errno of a refusal, for a process to end with; 254: all that lay idle is gone, time and
 * again. (Once it may have grown old.)
 */
static int try_to_trim(int fd)
{
	int asked = device_open(), ret;

	for (int i = 0; i < 5; i++) {
		if (!device_leave_idle(asked, LARGE, MANY))
			return 253;
		ret = device_trim(fd, NULL);
		if (device_idle_bytes(asked) >= MANY * LARGE)
			return -ret;
	}
	return 254;
}

static int without_capabilities(int fd)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return syscall(SYS_capset, &header, none) ? 255 : try_to_trim(fd);
}

TEST_F(trim, it_wants_privilege)
{
	pid_t child = fork();

	if (!child)
		_exit(without_capabilities(self->fd));
	EXPECT_EQ(EPERM, device_status_of(child));
}

/* Root of a user namespace has each capability, but none over the machine. */
TEST_F(trim, root_of_a_container_has_none)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(unshare(CLONE_NEWUSER) ? 255 : try_to_trim(self->fd));
	status = device_status_of(child);
	if (status == 255)
		SKIP(return, "this kernel has no user namespaces");
	EXPECT_EQ(EPERM, status);
}

TEST_F(trim, who_only_reads_cannot)
{
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EBADF, try_to_trim(fd));
	close(fd);
}

TEST_HARNESS_MAIN
