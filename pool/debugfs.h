/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: /sys/kernel/debug/gophership.
 */
#ifndef GOPHERSHIP_POOL_DEBUGFS_H
#define GOPHERSHIP_POOL_DEBUGFS_H

#include "gophership_buf.h"

struct dentry;

/* Adds what lies behind the device to a row of its pool, whose class is @class. */
typedef void (*gophership_debugfs_lent)(unsigned int class, struct gophership_class_stats *row);

struct dentry *gophership_debugfs_init(gophership_debugfs_lent lent);
void gophership_debugfs_exit(void);

#endif /* GOPHERSHIP_POOL_DEBUGFS_H */
