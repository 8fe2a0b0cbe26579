// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: statistics.
 */
#include <linux/export.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include "pool/depot.h"
#include "pool/dma.h"
#include "pool/head.h"
#include "pool/list.h"
#include "pool/reject.h"
#include "pool/stock.h"

static void add_head(struct gophership_class_stats *row, const struct gophership_head *head)
{
	u64 hits = READ_ONCE(head->hits);

	row->acquires += hits + READ_ONCE(head->slow_acquires);
	row->hits += hits;
	row->misses += READ_ONCE(head->misses);
	row->releases += READ_ONCE(head->releases) + READ_ONCE(head->slow_releases);
	row->shrunk += READ_ONCE(head->shrunk);
	row->cached += gophership_head_cached(head);
}

static void class_stats(struct gophership_pool *pool, unsigned int class,
			struct gophership_class_stats *row)
{
	int cpu, node;

	row->capacity = class < GOPHERSHIP_NR_CLASSES ? gophership_class_size(class) : 0;
	for_each_possible_cpu(cpu)
		add_head(row, per_cpu_ptr(pool->heads + class, cpu));
	/* A buffer of the reserve counts in the class of its size. */
	if (row->capacity == pool->reserve_size)
		for_each_possible_cpu(cpu)
			add_head(row, per_cpu_ptr(pool->heads + GOPHERSHIP_CLASS_RESERVE, cpu));
	if (class < GOPHERSHIP_NR_CLASSES)
		for (node = 0; node < nr_node_ids; node++)
			row->cached += gophership_depot_cached(gophership_pool_depot(pool, node,
										    class));
	if (class < GOPHERSHIP_NR_CLASSES)
		row->cached += gophership_stock_cached(pool, class);
	if (row->acquires > row->releases)
		row->leased = row->acquires - row->releases;
}

void gophership_pool_stats(struct gophership_pool *pool, struct gophership_pool_stats *stats)
{
	unsigned int class;

	if (!pool)
		pool = gophership_kernel_pool;
	memset(stats, 0, sizeof(*stats));
	for (class = 0; class < ARRAY_SIZE(stats->class); class++)
		class_stats(pool, class, &stats->class[class]);
	gophership_reject_stats(stats);
	stats->reserve = atomic_read(&pool->nr_reserve);
	stats->waiters = atomic_read(&pool->waiters[GOPHERSHIP_CLASS_MAX]);
	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++)
		stats->stock += gophership_stock_cached(pool, class);
	if (!pool->dma)
		return;
	stats->mapped = gophership_dma_nr_mapped(pool->dma);
	stats->bounced = atomic_read(&pool->dma->bounced);
}
EXPORT_SYMBOL_GPL(gophership_pool_stats);
