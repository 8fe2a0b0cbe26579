// SPDX-License-Identifier: GPL-2.0
/*
 * Pools that are bound to a device.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "probe.h"

static struct gophership_pool *create(enum dma_data_direction dir, unsigned int reserve)
{
	struct gophership_pool_params params = {
		.name = "probe", .dev = probe_device(), .dma_dir = dir, .reserve = reserve,
	};

	return gophership_pool_create(&params);
}

static u32 mapped(struct gophership_pool *pool)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(pool, &stats);
	return stats.mapped;
}

static u32 bounced(struct gophership_pool *pool)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(pool, &stats);
	return stats.bounced;
}

static void fill(struct gophership_buf *buf, unsigned int seed)
{
	u8 *data = buf->data;
	u32 i;

	for (i = 0; i < buf->capacity; i++)
		data[i] = i * 7 + (i >> 8) + seed;
}

static bool is_filled(const struct gophership_buf *buf, size_t from, size_t to, unsigned int seed)
{
	const u8 *data = buf->data;
	size_t i;

	for (i = from; i < to; i++)
		if (data[i] != (u8)(i * 7 + (i >> 8) + seed))
			return false;
	return true;
}

/*
 * The device gets what the CPU wrote last, and the CPU what the device wrote last, and no
 * byte more. Twice, since a copy that is made once would do for the first time.
 */
static int pass(struct gophership_buf *from, struct gophership_buf *to, size_t offset, size_t len)
{
	unsigned int seed;

	for (seed = 1; seed <= 2; seed++) {
		fill(from, seed);
		gophership_buf_sync_for_device(from, offset, len);
		check(!probe_from_ram(gophership_buf_dma(from) + offset, len));
		fill(to, 77);
		gophership_buf_sync_for_device(to, 0, to->capacity);
		check(!probe_to_ram(gophership_buf_dma(to) + offset, len));
		gophership_buf_sync_for_cpu(to, offset, len);
		check(is_filled(to, offset, offset + len, seed));
		check(is_filled(to, 0, offset, 77));
		check(is_filled(to, offset + len, to->capacity, 77));
	}
	return 0;
}

int pool_round_trip(void)
{
	struct gophership_pool *pool = create(DMA_BIDIRECTIONAL, 0);
	struct gophership_buf *from, *to;
	int ret;

	check(!IS_ERR(pool));
	from = gophership_pool_acquire(pool, SZ_64K, GFP_KERNEL);
	to = gophership_pool_acquire(pool, SZ_64K, GFP_KERNEL);
	check(from && to && mapped(pool) >= 2);
	ret = pass(from, to, 40000, 3000);
	check(!gophership_buf_release(from) && !gophership_buf_release(to));
	check(!gophership_pool_destroy(pool));
	return ret;
}

/* Each direction by itself, with pages of the reserve. */
int pool_directions(void)
{
	struct gophership_pool *pool = create(DMA_TO_DEVICE, 2);
	struct gophership_buf *buf;

	check(!IS_ERR(pool) && mapped(pool) == 2);
	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	check(buf);
	fill(buf, 5);
	gophership_buf_sync_for_device(buf, 0, EDU_SIZE);
	check(!probe_from_ram(gophership_buf_dma(buf), EDU_SIZE));
	check(!gophership_buf_release(buf) && !gophership_pool_destroy(pool));

	pool = create(DMA_FROM_DEVICE, 0);
	check(!IS_ERR(pool));
	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	check(buf);
	fill(buf, 9);
	gophership_buf_sync_for_device(buf, 0, EDU_SIZE);
	check(!probe_to_ram(gophership_buf_dma(buf), EDU_SIZE));
	gophership_buf_sync_for_cpu(buf, 0, SIZE_MAX);
	check(is_filled(buf, 0, EDU_SIZE, 5));
	gophership_buf_sync_for_cpu(buf, SIZE_MAX, 2);
	gophership_buf_sync_for_device(buf, buf->capacity, 1);
	check(!gophership_buf_release(buf) && !gophership_pool_destroy(pool));
	return 0;
}

/* What went back to the page allocator is unmapped: with an IOMMU, the device faults. */
int pool_trimmed(void)
{
	struct gophership_pool *pool = create(DMA_FROM_DEVICE, 0);
	struct gophership_buf *bufs[8];
	dma_addr_t addr;
	unsigned int i;

	check(!IS_ERR(pool));
	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		bufs[i] = gophership_pool_acquire(pool, SZ_8K, GFP_KERNEL);
		check(bufs[i] && gophership_buf_dma(bufs[i]) != DMA_MAPPING_ERROR);
	}
	addr = gophership_buf_dma(bufs[3]);
	check(gophership_buf_release_bulk(bufs, ARRAY_SIZE(bufs)) == ARRAY_SIZE(bufs));
	check(mapped(pool) >= ARRAY_SIZE(bufs));
	gophership_pool_trim(pool);
	rcu_barrier();
	check(!mapped(pool) && !bounced(pool));
	check(!probe_to_ram(addr, EDU_SIZE));
	check(!gophership_pool_destroy(pool));
	return 0;
}

/*
 * What is still leased when its pool is destroyed is unmapped, and stays as it is when the
 * device writes to where it was. Its release later is no second unmapping.
 */
int pool_stale(void)
{
	struct gophership_pool *pool = create(DMA_BIDIRECTIONAL, 1);
	struct gophership_buf *buf, *retired, *large;
	dma_addr_t addr;

	check(!IS_ERR(pool));
	buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	retired = gophership_pool_acquire(pool, 1, GFP_KERNEL);
	large = gophership_pool_acquire(pool, SZ_128K, GFP_KERNEL);
	check(buf && retired && large);
	fill(buf, 1);
	gophership_buf_sync_for_device(buf, 0, EDU_SIZE);
	addr = gophership_buf_dma(buf);
	check(!probe_from_ram(addr, EDU_SIZE));
	fill(buf, 2);
	gophership_buf_sync_for_device(buf, 0, EDU_SIZE);
	check(gophership_pool_destroy(pool) == 3);
	check(gophership_buf_dma(buf) == DMA_MAPPING_ERROR);
	check(gophership_buf_dma(large) == DMA_MAPPING_ERROR);
	check(!probe_to_ram(addr, EDU_SIZE));
	gophership_buf_sync_for_cpu(buf, 0, EDU_SIZE);
	gophership_buf_sync_for_device(buf, 0, EDU_SIZE);
	check(is_filled(buf, 0, buf->capacity, 2));
	check(!gophership_buf_release(buf));
	check(!gophership_buf_retire(retired));
	check(!gophership_buf_release(large));
	rcu_barrier();
	return 0;
}

/* Without room for a bounce buffer there is no buffer, and nothing is lost. */
int pool_full(void)
{
	struct gophership_pool *pool = create(DMA_BIDIRECTIONAL, 0);
	struct gophership_buf *bufs[128];
	unsigned int nr, i, round;

	check(!IS_ERR(pool));
	for (round = 0; round < 2; round++) {
		for (nr = 0; nr < ARRAY_SIZE(bufs); nr++) {
			bufs[nr] = gophership_pool_acquire(pool, SZ_64K, GFP_KERNEL);
			if (!bufs[nr])
				break;
			check(gophership_buf_dma(bufs[nr]) != DMA_MAPPING_ERROR);
		}
		check(nr > 4 && nr < ARRAY_SIZE(bufs));
		check(mapped(pool) == bounced(pool));
		for (i = 0; i < nr; i++)
			check(!gophership_buf_release(bufs[i]));
	}
	check(!gophership_pool_destroy(pool));
	return 0;
}

static int one(u32 expected)
{
	struct gophership_pool *pool = create(DMA_BIDIRECTIONAL, 1);

	check(!IS_ERR(pool));
	check(mapped(pool) == 1 && bounced(pool) == expected);
	check(!gophership_pool_destroy(pool));
	return 0;
}

int pool_bounced(void)
{
	return one(1);
}

int pool_direct(void)
{
	return one(0);
}

/* What cannot be bound is refused. */
int pool_refused(void)
{
	static struct device strange;
	struct gophership_pool_params params = {
		.name = "refused", .dev = &strange, .dma_dir = DMA_BIDIRECTIONAL,
	};

	check(PTR_ERR_OR_ZERO(gophership_pool_create(&params)) == -EINVAL);
	check(PTR_ERR_OR_ZERO(create(DMA_NONE, 0)) == -EINVAL);
	check(PTR_ERR_OR_ZERO(create(17, 0)) == -EINVAL);
	return 0;
}

/* A buffer that has no mapping says so, and syncs of it are nothing. */
int pool_plain(void)
{
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);

	check(buf && gophership_buf_dma(buf) == DMA_MAPPING_ERROR);
	gophership_buf_sync_for_cpu(buf, 0, 1);
	gophership_buf_sync_for_device(buf, 0, 1);
	check(!gophership_buf_release(buf));
	return 0;
}

/* The thread of sync_always() has begun. */
static DECLARE_COMPLETION(synced);

static int sync_always(void *buf)
{
	while (!kthread_should_stop()) {
		gophership_buf_sync_for_device(buf, 0, EDU_SIZE);
		gophership_buf_sync_for_cpu(buf, 0, EDU_SIZE);
		if (!completion_done(&synced))
			complete(&synced);
		cond_resched();
	}
	return 0;
}

int pool_syncs_while_destroyed(void)
{
	struct gophership_pool *pool;
	struct task_struct *thread;
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		pool = create(DMA_BIDIRECTIONAL, 0);
		check(!IS_ERR(pool));
		buf = gophership_pool_acquire(pool, 1, GFP_KERNEL);
		check(buf);
		reinit_completion(&synced);
		thread = kthread_run(sync_always, buf, "sync_always");
		check(!IS_ERR(thread));
		wait_for_completion(&synced);
		check(gophership_pool_destroy(pool) == 1);
		kthread_stop(thread);
		check(!gophership_buf_release(buf));
	}
	return 0;
}

/* The driver is unbound between these two, without a word to the pool. */
static struct gophership_pool *kept;
static struct gophership_buf *kept_bufs[3];

int pool_keep(void)
{
	kept = create(DMA_BIDIRECTIONAL, 2);
	check(!IS_ERR(kept));
	check(gophership_pool_acquire_bulk(kept, 1, GFP_KERNEL, 3, kept_bufs) == 3);
	check(!gophership_buf_release(kept_bufs[2]));
	check(mapped(kept) >= 5);
	return 0;
}

int pool_kept(void)
{
	unsigned int i;

	check(!probe_device() && !mapped(kept));
	for (i = 0; i < 2; i++) {
		check(gophership_buf_dma(kept_bufs[i]) == DMA_MAPPING_ERROR);
		gophership_buf_sync_for_cpu(kept_bufs[i], 0, EDU_SIZE);
	}
	check(!gophership_pool_acquire(kept, SZ_16K, GFP_KERNEL | __GFP_NOMEMALLOC));
	check(!gophership_buf_release(kept_bufs[0]));
	check(gophership_pool_destroy(kept) == 1);
	check(!gophership_buf_release(kept_bufs[1]));
	return 0;
}
