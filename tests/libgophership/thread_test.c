// SPDX-License-Identifier: GPL-2.0
/*
 * Several threads: who has a buffer has it alone.
 */
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "fixture.h"

#ifdef __SANITIZE_THREAD__
#define ROUNDS(n)	((n) / 10)
#else
#define ROUNDS(n)	(n)
#endif

/* Held by the tests' own threads; not a part of the library. */
static struct gophership *gs;
static atomic_uint failures;

FIXTURE(thread)
{
	int unused;
};

FIXTURE_SETUP(thread)
{
	ASSERT_EQ(0, gophership_open(&gs, NULL));
	failures = 0;
}

FIXTURE_TEARDOWN(thread)
{
	gophership_close(gs);
}

/* Under emulation, and on a busy machine, a race goes on by time. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void fail_unless(bool good)
{
	if (!good)
		failures++;
}

/* The first word of a buffer is not 0 while somebody has it. */
static void take(void *buf, uintptr_t me)
{
	fail_unless(!atomic_exchange((_Atomic uintptr_t *)buf, me));
}

static void let_go(void *buf, uintptr_t me)
{
	fail_unless(atomic_exchange((_Atomic uintptr_t *)buf, 0) == me);
}

#define NR_SHELVES	64

/* Buffers change hands here. */
static void *_Atomic shelves[NR_SHELVES];

static void *trade(void *argument)
{
	uintptr_t me = (uintptr_t)argument;
	uint32_t random = me * 2654435761U;
	void *bufs[40];

	for (int i = 0; i < ROUNDS(40000); i++) {
		size_t size = PAGE << (random >> 5) % 5;
		unsigned int nr = random % 8 ? 1 : 1 + random % 40;
		void *buf;

		random = random * 1664525 + 1013904223;
		nr = nr > 1 ? gophership_acquire_bulk(gs, size, nr, bufs) :
			      !!(bufs[0] = gophership_acquire(gs, size));
		for (unsigned int k = 0; k < nr; k++)
			take(bufs[k], me);
		for (unsigned int k = 0; k < nr; k++)
			let_go(bufs[k], me);
		if (nr > 1) {
			fail_unless(gophership_release_bulk(gs, bufs, nr) == nr);
			continue;
		}
		if (!nr)
			continue;
		buf = atomic_exchange(&shelves[random % NR_SHELVES], bufs[0]);
		if (buf) {
			take(buf, me);
			let_go(buf, me);
			fail_unless(!gophership_release(gs, buf));
		}
	}
	return NULL;
}

static void empty_shelves(void)
{
	for (int i = 0; i < NR_SHELVES; i++) {
		fail_unless(!gophership_release(gs, shelves[i]));
		shelves[i] = NULL;
	}
}

TEST_F(thread, nobody_gets_what_another_has)
{
	pthread_t threads[16];

	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, trade, (void *)(i + 1)));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	empty_shelves();
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
	EXPECT_EQ(0, stats_of(gs).doubled);
	EXPECT_EQ(0, stats_of(gs).raced);
}

static atomic_bool stop;

static void *trim_again_and_again(void *unused)
{
	(void)unused;
	while (!stop) {
		gophership_trim(gs);
		/* Time for the threads to leave the slow path. */
		usleep(50);
	}
	return NULL;
}

/* Caches are frozen and emptied under the threads' hands. */
TEST_F(thread, trim_takes_nothing_that_is_in_use)
{
	pthread_t threads[4], trimmer;

	stop = false;
	ASSERT_EQ(0, pthread_create(&trimmer, NULL, trim_again_and_again, NULL));
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, trade, (void *)(i + 1)));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	stop = true;
	pthread_join(trimmer, NULL);
	empty_shelves();
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
	/* Nobody releases twice here: what was dropped as such would be lost. */
	EXPECT_EQ(0, stats_of(gs).raced);
	EXPECT_NE(0, stats_of(gs).given_back);
}

static void *hold_and_ask(void *unused)
{
	double end = seconds() + 2;

	(void)unused;
	for (int i = 0; i < ROUNDS(20000000) && (i % 1024 || seconds() < end); i++) {
		void *buf = gophership_acquire(gs, PAGE);

		/* It would be 0 if the trim had it, too. */
		fail_unless(gophership_capacity(gs, buf) == PAGE);
		fail_unless(!gophership_release(gs, buf));
	}
	return NULL;
}

/* The same as often as can be: the thread does nothing but enter and leave. */
TEST_F(thread, trim_keeps_out_of_a_busy_cache)
{
	pthread_t threads[2], trimmer;

	stop = false;
	ASSERT_EQ(0, pthread_create(&trimmer, NULL, trim_again_and_again, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, hold_and_ask, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	stop = true;
	pthread_join(trimmer, NULL);
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
}

#define BATCH		64

static pthread_barrier_t barrier;
static atomic_uint arrived, parties;
static void *batch[BATCH];
static atomic_uint accepted;

/* All go on at the same moment, which a barrier that sleeps does not do. */
static void meet(void)
{
	unsigned int ticket = arrived++;
	unsigned int wanted = (ticket / parties + 1) * parties;

	for (int i = 0; arrived < wanted; i++)
		if (i > 2000)
			sched_yield();
}

/* More than the caches hold, on a machine that has them and can spare that much. */
#if defined(STANDIN) && !defined(__SANITIZE_THREAD__)
#define COLD_BYTES	(256UL << 20)
#else
#define COLD_BYTES	(16UL << 20)
#endif
/* Fewer than a CPU lets wait at once, with those of a call behind them. */
#define COLD_STORES	40
#define LATE_TAKES	10

static volatile char *cold;

/*
 * Stores that miss the caches. Those that follow wait behind them, unseen by
 * others, while loads go on: so there is a long time between the mark that a
 * thread makes when it enters its cache and the moment that others see it.
 */
static void delay_stores(unsigned int *random)
{
	for (int i = 0; i < COLD_STORES; i++) {
		*random = *random * 1664525 + 1013904223;
		cold[*random % COLD_BYTES] = 1;
	}
}

/* Two that meet by sched_yield() would stay on one CPU, and never run at once. */
static void stay_on_cpu(int number)
{
	cpu_set_t all, one;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(all), &all) || number >= CPU_COUNT(&all))
		return;
	do {
		cpu++;
	} while (!CPU_ISSET(cpu, &all) || number--);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void *take_late(void *unused)
{
	unsigned int random = 1;
	void *buf;

	(void)unused;
	stay_on_cpu(1);
	for (;;) {
		/* The first one has to ask the kernel. */
		fail_unless(!gophership_release(gs, gophership_acquire(gs, PAGE)));
		meet();
		if (stop)
			return NULL;
		for (int i = 0; i < LATE_TAKES; i++) {
			delay_stores(&random);
			buf = gophership_acquire(gs, PAGE);
			delay_stores(&random);
			/* It would be -EALREADY if the trim had given it back. */
			fail_unless(!gophership_release(gs, buf));
		}
		meet();
	}
}

/* A thread enters its cache at the moment that it is frozen, unseen yet. */
TEST_F(thread, trim_waits_for_who_enters_unseen)
{
	double end = seconds() + 5;
	pthread_t thread;
	int trims;

	cold = calloc(1, COLD_BYTES);
	ASSERT_NE(NULL, (void *)cold);
	for (size_t i = 0; i < COLD_BYTES; i += PAGE)
		cold[i] = 1;
	stop = false;
	arrived = 0;
	parties = 2;
	ASSERT_EQ(0, pthread_create(&thread, NULL, take_late, NULL));
	stay_on_cpu(0);
	for (trims = 0; trims < 10000 && seconds() < end; trims++) {
		meet();
		/* Somewhere in what the other does. */
		for (volatile int i = trims % 1000 * 10; i > 0; i--)
			;
		gophership_trim(gs);
		meet();
	}
	stop = true;
	meet();
	pthread_join(thread, NULL);
	free((void *)cold);
	TH_LOG("%d trims", trims);
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
	EXPECT_EQ(0, stats_of(gs).doubled);
	EXPECT_NE(0, stats_of(gs).given_back);
	gophership_trim(gs);
	EXPECT_EQ(0, stats_of(gs).leased_bytes);
}

/* From one end or the other: somewhere the two meet. */
static void release_batch(bool backwards)
{
	unsigned int done = 0;

	for (int i = 0; i < BATCH; i++)
		done += !gophership_release(gs, batch[backwards ? BATCH - 1 - i : i]);
	accepted += done;
}

static void *release_too(void *unused)
{
	(void)unused;
	for (;;) {
		meet();
		if (stop)
			return NULL;
		release_batch(true);
		meet();
	}
}

/*
 * Two or three threads release the same buffers at the same moment. Both may be
 * told 0, but nobody may get one of them twice.
 */
static unsigned int race(int others, bool owner_too)
{
	double end = seconds() + 3;
	unsigned int twins = 0;
	pthread_t threads[2];
	void *bufs[3 * BATCH];

	stop = false;
	arrived = 0;
	parties = others + 1;
	for (int i = 0; i < others; i++)
		pthread_create(&threads[i], NULL, release_too, NULL);
	for (int i = 0; i < ROUNDS(100000) && seconds() < end; i++) {
		fail_unless(gophership_acquire_bulk(gs, PAGE, BATCH, batch) == BATCH);
		accepted = 0;
		meet();
		if (owner_too)
			release_batch(false);
		meet();
		fail_unless(accepted >= BATCH);
		/* One by one or in bulk: each path has to look. */
		for (size_t k = 0; i & 1 && k < ARRAY_SIZE(bufs); k++)
			bufs[k] = gophership_acquire(gs, PAGE);
		if (!(i & 1))
			gophership_acquire_bulk(gs, PAGE, ARRAY_SIZE(bufs), bufs);
		twins += has_twins(bufs, ARRAY_SIZE(bufs));
		fail_unless(gophership_release_bulk(gs, bufs, ARRAY_SIZE(bufs)) ==
			    ARRAY_SIZE(bufs));
	}
	stop = true;
	meet();
	for (int i = 0; i < others; i++)
		pthread_join(threads[i], NULL);
	return twins;
}

TEST_F(thread, racing_double_release_by_owner_and_another)
{
	/* On a busy machine the two hardly ever run at once. */
	for (int i = 0; i < 4 && stats_of(gs).raced < 20; i++)
		EXPECT_EQ(0, race(1, true));
	TH_LOG("%llu releases raced", (unsigned long long)stats_of(gs).raced);
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
	EXPECT_LT(0, stats_of(gs).doubled + stats_of(gs).raced);
}

TEST_F(thread, racing_double_release_by_two_others)
{
	EXPECT_EQ(0, race(2, false));
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
}

TEST_F(thread, racing_double_release_by_three)
{
	EXPECT_EQ(0, race(2, true));
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
}

static void *release_one(void *buf)
{
	return (void *)(intptr_t)gophership_release(gs, buf);
}

static intptr_t in_a_thread(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, function, argument))
		return -1;
	pthread_join(thread, &result);
	return (intptr_t)result;
}

/* One after the other, whoever it is: told at once. */
TEST_F(thread, second_release_by_another_is_EALREADY)
{
	for (int i = 0; i < 300; i++) {
		void *buf = gophership_acquire(gs, PAGE);

		ASSERT_NE(NULL, buf);
		if (i & 1) {
			ASSERT_EQ(0, in_a_thread(release_one, buf));
			ASSERT_EQ(-EALREADY, gophership_release(gs, buf));
		} else {
			ASSERT_EQ(0, gophership_release(gs, buf));
		}
		ASSERT_EQ(-EALREADY, in_a_thread(release_one, buf));
		ASSERT_EQ(-EALREADY, in_a_thread(release_one, buf));
		ASSERT_EQ(0, gophership_capacity(gs, buf));
	}
	EXPECT_EQ(0, used_of(gs));
}

static void *acquire_many(void *argument)
{
	void **bufs = argument;

	return (void *)(intptr_t)gophership_acquire_bulk(gs, PAGE, 200, bufs);
}

static void *acquire_and_release(void *unused)
{
	void *bufs[100];

	(void)unused;
	fail_unless(gophership_acquire_bulk(gs, 2 * PAGE, 100, bufs) == 100);
	fail_unless(gophership_release_bulk(gs, bufs, 100) == 100);
	return NULL;
}

TEST_F(thread, exit_gives_back)
{
	struct gophership_lib_stats stats;

	for (int i = 0; i < 200; i++)
		in_a_thread(acquire_and_release, NULL);
	stats = stats_of(gs);
	/* One thread's worth, and not 200 of it. */
	EXPECT_GE(192, stats.classes[1].leased);
	EXPECT_EQ(0, stats.threads);
	EXPECT_EQ(0, failures);
	gophership_trim(gs);
	EXPECT_EQ(0, stats_of(gs).leased_bytes);
}

TEST_F(thread, buffers_survive_their_thread)
{
	void *bufs[200];

	ASSERT_EQ(200, in_a_thread(acquire_many, bufs));
	for (int i = 0; i < 200; i++)
		*(int *)bufs[i] = i;
	EXPECT_EQ(200, used_of(gs));
	EXPECT_EQ(200, gophership_release_bulk(gs, bufs, 200));
	EXPECT_EQ(0, used_of(gs));
	gophership_trim(gs);
	EXPECT_EQ(0, stats_of(gs).leased_bytes);
}

#define RING		256

static void *_Atomic ring[RING];

static void *produce(void *argument)
{
	int nr = *(int *)argument;

	for (int i = 0; i < nr; i++) {
		void *buf = gophership_acquire(gs, PAGE);

		fail_unless(buf);
		*(int *)buf = i;
		while (atomic_load(&ring[i % RING]))
			sched_yield();
		atomic_store(&ring[i % RING], buf);
	}
	return NULL;
}

/* Few buffers do for many items: what the consumer releases comes back. */
TEST_F(thread, producer_and_consumer)
{
	int nr = ROUNDS(500000);
	pthread_t producer;
	void *buf;

	ASSERT_EQ(0, pthread_create(&producer, NULL, produce, &nr));
	for (int i = 0; i < nr; i++) {
		while (!(buf = atomic_exchange(&ring[i % RING], NULL)))
			sched_yield();
		fail_unless(*(int *)buf == i);
		fail_unless(!gophership_release(gs, buf));
	}
	pthread_join(producer, NULL);
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
	EXPECT_GT(RING + 1000, stats_of(gs).leases);
}

static void *one_pair(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++)
		fail_unless(!gophership_release(gs, gophership_acquire(gs, PAGE)));
	pthread_barrier_wait(&barrier);
	return NULL;
}

TEST_F(thread, hundreds_at_once)
{
	pthread_t threads[300];
	size_t nr = sizeof(void *) > 4 ? ARRAY_SIZE(threads) : 100;
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 1 << 18);
	pthread_barrier_init(&barrier, NULL, nr + 1);
	for (size_t i = 0; i < nr; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], &attributes, one_pair, NULL));
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	EXPECT_EQ(0, failures);
	EXPECT_EQ(0, used_of(gs));
	gophership_trim(gs);
	EXPECT_EQ(0, stats_of(gs).leased_bytes);
}

TEST_HARNESS_MAIN
