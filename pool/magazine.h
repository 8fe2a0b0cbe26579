/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: magazines, made, charged and given back.
 */
#ifndef GOPHERSHIP_POOL_MAGAZINE_H
#define GOPHERSHIP_POOL_MAGAZINE_H

#include "pool/types.h"

extern struct gophership_buf gophership_sentinel;
/* What a head without a magazine has on top: room for nothing, and the sentinel. */
extern struct gophership_magazine gophership_nothing;

/**
 * struct gophership_retiring - what a trim has on its way to the page allocator
 * @first: magazines that wait for a grace period, linked by their next
 * @freed: pages that are free already
 *
 * On the stack of its one user: gophership_depot_trim() adds, gophership_retiring_free()
 * waits and frees.
 */
struct gophership_retiring {
	struct gophership_magazine *first;
	unsigned long freed;
};

/* The seal's state in entry @i of @mag. */
static inline unsigned long gophership_slot_state(struct gophership_magazine *mag, unsigned int i)
{
	return (unsigned long)&mag->slot[i];
}

struct gophership_magazine *gophership_magazine_alloc(unsigned int class, gfp_t gfp);
struct gophership_magazine *gophership_magazine_last_resort(void);
void gophership_magazine_free(struct gophership_magazine *mag);
unsigned int gophership_magazine_capacity(unsigned int class);
bool gophership_magazine_charge(struct gophership_depot *depot, struct gophership_magazine *mag,
				bool force);
void gophership_magazine_uncharge(struct gophership_magazine *mag);
void gophership_magazine_drop_stale(struct gophership_depot *depot,
				    const struct gophership_buf *buf);
unsigned int gophership_magazine_retire(struct gophership_depot *depot,
					struct gophership_magazine *mag);
unsigned int gophership_magazine_collect(struct gophership_depot *depot,
					 struct gophership_magazine *mag,
					 struct gophership_retiring *retiring);
unsigned int gophership_magazine_trim(struct gophership_depot *depot,
				      struct gophership_magazine *mag,
				      struct gophership_retiring *retiring);
unsigned long gophership_retiring_free(struct gophership_retiring *retiring);
void gophership_retiring_settle(void);
int gophership_magazines_init(void);
void gophership_magazines_exit(void);

#endif /* GOPHERSHIP_POOL_MAGAZINE_H */
