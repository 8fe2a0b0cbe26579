/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the holders of buffers now, summed up.
 */
#ifndef GOPHERSHIP_POOL_TALLY_H
#define GOPHERSHIP_POOL_TALLY_H

#include <linux/rbtree.h>
#include <linux/types.h>

#include "pool/registry.h"

/* Sums that are kept apart. There are more only if a driver makes code as it runs. */
#define GOPHERSHIP_TALLY_MAX	4096

/**
 * struct gophership_holder - what one call site holds of one pool
 * @node: in the tally, by pool and call site
 * @pool: name of the pool; "" for what came after GOPHERSHIP_TALLY_MAX others
 * @call_site: of the acquires
 * @bufs: buffers
 * @bytes: bytes of these
 */
struct gophership_holder {
	struct rb_node node;
	char pool[GOPHERSHIP_POOL_NAME_LEN];
	unsigned long call_site;
	u64 bufs;
	u64 bytes;
};

/**
 * struct gophership_tally - all holders
 * @holders: by pool and call site
 * @nr: their number
 *
 * It belongs to its caller alone.
 */
struct gophership_tally {
	struct rb_root holders;
	unsigned int nr;
};

int gophership_tally_take(struct gophership_tally *tally);
void gophership_tally_free(struct gophership_tally *tally);

#endif /* GOPHERSHIP_POOL_TALLY_H */
