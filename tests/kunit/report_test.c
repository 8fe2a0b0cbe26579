// SPDX-License-Identifier: GPL-2.0
/*
 * What the log says of a mistake: who made it, and not too often. This suite is
 * the first, before the others use up what the rate limit allows.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>

#include "support.h"

static noinline struct gophership_buf *who_acquires(void)
{
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);

	barrier();	/* no tail call: the call site is here */
	return buf;
}

static noinline int who_releases(struct gophership_buf *buf)
{
	int ret = gophership_buf_release(buf);

	barrier();
	return ret;
}

static noinline int who_releases_again(struct gophership_buf *buf)
{
	int ret = gophership_buf_release(buf);

	/* Not the same code as above, or the compiler makes one of the two. */
	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}

/* All three call sites of a double release. */
static void report_double(struct kunit *test)
{
	struct gophership_buf *buf = who_acquires();
	u64 mark = gk_log_mark();
	bool came;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, who_releases(buf), 0);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", "who_releases"), 0);
	KUNIT_EXPECT_EQ(test, who_releases_again(buf), -EALREADY);
	came = gk_eventually(gk_log_count(mark, "gophership:", "who_acquires+") == 1);
	KUNIT_EXPECT_TRUE(test, came);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", "who_releases+"), 1);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", "who_releases_again+"), 1);
}

static void report_foreign(struct kunit *test)
{
	struct gophership_buf on_stack = {};
	u64 mark = gk_log_mark();
	bool came;

	KUNIT_EXPECT_EQ(test, who_releases(&on_stack), -EINVAL);
	came = gk_eventually(gk_log_count(mark, "gophership:", "who_releases+") == 1);
	KUNIT_EXPECT_TRUE(test, came);
}

static void report_null_is_silent(struct kunit *test)
{
	u64 mark = gk_log_mark();

	KUNIT_EXPECT_EQ(test, who_releases(NULL), 0);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", ""), 0);
}

/* Addresses are hashed as everywhere in the log. */
static void report_hides_addresses(struct kunit *test)
{
	struct gophership_buf *buf = who_acquires();
	u64 mark = gk_log_mark();
	char address[20];
	bool came;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	snprintf(address, sizeof(address), "%lx", (unsigned long)buf);
	KUNIT_EXPECT_EQ(test, who_releases(buf), 0);
	KUNIT_EXPECT_EQ(test, who_releases(buf), -EALREADY);
	came = gk_eventually(gk_log_count(mark, "gophership:", "refused") == 1);
	KUNIT_EXPECT_TRUE(test, came);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", address), 0);
}

/*
 * With interrupts off it may be a tracer's mistake, under any lock: nothing is printed
 * there, and all of it soon after.
 */
static void report_later(struct kunit *test)
{
	struct gophership_buf *buf = who_acquires();
	u64 mark = gk_log_mark();
	unsigned int early;
	unsigned long flags;
	bool came;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, who_releases(buf), 0);
	local_irq_save(flags);
	ret = who_releases_again(buf);
	early = gk_log_count(mark, "gophership:", "");
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, ret, -EALREADY);
	KUNIT_EXPECT_EQ(test, early, 0);
	came = gk_eventually(gk_log_count(mark, "gophership:", "who_releases_again+") == 1);
	KUNIT_EXPECT_TRUE(test, came);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "who_acquires+", "who_releases+"), 1);
}

/* Ten thousand mistakes: all counted, a few reported. */
static void report_no_flood(struct kunit *test)
{
	struct gophership_buf *buf = who_acquires();
	u64 mark = gk_log_mark(), doubled = gk_doubled(), foreign = gk_foreign();
	unsigned long start = jiffies;
	unsigned int i, wrong = 0;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, who_releases(buf), 0);
	for (i = 0; i < 5000; i++) {
		wrong += who_releases(buf) != -EALREADY;
		wrong += who_releases((void *)buf + 8) != -EINVAL;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, gk_doubled(), doubled + 5000);
	KUNIT_EXPECT_EQ(test, gk_foreign(), foreign + 5000);
	/* The limit is one in time, of which a slow machine takes more. */
	KUNIT_EXPECT_LE(test, gk_log_count(mark, "gophership:", ""),
			20 + 20 * ((jiffies - start) / (5 * HZ)));
}

static struct kunit_case report_cases[] = {
	KUNIT_CASE(report_double),
	KUNIT_CASE(report_foreign),
	KUNIT_CASE(report_null_is_silent),
	KUNIT_CASE(report_hides_addresses),
	KUNIT_CASE(report_later),
	KUNIT_CASE(report_no_flood),
	{}
};

static struct kunit_suite report_suite = {
	.name = "gophership_report",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = report_cases,
};

kunit_test_suite(report_suite);
