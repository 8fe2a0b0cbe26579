/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the registry of every descriptor there is.
 */
#ifndef GOPHERSHIP_POOL_REGISTRY_H
#define GOPHERSHIP_POOL_REGISTRY_H

#include <linux/types.h>

#include "pool/types.h"

/* Descriptors that are looked at in one hold of the registry's lock. */
#define GOPHERSHIP_LOOK_AT	32

/* See gophership_registry_rename(). */
typedef bool (*gophership_rename)(unsigned long *call_site, void *arg);

/**
 * struct gophership_leak - a buffer that was leased when its pool went away
 * @buf: the buffer; by now it may be gone
 * @acquired_by: call site of its last acquire
 * @size: bytes of it
 */
struct gophership_leak {
	const struct gophership_buf *buf;
	unsigned long acquired_by;
	u32 size;
};

/**
 * struct gophership_leased - a buffer that is on loan to a driver
 * @acquired_by: call site of its last acquire
 * @size: bytes of it
 * @pool: name of its pool
 */
struct gophership_leased {
	unsigned long acquired_by;
	u32 size;
	char pool[GOPHERSHIP_POOL_NAME_LEN];
};

int gophership_registry_add(struct gophership_buf *buf, gfp_t gfp);
void gophership_registry_remove(struct gophership_buf *buf);
bool gophership_registry_has(const struct gophership_buf *buf);
void gophership_registry_reassign(struct gophership_pool *pool, struct gophership_pool *to);
bool gophership_registry_next_leak(unsigned long *key, struct gophership_leak *leak);
unsigned int gophership_registry_leased(unsigned long *key, struct gophership_leased *leased,
					bool *more);
bool gophership_registry_rename(unsigned long *key, gophership_rename rename, void *arg);
struct gophership_buf *gophership_registry_next(unsigned long *key);
void gophership_registry_for_mapped(void (*call)(struct gophership_buf *buf, void *arg),
				    void *arg);
void gophership_registry_pass(void);
void gophership_registry_exit(void);

#endif /* GOPHERSHIP_POOL_REGISTRY_H */
