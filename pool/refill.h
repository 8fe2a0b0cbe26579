/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what comes from the page allocator, at once or in the background.
 */
#ifndef GOPHERSHIP_POOL_REFILL_H
#define GOPHERSHIP_POOL_REFILL_H

#include "pool/types.h"

struct gophership_buf *gophership_refill(struct gophership_pool *pool, unsigned int class,
					 gfp_t gfp);
void gophership_refill_magazine(struct gophership_pool *pool, unsigned int class);
void gophership_refill_init(struct gophership_pool *pool);
void gophership_refill_stop(struct gophership_pool *pool);

#endif /* GOPHERSHIP_POOL_REFILL_H */
