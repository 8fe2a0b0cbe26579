/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dma-bufs of the device, as the tests make and use them. Calls return what they got or
 * -errno.
 */
#ifndef TESTS_DMABUF_H
#define TESTS_DMABUF_H

#include <linux/dma-buf.h>
#include <linux/gophership.h>
#include <stddef.h>

#define PAGE	4096UL
#define LARGE	(16 * PAGE)

/* A dma-buf of these leases, in this order; @length (may be NULL): gets its bytes. */
int dmabuf_export(int device, const struct gophership_lease *leases, __u32 count,
		  __u64 *length);
/* A dma-buf of the bank of the port @fd. */
int dmabuf_export_bank(int port, __u64 *length);
/* MAP_SHARED, for reading and writing; MAP_FAILED with errno. */
void *dmabuf_map(int dmabuf, size_t length);
/* DMA_BUF_IOCTL_SYNC */
int dmabuf_sync(int dmabuf, __u64 flags);
/* Give @fd to the process at the other end of @socket, and take it there. */
int fd_send(int socket, int fd);
int fd_receive(int socket);

#endif /* TESTS_DMABUF_H */
