// SPDX-License-Identifier: GPL-2.0
/*
 * An importer of dma-bufs for the tests: it attaches a device that does nothing, and reads
 * and writes at the addresses that the device was told, as the device would. So it wants a
 * machine on which these are physical addresses: no IOMMU. With swiotlb=force they are
 * those of a bounce buffer: then what was not synchronised is seen to be stale.
 *
 * A program that has this open and dies leaves nothing behind: release() does it all.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "gophership_compat.h"
#include "importer.h"
#include "incoherent.h"

/**
 * struct importer - an open file
 * @lock: protects all of it
 * @dma_buf: what is imported, or NULL
 * @attachment: of @dma_buf
 * @table: mapped for the device, or NULL
 * @direction: of @table
 * @mangled: its page pointers are inverted
 * @map: where it is in the kernel's own addresses, if that is not null
 */
struct importer {
	struct mutex lock;	/* see above */
	struct dma_buf *dma_buf;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	enum dma_data_direction direction;
	bool mangled;
	struct iosys_map map;
};

static struct platform_device *device;

static int attach(struct importer *importer, struct device *dev, int fd)
{
	struct dma_buf *dma_buf;

	if (importer->dma_buf)
		return -EBUSY;
	if (!dev)
		return -ENODEV;
	dma_buf = dma_buf_get(fd);
	if (IS_ERR(dma_buf))
		return PTR_ERR(dma_buf);
	importer->attachment = dma_buf_attach(dma_buf, dev);
	if (IS_ERR(importer->attachment)) {
		dma_buf_put(dma_buf);
		return PTR_ERR(importer->attachment);
	}
	importer->dma_buf = dma_buf;
	return 0;
}

/* As the core does up to 6.18 with CONFIG_DMABUF_DEBUG, and undoes before it unmaps. */
static int mangle(struct importer *importer)
{
	struct scatterlist *entry;
	int i;

	if (!importer->table)
		return -ENXIO;
	for_each_sgtable_sg(importer->table, entry, i)
		entry->page_link ^= ~0xffUL;
	importer->mangled = !importer->mangled;
	return 0;
}

static int unmap(struct importer *importer)
{
	if (!importer->table)
		return -ENXIO;
	if (importer->mangled)
		mangle(importer);
	importer_dma_buf_unmap(importer->attachment, importer->table, importer->direction);
	importer->table = NULL;
	return 0;
}

static int vunmap_it(struct importer *importer)
{
	if (iosys_map_is_null(&importer->map))
		return -ENXIO;
	importer_dma_buf_vunmap(importer->dma_buf, &importer->map);
	iosys_map_clear(&importer->map);
	return 0;
}

static int detach(struct importer *importer)
{
	if (!importer->dma_buf)
		return -ENXIO;
	unmap(importer);
	vunmap_it(importer);
	dma_buf_detach(importer->dma_buf, importer->attachment);
	dma_buf_put(importer->dma_buf);
	importer->dma_buf = NULL;
	return 0;
}

static int map_it(struct importer *importer, void __user *arg)
{
	struct importer_map told;
	struct scatterlist *entry;
	struct sg_table *table;
	int i;

	if (copy_from_user(&told, arg, sizeof(told)))
		return -EFAULT;
	if (!importer->dma_buf || importer->table || told.direction > DMA_FROM_DEVICE)
		return -EINVAL;
	dma_set_max_seg_size(importer->attachment->dev, told.segment);
	importer->direction = told.direction;
	table = importer_dma_buf_map(importer->attachment, told.direction);
	if (IS_ERR(table))
		return PTR_ERR(table);
	importer->table = table;
	told.segments = table->nents;
	told.longest = 0;
	told.length = 0;
	for_each_sgtable_dma_sg(table, entry, i) {
		told.longest = max(told.longest, sg_dma_len(entry));
		told.length += sg_dma_len(entry);
	}
	return copy_to_user(arg, &told, sizeof(told)) ? -EFAULT : 0;
}

/* Where the device finds byte @offset, and for how many bytes; NULL: nowhere. */
static void *device_sees(struct importer *importer, u64 offset, u32 *length)
{
	struct scatterlist *entry;
	phys_addr_t at;
	int i;

	if (!importer->table)
		return NULL;
	for_each_sgtable_dma_sg(importer->table, entry, i) {
		if (offset < sg_dma_len(entry)) {
			at = dma_to_phys(importer->attachment->dev,
					 sg_dma_address(entry) + offset);
			*length = min_t(u64, *length, sg_dma_len(entry) - offset);
			return phys_to_virt(at);
		}
		offset -= sg_dma_len(entry);
	}
	return NULL;
}

static void *kernel_sees(struct importer *importer, u64 offset, u32 *length)
{
	if (iosys_map_is_null(&importer->map) || offset >= importer->dma_buf->size)
		return NULL;
	*length = min_t(u64, *length, importer->dma_buf->size - offset);
	return importer->map.vaddr + offset;
}

static int copy_it(struct importer *importer, void __user *arg)
{
	struct importer_copy copy;
	u32 left;

	if (copy_from_user(&copy, arg, sizeof(copy)))
		return -EFAULT;
	for (; copy.length; copy.length -= left, copy.offset += left, copy.address += left) {
		void __user *user = u64_to_user_ptr(copy.address);
		void *at;

		/* The hardening of such copies wants no neighbours of different owners in one. */
		left = min_t(u32, copy.length, PAGE_SIZE - offset_in_page(copy.offset));
		at = copy.vmap ? kernel_sees(importer, copy.offset, &left) :
				 device_sees(importer, copy.offset, &left);
		if (!at)
			return -ENXIO;
		if (copy.write ? copy_from_user(at, user, left) : copy_to_user(user, at, left))
			return -EFAULT;
	}
	return 0;
}

static int vmap_it(struct importer *importer)
{
	if (!importer->dma_buf || !iosys_map_is_null(&importer->map))
		return -EINVAL;
	return importer_dma_buf_vmap(importer->dma_buf, &importer->map);
}

static int access(struct importer *importer, unsigned int cmd, unsigned long direction)
{
	if (!importer->dma_buf || direction > DMA_FROM_DEVICE)
		return -EINVAL;
	return cmd == IMPORTER_BEGIN ? dma_buf_begin_cpu_access(importer->dma_buf, direction) :
				       dma_buf_end_cpu_access(importer->dma_buf, direction);
}

static int syncs(void __user *arg)
{
	struct importer_syncs syncs;

	incoherent_syncs(&syncs);
	return copy_to_user(arg, &syncs, sizeof(syncs)) ? -EFAULT : 0;
}

static long call(struct importer *importer, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case IMPORTER_ATTACH:
		return attach(importer, &device->dev, arg);
	case IMPORTER_ATTACH_INCOHERENT:
		return attach(importer, incoherent_device(), arg);
	case IMPORTER_DETACH:
		return detach(importer);
	case IMPORTER_MAP:
		return map_it(importer, (void __user *)arg);
	case IMPORTER_UNMAP:
		return unmap(importer);
	case IMPORTER_VMAP:
		return vmap_it(importer);
	case IMPORTER_VUNMAP:
		return vunmap_it(importer);
	case IMPORTER_COPY:
		return copy_it(importer, (void __user *)arg);
	case IMPORTER_BEGIN:
	case IMPORTER_END:
		return access(importer, cmd, arg);
	case IMPORTER_MANGLE:
		return mangle(importer);
	case IMPORTER_SYNCS:
		return syncs((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static long importer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct importer *importer = file->private_data;
	long ret;

	mutex_lock(&importer->lock);
	ret = call(importer, cmd, arg);
	mutex_unlock(&importer->lock);
	return ret;
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *importer = kzalloc(sizeof(*importer), GFP_KERNEL);

	if (!importer)
		return -ENOMEM;
	mutex_init(&importer->lock);
	file->private_data = importer;
	return 0;
}

static int importer_close(struct inode *inode, struct file *file)
{
	struct importer *importer = file->private_data;

	detach(importer);
	kfree(importer);
	return 0;
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_close,
	.unlocked_ioctl = importer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gophership-importer",
	.fops = &fops,
	.mode = 0666,
};

static int __init importer_init(void)
{
	int ret = incoherent_init();

	if (ret)
		return ret;
	device = platform_device_register_simple("gophership-importer", -1, NULL, 0);
	ret = PTR_ERR_OR_ZERO(device);
	if (ret)
		goto incoherent;
	ret = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(64)) ?: misc_register(&misc);
	if (!ret)
		return 0;
	platform_device_unregister(device);
incoherent:
	incoherent_exit();
	return ret;
}

static void __exit importer_exit(void)
{
	misc_deregister(&misc);
	platform_device_unregister(device);
	incoherent_exit();
}

module_init(importer_init);
module_exit(importer_exit);

GOPHERSHIP_IMPORT_DMABUF;
MODULE_DESCRIPTION("An importer of dma-bufs for the tests");
MODULE_LICENSE("GPL");
