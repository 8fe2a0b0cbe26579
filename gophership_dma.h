/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: buffers that devices read and write, for other kernel modules.
 */
#ifndef GOPHERSHIP_DMA_H
#define GOPHERSHIP_DMA_H

#include <linux/dma-mapping.h>
#include <linux/types.h>

#include "gophership_buf.h"

/**
 * DOC: Buffers for devices
 *
 * gophership_pool_params.dev binds a pool to a device: each of its buffers is mapped for
 * DMA once, when it is made, and unmapped once, when its pages go. Acquire and release do
 * not map. gophership_port_map() does the same for all buffers of a port, so that a
 * device writes into memory that a program sees.
 *
 * The mapping is made without a sync (DMA_ATTR_SKIP_CPU_SYNC), and with
 * DMA_ATTR_WEAK_ORDERING. So the driver syncs each time that a buffer changes sides:
 *
 * - before the device reads or writes it: gophership_buf_sync_for_device(). Also for a
 *   buffer that was just acquired: the CPU may have written to it;
 * - after the device wrote it, and before the CPU reads: gophership_buf_sync_for_cpu().
 *
 * Where the device needs no sync, each call is two tests. Each mapping has its own answer: a
 * bounce buffer (swiotlb) may be behind one, and none behind another one.
 *
 * A mapping ends once: when the pool gives the pages back; in gophership_pool_destroy() or
 * gophership_port_put(), even if the buffer is still on loan; at the latest, by itself, when
 * the driver is unbound from the device. The device must be quiet by then, as for any
 * driver. With an IOMMU its DMA to such an address is a fault. Without one its DMA reaches
 * the next user of the page. The buffer stays valid, and its release at any later time is
 * safe. From then on its address is DMA_MAPPING_ERROR, and syncs do nothing.
 *
 * Pools are bound and ports are mapped before the driver's remove() returns: what is bound
 * later, while the driver core releases the device's resources, may outlive the driver. So
 * an endpoint is unregistered in remove(), not by devm_add_action().
 *
 * A mapping that fails counts as no memory. Buffers of a bound pool are made and freed
 * where the allocators may be asked (see "Contexts"): there a driver may map and unmap,
 * too. None is mapped or unmapped in NMI, or upon a lock of an allocator.
 *
 * Pages come from below 4 GiB (GFP_DMA32) if the device's mask has 32 bits or more, but
 * does not reach all memory, and no IOMMU helps. For smaller masks the 16 MiB of GFP_DMA
 * would not be enough for a pool. There the DMA layer bounces pages that lie too high, or
 * fails. gophership_pool_stats.bounced counts the buffers that are copied that way.
 *
 * A descriptor of a bound pool takes 128 bytes instead of 64.
 */

struct gophership_port;

/* Private, down to gophership_buf_wants_sync(): for the inline functions alone. */
struct gophership_dma;

/*
 * struct gophership_dma_mapping - pages that a device reaches
 * @addr: where; constant while it is mapped
 * @mapped: 1 while it is mapped; the context that sets 0, by xchg, unmaps it
 * @sync: whether the device needs any; constant
 * @bounced: the device reaches a copy; constant
 */
struct gophership_dma_mapping {
	dma_addr_t addr;
	u32 mapped;
	bool sync;
	bool bounced;
};

/*
 * struct gophership_mapped_buf - the descriptor of a buffer of a bound pool
 * @buf: the part that every descriptor has; its writer is GOPHERSHIP_WRITER_DEVICE
 * @dma: with a reference; constant
 * @mapping: of its pages
 */
struct gophership_mapped_buf {
	struct gophership_buf buf;
	struct gophership_dma *dma;
	struct gophership_dma_mapping mapping;
};

/* The address, or DMA_MAPPING_ERROR when it is mapped no more. Context: any. */
static inline dma_addr_t gophership_dma_addr(const struct gophership_dma_mapping *mapping)
{
	return READ_ONCE(mapping->mapped) ? mapping->addr : DMA_MAPPING_ERROR;
}

static inline bool gophership_buf_wants_sync(const struct gophership_buf *buf)
{
	return buf->writer == GOPHERSHIP_WRITER_DEVICE &&
	       container_of(buf, struct gophership_mapped_buf, buf)->mapping.sync;
}

/**
 * gophership_buf_dma() - where a device finds a buffer
 * @buf: a buffer that the caller has on loan
 *
 * Context: any, NMI included.
 * Return: the address of its first byte, for the device of its pool. DMA_MAPPING_ERROR if
 * the pool has no device, or that pool was destroyed, or its driver unbound.
 */
static inline dma_addr_t gophership_buf_dma(const struct gophership_buf *buf)
{
	if (unlikely(buf->writer != GOPHERSHIP_WRITER_DEVICE))
		return DMA_MAPPING_ERROR;
	return gophership_dma_addr(&container_of(buf, struct gophership_mapped_buf, buf)->mapping);
}

/**
 * gophership_buf_sync_cpu() - gophership_buf_sync_for_cpu() where a sync is needed
 * @buf: as there
 * @offset: as there
 * @len: as there
 *
 * Context: any but NMI.
 */
void gophership_buf_sync_cpu(struct gophership_buf *buf, size_t offset, size_t len);

/**
 * gophership_buf_sync_device() - gophership_buf_sync_for_device() where a sync is needed
 * @buf: as there
 * @offset: as there
 * @len: as there
 *
 * Context: any but NMI.
 */
void gophership_buf_sync_device(struct gophership_buf *buf, size_t offset, size_t len);

/**
 * gophership_buf_sync_for_cpu() - the CPU will read what the device wrote
 * @buf: a buffer that the caller has on loan
 * @offset: of the first byte that it wrote
 * @len: bytes; what lies beyond the end of the buffer is left out
 *
 * Context: any but NMI.
 */
static inline void gophership_buf_sync_for_cpu(struct gophership_buf *buf, size_t offset,
					       size_t len)
{
	if (unlikely(gophership_buf_wants_sync(buf)))
		gophership_buf_sync_cpu(buf, offset, len);
}

/**
 * gophership_buf_sync_for_device() - the device will read or write
 * @buf: a buffer that the caller has on loan
 * @offset: of the first byte that the device is told of
 * @len: bytes; what lies beyond the end of the buffer is left out
 *
 * Context: any but NMI.
 */
static inline void gophership_buf_sync_for_device(struct gophership_buf *buf, size_t offset,
						  size_t len)
{
	if (unlikely(gophership_buf_wants_sync(buf)))
		gophership_buf_sync_device(buf, offset, len);
}

/**
 * gophership_port_map() - map all buffers of a port for a device
 * @port: one that the caller has accepted, once for each port
 * @dev: the device that the caller's driver is bound to, whose DMA mask is set
 * @dir: DMA_FROM_DEVICE, DMA_TO_DEVICE or DMA_BIDIRECTIONAL
 *
 * No call undoes it: gophership_port_put() unmaps, and so does the unbinding of the
 * driver. A buffer that becomes free at the end of its program is unmapped before it is
 * reused.
 *
 * Context: process, may sleep.
 * Return: 0; -EOPNOTSUPP on a kernel without DMA; -EINVAL for a direction that is none,
 * and a device without a driver or a DMA mask; -EBUSY if the port is mapped, or was; -EPIPE
 * if the program is gone; -ENODEV if the driver is being unbound from @dev; -ENOMEM without
 * memory, or if a mapping failed. After an error other than -EBUSY nothing is mapped.
 */
int gophership_port_map(struct gophership_port *port, struct device *dev,
			enum dma_data_direction dir);

/**
 * gophership_port_dma() - where the device finds a buffer of a port
 * @port: a port with gophership_port_map()
 * @buf: a buffer of it that the driver has
 *
 * Context: any, NMI included.
 * Return: the address of its first byte; DMA_MAPPING_ERROR if @buf is no buffer of @port,
 * or is not mapped (any more).
 */
dma_addr_t gophership_port_dma(const struct gophership_port *port,
			       const struct gophership_buf *buf);

/**
 * gophership_port_sync_for_cpu() - the CPU will read what the device wrote
 * @port: a port with gophership_port_map()
 * @buf: a buffer of it that the driver has: call this before it is delivered
 * @offset: of the first byte that it wrote
 * @len: bytes; what lies beyond the end of the buffer is left out
 *
 * Context: any but NMI.
 */
void gophership_port_sync_for_cpu(struct gophership_port *port, struct gophership_buf *buf,
				  size_t offset, size_t len);

/**
 * gophership_port_sync_for_device() - the device will read or write
 * @port: a port with gophership_port_map()
 * @buf: a buffer of it that the driver has: call this after it was taken
 * @offset: of the first byte that the device is told of
 * @len: bytes; what lies beyond the end of the buffer is left out
 *
 * Context: any but NMI.
 */
void gophership_port_sync_for_device(struct gophership_port *port, struct gophership_buf *buf,
				     size_t offset, size_t len);

#endif /* GOPHERSHIP_DMA_H */
