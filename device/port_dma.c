// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: a port for a driver's device, which reads and writes what the
 * program sees.
 *
 * What is exported is described in gophership_dma.h.
 */
#include <linux/export.h>

#include "device/port.h"
#include "gophership_dma.h"

int gophership_port_map(struct gophership_port *port, struct device *dev,
			enum dma_data_direction dir)
{
	struct gophership_bank_dma *map = &port->dma;
	int ret = -EPIPE;

	/* Before the look at CLOSED: see reap_queue(). */
	set_bit(GOPHERSHIP_PORT_MAPS, &port->flags);
	mutex_lock(&map->lock);
	/* The closer sets it, then takes the lock before it frees: gophership_bank_dma_settle(). */
	if (!test_bit(GOPHERSHIP_PORT_CLOSED, &port->flags))
		ret = gophership_bank_dma_map(map, &port->bank, dev, dir);
	if (!ret)
		WRITE_ONCE(port->deliver_map->bounced, gophership_bank_dma_bounced(map));
	mutex_unlock(&map->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(gophership_port_map);

/* The mapping of @buf, and for what; NULL if there is none. Context: any. */
static __always_inline struct gophership_dma_mapping *find(const struct gophership_port *port,
							   const struct gophership_buf *buf,
							   struct gophership_dma **dma)
{
	const struct gophership_slot *slot = gophership_bank_find(&port->bank, buf);

	/* The caller has called gophership_port_map() before, and sees all of it. */
	*dma = READ_ONCE(port->dma.dma);
	if (unlikely(!slot || !*dma))
		return NULL;
	return &port->dma.mappings[slot - port->bank.slots];
}

dma_addr_t gophership_port_dma(const struct gophership_port *port,
			       const struct gophership_buf *buf)
{
	const struct gophership_dma_mapping *mapping;
	struct gophership_dma *dma;

	mapping = find(port, buf, &dma);
	return mapping ? gophership_dma_addr(mapping) : DMA_MAPPING_ERROR;
}
EXPORT_SYMBOL_GPL(gophership_port_dma);

void gophership_port_sync_for_cpu(struct gophership_port *port, struct gophership_buf *buf,
				  size_t offset, size_t len)
{
	const struct gophership_dma_mapping *mapping;
	struct gophership_dma *dma;

	mapping = find(port, buf, &dma);
	if (unlikely(mapping && mapping->sync))
		gophership_dma_sync_for_cpu(dma, mapping, port->bank.capacity, offset, len);
}
EXPORT_SYMBOL_GPL(gophership_port_sync_for_cpu);

void gophership_port_sync_for_device(struct gophership_port *port, struct gophership_buf *buf,
				     size_t offset, size_t len)
{
	const struct gophership_dma_mapping *mapping;
	struct gophership_dma *dma;

	mapping = find(port, buf, &dma);
	if (unlikely(mapping && mapping->sync))
		gophership_dma_sync_for_device(dma, mapping, port->bank.capacity, offset, len);
}
EXPORT_SYMBOL_GPL(gophership_port_sync_for_device);
