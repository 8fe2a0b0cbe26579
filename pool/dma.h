/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: mappings for devices.
 */
#ifndef GOPHERSHIP_POOL_DMA_H
#define GOPHERSHIP_POOL_DMA_H

#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/refcount.h>

#include "gophership_dma.h"
#include "pool/types.h"

/**
 * struct gophership_dma - the mappings of one pool or port, for one device
 * @dev: the device, with a reference. Once @dead is set and a grace period is over, only
 *	contexts that count in @users may look at it; constant
 * @dir: direction of the transfers; constant
 * @gfp: flags for the allocation of the pages; constant
 * @dead: the mappings end: written under @lock, read in any context. (J) readers that
 *	sync are in rcu_read_lock(), so that a grace period waits for them
 * @users: 1 until the end, and 1 for each mapping from before it is made until it is
 *	gone; by atomics
 * @unused: @users is 0
 * @bounced: mappings with a bounce buffer; by atomics
 * @refs: its owner's, the device's and one of each descriptor
 * @lock: held while all mappings end, and no more than that
 * @unmap_all: unmaps all that is mapped; process context, once
 * @owner: for @unmap_all; constant
 */
struct gophership_dma {
	struct device *dev;
	enum dma_data_direction dir;
	gfp_t gfp;
	bool dead;
	refcount_t users;
	struct completion unused;
	atomic_t bounced;
	struct kref refs;
	struct mutex lock;	/* see above */
	void (*unmap_all)(struct gophership_dma *dma);
	void *owner;
};

struct gophership_dma *gophership_dma_bind(struct device *dev, enum dma_data_direction dir,
					   void (*unmap_all)(struct gophership_dma *dma),
					   void *owner);
struct gophership_dma *gophership_dma_bind_pool(struct device *dev, enum dma_data_direction dir);
void gophership_dma_end(struct gophership_dma *dma);
void gophership_dma_put(struct gophership_dma *dma);
void gophership_dma_wait(struct gophership_dma *dma);

int gophership_dma_map(struct gophership_dma *dma, struct gophership_dma_mapping *mapping,
		       struct page *page, size_t size);
bool gophership_dma_unmap(struct gophership_dma *dma, struct gophership_dma_mapping *mapping,
			  size_t size);
u32 gophership_dma_nr_mapped(const struct gophership_dma *dma);
void gophership_dma_sync_for_cpu(struct gophership_dma *dma,
				 const struct gophership_dma_mapping *mapping, size_t size,
				 size_t offset, size_t len);
void gophership_dma_sync_for_device(struct gophership_dma *dma,
				    const struct gophership_dma_mapping *mapping, size_t size,
				    size_t offset, size_t len);

struct gophership_buf *gophership_dma_buf_alloc(struct gophership_dma *dma, gfp_t gfp);
int gophership_dma_buf_map(struct gophership_buf *buf);
bool gophership_dma_buf_dead(const struct gophership_buf *buf);
void gophership_dma_buf_unmap(struct gophership_buf *buf);
void gophership_dma_buf_free(struct gophership_buf *buf);

int gophership_dma_init(void);
void gophership_dma_exit(void);

#endif /* GOPHERSHIP_POOL_DMA_H */
