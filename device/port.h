/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: ports, inside.
 *
 * exchange.c is how buffers change sides, port.c the life of a port, ports.c the list of
 * all, port_file.c the
 * program's side, endpoint.c brings the two together.
 * device/types.h has the order of the locks.
 */
#ifndef GOPHERSHIP_DEVICE_PORT_H
#define GOPHERSHIP_DEVICE_PORT_H

#include <linux/cache.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/gophership.h>

#include "device/account.h"
#include "device/bank.h"
#include "device/bank_dma.h"
#include "device/ring.h"
#include "gophership_port.h"

/* Bits of gophership_port.flags. */
enum {
	GOPHERSHIP_PORT_CLOSED,		/* the program is gone */
	GOPHERSHIP_PORT_STOPPED,	/* the driver was told to stop */
	GOPHERSHIP_PORT_GONE,		/* the driver is gone */
	GOPHERSHIP_PORT_DEFERRED,	/* BATCH has left out a wake-up */
	GOPHERSHIP_PORT_LOST,		/* the next delivery says that something was lost */
	GOPHERSHIP_PORT_AGAIN,		/* call the driver, as a KICK does */
	GOPHERSHIP_PORT_POLLS,		/* the driver has no submitted(): no KICK is wanted */
	GOPHERSHIP_PORT_MAPS,		/* the driver maps the bank for a device, or has */
	GOPHERSHIP_PORT_STRANDED,	/* @wake was wanted on a CPU that comes or goes */
};

/**
 * struct gophership_port - a port
 * @bank: the buffers
 * @flags: GOPHERSHIP_PORT_*, by atomic bit operations, in any context
 * @deliver_map: shared: the kernel writes, the program reads; constant
 * @submit_map: shared: the program writes; nothing in it is trusted; constant
 * @starved_at: the position of @submit at which the last take found nothing;
 *	written in any context, read by poll; a hint
 * @submit: buffers from the program; consumed in any context
 * @deliver: buffers to the program; published in any context
 * @wait: the program, in poll
 * @wake: wakes it, from any context; starts @reap and @again
 * @rouse: wakes it on PREEMPT_RT
 * @reap: frees buffers that a driver gives back after the program is gone
 * @again: calls the driver as a KICK does
 * @refs: the file's, the driver's, and one of each dma-buf of the bank
 * @exports: dma-bufs that show the bank: none of its buffers is freed before they are
 *	gone; by atomics
 * @lock: protects the fields below; held while a callback runs
 * @ops: of the driver, or NULL
 * @priv: the driver's
 * @told: closed() was called
 * @attaching: the endpoint whose attach is under way, or NULL: by cmpxchg, so that it
 *	is one at a time
 * @accepted: that attach gave the port a driver: written by attach alone
 * @caller: the task that runs a callback of this port, and may put the port within:
 *	written under @lock; any task compares it with itself
 * @entry: in the list of the endpoint, if there is one; protected by ports_lock
 * @everywhere: in the list of all ports; protected by all_ports_lock
 * @account: the account that pays; constant
 * @charge: pages that are charged; by atomics
 * @dma: the bank, as the driver's device reaches it
 */
struct gophership_port {
	struct gophership_bank bank;
	unsigned long flags;
	struct gophership_deliver_map *deliver_map;
	struct gophership_submit_map *submit_map;
	u32 starved_at;
	struct gophership_ring submit ____cacheline_aligned_in_smp;
	struct gophership_ring deliver ____cacheline_aligned_in_smp;
	wait_queue_head_t wait ____cacheline_aligned_in_smp;
	struct irq_work wake;
	struct work_struct rouse;
	struct work_struct reap;
	struct work_struct again;
	struct kref refs;
	atomic_t exports;
	struct mutex lock;	/* see above */
	const struct gophership_port_ops *ops;
	void *priv;
	bool told;
	bool accepted;
	struct gophership_endpoint *attaching;
	struct task_struct *caller;
	struct list_head entry;
	struct list_head everywhere;
	struct gophership_account *account;
	atomic_long_t charge;
	struct gophership_bank_dma dma;
};

/**
 * struct gophership_port_state - statistics of a port
 * @driver: name of the driver's module; "none" yet, "gone", or "busy" in a callback
 * @program_bufs: buffers that the program has
 * @driver_bufs: buffers that the driver has
 * @bytes: bytes that are charged
 * @starved: as in the deliver map
 * @lost: as in the deliver map
 * @bad: as in the deliver map
 */
struct gophership_port_state {
	char driver[MODULE_NAME_LEN];
	u32 program_bufs;
	u32 driver_bufs;
	u64 bytes;
	u32 starved;
	u32 lost;
	u32 bad;
};

/* port.c */
void gophership_port_state(struct gophership_port *port, struct gophership_port_state *state);
struct gophership_port *gophership_port_new(struct gophership_account *account, u32 count,
					    unsigned int class);
void gophership_port_unref(struct gophership_port *port);
int gophership_port_attach(struct gophership_port *port, struct gophership_endpoint *endpoint,
			   const struct gophership_port_ops *ops, void *priv);
void gophership_port_stop(struct gophership_port *port);
void gophership_port_close(struct gophership_port *port);
void gophership_port_export(struct gophership_port *port);
void gophership_port_unexport(struct gophership_port *port);
int gophership_port_kick(struct gophership_port *port);
struct gophership_port *gophership_port_pop(struct gophership_endpoint *endpoint);

/* ports.c */
int gophership_ports_init(void);
void gophership_ports_exit(void);
void gophership_ports_add(struct gophership_port *port);
void gophership_ports_remove(struct gophership_port *port);
struct list_head *gophership_ports_lock(void);
void gophership_ports_unlock(void);

/* exchange.c */
bool gophership_port_starved(const struct gophership_port *port);
void gophership_port_polls(struct gophership_port *port);
void gophership_port_begin(struct gophership_port *port);

/* port_file.c */
long gophership_port_setup(struct gophership_account *account, void __user *arg);
struct file *gophership_port_fget(int fd);

#endif /* GOPHERSHIP_DEVICE_PORT_H */
