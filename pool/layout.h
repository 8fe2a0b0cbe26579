/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what the hot path knows of the pool's structures, as a number.
 *
 * Drivers that include gophership_inline.h have the hot path in their own code. They fit
 * the module only if both have been built with the same structures. So the module exports
 * a symbol whose name ends in this number, and such a driver refers to the one of its
 * own: modpost or insmod refuses a driver that does not fit, with that name.
 */
#ifndef GOPHERSHIP_POOL_LAYOUT_H
#define GOPHERSHIP_POOL_LAYOUT_H

#include <linux/stddef.h>

#include "gophership_buf.h"
#include "pool/seal.h"
#include "pool/types.h"

/*
 * Rises when the hot path does something else with the same structures, which older
 * code in drivers would not know of.
 */
#define GOPHERSHIP_HOT_PROTOCOL	1U

/* FNV-1a, with words in place of bytes. */
#define GOPHERSHIP_MIX(hash, value)	(((hash) ^ (u32)(value)) * 0x01000193U)
#define GOPHERSHIP_MIX2(hash, a, b)	GOPHERSHIP_MIX(GOPHERSHIP_MIX(hash, a), b)
#define GOPHERSHIP_MIX4(hash, a, b, c, d) \
	GOPHERSHIP_MIX2(GOPHERSHIP_MIX2(hash, a, b), c, d)

/* Each of these is used by pool/hot.h, or by what that includes. */
#define GOPHERSHIP_LAYOUT_HEAD(hash)						\
	GOPHERSHIP_MIX4(GOPHERSHIP_MIX4(hash,					\
			sizeof(struct gophership_head),				\
			offsetof(struct gophership_head, top),			\
			offsetof(struct gophership_head, limit),		\
			offsetof(struct gophership_head, idle)),		\
			offsetof(struct gophership_head, node),			\
			offsetof(struct gophership_head, hits),			\
			offsetof(struct gophership_head, releases),		\
			sizeof_field(struct gophership_head, idle))
#define GOPHERSHIP_LAYOUT_BUF(hash)						\
	GOPHERSHIP_MIX4(GOPHERSHIP_MIX4(hash,					\
			offsetof(struct gophership_buf, seal),			\
			offsetof(struct gophership_buf, heads),			\
			offsetof(struct gophership_buf, len),			\
			offsetof(struct gophership_buf, nid)),			\
			offsetof(struct gophership_buf, acquired_by),		\
			offsetof(struct gophership_buf, released_by),		\
			sizeof_field(struct gophership_buf, len),		\
			sizeof_field(struct gophership_buf, nid))
#define GOPHERSHIP_LAYOUT_REST(hash)						\
	GOPHERSHIP_MIX4(GOPHERSHIP_MIX4(hash,					\
			offsetof(struct gophership_bounds, hot_secret),		\
			offsetof(struct gophership_bounds, base),		\
			offsetof(struct gophership_bounds, span),		\
			offsetof(struct gophership_pool, heads)),		\
			GOPHERSHIP_NR_CLASSES, GOPHERSHIP_CLASS_LARGE,		\
			GOPHERSHIP_SEAL_LEASED, sizeof(long))

/** GOPHERSHIP_LAYOUT - the number; of 31 bits, since compilers print it with a sign */
#define GOPHERSHIP_LAYOUT							\
	(GOPHERSHIP_LAYOUT_REST(GOPHERSHIP_LAYOUT_BUF(				\
		GOPHERSHIP_LAYOUT_HEAD(GOPHERSHIP_MIX(0x811c9dc5U, GOPHERSHIP_HOT_PROTOCOL)))) & \
	 0x7fffffffU)

#endif /* GOPHERSHIP_POOL_LAYOUT_H */
