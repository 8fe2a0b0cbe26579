/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: an acquire that waits rather than fails.
 */
#ifndef GOPHERSHIP_POOL_MUST_H
#define GOPHERSHIP_POOL_MUST_H

#include "pool/types.h"

/*
 * The flags of must_acquire's first try, before it sleeps. As in mempool: the pool has its
 * own reserve, and leaves that of the page allocator alone.
 */
#define GOPHERSHIP_GFP_MUST	(GFP_NOWAIT | __GFP_NOMEMALLOC)

struct gophership_buf *gophership_pool_must_acquire_slow(struct gophership_pool *pool, size_t size,
							 unsigned long call_site);

#endif /* GOPHERSHIP_POOL_MUST_H */
