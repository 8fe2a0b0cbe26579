/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: work that any context may ask for.
 */
#ifndef GOPHERSHIP_POOL_KICK_H
#define GOPHERSHIP_POOL_KICK_H

#include "pool/types.h"

struct delayed_work;

void gophership_kick_age(void);
void gophership_kick_limit(void);
void gophership_kick_tell(void);
void gophership_kick_waiters(struct gophership_pool *pool, unsigned int class);
void gophership_kick_refill(struct gophership_pool *pool);
void gophership_kick_pool_init(struct gophership_pool *pool);
void gophership_kick_init(struct delayed_work *age, struct delayed_work *limit,
			  struct delayed_work *tell);
void gophership_kick_exit(void);

#endif /* GOPHERSHIP_POOL_KICK_H */
