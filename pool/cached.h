/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: how much lies idle on each memory node, and may.
 */
#ifndef GOPHERSHIP_POOL_CACHED_H
#define GOPHERSHIP_POOL_CACHED_H

#include <linux/types.h>

bool gophership_cached_charge(int nid, unsigned long pages);
void gophership_cached_force(int nid, unsigned long pages);
void gophership_cached_uncharge(int nid, unsigned long pages);
bool gophership_cached_add(int nid, long pages);
unsigned long gophership_cached_excess(unsigned long room);
unsigned long gophership_cached_headroom(void);
unsigned long gophership_cached_pages(int nid);
void gophership_cached_tell(int nid, unsigned long pages);
void gophership_cached_watch(void (*lower)(void));
int gophership_cached_init(void);
void gophership_cached_exit(void);

#endif /* GOPHERSHIP_POOL_CACHED_H */
