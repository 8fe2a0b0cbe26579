// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's contenders: buffers for a device, QEMU's "edu", where the guest has one.
 *
 * Each hands a buffer to the device and takes it back: acquire, what makes it the device's,
 * release. page_pool does the sync by itself, when a page comes back. No DMA takes place.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/numa.h>
#include <linux/pci.h>

#include "compat.h"
#include "gophership_dma.h"
#include "loops.h"

#if IS_ENABLED(CONFIG_PCI) && defined(CONFIG_PAGE_POOL)
static struct device *device;
static struct gophership_pool *mapped_pool;
static struct page_pool *mapped_page_pool;

static __always_inline void *mapped_acquire(size_t size, gfp_t gfp)
{
	struct gophership_buf *buf;

	if (unlikely(!device))
		return NULL;
	buf = gophership_pool_acquire(mapped_pool, size, gfp);
	if (unlikely(!buf || gophership_buf_dma(buf) == DMA_MAPPING_ERROR))
		return NULL;
	gophership_buf_sync_for_device(buf, 0, size);
	return buf;
}

static __always_inline bool mapped_release(void *object, size_t size)
{
	return !gophership_buf_release(object);
}

static __always_inline void *page_acquire(size_t size, gfp_t gfp)
{
	struct page *page;

	if (unlikely(!device))
		return NULL;
	page = page_pool_alloc_pages(mapped_page_pool, GFP_ATOMIC);
	if (unlikely(!page || !page_pool_get_dma_addr(page)))
		return NULL;
	return page;
}

static __always_inline bool page_release(void *object, size_t size)
{
	page_pool_put_full_page(mapped_page_pool, object, true);
	return true;
}

/* A buffer without a device, which is mapped each time. */
static __always_inline void *each_acquire(size_t size, gfp_t gfp)
{
	struct gophership_buf *buf;
	dma_addr_t addr;

	if (unlikely(!device))
		return NULL;
	buf = gophership_buf_acquire(size, gfp);
	if (unlikely(!buf))
		return NULL;
	addr = dma_map_page(device, virt_to_page(buf->data), 0, size, DMA_FROM_DEVICE);
	if (unlikely(dma_mapping_error(device, addr))) {
		gophership_buf_release(buf);
		return NULL;
	}
	buf->cookie = addr;
	return buf;
}

static __always_inline bool each_release(void *object, size_t size)
{
	struct gophership_buf *buf = object;

	dma_unmap_page(device, buf->cookie, size, DMA_FROM_DEVICE);
	return !gophership_buf_release(buf);
}

BENCH_LOOPS(mapped)
BENCH_LOOPS(page)
BENCH_LOOPS(each)

const struct bench_contender bench_mapped = {
	.name = "gophership",
	.ours = true,
	.loop = { [LOOP_DMA] = mapped_pair },
};

const struct bench_contender bench_mapped_page_pool = {
	.name = "page_pool-mapped",
	.bottom_halves_off = true,
	.loop = { [LOOP_DMA] = page_pair },
};

const struct bench_contender bench_mapped_each = {
	.name = "map-each",
	.loop = { [LOOP_DMA] = each_pair },
};

static int probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	struct gophership_pool_params params = {
		.name = "bench-dma", .dev = &dev->dev, .dma_dir = DMA_FROM_DEVICE,
	};
	struct page_pool_params page_params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV, .pool_size = 1024,
		.nid = NUMA_NO_NODE, .dev = &dev->dev, .dma_dir = DMA_FROM_DEVICE,
		.max_len = PAGE_SIZE,
	};
	int ret = dma_set_mask_and_coherent(&dev->dev, DMA_BIT_MASK(28));

	if (ret)
		return ret;
	mapped_pool = gophership_pool_create(&params);
	if (IS_ERR(mapped_pool))
		return PTR_ERR(mapped_pool);
	mapped_page_pool = page_pool_create(&page_params);
	if (IS_ERR(mapped_page_pool)) {
		gophership_pool_destroy(mapped_pool);
		return PTR_ERR(mapped_page_pool);
	}
	device = &dev->dev;
	return 0;
}

static void remove(struct pci_dev *dev)
{
	gophership_pool_destroy(mapped_pool);
	page_pool_destroy(mapped_page_pool);
	device = NULL;
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };

static struct pci_driver edu_driver = {
	.name = "gophership_bench",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};

static bool registered;

int bench_dma_init(void)
{
	int err = pci_register_driver(&edu_driver);

	registered = !err;
	return err;
}

void bench_dma_exit(void)
{
	if (registered)
		pci_unregister_driver(&edu_driver);
}
#else
const struct bench_contender bench_mapped, bench_mapped_page_pool, bench_mapped_each;

int bench_dma_init(void)
{
	return 0;
}

void bench_dma_exit(void)
{
}
#endif
