/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the interface's structures have in common: an open device.
 */
#ifndef TESTS_ABI_FIXTURE_H
#define TESTS_ABI_FIXTURE_H

#include "device.h"
#include "harness.h"
#include "memory.h"

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

#endif /* TESTS_ABI_FIXTURE_H */
