// SPDX-License-Identifier: GPL-2.0
/*
 * How much the device keeps idle. The module is loaded with max_cached_mb=4.
 */
#include "device.h"
#include "harness.h"

#define MB	0x100000
#define LARGE	65536
/* As many as max_cached_mb would hold, and more. */
#define MANY	(6 * MB / LARGE)

/* The rest is for the pools of drivers, however much programs give back. */
TEST(the_device_keeps_three_quarters_at_most)
{
	struct gophership_lease leases[MANY];
	int fd = device_open(), round;

	ASSERT_LE(0, fd);
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(MANY, device_acquire(fd, LARGE, MANY, leases));
		ASSERT_EQ(0, device_release_leases(fd, leases, MANY));
		EXPECT_GE(3 * MB, device_idle_bytes(fd));
		/* What ages meanwhile is gone; what was just given back is not. */
		EXPECT_LT(0, device_idle_bytes(fd));
	}
	close(fd);
}

TEST_HARNESS_MAIN
