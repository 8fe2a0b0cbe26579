/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: buffers that leave the pool with their release.
 */
#ifndef GOPHERSHIP_POOL_RETIRE_H
#define GOPHERSHIP_POOL_RETIRE_H

#include "pool/types.h"

bool gophership_retire_claimed(struct gophership_buf *buf, unsigned long call_site);
int gophership_retire(struct gophership_buf *buf, unsigned long call_site);

#endif /* GOPHERSHIP_POOL_RETIRE_H */
