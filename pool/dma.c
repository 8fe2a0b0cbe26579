// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: mappings for devices.
 *
 * A mapping is made when its pages become a buffer. It ends once, by the first of three
 * events: the pages go, the pool or port ends, or the driver is unbound. The context that
 * exchanges its mark unmaps. A later one waits until that is done, before it gives pages away.
 *
 * The end of all mappings (kill()) goes in these steps. From "dead" on no mapping is made and
 * no sync begins. After a grace period no sync is under way. All mappings are unmapped. The
 * last step waits for the few that other contexts unmap or make at this moment. No step
 * waits for the holder of a buffer.
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "pool/dma.h"
#include "pool/registry.h"

/* As page_pool's: the driver asks for each sync. */
#define MAPPING_ATTRS	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING)

static_assert(sizeof(struct gophership_mapped_buf) == 2 * sizeof(struct gophership_buf));

static struct kmem_cache *descriptors;

static struct gophership_mapped_buf *to_mapped(const struct gophership_buf *buf)
{
	return container_of(buf, struct gophership_mapped_buf, buf);
}

/*
 * One mapping
 */

/* The last of them lets kill() go on. Context: any but NMI. */
static void drop_user(struct gophership_dma *dma)
{
	if (refcount_dec_and_test(&dma->users))
		complete(&dma->unused);
}

/**
 * gophership_dma_unmap() - end a mapping
 * @dma: what it was mapped with
 * @mapping: the mapping
 * @size: bytes
 *
 * Context: where memory may be given back.
 * Return: false if another context has begun to, or had.
 */
bool gophership_dma_unmap(struct gophership_dma *dma, struct gophership_dma_mapping *mapping,
			  size_t size)
{
	if (!xchg(&mapping->mapped, 0))
		return false;
	dma_unmap_page_attrs(dma->dev, mapping->addr, size, dma->dir, MAPPING_ATTRS);
	if (mapping->bounced)
		atomic_dec(&dma->bounced);
	drop_user(dma);
	return true;
}

/**
 * gophership_dma_map() - map pages, unless the end comes meanwhile
 * @dma: for what device
 * @mapping: filled in
 * @page: the first page
 * @size: bytes
 *
 * Context: where the allocators may be asked.
 * Return: 0, -ENODEV at the end of @dma, -ENOMEM.
 */
int gophership_dma_map(struct gophership_dma *dma, struct gophership_dma_mapping *mapping,
		       struct page *page, size_t size)
{
	if (!refcount_inc_not_zero(&dma->users))
		return -ENODEV;
	if (READ_ONCE(dma->dead)) {
		drop_user(dma);
		return -ENODEV;
	}
	mapping->addr = dma_map_page_attrs(dma->dev, page, 0, size, dma->dir,
					   MAPPING_ATTRS | DMA_ATTR_NO_WARN);
	if (dma_mapping_error(dma->dev, mapping->addr)) {
		drop_user(dma);
		return -ENOMEM;
	}
	mapping->sync = dma_need_sync(dma->dev, mapping->addr);
	mapping->bounced = gophership_dma_bounced(dma->dev, mapping->addr, page);
	if (mapping->bounced)
		atomic_inc(&dma->bounced);
	WRITE_ONCE(mapping->mapped, 1);
	/*
	 * (K) pairs with (K), the grace period of kill(), which may have looked for this mapping
	 * before it was there. Then this call ends it, and kill() waits for that.
	 */
	smp_mb();
	if (READ_ONCE(dma->dead)) {
		gophership_dma_unmap(dma, mapping, size);
		return -ENODEV;
	}
	return 0;
}

/* Mappings there are, about: each is a user, and so is the owner until the end. Context: any. */
u32 gophership_dma_nr_mapped(const struct gophership_dma *dma)
{
	u32 users = refcount_read(&dma->users);

	return users && !READ_ONCE(dma->dead) ? users - 1 : users;
}

/* Cuts @len to what lies within. */
static bool within(size_t size, size_t offset, size_t *len)
{
	if (offset >= size)
		return false;
	*len = min(*len, size - offset);
	return true;
}

/* Is it mapped, and does it stay so until the unlock? Context: rcu_read_lock(). */
static bool stays(const struct gophership_dma *dma, const struct gophership_dma_mapping *mapping)
{
	/* (J) pairs with (J), the grace period of kill(). */
	return !READ_ONCE(dma->dead) && READ_ONCE(mapping->mapped);
}

/*
 * Of a mapping that needs it. Its pages are the caller's, so only the end of @dma could
 * unmap it meanwhile. Context: any but NMI.
 */
void gophership_dma_sync_for_cpu(struct gophership_dma *dma,
				 const struct gophership_dma_mapping *mapping, size_t size,
				 size_t offset, size_t len)
{
	if (!within(size, offset, &len))
		return;
	rcu_read_lock();
	if (stays(dma, mapping))
		dma_sync_single_range_for_cpu(dma->dev, mapping->addr, offset, len, dma->dir);
	rcu_read_unlock();
}

/* As gophership_dma_sync_for_cpu(). */
void gophership_dma_sync_for_device(struct gophership_dma *dma,
				    const struct gophership_dma_mapping *mapping, size_t size,
				    size_t offset, size_t len)
{
	if (!within(size, offset, &len))
		return;
	rcu_read_lock();
	if (stays(dma, mapping))
		dma_sync_single_range_for_device(dma->dev, mapping->addr, offset, len, dma->dir);
	rcu_read_unlock();
}

/*
 * All mappings of a pool or port
 */

static void dma_release(struct kref *refs)
{
	kfree(container_of(refs, struct gophership_dma, refs));
}

/* One reference less. Context: where memory may be given back. */
void gophership_dma_put(struct gophership_dma *dma)
{
	kref_put(&dma->refs, dma_release);
}

/* Context: process, may sleep. */
static void kill(struct gophership_dma *dma)
{
	lockdep_assert_held(&dma->lock);
	if (dma->dead)
		return;
	WRITE_ONCE(dma->dead, true);
	/* (J) pairs with (J) in stays(), (K) with (K) in gophership_dma_map(). */
	synchronize_rcu();
	dma->unmap_all(dma);
	drop_user(dma);
	wait_for_completion(&dma->unused);
	put_device(dma->dev);
}

/* The driver is unbound. */
static void unbound(struct device *dev, void *res)
{
	struct gophership_dma *dma = *(struct gophership_dma **)res;

	mutex_lock(&dma->lock);
	kill(dma);
	mutex_unlock(&dma->lock);
	gophership_dma_put(dma);
}

static int is_of(struct device *dev, void *res, void *dma)
{
	return *(struct gophership_dma **)res == dma;
}

/* Have the mappings end when the driver is unbound. */
static int follow(struct gophership_dma *dma)
{
	struct gophership_dma **res = devres_alloc(unbound, sizeof(*res), GFP_KERNEL);

	if (!res)
		return -ENOMEM;
	kref_get(&dma->refs);
	*res = dma;
	devres_add(dma->dev, res);
	return 0;
}

/* The zone that the device reaches: see "Buffers for devices" in gophership_dma.h. */
static gfp_t zone_of(struct device *dev)
{
	u64 mask = dma_get_mask(dev);

	if (mask < DMA_BIT_MASK(32) || mask >= dma_get_required_mask(dev))
		return 0;
	return GFP_DMA32;
}

/**
 * gophership_dma_bind() - make ready to map for a device
 * @dev: the device
 * @dir: for all mappings
 * @unmap_all: calls gophership_dma_unmap() for all that there are
 * @owner: for that
 *
 * Context: process, may sleep.
 * Return: for gophership_dma_end() and gophership_dma_put(), or an error pointer:
 * -EOPNOTSUPP on a kernel without DMA; -EINVAL for a direction that is none, and a device
 * without a driver or a DMA mask; -ENOMEM.
 */
struct gophership_dma *gophership_dma_bind(struct device *dev, enum dma_data_direction dir,
					   void (*unmap_all)(struct gophership_dma *dma),
					   void *owner)
{
	struct gophership_dma *dma;

	if (!IS_ENABLED(CONFIG_HAS_DMA))
		return ERR_PTR(-EOPNOTSUPP);
	/* Without a driver nothing would tell of the end. */
	if (!dev->driver || !dev->dma_mask || !*dev->dma_mask || !valid_dma_direction(dir))
		return ERR_PTR(-EINVAL);
	dma = kzalloc(sizeof(*dma), GFP_KERNEL);
	if (!dma)
		return ERR_PTR(-ENOMEM);
	dma->dev = dev;
	dma->dir = dir;
	dma->gfp = zone_of(dev);
	refcount_set(&dma->users, 1);
	init_completion(&dma->unused);
	kref_init(&dma->refs);
	mutex_init(&dma->lock);
	dma->unmap_all = unmap_all;
	dma->owner = owner;
	get_device(dev);
	if (!follow(dma))
		return dma;
	put_device(dev);
	gophership_dma_put(dma);
	return ERR_PTR(-ENOMEM);
}

/**
 * gophership_dma_end() - unmap what is mapped
 * @dma: from gophership_dma_bind()
 *
 * Context: process, may sleep; not for what others do with buffers.
 */
void gophership_dma_end(struct gophership_dma *dma)
{
	mutex_lock(&dma->lock);
	/* Unless the driver is being unbound: then that has a reference, and waits for us. */
	if (!dma->dead && !devres_destroy(dma->dev, unbound, is_of, dma))
		gophership_dma_put(dma);
	kill(dma);
	mutex_unlock(&dma->lock);
}

/* Wait until all that another task unmaps is unmapped. Context: process, may sleep. */
void gophership_dma_wait(struct gophership_dma *dma)
{
	mutex_lock(&dma->lock);
	mutex_unlock(&dma->lock);
}

/*
 * Buffers
 */

/* Context: the registry's lock held: @buf stays. */
static void unmap_one(struct gophership_buf *buf, void *dma)
{
	struct gophership_mapped_buf *mapped = to_mapped(buf);

	if (mapped->dma == dma)
		gophership_dma_unmap(dma, &mapped->mapping, buf->capacity);
}

/* Buffers of any pool: a buffer may have lost its own. */
static void unmap_bufs(struct gophership_dma *dma)
{
	gophership_registry_for_mapped(unmap_one, dma);
}

/* gophership_dma_bind() for the buffers of a pool. */
struct gophership_dma *gophership_dma_bind_pool(struct device *dev, enum dma_data_direction dir)
{
	return gophership_dma_bind(dev, dir, unmap_bufs, NULL);
}

/* A descriptor, all zero but for what it is mapped with. It is not mapped yet. */
struct gophership_buf *gophership_dma_buf_alloc(struct gophership_dma *dma, gfp_t gfp)
{
	struct gophership_mapped_buf *mapped = kmem_cache_zalloc(descriptors, gfp);

	if (!mapped)
		return NULL;
	kref_get(&dma->refs);
	mapped->dma = dma;
	mapped->buf.writer = GOPHERSHIP_WRITER_DEVICE;
	return &mapped->buf;
}

/* Map the pages that it has. Context: where the allocators may be asked. */
int gophership_dma_buf_map(struct gophership_buf *buf)
{
	struct gophership_mapped_buf *mapped = to_mapped(buf);

	return gophership_dma_map(mapped->dma, &mapped->mapping, virt_to_page(buf->data),
				  buf->capacity);
}

/*
 * Have the mappings ended before the registry had @buf? Then the end has not found it. (The
 * registry's lock orders the two.)
 */
bool gophership_dma_buf_dead(const struct gophership_buf *buf)
{
	return READ_ONCE(to_mapped(buf)->dma->dead);
}

/*
 * Before its pages go: unmap them, unless they are. If the end of all mappings was faster,
 * wait for it: it holds the registry's lock until it is done with a buffer.
 * Context: where memory may be given back.
 */
void gophership_dma_buf_unmap(struct gophership_buf *buf)
{
	struct gophership_mapped_buf *mapped = to_mapped(buf);

	if (!gophership_dma_unmap(mapped->dma, &mapped->mapping, buf->capacity))
		gophership_registry_pass();
}

/* Free the descriptor. */
void gophership_dma_buf_free(struct gophership_buf *buf)
{
	gophership_dma_put(to_mapped(buf)->dma);
	kmem_cache_free(descriptors, to_mapped(buf));
}

void gophership_buf_sync_cpu(struct gophership_buf *buf, size_t offset, size_t len)
{
	struct gophership_mapped_buf *mapped = to_mapped(buf);

	gophership_dma_sync_for_cpu(mapped->dma, &mapped->mapping, buf->capacity, offset, len);
}
EXPORT_SYMBOL_GPL(gophership_buf_sync_cpu);

void gophership_buf_sync_device(struct gophership_buf *buf, size_t offset, size_t len)
{
	struct gophership_mapped_buf *mapped = to_mapped(buf);

	gophership_dma_sync_for_device(mapped->dma, &mapped->mapping, buf->capacity, offset, len);
}
EXPORT_SYMBOL_GPL(gophership_buf_sync_device);

/* On a kernel without DMA no pool is bound, so none has such a descriptor. */
int gophership_dma_init(void)
{
	if (!IS_ENABLED(CONFIG_HAS_DMA))
		return 0;
	descriptors = kmem_cache_create("gophership_mapped_buf",
					sizeof(struct gophership_mapped_buf),
					__alignof__(struct gophership_mapped_buf),
					GOPHERSHIP_SLAB_NO_MERGE, NULL);
	return descriptors ? 0 : -ENOMEM;
}

/* After the last grace period. */
void gophership_dma_exit(void)
{
	kmem_cache_destroy(descriptors);
}
