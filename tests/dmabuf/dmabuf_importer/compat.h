/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels for an importer: since 6.2 the calls want the reservation
 * lock, and have a form that takes it.
 */
#ifndef TESTS_IMPORTER_COMPAT_H
#define TESTS_IMPORTER_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define importer_dma_buf_map(attachment, dir)	dma_buf_map_attachment_unlocked(attachment, dir)
#define importer_dma_buf_unmap(attachment, table, dir)			\
	dma_buf_unmap_attachment_unlocked(attachment, table, dir)
#define importer_dma_buf_vmap(dma_buf, map)	dma_buf_vmap_unlocked(dma_buf, map)
#define importer_dma_buf_vunmap(dma_buf, map)	dma_buf_vunmap_unlocked(dma_buf, map)
#else
#define importer_dma_buf_map(attachment, dir)	dma_buf_map_attachment(attachment, dir)
#define importer_dma_buf_unmap(attachment, table, dir)			\
	dma_buf_unmap_attachment(attachment, table, dir)
#define importer_dma_buf_vmap(dma_buf, map)	dma_buf_vmap(dma_buf, map)
#define importer_dma_buf_vunmap(dma_buf, map)	dma_buf_vunmap(dma_buf, map)
#endif

#endif /* TESTS_IMPORTER_COMPAT_H */
