// SPDX-License-Identifier: GPL-2.0
/*
 * What a program sends to /dev/gophership-loop-in, another one receives from
 * /dev/gophership-loop-out. When the first one closes its port, and all of it is
 * delivered, the other one's driver is gone.
 *
 * Parameters, which may be written at any time:
 *   chop	deliver at most so many bytes a buffer; 0: all that fits
 *   shift	begin so many bytes after the start of the buffer
 *   drop	do not wait for a buffer to deliver in: lose the data, and say so
 */
#include <linux/bitops.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "gophership_port.h"

static unsigned int chop;
module_param(chop, uint, 0644);
static unsigned int shift;
module_param(shift, uint, 0644);
static bool drop;
module_param(drop, bool, 0644);

/*
 * struct loop - both ports
 * @lock: protects what follows, and is held while the ports are worked on, but not
 *	while one is accepted, or put other than by its own callback
 * @in: from where; NULL: nobody sends
 * @out: to where; NULL: nobody receives
 * @buf: of @in, not all of it delivered; NULL: none
 * @message: what the sender said of it
 * @done: bytes of it that are delivered
 * @ended: the sender is gone: @out is to be put
 */
static struct {
	struct mutex lock;	/* see above */
	struct gophership_port *in;
	struct gophership_port *out;
	struct gophership_buf *buf;
	struct gophership_message message;
	u32 done;
	bool ended;
} loop;

/* Bits: there is a port, or will be. */
enum { HAVE_IN, HAVE_OUT };
static unsigned long have;

static struct task_struct *task;

/* Context: loop.lock held. Returns whether something was done. */
static bool deliver_some(void)
{
	struct gophership_message message;
	struct gophership_buf *buf = gophership_port_take(loop.out, &message);
	u32 left = loop.message.len - loop.done;

	if (!buf) {
		if (!READ_ONCE(drop))
			return false;
		gophership_port_lost(loop.out, left);
		loop.done += left;
		return true;
	}
	message.offset = min(READ_ONCE(shift), buf->capacity / 2);
	message.len = min(left, buf->capacity - message.offset);
	if (READ_ONCE(chop))
		message.len = min(message.len, READ_ONCE(chop));
	memcpy(buf->data + message.offset, loop.buf->data + loop.message.offset + loop.done,
	       message.len);
	loop.done += message.len;
	gophership_port_deliver(loop.out, buf, &message);
	return true;
}

/* Context: loop.lock held. Returns whether something was done. */
static bool step(void)
{
	if (!loop.in || !loop.out)
		return false;
	if (!loop.buf) {
		loop.buf = gophership_port_take(loop.in, &loop.message);
		loop.done = 0;
		return loop.buf;
	}
	if (loop.done < loop.message.len)
		return deliver_some();
	gophership_port_deliver(loop.in, loop.buf, &loop.message);
	loop.buf = NULL;
	return true;
}

/* Nobody sends any more. */
static void end_out(void)
{
	struct gophership_port *port = NULL;

	mutex_lock(&loop.lock);
	if (loop.ended)
		swap(port, loop.out);
	loop.ended = false;
	mutex_unlock(&loop.lock);
	if (!port)
		return;
	gophership_port_put(port);
	clear_bit(HAVE_OUT, &have);
}

static int work(void *unused)
{
	bool busy;

	while (!kthread_should_stop()) {
		mutex_lock(&loop.lock);
		busy = step();
		mutex_unlock(&loop.lock);
		end_out();
		if (busy)
			cond_resched();
		else
			schedule_timeout_interruptible(1);
	}
	return 0;
}

static void closed_in(struct gophership_port *port, void *priv)
{
	mutex_lock(&loop.lock);
	if (loop.buf)
		gophership_port_deliver(port, loop.buf, &loop.message);
	loop.buf = NULL;
	loop.in = NULL;
	loop.ended = true;
	mutex_unlock(&loop.lock);
	gophership_port_put(port);
	clear_bit(HAVE_IN, &have);
}

static void closed_out(struct gophership_port *port, void *priv)
{
	bool ours;

	mutex_lock(&loop.lock);
	ours = loop.out == port;
	if (ours)
		loop.out = NULL;
	mutex_unlock(&loop.lock);
	/* Or end_out() does it. */
	if (!ours)
		return;
	gophership_port_put(port);
	clear_bit(HAVE_OUT, &have);
}

static const struct gophership_port_ops in_ops = { .owner = THIS_MODULE, .closed = closed_in };
static const struct gophership_port_ops out_ops = { .owner = THIS_MODULE, .closed = closed_out };

static int attach(int bit, struct gophership_port **place, struct gophership_port *port,
		  const struct gophership_port_ops *ops)
{
	int ret;

	if (test_and_set_bit(bit, &have))
		return -EBUSY;
	ret = gophership_port_accept(port, ops, NULL);
	if (ret) {
		clear_bit(bit, &have);
		return ret;
	}
	mutex_lock(&loop.lock);
	*place = port;
	mutex_unlock(&loop.lock);
	return 0;
}

static int attach_in(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	return attach(HAVE_IN, &loop.in, port, &in_ops);
}

static int attach_out(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	return attach(HAVE_OUT, &loop.out, port, &out_ops);
}

static struct gophership_endpoint in = {
	.name = "loop-in",
	.owner = THIS_MODULE,
	.count_max = 1024,
	.attach = attach_in,
};

static struct gophership_endpoint out = {
	.name = "loop-out",
	.owner = THIS_MODULE,
	.buf_size_min = 4096,
	.count_min = 2,
	.count_max = 256,
	.attach = attach_out,
};

static int __init loop_init(void)
{
	int ret;

	mutex_init(&loop.lock);
	task = kthread_run(work, NULL, "gophership/loop");
	if (IS_ERR(task))
		return PTR_ERR(task);
	ret = gophership_endpoint_register(&in);
	if (ret)
		goto stop_task;
	ret = gophership_endpoint_register(&out);
	if (ret)
		goto unregister_in;
	return 0;

unregister_in:
	gophership_endpoint_unregister(&in);
stop_task:
	kthread_stop(task);
	return ret;
}
module_init(loop_init);

static void __exit loop_exit(void)
{
	gophership_endpoint_unregister(&in);
	gophership_endpoint_unregister(&out);
	kthread_stop(task);
}
module_exit(loop_exit);

MODULE_DESCRIPTION("What one program sends, another one receives");
MODULE_LICENSE("GPL");
