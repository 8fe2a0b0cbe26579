// SPDX-License-Identifier: GPL-2.0
/*
 * One thread: sizes, pointers of every kind, bulk, counters, errno.
 */
#include "fixture.h"

FIXTURE(pointer)
{
	struct gophership *gs;
};

FIXTURE_SETUP(pointer)
{
	ASSERT_EQ(0, gophership_open(&self->gs, NULL));
}

FIXTURE_TEARDOWN(pointer)
{
	gophership_close(self->gs);
}

TEST_F(pointer, smallest_class_that_fits)
{
	static const struct { size_t size, capacity; } cases[] = {
		{ 0, PAGE }, { 1, PAGE }, { PAGE, PAGE }, { PAGE + 1, 2 * PAGE },
		{ 2 * PAGE, 2 * PAGE }, { 2 * PAGE + 1, 4 * PAGE }, { 4 * PAGE + 1, 8 * PAGE },
		{ 8 * PAGE, 8 * PAGE }, { 8 * PAGE + 1, LARGEST }, { LARGEST, LARGEST },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned char *buf = gophership_acquire(self->gs, cases[i].size);

		ASSERT_NE(NULL, buf);
		EXPECT_EQ(0, (uintptr_t)buf % PAGE);
		EXPECT_EQ(cases[i].capacity, gophership_capacity(self->gs, buf));
		memset(buf, 0xa5, cases[i].capacity);
		EXPECT_EQ(0, gophership_release(self->gs, buf));
	}
	EXPECT_EQ(0, used_of(self->gs));
}

TEST_F(pointer, too_large_is_EMSGSIZE)
{
	static const size_t sizes[] = { LARGEST + 1, 1 << 20, SIZE_MAX / 2, SIZE_MAX / 2 + 1,
					SIZE_MAX - 1, SIZE_MAX };
	void *buf;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (int again = 0; again < 2; again++) {
			errno = 0;
			EXPECT_EQ(NULL, gophership_acquire(self->gs, sizes[i]));
			EXPECT_EQ(EMSGSIZE, errno);
			errno = 0;
			EXPECT_EQ(0, gophership_acquire_bulk(self->gs, sizes[i], 1, &buf));
			EXPECT_EQ(EMSGSIZE, errno);
			gophership_release(self->gs, gophership_acquire(self->gs, 0));
		}
}

TEST_F(pointer, wild_pointers_are_EINVAL)
{
	char *buf = gophership_acquire(self->gs, LARGEST);
	char *small = gophership_acquire(self->gs, PAGE);
	int on_stack;
	void *on_heap = malloc(PAGE);
	char *const wild[] = {
		(char *)1, (char *)-1, (char *)-PAGE, (char *)PAGE, (char *)&on_stack, on_heap,
		/* inside a larger buffer, unaligned */
		buf + PAGE, buf + 1, buf + LARGEST - 1, buf + 32768, small + 1, small + 2048,
		/* never leased, beyond the windows */
		small + (1 << 26), small - PAGE, buf + (1UL << 30), buf - (1UL << 26),
		(char *)((uintptr_t)buf ^ (uintptr_t)1 << (sizeof(void *) * 8 - 1)),
	};

	ASSERT_NE(NULL, buf);
	ASSERT_NE(NULL, small);
	for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
		errno = 77;
		EXPECT_EQ(-EINVAL, gophership_release(self->gs, wild[i])) {
			TH_LOG("case %zu: %p", i, wild[i]);
		}
		EXPECT_EQ(0, gophership_release_bulk(self->gs, (void **)&wild[i], 1));
		EXPECT_EQ(0, gophership_capacity(self->gs, wild[i]));
		EXPECT_EQ(77, errno);
	}
	EXPECT_EQ(2 * ARRAY_SIZE(wild), stats_of(self->gs).foreign);
	EXPECT_EQ(0, gophership_release(self->gs, NULL));
	EXPECT_EQ(0, gophership_capacity(self->gs, NULL));
	EXPECT_EQ(LARGEST, gophership_capacity(self->gs, buf));
	EXPECT_EQ(0, gophership_release(self->gs, buf));
	EXPECT_EQ(0, gophership_release(self->gs, small));
	free(on_heap);
}

TEST_F(pointer, random_pointers_do_no_harm)
{
	uint64_t random = 88172645463325252ULL;
	char *held = gophership_acquire(self->gs, 4 * PAGE);

	ASSERT_NE(NULL, held);
	for (int i = 0; i < 1000000; i++) {
		char *wild;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		/* All over, and close by. */
		wild = i & 1 ? (char *)(uintptr_t)random : held + (int32_t)random;
		if (wild == held)
			continue;
		if (gophership_release(self->gs, wild) != -EINVAL && wild)
			EXPECT_EQ(0, 1);
	}
	EXPECT_EQ(4 * PAGE, gophership_capacity(self->gs, held));
	EXPECT_EQ(0, gophership_release(self->gs, held));
}

TEST_F(pointer, second_release_is_EALREADY)
{
	void *bufs[300];

	for (size_t size = 0; size <= LARGEST; size += LARGEST / 4) {
		ASSERT_EQ(300, gophership_acquire_bulk(self->gs, size, 300, bufs));
		for (int i = 0; i < 300; i++) {
			int at = (i * 7) % 300;

			EXPECT_EQ(0, gophership_release(self->gs, bufs[at]));
			EXPECT_EQ(-EALREADY, gophership_release(self->gs, bufs[at]));
			EXPECT_EQ(0, gophership_capacity(self->gs, bufs[at]));
		}
		for (int i = 0; i < 300; i++)
			EXPECT_EQ(-EALREADY, gophership_release(self->gs, bufs[i]));
		EXPECT_EQ(0, gophership_release_bulk(self->gs, bufs, 300));
		ASSERT_EQ(300, gophership_acquire_bulk(self->gs, size, 300, bufs));
		EXPECT_FALSE(has_twins(bufs, 300));
		EXPECT_EQ(300, gophership_release_bulk(self->gs, bufs, 300));
	}
	EXPECT_EQ(0, used_of(self->gs));
	/* Also when the kernel has it back. */
	EXPECT_NE(0, gophership_trim(self->gs));
	EXPECT_EQ(-EALREADY, gophership_release(self->gs, bufs[5]));
}

TEST_F(pointer, bulk_passes_over_bad_ones)
{
	void *bufs[64];
	int on_stack;

	for (int spoilt = 0; spoilt < 64; spoilt++) {
		void *good;

		ASSERT_EQ(64, gophership_acquire_bulk(self->gs, PAGE, 64, bufs));
		EXPECT_FALSE(has_twins(bufs, 64));
		good = bufs[spoilt];
		/* A twin, a foreign one, a misaligned one; NULL is no error. */
		bufs[spoilt] = spoilt % 4 == 0 ? bufs[(spoilt + 1) % 64] :
			       spoilt % 4 == 1 ? (void *)&on_stack :
			       spoilt % 4 == 2 ? (char *)good + 64 : NULL;
		EXPECT_EQ(63 + (spoilt % 4 == 3), gophership_release_bulk(self->gs, bufs, 64));
		EXPECT_EQ(1, used_of(self->gs));
		EXPECT_EQ(0, gophership_release(self->gs, good));
	}
	EXPECT_EQ(0, gophership_acquire_bulk(self->gs, PAGE, 0, bufs));
	EXPECT_EQ(0, gophership_release_bulk(self->gs, bufs, 0));
}

TEST_F(pointer, bulk_of_any_length_and_order)
{
	void *bufs[500];

	for (unsigned int nr = 1; nr < 500; nr += 1 + nr / 8) {
		unsigned int half = nr / 2;

		ASSERT_EQ(nr, gophership_acquire_bulk(self->gs, nr % 3 ? PAGE : LARGEST, nr, bufs));
		for (unsigned int i = 0; i < nr; i++)
			*(unsigned int *)bufs[i] = i;
		for (unsigned int i = 0; i < nr; i++)
			EXPECT_EQ(i, *(unsigned int *)bufs[i]);
		/* Backwards, one half of them, then the other. */
		for (unsigned int i = 0; i < half; i++) {
			void *swap = bufs[i];

			bufs[i] = bufs[nr - 1 - i];
			bufs[nr - 1 - i] = swap;
		}
		EXPECT_EQ(half, gophership_release_bulk(self->gs, bufs, half));
		EXPECT_EQ(nr - half, gophership_release_bulk(self->gs, bufs + half, nr - half));
		EXPECT_EQ(0, used_of(self->gs));
	}
}

/* Each place in a run of each length is looked at. */
TEST_F(pointer, one_wrong_pointer_in_a_run)
{
	void *bufs[40];

	for (unsigned int nr = 1; nr <= 40; nr++) {
		for (unsigned int at = 0; at < nr; at++) {
			void *right;

			ASSERT_EQ(nr, gophership_acquire_bulk(self->gs, PAGE, nr, bufs));
			right = bufs[at];
			bufs[at] = (char *)right + 8;
			ASSERT_EQ(nr - 1, gophership_release_bulk(self->gs, bufs, nr));
			ASSERT_EQ(0, gophership_release(self->gs, right));
		}
	}
	EXPECT_EQ(0, used_of(self->gs));
}

TEST_F(pointer, errno_is_left_alone_on_success)
{
	void *bufs[200];

	errno = 77;
	EXPECT_EQ(200, gophership_acquire_bulk(self->gs, PAGE, 200, bufs));
	EXPECT_EQ(200, gophership_release_bulk(self->gs, bufs, 200));
	gophership_release(self->gs, gophership_acquire(self->gs, LARGEST));
	gophership_trim(self->gs);
	stats_of(self->gs);
	EXPECT_EQ(77, errno);
}

TEST_F(pointer, counters_add_up)
{
	struct gophership_lib_stats stats;
	void *bufs[100];

	for (int i = 0; i < 5000; i++)
		gophership_release(self->gs, gophership_acquire(self->gs, PAGE));
	ASSERT_EQ(100, gophership_acquire_bulk(self->gs, 2 * PAGE, 100, bufs));
	stats = stats_of(self->gs);
	EXPECT_EQ(5100, stats.acquires);
	EXPECT_EQ(5000, stats.releases);
	EXPECT_EQ(5, stats.nr_classes);
	EXPECT_EQ(100, stats.classes[1].used);
	EXPECT_EQ(stats.leases, stats.classes[0].leased + stats.classes[1].leased);
	EXPECT_EQ(stats.leased_bytes,
		  stats.classes[0].leased * PAGE + stats.classes[1].leased * 2 * PAGE);
	EXPECT_EQ(1, stats.threads);
	EXPECT_EQ(0, stats.failed);
	EXPECT_EQ(100, gophership_release_bulk(self->gs, bufs, 100));
	gophership_trim(self->gs);
	stats = stats_of(self->gs);
	EXPECT_EQ(0, stats.leased_bytes);
	EXPECT_EQ(stats.leases, stats.given_back);
	stats.size = 8;
	EXPECT_EQ(-EINVAL, gophership_stats(self->gs, &stats));
}

/* Each is moved by what it counts, and by nothing else. */
TEST_F(pointer, each_counter_counts_its_own)
{
	struct gophership_lib_stats wanted = stats_of(self->gs), now;
	void *one, *two;

	EXPECT_EQ(sizeof(now), wanted.size);
	EXPECT_EQ(0, wanted.acquires | wanted.releases | wanted.refills | wanted.leases);
	EXPECT_EQ(0, wanted.given_back | wanted.system_calls | wanted.foreign | wanted.doubled);
	EXPECT_EQ(0, wanted.raced | wanted.failed | wanted.pressure | wanted.threads);
	EXPECT_EQ(0, wanted.retired | wanted.leased_bytes);
	for (unsigned int i = 0; i < wanted.nr_classes; i++) {
		EXPECT_EQ((unsigned int)PAGE << i, wanted.classes[i].capacity);
		EXPECT_EQ(0, wanted.classes[i].leased | wanted.classes[i].used |
			     wanted.classes[i].idle);
	}

	/* The first brings some from the kernel, in one call. */
	one = gophership_acquire(self->gs, 2 * PAGE);
	ASSERT_NE(NULL, one);
	now = stats_of(self->gs);
	EXPECT_LE(1, now.refills);
	EXPECT_LE(2, now.leases);
	wanted.acquires = 1;
	wanted.system_calls = 1;
	wanted.threads = 1;
	wanted.refills = now.refills;
	wanted.leases = now.leases;
	wanted.classes[1].leased = now.leases;
	wanted.leased_bytes = now.leases * 2 * PAGE;
	wanted.classes[1].used = 1;
	wanted.classes[1].idle = now.leases - 1;
	EXPECT_EQ(0, memcmp(&wanted, &now, sizeof(now)));

	two = gophership_acquire(self->gs, 2 * PAGE);
	wanted.acquires++;
	wanted.classes[1].used++;
	wanted.classes[1].idle--;
	now = stats_of(self->gs);
	EXPECT_EQ(0, memcmp(&wanted, &now, sizeof(now)));

	EXPECT_EQ(0, gophership_release(self->gs, one));
	wanted.releases++;
	wanted.classes[1].used--;
	wanted.classes[1].idle++;
	now = stats_of(self->gs);
	EXPECT_EQ(0, memcmp(&wanted, &now, sizeof(now)));

	EXPECT_EQ(-EALREADY, gophership_release(self->gs, one));
	wanted.doubled++;
	now = stats_of(self->gs);
	EXPECT_EQ(0, memcmp(&wanted, &now, sizeof(now)));

	EXPECT_EQ(-EINVAL, gophership_release(self->gs, &now));
	wanted.foreign++;
	now = stats_of(self->gs);
	EXPECT_EQ(0, memcmp(&wanted, &now, sizeof(now)));

	/* What is in use stays. */
	EXPECT_EQ(wanted.leases - 1, gophership_trim(self->gs));
	now = stats_of(self->gs);
	EXPECT_LT(wanted.system_calls, now.system_calls);
	wanted.system_calls = now.system_calls;
	wanted.refills = now.refills;
	wanted.given_back = wanted.leases - 1;
	wanted.classes[1].leased = 1;
	wanted.classes[1].idle = 0;
	wanted.leased_bytes = 2 * PAGE;
	EXPECT_EQ(0, memcmp(&wanted, &now, sizeof(now)));

	EXPECT_EQ(0, gophership_release(self->gs, two));
	wanted.releases++;
	wanted.classes[1].used--;
	wanted.classes[1].idle++;
	now = stats_of(self->gs);
	EXPECT_EQ(0, memcmp(&wanted, &now, sizeof(now)));

	/* A larger structure than the library knows, and a smaller one. */
	now.size = sizeof(now) + 100;
	EXPECT_EQ(0, gophership_stats(self->gs, &now));
	EXPECT_EQ(sizeof(now), now.size);
}

/* An acquire that fails is counted as that, and as nothing else. */
TEST_F(pointer, failures_are_counted)
{
	struct gophership_options options = { .size = sizeof(options), .ceiling = 2 * PAGE };
	struct gophership_lib_stats before, after;
	struct gophership *gs;
	void *bufs[5];

	ASSERT_EQ(0, gophership_open(&gs, &options));
	ASSERT_EQ(2, gophership_acquire_bulk(gs, PAGE, 2, bufs));
	before = stats_of(gs);
	EXPECT_EQ(0, before.failed);
	EXPECT_EQ(NULL, gophership_acquire(gs, PAGE));
	EXPECT_EQ(0, gophership_acquire_bulk(gs, PAGE, 3, bufs + 2));
	after = stats_of(gs);
	EXPECT_EQ(4, after.failed);
	EXPECT_EQ(before.acquires, after.acquires);
	EXPECT_EQ(before.releases, after.releases);
	EXPECT_EQ(before.leases, after.leases);
	gophership_close(gs);
}

TEST_F(pointer, two_handles_do_not_mix)
{
	struct gophership *other;
	void *ours, *theirs;

	ASSERT_EQ(0, gophership_open(&other, NULL));
	for (int i = 0; i < 3000; i++) {
		ours = gophership_acquire(self->gs, PAGE);
		theirs = gophership_acquire(other, PAGE);
		ASSERT_NE(NULL, ours);
		ASSERT_NE(NULL, theirs);
		ASSERT_EQ(-EINVAL, gophership_release(self->gs, theirs));
		ASSERT_EQ(-EINVAL, gophership_release(other, ours));
		ASSERT_EQ(0, gophership_release(self->gs, ours));
		ASSERT_EQ(0, gophership_release(other, theirs));
	}
	EXPECT_EQ(0, used_of(self->gs));
	EXPECT_EQ(0, used_of(other));
	gophership_close(other);
	EXPECT_NE(NULL, gophership_acquire(self->gs, PAGE));
}

TEST_HARNESS_MAIN
