/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: descriptors with their payloads, made and unmade.
 */
#ifndef GOPHERSHIP_POOL_PAYLOAD_H
#define GOPHERSHIP_POOL_PAYLOAD_H

#include "pool/types.h"

/* The most buffers that one gophership_payload_alloc_bulk() allocates. */
#define GOPHERSHIP_REFILL_MAX	16

struct gophership_buf *gophership_payload_alloc(struct gophership_pool *pool,
						unsigned int class, unsigned int order, gfp_t gfp);
unsigned int gophership_payload_alloc_bulk(struct gophership_pool *pool, unsigned int class,
					   gfp_t gfp, unsigned int nr,
					   struct gophership_buf **bufs);
void gophership_payload_free(struct gophership_buf *buf);
bool gophership_payload_damaged(const struct gophership_buf *buf);
bool gophership_payload_shared(const struct gophership_buf *buf);
void gophership_payload_drop(struct gophership_buf *buf);
int gophership_payload_init(void);
void gophership_payload_exit(void);

#endif /* GOPHERSHIP_POOL_PAYLOAD_H */
