/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what lies idle: counted, flushed to the depots, given back.
 */
#ifndef GOPHERSHIP_POOL_IDLE_H
#define GOPHERSHIP_POOL_IDLE_H

#include "pool/magazine.h"
#include "pool/types.h"

unsigned long gophership_depot_trim(struct gophership_depot *depot, unsigned long want,
				    struct gophership_retiring *retiring);
unsigned int gophership_depot_age(struct gophership_depot *depot);
void gophership_depot_limit(struct gophership_depot *depot, unsigned long room);
void gophership_pool_flush(struct gophership_pool *pool, unsigned int class);
void gophership_pool_flush_node(struct gophership_pool *pool, int nid);
void gophership_pool_unequip(struct gophership_pool *pool);
void gophership_pool_flush_unused(struct gophership_pool *pool);
unsigned long gophership_pool_trim_all(struct gophership_pool *pool);
unsigned long gophership_pool_cached_pages(struct gophership_pool *pool, int node);
bool gophership_pool_is_empty(struct gophership_pool *pool);
bool gophership_pool_depots_are_empty(struct gophership_pool *pool);

#endif /* GOPHERSHIP_POOL_IDLE_H */
