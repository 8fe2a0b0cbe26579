// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: a dma-buf of our pages, and what its importers do with it.
 *
 * How long the pages live
 * -----------------------
 * All that can reach a page holds the dma-buf's file: an importer by its own reference
 * from dma_buf_get() until it has unmapped and detached; a mapping into a program by its
 * VMA. Those are mappings of frames (VM_PFNMAP), not of pages: get_user_pages() refuses
 * them, so no reference to a page comes from here, and none can outlive the file. The
 * last fput() of it comes from task work or a workqueue, after the TLBs were flushed.
 * Therefore nothing of the dma-buf reaches a page once @release is called.
 *
 * Whose cache
 * -----------
 * A mapping for a device is synchronised when it is made and unmade, and where a program
 * or an importer brackets an access of the CPU in between (DMA_BUF_IOCTL_SYNC,
 * dma_buf_begin_cpu_access()): in the direction of the mapping itself, which covers each
 * direction that an access may have.
 *
 * device/types.h has the order of the locks.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "device/dmabuf.h"
#include "gophership_compat.h"

/**
 * struct mapping - the pages, mapped for a device
 * @entry: in gophership_dmabuf.mappings
 * @table: ours, which the syncs walk
 * @shown: a copy of it, which the importer has, and may change. The core does so, too: up
 *	to 6.18, CONFIG_DMABUF_DEBUG inverts the page pointers in what an importer gets, and
 *	an IOMMU driver whose device is not coherent cleans the caches of these pages
 * @dev: the device; constant
 * @dir: direction of the transfers; constant
 */
struct mapping {
	struct list_head entry;
	struct sg_table table;
	struct sg_table shown;
	struct device *dev;
	enum dma_data_direction dir;
};

static size_t size_of(const struct gophership_dmabuf *dmabuf)
{
	return dmabuf->nr_pages << PAGE_SHIFT;
}

/* Pages from the one of number @first on that are neighbours: at least 1, at most @max. */
static unsigned long neighbours(const struct gophership_dmabuf *dmabuf, unsigned long first,
				unsigned long max)
{
	unsigned long pfn = page_to_pfn(dmabuf->pages[first]);
	unsigned long nr = 1;

	while (nr < max && page_to_pfn(dmabuf->pages[first + nr]) == pfn + nr)
		nr++;
	return nr;
}

/*
 * For devices
 */

static int map_table(struct gophership_dmabuf *dmabuf, struct mapping *mapping)
{
	unsigned int segment = dma_get_max_seg_size(mapping->dev);
	int ret;

	/* The segments are whole pages. */
	if (segment < PAGE_SIZE)
		return -EINVAL;
	ret = sg_alloc_table_from_pages_segment(&mapping->table, dmabuf->pages, dmabuf->nr_pages,
						0, size_of(dmabuf), segment, GFP_KERNEL);
	if (ret)
		return ret;
	ret = dma_map_sgtable(mapping->dev, &mapping->table, mapping->dir, 0);
	if (ret)
		sg_free_table(&mapping->table);
	return ret;
}

/* The copy for the importer: of as many entries, so that the marks of the last one fit. */
static int copy_table(struct sg_table *to, const struct sg_table *from)
{
	struct scatterlist *source, *copy;
	unsigned int i;
	int ret = sg_alloc_table(to, from->orig_nents, GFP_KERNEL);

	if (ret)
		return ret;
	copy = to->sgl;
	for_each_sgtable_sg(from, source, i) {
		*copy = *source;
		copy = sg_next(copy);
	}
	to->nents = from->nents;
	return 0;
}

static void unmap_table(struct mapping *mapping)
{
	dma_unmap_sgtable(mapping->dev, &mapping->table, mapping->dir, 0);
	sg_free_table(&mapping->table);
}

/* Context: process, may sleep; in new kernels the reservation lock is held. */
static struct sg_table *map_dma_buf(struct dma_buf_attachment *attachment,
				    enum dma_data_direction dir)
{
	struct gophership_dmabuf *dmabuf = attachment->dmabuf->priv;
	struct mapping *mapping;
	int ret;

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = attachment->dev;
	mapping->dir = dir;
	ret = map_table(dmabuf, mapping);
	if (ret)
		goto free;
	ret = copy_table(&mapping->shown, &mapping->table);
	if (ret)
		goto unmap;
	mutex_lock(&dmabuf->lock);
	list_add(&mapping->entry, &dmabuf->mappings);
	mutex_unlock(&dmabuf->lock);
	return &mapping->shown;

unmap:
	unmap_table(mapping);
free:
	kfree(mapping);
	return ERR_PTR(ret);
}

static void unmap_dma_buf(struct dma_buf_attachment *attachment, struct sg_table *table,
			  enum dma_data_direction dir)
{
	struct mapping *mapping = container_of(table, struct mapping, shown);
	struct gophership_dmabuf *dmabuf = attachment->dmabuf->priv;

	mutex_lock(&dmabuf->lock);
	list_del(&mapping->entry);
	mutex_unlock(&dmabuf->lock);
	unmap_table(mapping);
	sg_free_table(&mapping->shown);
	kfree(mapping);
}

/*
 * For the CPU
 */

static int begin_cpu_access(struct dma_buf *dma_buf, enum dma_data_direction dir)
{
	struct gophership_dmabuf *dmabuf = dma_buf->priv;
	struct mapping *mapping;

	mutex_lock(&dmabuf->lock);
	if (dmabuf->vaddr)
		invalidate_kernel_vmap_range(dmabuf->vaddr, size_of(dmabuf));
	list_for_each_entry(mapping, &dmabuf->mappings, entry)
		dma_sync_sgtable_for_cpu(mapping->dev, &mapping->table, mapping->dir);
	mutex_unlock(&dmabuf->lock);
	return 0;
}

static int end_cpu_access(struct dma_buf *dma_buf, enum dma_data_direction dir)
{
	struct gophership_dmabuf *dmabuf = dma_buf->priv;
	struct mapping *mapping;

	mutex_lock(&dmabuf->lock);
	if (dmabuf->vaddr)
		flush_kernel_vmap_range(dmabuf->vaddr, size_of(dmabuf));
	list_for_each_entry(mapping, &dmabuf->mappings, entry)
		dma_sync_sgtable_for_device(mapping->dev, &mapping->table, mapping->dir);
	mutex_unlock(&dmabuf->lock);
	return 0;
}

/*
 * The core has checked that the VMA lies within the buffer. Never executable, as in the
 * windows: the bytes are another's. If this fails, the core unmaps what there is.
 */
static int map_vma(struct dma_buf *dma_buf, struct vm_area_struct *vma)
{
	struct gophership_dmabuf *dmabuf = dma_buf->priv;
	unsigned long left = vma_pages(vma), pgoff = vma->vm_pgoff, addr = vma->vm_start, nr;
	int ret;

	/* Not VM_SHARED: see gophership_window_mmap(). */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	gophership_vm_flags_mod(vma, 0, VM_MAYEXEC);
	for (; left; left -= nr, pgoff += nr, addr += nr << PAGE_SHIFT) {
		nr = neighbours(dmabuf, pgoff, left);
		ret = remap_pfn_range(vma, addr, page_to_pfn(dmabuf->pages[pgoff]),
				      nr << PAGE_SHIFT, vma->vm_page_prot);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* The core calls this for the first importer that asks, and is alone with it. */
static int map_kernel(struct dma_buf *dma_buf, struct iosys_map *map)
{
	struct gophership_dmabuf *dmabuf = dma_buf->priv;
	void *vaddr = vmap(dmabuf->pages, dmabuf->nr_pages, VM_MAP, PAGE_KERNEL);

	if (!vaddr)
		return -ENOMEM;
	mutex_lock(&dmabuf->lock);
	dmabuf->vaddr = vaddr;
	mutex_unlock(&dmabuf->lock);
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

/* For the last one of them. */
static void unmap_kernel(struct dma_buf *dma_buf, struct iosys_map *map)
{
	struct gophership_dmabuf *dmabuf = dma_buf->priv;
	void *vaddr = dmabuf->vaddr;

	mutex_lock(&dmabuf->lock);
	dmabuf->vaddr = NULL;
	mutex_unlock(&dmabuf->lock);
	vunmap(vaddr);
}

/*
 * The beginning and the end
 */

static void release(struct dma_buf *dma_buf)
{
	struct gophership_dmabuf *dmabuf = dma_buf->priv;

	WARN_ON_ONCE(!list_empty(&dmabuf->mappings));
	mutex_destroy(&dmabuf->lock);
	dmabuf->release(dmabuf);
}

static const struct dma_buf_ops ops = {
	.map_dma_buf = map_dma_buf,
	.unmap_dma_buf = unmap_dma_buf,
	.begin_cpu_access = begin_cpu_access,
	.end_cpu_access = end_cpu_access,
	.mmap = map_vma,
	.vmap = map_kernel,
	.vunmap = unmap_kernel,
	.release = release,
};

/**
 * gophership_dmabuf_file() - a dma-buf
 * @dmabuf: what it shows: @pages, @nr_pages and @release are set, the rest is ours
 *
 * The dma-buf holds the module, until @release has returned.
 *
 * Context: process, may sleep.
 * Return: its file, with which @release is called in time; or an error pointer, after
 * which it is not: -ENOMEM, -ENFILE, -EOPNOTSUPP where the kernel has no dma-buf.
 */
struct file *gophership_dmabuf_file(struct gophership_dmabuf *dmabuf)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dma_buf;

	mutex_init(&dmabuf->lock);
	INIT_LIST_HEAD(&dmabuf->mappings);
	dmabuf->vaddr = NULL;
	info.ops = &ops;
	info.size = size_of(dmabuf);
	info.flags = O_RDWR;
	info.priv = dmabuf;
	dma_buf = dma_buf_export(&info);
	return IS_ERR(dma_buf) ? ERR_CAST(dma_buf) : dma_buf->file;
}

GOPHERSHIP_IMPORT_DMABUF;
