/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: acquire, after the magazine at hand had none.
 */
#ifndef GOPHERSHIP_POOL_ACQUIRE_H
#define GOPHERSHIP_POOL_ACQUIRE_H

#include "pool/types.h"

struct gophership_buf *gophership_acquired(struct gophership_pool *pool,
					   struct gophership_buf *buf, size_t size,
					   unsigned long call_site);
struct gophership_buf *gophership_acquire_slow(size_t size, gfp_t gfp,
					       const struct gophership_head *head,
					       unsigned long call_site);
struct gophership_buf *gophership_acquire_special(size_t size, gfp_t gfp,
						  struct gophership_head __percpu *row,
						  unsigned long call_site);

#endif /* GOPHERSHIP_POOL_ACQUIRE_H */
