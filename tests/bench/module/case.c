// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's cases, and who takes part.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "bench.h"

static const struct bench_case cases[] = {
	{ "cost", LOOP_COST, 1 },
	{ "pair", LOOP_PAIR, 1 },
	{ "burst64", LOOP_BURST, 1 },
	{ "bulk32", LOOP_BULK, 1 },
	{ "mixed", LOOP_MIXED, 1 },
	{ "must_acquire", LOOP_MUST, 1 },
	{ "exchange", LOOP_DEEP, 1 },
	{ "two-cpus", LOOP_PARALLEL, 2 },
	{ "producer-consumer", LOOP_PRODUCE, 2 },
	{ "hand-over", LOOP_ACROSS, 1 },
	{ "miss", LOOP_TAKE, 1 },
	{ "irq-nested", LOOP_NEST, 1 },
	{ "dma", LOOP_DMA, 1 },
};

/* Ours is the first. One without a name is not in this kernel. */
const struct bench_contender * const bench_contenders[] = {
	&bench_ours,
	&bench_ours_inline,
	&bench_ours_alone,
	&bench_ours_nest_free,
	&bench_ours_nest_busy,
	&bench_kmem_cache,
	&bench_kmem_cache_bulk,
	&bench_kmem_cache_line,
	&bench_kmalloc,
	&bench_mempool,
	&bench_page_pool_direct,
	&bench_page_pool_ring,
	&bench_objpool,
	&bench_mapped,
	&bench_mapped_page_pool,
	&bench_mapped_each,
	&bench_alloc_pages,
	&bench_alloc_pages_bulk,
	&bench_page_frag,
	&bench_empty,
	&bench_empty_alone,
	&bench_calls,
	&bench_irq,
	&bench_clock,
	&bench_lock,
};

const unsigned int bench_nr_contenders = ARRAY_SIZE(bench_contenders);

static_assert(ARRAY_SIZE(bench_contenders) <= BENCH_CONTENDERS);

const struct bench_case *bench_case_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].name, name))
			return &cases[i];
	return NULL;
}
