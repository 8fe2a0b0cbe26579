/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the stock, idle buffers for contexts that may not allocate.
 */
#ifndef GOPHERSHIP_POOL_STOCK_H
#define GOPHERSHIP_POOL_STOCK_H

#include "pool/types.h"

struct gophership_buf *gophership_stock_take(struct gophership_pool *pool, unsigned int class);
bool gophership_stock_fill(struct gophership_pool *pool, gfp_t gfp);
int gophership_stock_init(struct gophership_pool *pool, unsigned int nr);
void gophership_stock_drain(struct gophership_pool *pool);
unsigned int gophership_stock_cached(const struct gophership_pool *pool, unsigned int class);

#endif /* GOPHERSHIP_POOL_STOCK_H */
