// SPDX-License-Identifier: GPL-2.0
/*
 * Pools that are bound to a device: what is the same on every kernel, with DMA or without.
 * tests/dma has the rest, with a device.
 */
#include <linux/device.h>

#include "gophership_dma.h"
#include "support.h"

/* A device without a driver; User-Mode Linux has no DMA at all. */
static void bind_is_refused(struct kunit *test)
{
	struct device *dev = root_device_register("gophership_kunit");
	struct gophership_pool_params params = { .name = "bound", .dma_dir = DMA_FROM_DEVICE };
	int expected = IS_ENABLED(CONFIG_HAS_DMA) ? -EINVAL : -EOPNOTSUPP;
	struct gophership_pool *pool;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	params.dev = dev;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(gophership_pool_create(&params)), expected);

	/* Nothing of it is left, not even the name; without a device the direction is nothing. */
	params.dev = NULL;
	pool = gophership_pool_create(&params);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	KUNIT_EXPECT_EQ(test, gophership_pool_destroy(pool), 0);
	root_device_unregister(dev);
}

static void no_device_no_address(struct kunit *test)
{
	struct gophership_pool_stats stats;
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_TRUE(test, gophership_buf_dma(buf) == DMA_MAPPING_ERROR);
	memset(buf->data, 0x5a, buf->capacity);
	gophership_buf_sync_for_device(buf, 0, buf->capacity);
	gophership_buf_sync_for_cpu(buf, 0, SIZE_MAX);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(buf->data, 0x5a, buf->capacity), NULL);
	KUNIT_EXPECT_EQ(test, gophership_buf_release(buf), 0);
	gophership_pool_stats(GK_MACHINE, &stats);
	KUNIT_EXPECT_EQ(test, stats.mapped, 0);
	KUNIT_EXPECT_EQ(test, stats.bounced, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(bind_is_refused),
	KUNIT_CASE(no_device_no_address),
	{}
};

static struct kunit_suite suite = {
	.name = "gophership_dma",
	.init = gk_init,
	.exit = gk_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
