/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the way back of single buffers, and the count of all that wait.
 */
#ifndef GOPHERSHIP_POOL_FREE_H
#define GOPHERSHIP_POOL_FREE_H

#include "pool/types.h"

bool gophership_retiring_add(long pages);
bool gophership_free_defer(struct gophership_buf *buf);
void gophership_free_buf(struct gophership_buf *buf);
void gophership_free_buf_later(struct gophership_buf *buf);
void gophership_free_sync(void);

#endif /* GOPHERSHIP_POOL_FREE_H */
