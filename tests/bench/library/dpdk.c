// SPDX-License-Identifier: GPL-2.0
/*
 * The contender that is DPDK's rte_mempool, with the largest per-core cache
 * that DPDK allows, used on its main core.
 *
 *	dpdk SIZE		bytes of an object
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#define OBJECTS		2047
#define NR_ARGUMENTS	11

static struct rte_mempool *pool;

static inline void *peer_acquire(size_t size)
{
	void *buf;

	(void)size;
	return rte_mempool_get(pool, &buf) ? NULL : buf;
}

static inline bool peer_release(void *buf)
{
	rte_mempool_put(pool, buf);
	return true;
}

static inline bool peer_acquire_bulk(size_t size, unsigned int nr, void **bufs)
{
	(void)size;
	return !rte_mempool_get_bulk(pool, bufs, nr);
}

static inline bool peer_release_bulk(void **bufs, unsigned int nr)
{
	rte_mempool_put_bulk(pool, bufs, nr);
	return true;
}

#include "loops.h"
#include "bench_bulk.h"

static bool start(unsigned int size)
{
	/* It may write to them. */
	static char arguments[][16] = {
		"dpdk", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "256",
		"--lcores", "0", "--log-level", "error",
	};
	char *pointers[NR_ARGUMENTS + 1] = { NULL };
	unsigned int i;

	_Static_assert(sizeof(arguments) / sizeof(arguments[0]) == NR_ARGUMENTS, "count them");
	for (i = 0; i < NR_ARGUMENTS; i++)
		pointers[i] = arguments[i];
	if (rte_eal_init(NR_ARGUMENTS, pointers) < 0)
		return false;
	pool = rte_mempool_create("bench", OBJECTS, size, RTE_MEMPOOL_CACHE_MAX_SIZE, 0, NULL, NULL,
				  NULL, NULL, SOCKET_ID_ANY, 0);
	return pool;
}

int main(int argc, char **argv)
{
	static const struct worker_loop loops[] = {
		{ "pair", { loop_pair } }, { "bulk", { loop_bulk } }, { 0 }
	};

	if (argc != 2 || !start(atoi(argv[1]))) {
		fputs("dpdk: cannot start\n", stderr);
		return 1;
	}
	return worker_serve(loops);
}
