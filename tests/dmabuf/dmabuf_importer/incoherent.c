// SPDX-License-Identifier: GPL-2.0
/*
 * A device whose caches are not coherent, as behind the IOMMU of a small machine: what it
 * is told are addresses of its own, and a sync goes by the pages of the table. Here an
 * address is that of the memory. So each sync can see whether the table still has the pages
 * that it was mapped with.
 */
#include <linux/atomic.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>

#include "incoherent.h"

static struct platform_device *device;
static atomic_t right, wrong;

static int map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		  enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = sg_phys(sg);
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static void clean(struct scatterlist *sgl, int nents)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		atomic_inc(sg_phys(sg) == sg_dma_address(sg) ? &right : &wrong);
}

static void unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	clean(sgl, nents);
}

static void sync_sg(struct device *dev, struct scatterlist *sgl, int nents,
		    enum dma_data_direction dir)
{
	clean(sgl, nents);
}

static const struct dma_map_ops ops = {
	.map_sg = map_sg,
	.unmap_sg = unmap_sg,
	.sync_sg_for_cpu = sync_sg,
	.sync_sg_for_device = sync_sg,
};

struct device *incoherent_device(void)
{
	return get_dma_ops(&device->dev) == &ops ? &device->dev : NULL;
}

void incoherent_syncs(struct importer_syncs *syncs)
{
	syncs->right = atomic_xchg(&right, 0);
	syncs->wrong = atomic_xchg(&wrong, 0);
}

int incoherent_init(void)
{
	int ret;

	device = platform_device_register_simple("gophership-incoherent", -1, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	/* The kernel asks them whether there is anything to synchronise when it sets the mask. */
	set_dma_ops(&device->dev, &ops);
	ret = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(64));
	if (ret)
		incoherent_exit();
	return ret;
}

void incoherent_exit(void)
{
	platform_device_unregister(device);
}
