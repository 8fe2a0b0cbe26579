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

/* All of it on lease, and given back. Returns what lies idle then, or less than 0. */
static long long lease_and_give_back(int fd)
{
	struct gophership_lease leases[MANY];

	if (device_acquire(fd, LARGE, MANY, leases) != MANY ||
	    device_release_leases(fd, leases, MANY))
		return -1;
	return device_idle_bytes(fd);
}

/* A higher bound is used at once, a lower one at the next release at the latest. */
TEST(the_bound_changes_at_run_time)
{
	int fd = device_open();

	ASSERT_LE(0, fd);
	EXPECT_GE(3 * MB, lease_and_give_back(fd));
	ASSERT_TRUE(device_set_parameter("max_cached_mb", "16"));
	EXPECT_EQ(6 * MB, lease_and_give_back(fd));
	ASSERT_TRUE(device_set_parameter("max_cached_mb", "1"));
	EXPECT_GE(3 * MB / 4, lease_and_give_back(fd));
	EXPECT_LT(0, lease_and_give_back(fd));
	EXPECT_TRUE(device_set_parameter("max_cached_mb", "4"));
	close(fd);
}

TEST(a_bound_that_is_none_changes_nothing)
{
	static const char *const wrong[] = { "-1", "9999999", "4294967296", "1x", "\n" };
	int fd = device_open();

	ASSERT_LE(0, fd);
	ASSERT_TRUE(device_set_parameter("max_cached_mb", "1"));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_FALSE(device_set_parameter("max_cached_mb", wrong[i])) {
			TH_LOG("max_cached_mb=%s", wrong[i]);
		}
		EXPECT_TRUE(device_parameter_is("max_cached_mb", "1"));
		EXPECT_GE(3 * MB / 4, lease_and_give_back(fd));
	}
	EXPECT_TRUE(device_set_parameter("max_cached_mb", "4"));
	close(fd);
}

TEST_HARNESS_MAIN
