/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports, as the kernel makes them. These functions are the only ones that make system calls
 * for ports: device_port.c does. standin_port.c does without a device.
 */
#ifndef DEVICE_PORT_H
#define DEVICE_PORT_H

#include <stddef.h>
#include <stdint.h>

#include <linux/gophership.h>

/* A port of the device @fd, described in @setup. 0, or -errno. */
int device_port_setup(int fd, uint32_t buf_size, uint32_t count,
		      struct gophership_port_setup *setup);
void device_port_close(int port);
/* Offer the port to the driver behind @endpoint: a path, or the NAME of a node. 0 or -errno. */
int device_port_attach(int port, const char *endpoint);
/* Map a part of the port's file, whole and at once. 0 or -errno. */
int device_port_map(int port, uint64_t offset, uint64_t length, int protection, void **map);
/* A dma-buf of the port's bank: its descriptor, or -errno. */
int device_port_export(int port);
/* Tell the driver that something was submitted. 0 or -errno. */
int device_port_kick(int port);
/* What poll() says after up to @timeout_ms: POLLIN, POLLHUP; 0: timed out; or -errno. */
int device_port_poll(int port, int timeout_ms);

#endif /* DEVICE_PORT_H */
