/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: pages that a dma-buf shows.
 */
#ifndef GOPHERSHIP_DEVICE_DMABUF_H
#define GOPHERSHIP_DEVICE_DMABUF_H

#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct file;
struct page;

/**
 * struct gophership_dmabuf - pages that a dma-buf shows
 * @pages: @nr_pages of them, in order; constant. The owner of this structure keeps them,
 *	and gives them to no other user, until @release is called
 * @nr_pages: constant
 * @release: the dma-buf is gone: there is no mapping of any kind. Process context, no
 *	lock held, may sleep; called once. Constant
 * @lock: protects the fields below; innermost
 * @mappings: the mappings for devices; see device/dmabuf.c
 * @vaddr: the address at which importers in the kernel see the pages, or NULL
 */
struct gophership_dmabuf {
	struct page **pages;
	unsigned long nr_pages;
	void (*release)(struct gophership_dmabuf *dmabuf);
	struct mutex lock;	/* see above */
	struct list_head mappings;
	void *vaddr;
};

#if IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)
#define GOPHERSHIP_HAS_DMABUF	1
struct file *gophership_dmabuf_file(struct gophership_dmabuf *dmabuf);
#else
#define GOPHERSHIP_HAS_DMABUF	0
static inline struct file *gophership_dmabuf_file(struct gophership_dmabuf *dmabuf)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

#endif /* GOPHERSHIP_DEVICE_DMABUF_H */
