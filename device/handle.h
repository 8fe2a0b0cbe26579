/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what user space names a loan by.
 */
#ifndef GOPHERSHIP_DEVICE_HANDLE_H
#define GOPHERSHIP_DEVICE_HANDLE_H

#include "device/types.h"

u64 gophership_handle_next(struct gophership_context *context, const struct gophership_loan *loan);
int gophership_handle_verdict(const struct gophership_context *context, u64 handle);
struct gophership_loan *gophership_handle_find(struct gophership_context *context, u64 handle);

#endif /* GOPHERSHIP_DEVICE_HANDLE_H */
