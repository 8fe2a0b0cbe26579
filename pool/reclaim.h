/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: memory goes back.
 */
#ifndef GOPHERSHIP_POOL_RECLAIM_H
#define GOPHERSHIP_POOL_RECLAIM_H

void gophership_reclaim_notify(void (*short_of_memory)(void));
unsigned long gophership_reclaim_trim(void);
int gophership_reclaim_init(void);
void gophership_reclaim_exit(void);

#endif /* GOPHERSHIP_POOL_RECLAIM_H */
