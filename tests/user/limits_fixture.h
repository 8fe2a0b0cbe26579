/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the limits have in common. The module is loaded with quota_mb=4
 * user_limit_mb=10, and the device is open to every user.
 */
#ifndef TESTS_LIMITS_FIXTURE_H
#define TESTS_LIMITS_FIXTURE_H

#include "device.h"
#include "file.h"
#include "harness.h"
#include "memory.h"

#define MB	0x100000
#define LARGE	65536
#define NOBODY	65534

FIXTURE(limits)
{
	int fd;
};

FIXTURE_SETUP(limits)
{
	struct gophership_info info;

	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_info(self->fd, &info));
	ASSERT_EQ(4 * MB, info.quota);
	ASSERT_EQ(10 * MB, info.machine_limit);
}

FIXTURE_TEARDOWN(limits)
{
	close(self->fd);
}

/* Lease one after the other until it fails; the error, and how many bytes. */
static inline int lease_until_error(int fd, size_t size, size_t *bytes)
{
	struct gophership_lease lease;
	int ret;

	*bytes = 0;
	while (!(ret = device_acquire_one(fd, size, &lease)))
		*bytes += lease.capacity;
	return ret;
}

/*
 * What follows runs as another user, in a child: it answers by its exit
 * status, the number of the step that went wrong.
 */
static inline int become_nobody(rlim_t memlock)
{
	struct rlimit limit = { memlock, memlock };

	return setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(NOBODY) || setuid(NOBODY);
}

#endif /* TESTS_LIMITS_FIXTURE_H */
