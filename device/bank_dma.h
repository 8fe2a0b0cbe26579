/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the buffers of a port, mapped for the driver's device.
 */
#ifndef GOPHERSHIP_DEVICE_BANK_DMA_H
#define GOPHERSHIP_DEVICE_BANK_DMA_H

#include <linux/mutex.h>

#include "device/bank.h"
#include "pool/dma.h"

/**
 * struct gophership_bank_dma - the mappings of a bank
 * @lock: held while they are made, and while they end
 * @dma: for what device; NULL if for none. Written once, under @lock, when all are mapped;
 *	read in any context
 * @ended: and there will be none; protected by @lock
 * @bank: the bank; constant once @mappings is there
 * @mappings: one of each buffer, by its index; constant once @dma is there
 */
struct gophership_bank_dma {
	struct mutex lock;	/* see above */
	struct gophership_dma *dma;
	bool ended;
	const struct gophership_bank *bank;
	struct gophership_dma_mapping *mappings;
};

void gophership_bank_dma_init(struct gophership_bank_dma *map);
int gophership_bank_dma_map(struct gophership_bank_dma *map, const struct gophership_bank *bank,
			    struct device *dev, enum dma_data_direction dir);
u32 gophership_bank_dma_bounced(const struct gophership_bank_dma *map);
void gophership_bank_dma_settle(struct gophership_bank_dma *map);
void gophership_bank_dma_unmap(struct gophership_bank_dma *map, u32 index);
void gophership_bank_dma_end(struct gophership_bank_dma *map);
void gophership_bank_dma_free(struct gophership_bank_dma *map);

#endif /* GOPHERSHIP_DEVICE_BANK_DMA_H */
