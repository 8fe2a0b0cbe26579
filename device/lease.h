/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: buffers leased to a context, and given back.
 */
#ifndef GOPHERSHIP_DEVICE_LEASE_H
#define GOPHERSHIP_DEVICE_LEASE_H

#include <uapi/linux/gophership.h>

#include "device/types.h"

/* Loans that one call of gophership_context_release() takes. */
#define GOPHERSHIP_RELEASE_CHUNK	32

int gophership_context_lease(struct gophership_context *context, size_t size,
			     struct gophership_lease *lease);
int gophership_context_release(struct gophership_context *context, const u64 *handles,
			       unsigned int nr, unsigned int *done);
int gophership_context_export(struct gophership_context *context, const u64 *handles, u32 nr,
			      struct gophership_loan **loans);
void gophership_context_unexport(struct gophership_context *context,
				 struct gophership_loan **loans, u32 nr);
void gophership_context_release_all(struct gophership_context *context);

#endif /* GOPHERSHIP_DEVICE_LEASE_H */
