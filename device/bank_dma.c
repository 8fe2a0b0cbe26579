// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the buffers of a port, mapped for the driver's device.
 *
 * A buffer is unmapped before another program can have it. When its program is gone, each
 * buffer is unmapped as the bank is reaped. When the driver puts the port, or is unbound from
 * the device, all of them are. pool/dma.c tells why each is unmapped once.
 */
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "device/bank_dma.h"

void gophership_bank_dma_init(struct gophership_bank_dma *map)
{
	mutex_init(&map->lock);
}

static void unmap_all(struct gophership_dma *dma)
{
	struct gophership_bank_dma *map = dma->owner;
	u32 i;

	for (i = 0; i < map->bank->count; i++) {
		gophership_dma_unmap(dma, &map->mappings[i], map->bank->capacity);
		cond_resched();
	}
}

static int map_all(struct gophership_dma *dma, const struct gophership_bank *bank,
		   struct gophership_dma_mapping *mappings)
{
	int ret;
	u32 i;

	for (i = 0; i < bank->count; i++) {
		ret = gophership_dma_map(dma, &mappings[i],
					 virt_to_page(bank->slots[i].buf->data), bank->capacity);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* Context: map->lock held. */
static int map_bank(struct gophership_bank_dma *map, const struct gophership_bank *bank,
		    struct device *dev, enum dma_data_direction dir)
{
	struct gophership_dma_mapping *mappings;
	struct gophership_dma *dma;
	int ret;

	lockdep_assert_held(&map->lock);
	mappings = kvcalloc(bank->count, sizeof(*mappings),
			    GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!mappings)
		return -ENOMEM;
	map->bank = bank;
	/* Before the unbinding of the driver may look for them. */
	map->mappings = mappings;
	dma = gophership_dma_bind(dev, dir, unmap_all, map);
	ret = PTR_ERR_OR_ZERO(dma);
	if (ret)
		goto free;
	ret = map_all(dma, bank, mappings);
	if (ret)
		goto end;
	WRITE_ONCE(map->dma, dma);
	return 0;

end:
	gophership_dma_end(dma);
	gophership_dma_put(dma);
free:
	map->mappings = NULL;
	kvfree(mappings);
	return ret;
}

/**
 * gophership_bank_dma_map() - map all buffers of a bank
 * @map: gets the mappings
 * @bank: the bank: none of its buffers is freed before gophership_bank_dma_settle()
 * @dev: for what device
 * @dir: which way data goes
 *
 * Context: process, may sleep.
 * Return: 0; -EBUSY if it is mapped, or was; as gophership_dma_bind(); -ENODEV if the
 * driver is being unbound.
 */
int gophership_bank_dma_map(struct gophership_bank_dma *map, const struct gophership_bank *bank,
			    struct device *dev, enum dma_data_direction dir)
{
	lockdep_assert_held(&map->lock);
	if (map->dma || map->ended)
		return -EBUSY;
	return map_bank(map, bank, dev, dir);
}

/* How many buffers the device reaches by way of a copy. Context: map->lock held. */
u32 gophership_bank_dma_bounced(const struct gophership_bank_dma *map)
{
	lockdep_assert_held(&map->lock);
	return map->dma ? atomic_read(&map->dma->bounced) : 0;
}

/* Wait until no buffer is being mapped, before one is freed. Context: process, may sleep. */
void gophership_bank_dma_settle(struct gophership_bank_dma *map)
{
	mutex_lock(&map->lock);
	mutex_unlock(&map->lock);
}

/*
 * Buffer @index is about to be freed, by the caller alone. No device reaches it when this
 * returns. Context: process, may sleep; after gophership_bank_dma_settle().
 */
void gophership_bank_dma_unmap(struct gophership_bank_dma *map, u32 index)
{
	struct gophership_dma *dma = READ_ONCE(map->dma);

	if (!dma)
		return;
	if (!gophership_dma_unmap(dma, &map->mappings[index], map->bank->capacity))
		gophership_dma_wait(dma);
}

/* The driver is gone. Context: process, may sleep. */
void gophership_bank_dma_end(struct gophership_bank_dma *map)
{
	mutex_lock(&map->lock);
	if (map->dma)
		gophership_dma_end(map->dma);
	map->ended = true;
	mutex_unlock(&map->lock);
}

/* Of a bank that is not used any more, after gophership_bank_dma_end(). */
void gophership_bank_dma_free(struct gophership_bank_dma *map)
{
	if (map->dma)
		gophership_dma_put(map->dma);
	kvfree(map->mappings);
}
