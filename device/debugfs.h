/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the device's files of /sys/kernel/debug/gophership.
 */
#ifndef GOPHERSHIP_DEVICE_DEBUGFS_H
#define GOPHERSHIP_DEVICE_DEBUGFS_H

#include "gophership_buf.h"

struct dentry;

void gophership_debugfs_lent_row(unsigned int class, struct gophership_class_stats *row);
void gophership_dev_debugfs_init(struct dentry *directory);

#endif /* GOPHERSHIP_DEVICE_DEBUGFS_H */
