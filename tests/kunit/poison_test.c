// SPDX-License-Identifier: GPL-2.0
/*
 * poison=1: writes to a buffer after its release are found.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/preempt.h>
#include <linux/string.h>

#include "support.h"

static int poison_init(struct kunit *test)
{
	int ret = gk_init(test);

	if (!ret && !gk_loaded_with("poison", "Y"))
		kunit_skip(test, "gophership was not loaded with poison=1");
	return ret;
}

static u64 poisoned(void)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(GK_MACHINE, &stats);
	return stats.poisoned;
}

static noinline int who_releases_and_writes(struct gophership_buf *buf)
{
	int ret = gophership_buf_release(buf);

	barrier();	/* no tail call: the call site is here */
	return ret;
}

/*
 * Release, write a byte at @offset, acquire: on one CPU, so that it is the same
 * buffer. The damaged buffer is served all the same.
 */
static struct gophership_buf *damage(struct kunit *test, unsigned int class, size_t offset)
{
	struct gophership_buf *buf = gophership_buf_acquire(gk_capacity(class), GFP_KERNEL);
	struct gophership_buf *again;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	preempt_disable();
	ret = who_releases_and_writes(buf);
	((u8 *)buf->data)[offset] ^= 0x01;
	again = gophership_buf_acquire(gk_capacity(class), GFP_NOWAIT);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, again, buf);
	KUNIT_ASSERT_NOT_NULL(test, again);
	return again;
}

static void poison_reports(struct kunit *test)
{
	u64 mark = gk_log_mark();
	struct gophership_buf *buf = damage(test, 0, 100);
	bool came;

	/* It was found with preemption off: the line follows. */
	came = gk_eventually(gk_log_count(mark, "gophership:", "byte 100 ") == 1);
	KUNIT_EXPECT_TRUE(test, came);
	KUNIT_EXPECT_EQ(test, gk_log_count(mark, "gophership:", "who_releases_and_writes+"), 1);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
}

static void poison_finds_each_end(struct kunit *test)
{
	struct gophership_buf *buf;
	unsigned int class, i;
	u64 before;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		const size_t offsets[] = { 0, 1, gk_capacity(class) / 2, gk_capacity(class) - 1 };

		for (i = 0; i < ARRAY_SIZE(offsets); i++) {
			before = poisoned();
			buf = damage(test, class, offsets[i]);
			KUNIT_EXPECT_EQ_MSG(test, poisoned(), before + 1, "class %u offset %zu",
					    class, offsets[i]);
			KUNIT_EXPECT_EQ(test, buf->len, 0);
			KUNIT_EXPECT_EQ(test, buf->capacity, gk_capacity(class));
			KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
		}
	}
}

static void poison_finds_in_bulk(struct kunit *test)
{
	struct gophership_buf *bufs[8], *victim;
	u64 before = poisoned();
	unsigned int nr;

	KUNIT_ASSERT_EQ(test, gophership_buf_acquire_bulk(1, GFP_KERNEL, 8, bufs), 8);
	victim = bufs[3];
	preempt_disable();
	gophership_buf_release_bulk(bufs, 8);
	memset(victim->data, 0, 3);
	nr = gophership_buf_acquire_bulk(1, GFP_NOWAIT, 8, bufs);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, nr, 8);
	KUNIT_EXPECT_EQ(test, poisoned(), before + 1);
	KUNIT_EXPECT_EQ(test, gophership_buf_release_bulk(bufs, nr), 8);
}

/* What the last holder wrote cannot be read by the next one. */
static void poison_fills(struct kunit *test)
{
	unsigned int class, i, found = 0;
	struct gophership_buf *buf;
	u8 *data;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		buf = gophership_buf_acquire(gk_capacity(class), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		data = buf->data;
		for (i = 0; i < buf->capacity; i++)
			data[i] = i % 251;
		preempt_disable();
		gophership_buf_release(buf);
		found += !!memchr_inv(data, data[0], gk_capacity(class));
		preempt_enable();
		KUNIT_EXPECT_EQ(test, found, 0);
	}
}

static void poison_double(struct kunit *test)
{
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), -EALREADY);
	gk_expect_sound(test, GK_MACHINE, 1);
}

struct honest {
	struct gophership_buf *locker[32];
	atomic_t failed;
};

static void honest_main(unsigned int id, void *arg)
{
	struct honest *honest = arg;
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		buf = gophership_buf_acquire(gk_capacity(i % 2 * 2), GFP_KERNEL);
		if (!buf) {
			atomic_inc(&honest->failed);
			continue;
		}
		memset(buf->data, i, 64);
		buf = xchg(&honest->locker[(i + id * 7) % ARRAY_SIZE(honest->locker)], buf);
		if (buf && gophership_buf_release(buf))
			atomic_inc(&honest->failed);
	}
}

/* Who writes only while it holds the buffer is not accused. */
static void poison_accuses_no_honest_one(struct kunit *test)
{
	struct honest *honest = kunit_kzalloc(test, sizeof(*honest), GFP_KERNEL);
	u64 before = poisoned();
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, honest);
	gk_run(test, 6, honest_main, honest);
	for (i = 0; i < ARRAY_SIZE(honest->locker); i++)
		if (honest->locker[i] && gophership_buf_release(honest->locker[i]))
			atomic_inc(&honest->failed);
	KUNIT_EXPECT_EQ(test, atomic_read(&honest->failed), 0);
	gophership_pool_trim(GK_MACHINE);
	gk_expect_sound(test, GK_MACHINE, 1);
	KUNIT_EXPECT_EQ(test, poisoned(), before);
}

static struct kunit_case poison_cases[] = {
	KUNIT_CASE(poison_reports),
	KUNIT_CASE(poison_finds_each_end),
	KUNIT_CASE(poison_finds_in_bulk),
	KUNIT_CASE(poison_fills),
	KUNIT_CASE(poison_double),
	KUNIT_CASE(poison_accuses_no_honest_one),
	{}
};

static struct kunit_suite poison_suite = {
	.name = "gophership_poison",
	.init = poison_init,
	.exit = gk_exit,
	.test_cases = poison_cases,
};

kunit_test_suite(poison_suite);
