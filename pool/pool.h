/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: pools, made and destroyed.
 */
#ifndef GOPHERSHIP_POOL_POOL_H
#define GOPHERSHIP_POOL_POOL_H

int gophership_pools_init(void);
void gophership_pools_exit(void);

#endif /* GOPHERSHIP_POOL_POOL_H */
