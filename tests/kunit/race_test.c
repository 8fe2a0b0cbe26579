// SPDX-License-Identifier: GPL-2.0
/*
 * Several CPUs and many threads at once.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "support.h"

#define BATCH	16

/*
 * Two CPUs release the same buffers at the same moment, round after round. A
 * CPU may be told 0 for one that the other released too, but the pool keeps it
 * once, and every second release is counted sooner or later.
 */
struct race {
	size_t size;
	unsigned int rounds;
	bool irqs_off;
	struct gophership_buf *bufs[BATCH];
	struct gk_gate gate;
	atomic_t accepted;
	atomic_t refused;
	atomic_t other;
	unsigned int failed;
	/* Rounds in which a buffer came twice, of those the next round took. */
	unsigned int twice;
};

static unsigned int repeats_in(struct gophership_buf **bufs)
{
	unsigned int i, j, repeats = 0;

	for (i = 0; i < BATCH; i++)
		for (j = 0; j < i; j++)
			repeats += bufs[i] && bufs[i] == bufs[j];
	return repeats;
}

static void race_main(unsigned int id, void *arg)
{
	struct race *race = arg;
	unsigned int round, i, place;
	unsigned long flags = 0;
	int meeting = 0, ret;

	for (round = 0; round < race->rounds; round++) {
		/* Each CPU's magazine has its turn to serve. */
		if (id == round % GK_CPUS) {
			for (i = 0; i < BATCH; i++) {
				race->bufs[i] = gophership_buf_acquire(race->size, GFP_KERNEL);
				race->failed += !race->bufs[i];
			}
			race->twice += repeats_in(race->bufs);
		}
		gk_meet(&race->gate, ++meeting);
		if (race->irqs_off)
			local_irq_save(flags);
		for (i = 0; i < BATCH; i++) {
			/* In step, then crossing each other half-way. */
			place = round % 4 == 3 && id ? BATCH - 1 - i : i;
			ret = gophership_buf_release(race->bufs[place]);
			if (!ret)
				atomic_inc(&race->accepted);
			else if (ret == -EALREADY)
				atomic_inc(&race->refused);
			else
				atomic_inc(&race->other);
		}
		if (race->irqs_off)
			local_irq_restore(flags);
		gk_meet(&race->gate, ++meeting);
		if (round % 64 == 0)
			cond_resched();
	}
}

static void run_race(struct kunit *test, size_t size, unsigned int rounds, bool irqs_off)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	unsigned int total, class = get_order(size);
	struct gophership_class_stats before = gk_stats(GK_MACHINE, class), after;
	u64 doubled = gk_doubled();

	KUNIT_ASSERT_NOT_NULL(test, race);
	race->size = size;
	race->rounds = gk_rounds(rounds);
	total = race->rounds * BATCH;
	race->irqs_off = irqs_off;
	gk_run(test, 2, race_main, race);
	kunit_info(test, "of %u second releases, %d were found out later", total,
		   atomic_read(&race->accepted) - (int)total);
	KUNIT_EXPECT_EQ(test, race->failed, 0);
	KUNIT_EXPECT_EQ(test, race->twice, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->other), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->accepted) + atomic_read(&race->refused),
			2 * total);
	/* At least one of the two was told 0. */
	KUNIT_EXPECT_GE(test, atomic_read(&race->accepted), total);
	gk_expect_sound(test, GK_MACHINE, size);
	/* Whatever entry was stale has come up by now. */
	gophership_pool_trim(GK_MACHINE);
	KUNIT_EXPECT_EQ(test, gk_doubled() - doubled, total);
	/* And none of them counts as a release. */
	after = gk_stats(GK_MACHINE, class);
	KUNIT_EXPECT_EQ(test, after.releases - before.releases, after.acquires - before.acquires);
}

static void race_double(struct kunit *test)
{
	run_race(test, gk_capacity(0), 4000, false);
}

static void race_double_irqs_off(struct kunit *test)
{
	run_race(test, gk_capacity(1), 2000, true);
}

/* Small magazines: much traffic with the depot. */
static void race_double_largest_class(struct kunit *test)
{
	run_race(test, gk_capacity(4), 1000, false);
}

/* Buffers that no pool keeps: the loser is always told. */
static void race_double_large(struct kunit *test)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, race);
	race->size = GOPHERSHIP_MAX_POOLED + 1;
	race->rounds = 200;
	gk_run(test, 2, race_main, race);
	KUNIT_EXPECT_EQ(test, race->failed, 0);
	KUNIT_EXPECT_EQ(test, race->twice, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->accepted), 200 * BATCH);
	/* Refused as known, or, once it is gone, as foreign. */
	KUNIT_EXPECT_EQ(test, atomic_read(&race->refused) + atomic_read(&race->other),
			200 * BATCH);
}

/*
 * 50 threads stamp their buffers
 */

#define STAMPERS	50

struct stampers {
	atomic_t failed;
	atomic_t damaged;
	atomic_t refused;
	atomic_t stamped;
};

static void stamp_main(unsigned int id, void *arg)
{
	struct stampers *stampers = arg;
	struct gophership_buf *bufs[3];
	unsigned int round, i;

	for (round = 0; round < 60; round++) {
		for (i = 0; i < ARRAY_SIZE(bufs); i++) {
			unsigned int class = (id + round * 7 + i) % GK_ROWS;

			bufs[i] = gophership_buf_acquire(gk_capacity(class) - id, GFP_KERNEL);
			if (!bufs[i]) {
				atomic_inc(&stampers->failed);
				continue;
			}
			if (bufs[i]->len)
				atomic_inc(&stampers->damaged);
			memset(bufs[i]->data, id + 1, bufs[i]->capacity);
			bufs[i]->len = id + 1;
			atomic_inc(&stampers->stamped);
		}
		if (id % 5 == 0)
			usleep_range(10, 100);
		else
			schedule();
		for (i = 0; i < ARRAY_SIZE(bufs); i++) {
			if (!bufs[i])
				continue;
			if (memchr_inv(bufs[i]->data, id + 1, bufs[i]->capacity) ||
			    bufs[i]->len != id + 1)
				atomic_inc(&stampers->damaged);
			if (gophership_buf_release(bufs[i]))
				atomic_inc(&stampers->refused);
		}
	}
}

static void race_stamps(struct kunit *test)
{
	struct stampers stampers = {};

	gk_run(test, STAMPERS, stamp_main, &stampers);
	KUNIT_EXPECT_EQ(test, atomic_read(&stampers.stamped), STAMPERS * 60 * 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&stampers.failed), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&stampers.damaged), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&stampers.refused), 0);
}

/*
 * Everything at once: buffers change hands between threads through a locker,
 * while others trim, read the counters, and come and go with pools.
 */

struct bustle {
	struct gk_ledger ledger;
	struct gophership_buf *locker[64];
	atomic_t leaked;
	atomic_t lies;
	atomic_t working;
	unsigned long trimmed;
};

#define WORKERS	6

static void bustle_work(struct bustle *bustle, unsigned int id)
{
	u32 random = id + 1;
	struct gophership_buf *buf;
	unsigned int round;

	/* And until a trim has found something: each of them takes grace periods. */
	for (round = 0; round < 30000 || (!READ_ONCE(bustle->trimmed) && round < 30000000);
	     round++) {
		random = random * 1664525 + 1013904223;
		buf = NULL;
		if (random >> 31)
			buf = gk_take(&bustle->ledger, gk_capacity((random >> 20) % 3), GFP_KERNEL);
		buf = xchg(&bustle->locker[(random >> 8) % ARRAY_SIZE(bustle->locker)], buf);
		if (buf)
			gk_give(&bustle->ledger, buf);
		if (round % 256 == 0)
			schedule();
	}
	atomic_dec(&bustle->working);
}

static void bustle_watch(struct bustle *bustle)
{
	struct gophership_pool_stats stats;
	unsigned int row;

	while (atomic_read(&bustle->working)) {
		gophership_pool_stats(GK_MACHINE, &stats);
		for (row = 0; row < GOPHERSHIP_NR_CLASSES; row++)
			if (stats.class[row].leased > 1000000 ||
			    stats.class[row].cached > 1000000 ||
			    stats.class[row].capacity != gk_capacity(row))
				atomic_inc(&bustle->lies);
		usleep_range(100, 500);
	}
}

static void bustle_trim(struct bustle *bustle)
{
	while (atomic_read(&bustle->working)) {
		WRITE_ONCE(bustle->trimmed, bustle->trimmed + gophership_pool_trim(GK_MACHINE));
		usleep_range(200, 2000);
	}
}

static void bustle_pools(struct bustle *bustle)
{
	const struct gophership_pool_params params = { .name = "kunit-bustle", .reserve = 2 };
	struct gophership_pool *pool;
	struct gophership_buf *buf;

	while (atomic_read(&bustle->working)) {
		pool = gophership_pool_create(&params);
		if (IS_ERR(pool)) {
			atomic_inc(&bustle->leaked);
			return;
		}
		buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
		if (!buf || gophership_buf_release(buf))
			atomic_inc(&bustle->leaked);
		if (gophership_pool_destroy(pool))
			atomic_inc(&bustle->leaked);
		usleep_range(1000, 5000);
	}
}

static void bustle_main(unsigned int id, void *arg)
{
	if (id < WORKERS)
		bustle_work(arg, id);
	else if (id == WORKERS)
		bustle_watch(arg);
	else if (id == WORKERS + 1)
		bustle_trim(arg);
	else
		bustle_pools(arg);
}

static void race_bustle(struct kunit *test)
{
	struct bustle *bustle = kunit_kzalloc(test, sizeof(*bustle), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, bustle);
	gk_ledger_init(&bustle->ledger);
	atomic_set(&bustle->working, WORKERS);
	gk_run(test, WORKERS + 3, bustle_main, bustle);
	for (i = 0; i < ARRAY_SIZE(bustle->locker); i++)
		if (bustle->locker[i])
			gk_give(&bustle->ledger, bustle->locker[i]);
	gk_ledger_expect_clean(test, &bustle->ledger);
	KUNIT_EXPECT_EQ(test, atomic_read(&bustle->leaked), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&bustle->lies), 0);
	KUNIT_EXPECT_GT(test, bustle->trimmed, 0);
	for (i = 0; i < 3; i++)
		gk_expect_sound(test, GK_MACHINE, gk_capacity(i));
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(race_double),
	KUNIT_CASE(race_double_irqs_off),
	KUNIT_CASE(race_double_largest_class),
	KUNIT_CASE(race_double_large),
	KUNIT_CASE(race_stamps),
	KUNIT_CASE(race_bustle),
	{}
};

static struct kunit_suite race_suite = {
	.name = "gophership_race",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
