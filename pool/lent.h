/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: buffers that the device lends.
 */
#ifndef GOPHERSHIP_POOL_LENT_H
#define GOPHERSHIP_POOL_LENT_H

#include "pool/types.h"

/**
 * gophership_lend() - a buffer for the device alone
 * @pool: the pool that counts it, one with GOPHERSHIP_POOL_LENDS
 * @class: size class
 * @gfp: as for the page allocator
 *
 * Fresh from the page allocator, on the node that the task's memory policy and cpuset
 * say. No release takes it: it ends by gophership_lent_free().
 *
 * Context: process.
 * Return: the buffer, or NULL without memory.
 */
struct gophership_buf *gophership_lend(struct gophership_pool *pool, unsigned int class,
				       gfp_t gfp);

/**
 * gophership_lent_free() - free a buffer of gophership_lend()
 * @buf: the buffer
 *
 * The pool's reference to the pages is dropped at once, so they go now or with their
 * last reference. The descriptor follows after a grace period.
 *
 * Context: process, or reclaim's.
 */
void gophership_lent_free(struct gophership_buf *buf);

#endif /* GOPHERSHIP_POOL_LENT_H */
