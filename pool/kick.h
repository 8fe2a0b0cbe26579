/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: work that any context may ask for.
 */
#ifndef GOPHERSHIP_POOL_KICK_H
#define GOPHERSHIP_POOL_KICK_H

#include "pool/types.h"

struct delayed_work;
struct workqueue_struct;

/*
 * For work that gives memory back: it goes on where there is none for another worker.
 * One rescuer is for all of it, so such a work waits for no other one, and for no lock
 * that is held while memory is allocated. Constant after init.
 */
extern struct workqueue_struct *gophership_reclaim_wq;

void gophership_kick_age(void);
void gophership_kick_limit(void);
void gophership_kick_tell(void);
void gophership_kick_waiters(struct gophership_pool *pool, unsigned int class);
void gophership_kick_refill(struct gophership_pool *pool);
void gophership_kick_pool_init(struct gophership_pool *pool);
int gophership_kick_init(struct delayed_work *age, struct delayed_work *limit,
			 struct delayed_work *tell);
void gophership_kick_settle(void);
void gophership_kick_exit(void);

#endif /* GOPHERSHIP_POOL_KICK_H */
