// SPDX-License-Identifier: GPL-2.0
/* The smallest driver with a port: what a program submits comes back as it is. */
#include <linux/module.h>
#include <linux/sched.h>
#include "gophership_port.h"

static void echo(struct gophership_port *port, void *priv)
{
	unsigned int left = gophership_port_count(port);
	struct gophership_message message;
	struct gophership_buf *buf;

	while ((buf = gophership_port_take(port, &message))) {
		gophership_port_deliver(port, buf, &message);
		/* Programs can submit without end: others shall have their turn. */
		if (!--left) {
			gophership_port_again(port);
			return;
		}
		cond_resched();
	}
}

static void closed(struct gophership_port *port, void *priv)
{
	gophership_port_put(port);
}

static const struct gophership_port_ops ops = {
	.owner = THIS_MODULE,
	.submitted = echo,
	.closed = closed,
};

static int attach(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	return gophership_port_accept(port, &ops, NULL);
}

static struct gophership_endpoint endpoint = {
	.name = "echo",
	.owner = THIS_MODULE,
	.mode = 0666,
	.attach = attach,
};

static int __init echo_init(void)
{
	return gophership_endpoint_register(&endpoint);
}
module_init(echo_init);

static void __exit echo_exit(void)
{
	gophership_endpoint_unregister(&endpoint);
}
module_exit(echo_exit);

MODULE_DESCRIPTION("GopherShip's smallest driver with a port");
MODULE_LICENSE("GPL");
