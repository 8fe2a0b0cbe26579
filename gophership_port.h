/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: ports, the interface for other kernel modules.
 */
#ifndef GOPHERSHIP_PORT_H
#define GOPHERSHIP_PORT_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <uapi/linux/gophership.h>

#include "gophership_buf.h"

/**
 * DOC: Ports
 *
 * A port is a bank of buffers that one program and one driver pass back and forth.
 * At any time a buffer belongs to one side. The program submits buffers (empty ones
 * to be filled, or filled ones to be consumed) and the driver takes them; the driver
 * delivers buffers and the program receives them. None of this makes a system call,
 * takes a lock, copies a payload or changes a mapping; take and deliver work in every
 * context, NMI included, on many CPUs at once.
 *
 * A program makes a port (GOPHERSHIP_IOC_PORT), pays for it, and hands its file
 * descriptor to a driver's endpoint: a node /dev/gophership-NAME, or one that the driver
 * has anyway, whose ioctl calls gophership_endpoint_ioctl().
 *
 * A ring has room for every buffer of its port: a delivery never finds it full. Entries
 * are received in the order in which their places were reserved. Those of several CPUs
 * mix, fragments (MORE) included. A delivery that is interrupted half-way holds up the
 * entries behind it until it goes on.
 *
 * gophership_buf_release() and gophership_buf_retire() refuse a port's buffer (-EINVAL,
 * and a report). Its @cookie is the module's, not the driver's. Its length is what the
 * message says, not @len.
 *
 * The program can write to every buffer of the bank at any time, its own or not. So
 * the driver bounds every length that it reads from a payload, reads each word once,
 * and never reads back what it wrote.
 */

struct gophership_endpoint;
struct gophership_endpoint_node;
struct gophership_port;

/**
 * struct gophership_message - a buffer that changes sides
 * @offset:	where the payload begins in the buffer, in bytes: what is before it is
 *		room for headers
 * @len:	bytes of payload; @offset + @len is at most the capacity
 * @flags:	GOPHERSHIP_MESSAGE_MORE: the message goes on in the next buffer.
 *		GOPHERSHIP_MESSAGE_BATCH: another one follows at once, no wake-up for
 *		this one. Others are ignored
 * @tag:	the sender's own word
 */
struct gophership_message {
	u32 offset;
	u32 len;
	u32 flags;
	u64 tag;
};

/**
 * struct gophership_port_ops - what a driver is told
 * @owner:	THIS_MODULE
 * @submitted:	the program submitted after gophership_port_take() had found nothing,
 *		or before the port had a driver, or take had given up on bad entries. A
 *		program can cause it at any time, and submit without end: take at most
 *		gophership_port_count() buffers a call, and have the next one by
 *		gophership_port_again(). Process context, of the program or of a worker;
 *		may sleep; one callback of a port at a time. NULL: the driver polls,
 *		and programs never make a system call for it
 * @closed:	the program is gone, or the endpoint is unregistered: stop, give
 *		everything back. Process context, may sleep; once at most, and never
 *		after gophership_port_put(), which it may call itself. NULL: the driver
 *		learns it from -EPIPE, or from gophership_port_closed()
 *
 * Callbacks may run before gophership_port_accept() has returned: the driver makes what @priv
 * points to ready before. A callback must not put another port. Nor may it wait for a task
 * that is in gophership_port_put(): that one waits for the callback. While a callback runs,
 * statistics of the port (debugfs, fdinfo) have "busy" in place of the driver's name.
 */
struct gophership_port_ops {
	struct module *owner;
	void (*submitted)(struct gophership_port *port, void *priv);
	void (*closed)(struct gophership_port *port, void *priv);
};

/**
 * struct gophership_endpoint - where a driver waits for ports
 * @name:	of the node /dev/gophership-NAME: 1 to 31 of a-z, 0-9, _ and -. Not
 *		used by gophership_endpoint_init()
 * @owner:	THIS_MODULE; when that is on its way out, programs get ENODEV
 * @mode:	of the node, as for chmod; 0 for 0600
 * @buf_size_min: bytes that a buffer of a port must hold; 0: any
 * @count_min:	the fewest buffers that a port must have; 0: any
 * @count_max:	the most buffers that a port may have; 0: any
 * @attach:	a program offers @port. To have it, call gophership_port_accept() and
 *		return 0; else return an error, which the program gets (0 without a
 *		port accepted is reported, and EIO for the program). A driver that
 *		fails after it has accepted puts the port first. One at a time; process
 *		context, may sleep
 *
 * Static, or otherwise there until gophership_endpoint_unregister() has returned.
 */
struct gophership_endpoint {
	const char *name;
	struct module *owner;
	umode_t mode;
	u32 buf_size_min;
	u32 count_min;
	u32 count_max;
	int (*attach)(struct gophership_endpoint *endpoint, struct gophership_port *port);
	/* private: see device/endpoint.c */
	struct mutex lock;
	struct list_head ports;
	struct gophership_endpoint_node *node;
	bool gone;
};

/**
 * gophership_port_put() - be the driver of a port no longer
 * @port: the port; not to be used any more
 *
 * Before the call the driver has stopped everything that takes and delivers. The program
 * learns that the driver is gone. A buffer that was not given back is named in the log and
 * never used again. (After the program's end a driver may still deliver what it has: a
 * delivery frees the buffer then.)
 *
 * Once for each port. A driver that puts in closed() leaves the ports that it still has to
 * gophership_endpoint_unregister(), which calls closed() for each.
 *
 * Context: process, may sleep; within a callback of this port, too, but not of another
 * one. Waits for a callback that runs in another task. No callback runs when it returns,
 * but for the one that called it.
 */
void gophership_port_put(struct gophership_port *port);

/**
 * gophership_port_again() - have ops->submitted() called again
 * @port: the port
 *
 * For a callback that has done its share, and for a driver that can go on now. A worker
 * calls it soon, whether there is something to take or not.
 *
 * Context: any, NMI included.
 */
void gophership_port_again(struct gophership_port *port);

/**
 * gophership_port_closed() - is the driver to stop?
 * @port: the port
 *
 * Context: any, NMI included.
 * Return: true once the program is gone, or the endpoint is unregistered. There is
 * nothing to take any more then; what is delivered is consumed.
 */
bool gophership_port_closed(const struct gophership_port *port);

/**
 * gophership_port_count() - how many buffers a port has
 * @port: the port
 *
 * Context: any, NMI included.
 * Return: their number.
 */
u32 gophership_port_count(const struct gophership_port *port);

/**
 * gophership_port_capacity() - the size of the buffers of a port
 * @port: the port
 *
 * Context: any, NMI included.
 * Return: bytes of each of them.
 */
u32 gophership_port_capacity(const struct gophership_port *port);

/**
 * gophership_port_take() - take the next buffer that the program submitted
 * @port: one that was accepted
 * @message: what the program says of it: offset and len lie within the buffer. To fill an
 *	empty one, do not use its offset, which may be the end of the buffer
 *
 * The buffer's @len is the message's. Its payload is the program's, and changes under
 * the reader if the program is malicious. The program waits for the buffer: deliver
 * it, filled, empty, or as it is.
 *
 * Entries that are not valid are skipped and counted. After eight of them the call returns
 * NULL, and ops->submitted() is called for the rest.
 *
 * Context: any, NMI included; on many CPUs at once.
 * Return: a buffer, or NULL: nothing was submitted (then the program's next submission
 * calls ops->submitted()), or the port was closed.
 */
struct gophership_buf *gophership_port_take(struct gophership_port *port,
					    struct gophership_message *message);

/**
 * gophership_port_deliver() - give a buffer to the program
 * @port: the port that the buffer was taken from
 * @buf: any value at all; a buffer that the driver has is consumed
 * @message: what to say of it
 *
 * Context: any, NMI included; on many CPUs at once.
 * Return: 0. -EPIPE if the program is gone: the buffer is consumed. -ERANGE if offset
 * and len are not within the buffer: it is delivered with len 0. -EINVAL if @buf is no
 * buffer of this port, -EALREADY if it is one that the driver does not have: nothing
 * is done.
 */
int gophership_port_deliver(struct gophership_port *port, struct gophership_buf *buf,
			    const struct gophership_message *message);

/**
 * gophership_port_take_bulk() - take many
 * @port: as gophership_port_take()
 * @nr: how many
 * @bufs: room for @nr pointers
 * @messages: room for @nr messages
 *
 * Only after 0 does the program's next submission call ops->submitted(): a driver that
 * does not poll calls this until it returns 0, or calls gophership_port_again().
 *
 * Context: any, as gophership_port_take().
 * Return: how many there were, from the start of @bufs and @messages.
 */
unsigned int gophership_port_take_bulk(struct gophership_port *port, unsigned int nr,
				       struct gophership_buf **bufs,
				       struct gophership_message *messages);

/**
 * gophership_port_deliver_bulk() - give many buffers to the program
 * @port: as gophership_port_deliver()
 * @nr: how many
 * @bufs: the buffers, each treated as by gophership_port_deliver()
 * @messages: what to say of each
 *
 * The program is woken once, in the end, unless the last message has
 * GOPHERSHIP_MESSAGE_BATCH.
 *
 * Context: any, as gophership_port_deliver().
 * Return: how many were consumed; less than @nr if the driver did not have some. What
 * gophership_port_deliver() answers with -EPIPE or -ERANGE counts as consumed:
 * gophership_port_closed() tells whether the program is gone.
 */
unsigned int gophership_port_deliver_bulk(struct gophership_port *port, unsigned int nr,
					  struct gophership_buf **bufs,
					  const struct gophership_message *messages);

/**
 * gophership_port_flush() - wake the program for what GOPHERSHIP_MESSAGE_BATCH left out
 * @port: the port
 *
 * Context: any, NMI included.
 */
void gophership_port_flush(struct gophership_port *port);

/**
 * gophership_port_lost() - tell the program that data found no buffer
 * @port: the port
 * @nr: how much, in the driver's own unit
 *
 * The program sees the sum, and GOPHERSHIP_MESSAGE_LOST in the next delivery.
 *
 * Context: any, NMI included.
 */
void gophership_port_lost(struct gophership_port *port, u32 nr);

/**
 * gophership_endpoint_init() - an endpoint without a node, for a driver that has one
 * @endpoint: with its public fields set
 *
 * The driver hands ioctl commands to gophership_endpoint_ioctl(), and calls
 * gophership_endpoint_unregister() in the end, when no command can come any more.
 *
 * Context: process.
 * Return: 0, or -EINVAL without attach(), or for a range of counts or a size that is none.
 */
int gophership_endpoint_init(struct gophership_endpoint *endpoint);

/**
 * gophership_endpoint_register() - make /dev/gophership-NAME
 * @endpoint: with its public fields set
 *
 * attach() may be called before this returns.
 *
 * Context: process, may sleep.
 * Return: 0; -EINVAL for a name, a mode or a range of counts that is none; -EEXIST if
 * the name is taken; -ENOMEM; or what misc_register() says.
 */
int gophership_endpoint_register(struct gophership_endpoint *endpoint);

/**
 * gophership_endpoint_unregister() - remove the node, and close the endpoint's ports
 * @endpoint: from gophership_endpoint_register() or gophership_endpoint_init()
 *
 * ops->closed() is called for each port that was accepted and not put yet, as if its
 * program had gone; but buffers that are delivered within it still reach the program. A
 * driver that puts its ports in closed() is done with them when this returns. Another driver
 * still has them, and puts them before its module goes.
 *
 * Context: process, may sleep; not within attach() or a callback of a port. Waits for
 * those. Not twice, and not after a gophership_endpoint_register() that failed; but the
 * endpoint may be registered anew.
 */
void gophership_endpoint_unregister(struct gophership_endpoint *endpoint);

/**
 * gophership_endpoint_ioctl() - the commands of an endpoint, on a driver's own node
 * @endpoint: from gophership_endpoint_init()
 * @cmd: the command
 * @arg: its argument; of a 32-bit program through compat_ptr()
 *
 * Context: process, may sleep.
 * Return: as told at struct gophership_attach and struct gophership_endpoint_info;
 * -ENOTTY for any other command.
 */
long gophership_endpoint_ioctl(struct gophership_endpoint *endpoint, unsigned int cmd,
			       unsigned long arg);

/**
 * gophership_port_accept() - become the driver of a port that an endpoint is offered
 * @port: what attach() was given
 * @ops: what the driver is told; until gophership_port_put()
 * @priv: for the callbacks
 *
 * Context: within attach(). Not with a lock held that a callback of the driver takes.
 * Return: 0; -EINVAL elsewhere; -EBUSY if the port has a driver, -EPIPE if it had one
 * or its program is gone.
 */
int gophership_port_accept(struct gophership_port *port, const struct gophership_port_ops *ops,
			   void *priv);

#endif /* GOPHERSHIP_PORT_H */
