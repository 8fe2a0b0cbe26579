/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the cases without memory share; fault_test.c has the suite.
 */
#ifndef KUNIT_FAULT_H
#define KUNIT_FAULT_H

#include <linux/err.h>
#include <linux/sched.h>

#include "support.h"

/* Whether page allocations of this task fail. */
static inline void starve(bool yes)
{
	current->make_it_fail = yes;
}

static inline struct gophership_pool *make_pool(struct kunit *test, unsigned int reserve,
						size_t size)
{
	const struct gophership_pool_params params = {
		.name = "kunit-fault", .reserve = reserve, .reserve_size = size,
	};
	struct gophership_pool *pool = gophership_pool_create(&params);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	return pool;
}

static inline struct gophership_pool_stats stats_of(struct gophership_pool *pool)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(pool, &stats);
	return stats;
}

/* fault_reserve_test.c */
void fault_reserve(struct kunit *test);
void fault_reserve_atomic(struct kunit *test);
void fault_reserve_of_machine_atomic(struct kunit *test);
void fault_reserve_scramble(struct kunit *test);
void fault_reserve_referenced(struct kunit *test);
void fault_reserve_released_twice(struct kunit *test);
void fault_reserve_counts(struct kunit *test);
void fault_reserve_of_machine(struct kunit *test);
void fault_reserve_leaks(struct kunit *test);

/* fault_wait_test.c */
void fault_wait_for_atomic(struct kunit *test);
void fault_wait_is_narrow(struct kunit *test);
void fault_wait_reserve(struct kunit *test);
void fault_wait_pooled(struct kunit *test);
void fault_wait_reserve_irq(struct kunit *test);
void fault_wait_pooled_irq(struct kunit *test);
void fault_wake_reserve(struct kunit *test);
void fault_wake_pooled(struct kunit *test);
void fault_crowd(struct kunit *test);

#endif /* KUNIT_FAULT_H */
