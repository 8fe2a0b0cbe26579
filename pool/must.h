/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: an acquire that waits rather than fails.
 */
#ifndef GOPHERSHIP_POOL_MUST_H
#define GOPHERSHIP_POOL_MUST_H

#include "pool/types.h"

/*
 * What must_acquire asks for without effort, before it sleeps. As mempool: the
 * reserve is ours, the page allocator's stays untouched.
 */
#define GOPHERSHIP_GFP_MUST	(GFP_NOWAIT | __GFP_NOMEMALLOC)

struct gophership_buf *gophership_pool_must_acquire_slow(struct gophership_pool *pool, size_t size,
							 unsigned long call_site);

#endif /* GOPHERSHIP_POOL_MUST_H */
