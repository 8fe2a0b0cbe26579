/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The program's side of a port, as raw as the interface is. Calls return what they
 * got or -errno.
 */
#ifndef TESTS_PORT_H
#define TESTS_PORT_H

#include <linux/gophership.h>
#include <stdbool.h>
#include <stddef.h>

struct port {
	struct gophership_port_setup setup;
	int fd;
	unsigned char *bank;
	struct gophership_deliver_map *deliver;
	struct gophership_submit_map *submit;
	__u32 submitted;	/* positions */
	__u32 received;
};

int port_setup(int device, __u32 buf_size, __u32 count, struct gophership_port_setup *setup);
int port_open(int device, __u32 buf_size, __u32 count, struct port *port);
void port_close(struct port *port);
void port_unmap(struct port *port);
int port_attach(const struct port *port, const char *endpoint);
int port_attach_fd(int fd, const char *endpoint);

unsigned char *port_buffer(const struct port *port, __u32 index);
struct gophership_entry *port_entry(const struct port *port, __u32 position);

/* An entry, without a look at who wants to know. */
void port_write(struct port *port, __u32 index, __u32 offset, __u32 len, __u32 flags, __u64 tag);
/* The same, and a KICK if the driver wants one. */
int port_submit(struct port *port, __u32 index, __u32 offset, __u32 len, __u32 flags, __u64 tag);
int port_kick(const struct port *port);
/* Is that a line of its fdinfo, behind "gophership-port-"? */
bool port_tells(const struct port *port, const char *line);
bool port_receive(struct port *port, struct gophership_entry *entry);
/* Sleeps until something can be received; 1, 0 after so long, or -EPIPE. */
int port_wait(struct port *port, int milliseconds);
/* What poll() says now. */
int port_events(const struct port *port);

#endif /* TESTS_PORT_H */
