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

/* Does more than @least and no more than @most lie idle, when all of it was given back? */
static bool keeps(int fd, long long least, long long most)
{
	long long idle;

	if (!device_leave_idle(fd, LARGE, MANY))
		return false;
	idle = device_idle_bytes(fd);
	return idle > least && idle <= most;
}

/* The rest is for the pools of drivers, however much programs give back. */
TEST(the_device_keeps_three_quarters_at_most)
{
	int fd = device_open(), round;

	ASSERT_LE(0, fd);
	/* What ages meanwhile is gone; what was just given back is not. */
	for (round = 0; round < 3; round++)
		EXPECT_TRUE(keeps(fd, 0, 3 * MB));
	close(fd);
}

/* A higher bound is used at once, a lower one at the next release at the latest. */
TEST(the_bound_changes_at_run_time)
{
	int fd = device_open();

	ASSERT_LE(0, fd);
	EXPECT_TRUE(keeps(fd, 0, 3 * MB));
	ASSERT_TRUE(device_set_parameter("max_cached_mb", "16"));
	EXPECT_TRUE(keeps(fd, 3 * MB, 6 * MB));
	ASSERT_TRUE(device_set_parameter("max_cached_mb", "1"));
	EXPECT_TRUE(keeps(fd, 0, 3 * MB / 4));
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
		EXPECT_TRUE(keeps(fd, 0, 3 * MB / 4));
	}
	EXPECT_TRUE(device_set_parameter("max_cached_mb", "4"));
	close(fd);
}

TEST_HARNESS_MAIN
