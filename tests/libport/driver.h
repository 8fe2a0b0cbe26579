/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver of a port, played by a test on the stand-in for the device: it maps the
 * port's file as the kernel has it.
 */
#ifndef TESTS_LIBPORT_DRIVER_H
#define TESTS_LIBPORT_DRIVER_H

#include <stdbool.h>
#include <linux/gophership.h>

struct driver {
	struct gophership_port_setup setup;
	struct gophership_deliver_map *deliver;
	struct gophership_submit_map *submit;
	__u32 taken;		/* positions */
	__u32 delivered;
};

bool driver_open(struct driver *driver, int port);
void driver_close(struct driver *driver);
/* The next entry that was submitted. */
bool driver_take(struct driver *driver, struct gophership_entry *entry);
/* Any entry at all; its seq is set. */
void driver_deliver(struct driver *driver, const struct gophership_entry *entry);
/* Wants a kick when that position of the submit ring is filled. */
void driver_wake_at(struct driver *driver, __u32 position);
void driver_goes(struct driver *driver);

#endif /* TESTS_LIBPORT_DRIVER_H */
