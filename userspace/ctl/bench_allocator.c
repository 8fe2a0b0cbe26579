// SPDX-License-Identifier: GPL-2.0
#include "bench_aligned.h"
#include "bench_loops.h"
#include "bench_contender.h"

/* An allocator has no bulk calls: as many of the others. */
static inline bool peer_acquire_bulk(size_t size, unsigned int nr, void **bufs)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		bufs[i] = peer_acquire(size);
		if (!bufs[i])
			break;
	}
	if (i == nr)
		return true;
	while (i--)
		free(bufs[i]);
	return false;
}

static inline bool peer_release_bulk(void **bufs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		free(bufs[i]);
	return true;
}

#include "bench_bulk.h"

const struct bench_contender bench_allocator = {
	.name = "aligned_alloc",
	.loops = { [BENCH_PAIR] = loop_pair, [BENCH_BULK] = loop_bulk },
};
