/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: GOPHERSHIP_IOC_STATS.
 */
#ifndef GOPHERSHIP_DEVICE_STATS_H
#define GOPHERSHIP_DEVICE_STATS_H

#include "device/types.h"

long gophership_ioctl_stats(struct gophership_context *context, void __user *arg);

#endif /* GOPHERSHIP_DEVICE_STATS_H */
