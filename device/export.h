/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: leases and banks as dma-bufs.
 */
#ifndef GOPHERSHIP_DEVICE_EXPORT_H
#define GOPHERSHIP_DEVICE_EXPORT_H

#include <linux/compiler_types.h>

struct gophership_context;
struct gophership_port;

long gophership_export_leases(struct gophership_context *context, void __user *arg);
long gophership_export_bank(struct gophership_port *port, void __user *arg);

#endif /* GOPHERSHIP_DEVICE_EXPORT_H */
