// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: what seals and pointers are judged by.
 */
#include <linux/atomic.h>
#include <linux/init.h>
#include <linux/random.h>

#include "pool/seal.h"

struct gophership_bounds gophership_bounds __read_mostly;
EXPORT_SYMBOL_GPL_INLINE(gophership_bounds);

/* Before any CPU can release @buf. */
void gophership_bounds_widen(const struct gophership_buf *buf)
{
	unsigned long old = READ_ONCE(gophership_bounds.span);
	unsigned long distance = gophership_distance(buf);

	/* (B) pairs with (B) in gophership_release_implausible() and gophership_buf_retire(). */
	while (distance >= old && !try_cmpxchg(&gophership_bounds.span, &old, distance + 1))
		;
}

/* Before the first buffer. */
void __init gophership_bounds_init(void)
{
	gophership_bounds.base = gophership_direct_base();
	get_random_bytes(&gophership_bounds.secret, sizeof(gophership_bounds.secret));
}
