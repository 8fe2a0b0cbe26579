/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the reserve, buffers for when there is no memory.
 */
#ifndef GOPHERSHIP_POOL_RESERVE_H
#define GOPHERSHIP_POOL_RESERVE_H

#include "pool/types.h"

void gophership_reserve_give(struct gophership_pool *pool, struct gophership_buf *buf);
struct gophership_buf *gophership_reserve_take(struct gophership_pool *pool, size_t size);
int gophership_reserve_fill(struct gophership_pool *pool, unsigned int nr, size_t size);
void gophership_reserve_drain(struct gophership_pool *pool);

#endif /* GOPHERSHIP_POOL_RESERVE_H */
