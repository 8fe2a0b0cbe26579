/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: release, where the magazine at hand cannot take it.
 */
#ifndef GOPHERSHIP_POOL_RELEASE_H
#define GOPHERSHIP_POOL_RELEASE_H

#include "pool/types.h"

int gophership_release_slow(struct gophership_buf *buf, unsigned long call_site);
int gophership_release_implausible(struct gophership_buf *buf, unsigned long call_site);

#endif /* GOPHERSHIP_POOL_RELEASE_H */
