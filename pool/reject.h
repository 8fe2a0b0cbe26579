/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: reports of refused releases.
 */
#ifndef GOPHERSHIP_POOL_REJECT_H
#define GOPHERSHIP_POOL_REJECT_H

#include "gophership_buf.h"

int gophership_reject(const struct gophership_buf *buf, unsigned long call_site);
void gophership_reject_stale(const struct gophership_buf *buf);
void gophership_reject_poison(const struct gophership_buf *buf, size_t offset);
void gophership_reject_stats(struct gophership_pool_stats *stats);

#endif /* GOPHERSHIP_POOL_REJECT_H */
