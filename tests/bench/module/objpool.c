// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: objpool, objects of a page that are never more nor
 * fewer (and need not begin where a page does).
 */
#include "compat.h"
#include "loops.h"

#if BENCH_OBJPOOL
#include <linux/objpool.h>

static struct objpool_head objpool;
static bool is_there;

static __always_inline void *objpool_acquire(size_t size, gfp_t gfp)
{
	return objpool_pop(&objpool);
}

static __always_inline bool objpool_release(void *object, size_t size)
{
	return !objpool_push(object, &objpool);
}

BENCH_LOOPS(objpool)

const struct bench_contender bench_objpool = {
	.name = "objpool",
	.loop = {
		[LOOP_PAIR] = objpool_pair, [LOOP_BURST] = objpool_burst,
		[LOOP_BULK] = objpool_bulk, [LOOP_PARALLEL] = objpool_pair,
		[LOOP_PRODUCE] = objpool_produce, [LOOP_CONSUME] = objpool_consume,
		[LOOP_NEST] = objpool_nest, [LOOP_BELOW] = objpool_pair,
	},
};

int bench_objpool_init(void)
{
	/* On each CPU a burst and a ring full. */
	int err = objpool_init(&objpool, 512 * num_possible_cpus(), PAGE_SIZE, GFP_KERNEL, NULL,
			       NULL, NULL);

	is_there = !err;
	return err;
}

void bench_objpool_exit(void)
{
	if (is_there)
		objpool_fini(&objpool);
}
#else
const struct bench_contender bench_objpool;

int bench_objpool_init(void)
{
	return 0;
}

void bench_objpool_exit(void)
{
}
#endif
