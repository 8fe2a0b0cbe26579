/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: GOPHERSHIP_IOC_TRIM.
 */
#ifndef GOPHERSHIP_DEVICE_TRIM_H
#define GOPHERSHIP_DEVICE_TRIM_H

#include <linux/compiler_types.h>

long gophership_ioctl_trim(void __user *arg);

#endif /* GOPHERSHIP_DEVICE_TRIM_H */
