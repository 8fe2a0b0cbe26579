/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: a memory node's store of magazines, and its inbox.
 */
#ifndef GOPHERSHIP_POOL_DEPOT_H
#define GOPHERSHIP_POOL_DEPOT_H

#include "pool/types.h"

void gophership_depot_init(struct gophership_depot *depot, struct gophership_pool *pool,
			   unsigned int class, int node);
struct gophership_magazine *gophership_depot_take(struct gophership_depot *depot,
						  struct gophership_magazine *empty);
bool gophership_depot_give(struct gophership_depot *depot, struct gophership_magazine *full,
			   struct gophership_magazine **empty);
struct gophership_magazine *gophership_depot_take_empty(struct gophership_depot *depot);
bool gophership_depot_give_empty(struct gophership_depot *depot,
				 struct gophership_magazine *empty);
struct gophership_buf *gophership_depot_take_one(struct gophership_depot *depot);
void gophership_depot_list(struct gophership_depot *depot, struct gophership_buf *buf);
unsigned int gophership_depot_unlist(struct gophership_depot *depot,
				     struct gophership_magazine *mag, unsigned int nr,
				     unsigned int max);
unsigned int gophership_depot_end_period(struct gophership_depot *depot);
unsigned int gophership_depot_cached(const struct gophership_depot *depot);
struct gophership_buf *gophership_pool_steal(struct gophership_pool *pool, unsigned int class);
struct gophership_buf *gophership_pool_steal_class(struct gophership_pool *pool,
						   unsigned int class);

#endif /* GOPHERSHIP_POOL_DEPOT_H */
