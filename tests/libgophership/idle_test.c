// SPDX-License-Identifier: GPL-2.0
/*
 * What lies idle goes back: after a time, and when memory is short.
 */

#include "fixture.h"
#ifdef STANDIN
#include "standin.h"
#endif

static bool shrinks_to(struct gophership *gs, uint64_t bytes)
{
	for (int ms = 0; ms < 60000; ms += 20) {
		if (stats_of(gs).leased_bytes <= bytes)
			return true;
		usleep(20000);
	}
	return false;
}

static void leave_many_idle(struct gophership *gs)
{
	void *bufs[2000];

	gophership_release_bulk(gs, bufs, gophership_acquire_bulk(gs, 2 * PAGE, 2000, bufs));
}

TEST(keeper_gives_back_after_idle_time)
{
	struct gophership *gs = open_with((struct gophership_options) {
			.flags = GOPHERSHIP_KEEPER, .idle_ms = 300 });

	ASSERT_NE(NULL, gs);
	leave_many_idle(gs);
	EXPECT_TRUE(shrinks_to(gs, 0));
	/* On a busy machine it may have begun before the last one lay idle. */
	EXPECT_LE(2000, stats_of(gs).given_back);
	EXPECT_NE(NULL, gophership_acquire(gs, PAGE));
	gophership_close(gs);
}

TEST(idle_never_keeps_everything)
{
	struct gophership *gs = open_with((struct gophership_options) {
			.flags = GOPHERSHIP_KEEPER, .idle_ms = GOPHERSHIP_IDLE_NEVER });

	ASSERT_NE(NULL, gs);
	leave_many_idle(gs);
	usleep(700000);
	EXPECT_LE(2000 * 2 * PAGE, stats_of(gs).leased_bytes);
	gophership_close(gs);
}

/* Without a keeper it takes calls, and here and there one off the fast path. */
TEST(calls_give_back_after_idle_time)
{
	struct gophership *gs = open_with((struct gophership_options) { .idle_ms = 300 });

	ASSERT_NE(NULL, gs);
	leave_many_idle(gs);
	/* The time is looked at every 262144 acquires. */
	for (int i = 0; i < 10; i++) {
		usleep(100000);
		for (int k = 0; k < 263000; k++)
			gophership_release(gs, gophership_acquire(gs, PAGE));
	}
	EXPECT_LT(0, stats_of(gs).given_back);
	/* But for what this thread, which is not idle, keeps for itself. */
	EXPECT_GT(3 << 20, stats_of(gs).classes[1].leased * 2 * PAGE);
	gophership_close(gs);
}

#ifdef STANDIN
TEST(pressure_is_heeded)
{
	struct gophership *gs;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	leave_many_idle(gs);
	gophership_standin_pressure();
	for (int i = 0; i < 2048; i++)
		gophership_release(gs, gophership_acquire(gs, PAGE));
	EXPECT_EQ(1, stats_of(gs).pressure);
	EXPECT_GE(64 * PAGE, stats_of(gs).leased_bytes);
	gophership_close(gs);
}

/* Whatever goes wrong in the course of it is nothing to the caller. */
TEST(errno_is_left_alone_by_release)
{
	struct gophership *gs;
	void *buf;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	leave_many_idle(gs);
	gophership_release(gs, gophership_acquire(gs, PAGE));
	/* It cannot be asked for anything any more. */
	ASSERT_LE(0, dup2(open("/dev/null", O_RDWR), find_device()));
	gophership_standin_pressure();
	for (int i = 0; i < 2000; i++) {
		buf = gophership_acquire(gs, PAGE);
		errno = 77;
		if (gophership_release(gs, buf) || errno != 77)
			break;
		if (stats_of(gs).pressure)
			break;
	}
	EXPECT_EQ(77, errno);
	EXPECT_EQ(1, stats_of(gs).pressure);
	gophership_close(gs);
}

/* By who makes no other calls than these, too; and each acquire is counted once. */
TEST(pressure_is_heeded_by_bulk_calls)
{
	struct gophership *gs;
	void *bufs[48];

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	leave_many_idle(gs);
	for (int i = 0; i < 100; i++) {
		/* When there is no more need to lease any. */
		if (i == 1)
			gophership_standin_pressure();
		ASSERT_EQ(48, gophership_acquire_bulk(gs, PAGE, 48, bufs));
		ASSERT_EQ(48, gophership_release_bulk(gs, bufs, 48));
	}
	EXPECT_EQ(2000 + 100 * 48, stats_of(gs).acquires);
	EXPECT_EQ(1, stats_of(gs).pressure);
	EXPECT_GE(64 * PAGE, stats_of(gs).leased_bytes);
	gophership_close(gs);
}
#endif

TEST_HARNESS_MAIN
