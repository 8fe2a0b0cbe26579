/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: filled payloads, to see what writes to them while they are free.
 */
#ifndef GOPHERSHIP_POOL_POISON_H
#define GOPHERSHIP_POOL_POISON_H

#include <linux/jump_label.h>

#include "gophership_buf.h"

/*
 * poison=1. Then the heads stay empty, so that every acquire and release takes
 * the slow path: the hot one need not ask.
 */
DECLARE_STATIC_KEY_FALSE(gophership_poison_key);

/* Not with poison=1. */
static inline bool gophership_use_heads(void)
{
	return !static_branch_unlikely(&gophership_poison_key);
}

void gophership_poison_fill(struct gophership_buf *buf);
void gophership_poison_check(struct gophership_buf *buf);
void gophership_poison_init(void);

#endif /* GOPHERSHIP_POOL_POISON_H */
