// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: the pool with its hot path inline, with every check.
 */
#include "gophership_inline.h"
#include "loops.h"

static __always_inline void *inlined_acquire(size_t size, gfp_t gfp)
{
	return gophership_buf_acquire(size, gfp);
}

static __always_inline bool inlined_release(void *object, size_t size)
{
	return !gophership_buf_release(object);
}

BENCH_LOOPS(inlined)

const struct bench_contender bench_ours_inline = {
	.name = "gophership-inline",
	.ours = true,
	.loop = {
		[LOOP_PAIR] = inlined_pair, [LOOP_BURST] = inlined_burst,
		[LOOP_MIXED] = inlined_mixed, [LOOP_DEEP] = inlined_deep,
		[LOOP_PARALLEL] = inlined_pair, [LOOP_PRODUCE] = inlined_produce,
		[LOOP_CONSUME] = inlined_consume,
	},
};
