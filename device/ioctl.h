/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: /dev/gophership.
 */
#ifndef GOPHERSHIP_DEVICE_IOCTL_H
#define GOPHERSHIP_DEVICE_IOCTL_H

int gophership_dev_init(void);
void gophership_dev_exit(void);

#endif /* GOPHERSHIP_DEVICE_IOCTL_H */
