// SPDX-License-Identifier: GPL-2.0
/*
 * Ceilings and limits: exact, and what is idle elsewhere makes room.
 */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "fixture.h"

TEST(ceiling_is_ENOMEM_and_recovers)
{
	struct gophership *gs = open_with((struct gophership_options) { .ceiling = 10 * PAGE });
	void *bufs[11], *large;

	ASSERT_NE(NULL, gs);
	for (int i = 0; i < 100; i++) {
		errno = 0;
		ASSERT_EQ(10, gophership_acquire_bulk(gs, PAGE, 11, bufs));
		ASSERT_EQ(ENOMEM, errno);
		ASSERT_EQ(NULL, gophership_acquire(gs, 0));
		ASSERT_EQ(0, gophership_release(gs, bufs[3]));
		bufs[3] = gophership_acquire(gs, 0);
		ASSERT_NE(NULL, bufs[3]);
		ASSERT_EQ(10, gophership_release_bulk(gs, bufs, 10));
		/* What is idle in one class makes room for another. */
		errno = 77;
		large = gophership_acquire(gs, 8 * PAGE);
		ASSERT_NE(NULL, large);
		/* It took some refusals, which are nothing to the caller. */
		ASSERT_EQ(77, errno);
		ASSERT_EQ(2, gophership_acquire_bulk(gs, PAGE, 3, bufs));
		ASSERT_EQ(NULL, gophership_acquire(gs, LARGEST));
		ASSERT_EQ(2, gophership_release_bulk(gs, bufs, 2));
		ASSERT_EQ(0, gophership_release(gs, large));
	}
	EXPECT_GE(10 * PAGE, stats_of(gs).leased_bytes);
	EXPECT_NE(0, stats_of(gs).failed);
	gophership_close(gs);
}

/* To the byte, in each class, of what was idle in another one before. */
TEST(ceiling_is_exact)
{
	static const uint64_t ceilings[] = {
		1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5 * PAGE, 10 * PAGE, 17 * PAGE - 1,
		33 * PAGE, 64 * PAGE, 65 * PAGE, 100 * PAGE, 300 * PAGE + 1,
	};
	static void *bufs[302];

	for (size_t i = 0; i < ARRAY_SIZE(ceilings); i++) {
		struct gophership *gs;

		gs = open_with((struct gophership_options) { .ceiling = ceilings[i] });
		ASSERT_NE(NULL, gs);
		EXPECT_EQ(ceilings[i], stats_of(gs).ceiling);
		/* Up and down, in one call and one by one. */
		for (int round = 0; round < 20; round++) {
			size_t size = (size_t)PAGE << (round * 3 % 5);
			unsigned int wanted = ceilings[i] / size, nr = 0;

			if (round % 2)
				nr = gophership_acquire_bulk(gs, size, wanted + 1, bufs);
			else
				while (nr <= wanted && (bufs[nr] = gophership_acquire(gs, size)))
					nr++;
			EXPECT_EQ(wanted, nr) {
				TH_LOG("ceiling %llu, size %zu",
				       (unsigned long long)ceilings[i], size);
			}
			EXPECT_GE(ceilings[i], stats_of(gs).leased_bytes);
			EXPECT_EQ(nr, gophership_release_bulk(gs, bufs, nr));
		}
		gophership_close(gs);
	}
}

/* What is in use of one class and what is taken of another are below it together. */
TEST(ceiling_is_exact_for_all_classes_together)
{
	static void *bufs[64];

	for (unsigned int a = 0; a < 5; a++) {
		for (unsigned int b = 0; b < 5; b++) {
			size_t held_size = (size_t)PAGE << a, size = (size_t)PAGE << b;
			struct gophership *gs;
			void *held[2];

			gs = open_with((struct gophership_options) { .ceiling = 40 * PAGE });
			ASSERT_NE(NULL, gs);
			for (unsigned int nr = 0; nr < 3; nr++) {
				unsigned int wanted = (40 * PAGE - nr * held_size) / size, got;

				got = gophership_acquire_bulk(gs, size, 64, bufs);
				EXPECT_EQ(wanted, got) {
					TH_LOG("%u of class %u held, class %u", nr, a, b);
				}
				EXPECT_GE(40 * PAGE, stats_of(gs).leased_bytes);
				EXPECT_EQ(got, gophership_release_bulk(gs, bufs, got));
				if (nr < 2) {
					held[nr] = gophership_acquire(gs, held_size);
					ASSERT_NE(NULL, held[nr]);
					EXPECT_GE(40 * PAGE, stats_of(gs).leased_bytes);
				}
			}
			EXPECT_EQ(2, gophership_release_bulk(gs, held, 2));
			gophership_close(gs);
		}
	}
}

#ifdef STANDIN
#define FEW_BYTES	(256 << 20)	/* the quota */

static int limit_bytes(void)
{
	return 0;
}
#else
#define FEW_BYTES	(1 << 20)

/* For who may not lock as much as he likes. */
static int limit_bytes(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};
	struct rlimit limit = { FEW_BYTES, FEW_BYTES };

	return setrlimit(RLIMIT_MEMLOCK, &limit) || syscall(SYS_capset, &header, none);
}
#endif

/* The kernel's limits for the one who asks, where no ceiling was given. */
TEST(limits_of_the_kernel_are_EDQUOT_and_recover)
{
	static void *bufs[FEW_BYTES / LARGEST + 1];
	const unsigned int nr = FEW_BYTES / LARGEST;
	struct gophership *gs;

	ASSERT_EQ(0, limit_bytes());
	ASSERT_EQ(0, gophership_open(&gs, NULL));
	errno = 0;
	ASSERT_EQ(nr, gophership_acquire_bulk(gs, LARGEST, nr + 1, bufs));
	EXPECT_EQ(EDQUOT, errno);
	errno = 0;
	EXPECT_EQ(NULL, gophership_acquire(gs, 0));
	EXPECT_EQ(EDQUOT, errno);
	EXPECT_EQ(0, gophership_release(gs, bufs[nr / 2]));
	EXPECT_NE(NULL, gophership_acquire(gs, 0));
	EXPECT_EQ(nr - 1, gophership_release_bulk(gs, bufs, nr));
	gophership_close(gs);
}

static struct gophership *shared;
static pthread_barrier_t barrier;

static void *hoard(void *unused)
{
	(void)unused;
	/* All that there is, idle in this thread's cache. */
	for (int i = 0; i < 100; i++)
		gophership_release(shared, gophership_acquire(shared, PAGE));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	/* And it can go on after its cache was emptied. */
	return gophership_acquire(shared, PAGE);
}

static void meet_the_hoarder(struct __test_metadata *_metadata, uint32_t flags)
{
	void *bufs[8], *result;
	pthread_t thread;

	shared = open_with((struct gophership_options) { .ceiling = 8 * PAGE, .flags = flags });
	ASSERT_NE(NULL, shared);
	pthread_barrier_init(&barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, hoard, NULL));
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(8, gophership_acquire_bulk(shared, PAGE, 8, bufs));
	EXPECT_EQ(NULL, gophership_acquire(shared, PAGE));
	EXPECT_EQ(0, gophership_release(shared, bufs[0]));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, &result);
	EXPECT_NE(NULL, result);
	gophership_close(shared);
}

TEST(what_another_thread_hoards_is_found)
{
	meet_the_hoarder(_metadata, 0);
}

TEST(without_thread_caches_nobody_hoards)
{
	meet_the_hoarder(_metadata, GOPHERSHIP_NO_THREAD_CACHE);
}

static void *use_one_and_stay(void *used)
{
	void *buf = gophership_acquire(shared, PAGE);

	gophership_release(shared, buf);
	*(void **)used = buf;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* What a thread has released is another one's at once, or it keeps that for itself. */
TEST(without_thread_caches_a_buffer_is_for_all)
{
	for (int apart = 0; apart < 2; apart++) {
		struct gophership_lib_stats before, after;
		void *used, *buf;
		pthread_t thread;

		shared = open_with((struct gophership_options) {
				.flags = apart ? 0 : GOPHERSHIP_NO_THREAD_CACHE });
		ASSERT_NE(NULL, shared);
		pthread_barrier_init(&barrier, NULL, 2);
		ASSERT_EQ(0, pthread_create(&thread, NULL, use_one_and_stay, &used));
		pthread_barrier_wait(&barrier);
		before = stats_of(shared);
		buf = gophership_acquire(shared, PAGE);
		after = stats_of(shared);
		EXPECT_NE(NULL, used);
		EXPECT_NE(NULL, buf);
		EXPECT_EQ(apart, before.leases != after.leases);
		EXPECT_EQ(apart, before.system_calls != after.system_calls);
		EXPECT_EQ(apart ? 2 : 0, after.threads);
		pthread_barrier_wait(&barrier);
		pthread_join(thread, NULL);
		gophership_close(shared);
	}
}

TEST_HARNESS_MAIN
