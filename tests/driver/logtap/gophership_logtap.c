// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that streams the kernel's log: as long as a program has a port at
 * /dev/gophership-logtap, each message is a record, with its time and as a console prints
 * it.
 *
 *   gophershipctl receive logtap LOG
 *   gophershipctl records LOG
 *
 * A console is told of a message wherever it is printed, hard interrupts included, and must
 * neither wait nor print: gophership_stream_write() does neither. As every console it has
 * what the console log level lets through (dmesg -n), from the attach on.
 */
#include <linux/console.h>
#include <linux/module.h>

#include "gophership_stream.h"

static unsigned int flush_us = 10000;
module_param(flush_us, uint, 0644);
MODULE_PARM_DESC(flush_us, "microseconds after which a block goes that is not full");

/* A message that finds no buffer is counted by the stream. */
static void tap(struct console *console, const char *text, unsigned int length)
{
	gophership_stream_write(console->data, text, length);
}

/* Its data is the stream, as long as it is registered. */
static struct console logtap = {
	.name = "logtap",
	.write = tap,
};

static void start(struct gophership_stream *stream)
{
	logtap.data = stream;
	/* It is cleared by the end of the last port. */
	logtap.flags = CON_ENABLED;
	register_console(&logtap);
}

/* The console is at work nowhere when it is unregistered: everything goes to the program. */
static void stop(void)
{
	unregister_console(&logtap);
	gophership_stream_destroy(logtap.data);
	WRITE_ONCE(logtap.data, NULL);
}

static void submitted(struct gophership_port *port, void *stream)
{
	gophership_stream_flush(stream);
}

static void closed(struct gophership_port *port, void *stream)
{
	stop();
	gophership_port_put(port);
}

static const struct gophership_port_ops ops = {
	.owner = THIS_MODULE,
	.submitted = submitted,
	.closed = closed,
};

/* One at a time, so that none comes between the look and the stream. */
static int attach(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	const struct gophership_stream_params params = {
		.flush_us = flush_us,
		.flags = GOPHERSHIP_STREAM_TIMES,
	};
	struct gophership_stream *stream;
	int ret;

	if (READ_ONCE(logtap.data))
		return -EBUSY;
	stream = gophership_stream_create(port, &params);
	if (IS_ERR(stream))
		return PTR_ERR(stream);
	/* Before the port is accepted: from then on closed() may run. */
	start(stream);
	ret = gophership_port_accept(port, &ops, stream);
	if (ret)
		stop();
	return ret;
}

/* The longest message is shorter than a page. */
static struct gophership_endpoint endpoint = {
	.name = "logtap",
	.owner = THIS_MODULE,
	.buf_size_min = 4096,
	.attach = attach,
};

static int __init logtap_init(void)
{
	return gophership_endpoint_register(&endpoint);
}
module_init(logtap_init);

static void __exit logtap_exit(void)
{
	gophership_endpoint_unregister(&endpoint);
}
module_exit(logtap_exit);

MODULE_DESCRIPTION("GopherShip's sample driver: the kernel's log, as a stream");
MODULE_LICENSE("GPL");
