// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that uses GopherShip's buffers: it taps the kernel's log. A console is told
 * every message where and when it is printed, in whatever context that is; so each goes
 * into a buffer of its own and on a list without a lock, and a work item looks at it
 * later. cat /proc/gophership_logtap
 *
 * A program that has a port at /dev/gophership-logtap gets the text: as many messages as
 * fit into a buffer, and what there is after flush_ms.
 */
#include <linux/console.h>
#include <linux/crc32.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/workqueue.h>
#include "gophership_buf.h"
#include "gophership_port.h"

static unsigned int flush_ms = 200;
module_param(flush_ms, uint, 0644);
MODULE_PARM_DESC(flush_ms, "milliseconds after which a buffer goes that is not full");

/* A message as it lies in a payload. */
struct message {
	struct llist_node node;
	struct gophership_buf *buf;
	char text[];
};

static LLIST_HEAD(arrived);
static unsigned long messages, bytes;
static u32 crc = ~0;
static atomic_t lost;

/* With a reserve, as a console may not wait for memory. */
static struct gophership_pool *pool;

/* The program's port, if there is one, and the buffer that is being filled. */
static DEFINE_MUTEX(lock);
static struct gophership_port *port;
static struct gophership_buf *page;
static struct gophership_message fill;

/* Context: lock held. */
static void deliver(void)
{
	if (page)
		gophership_port_deliver(port, page, &fill);
	page = NULL;
}

static void late(struct work_struct *work)
{
	mutex_lock(&lock);
	deliver();
	mutex_unlock(&lock);
}

static DECLARE_DELAYED_WORK(late_work, late);

/* Context: lock held. */
static bool have_room(u32 len)
{
	if (len > gophership_port_capacity(port))
		return false;
	if (page && fill.len + len > gophership_port_capacity(port))
		deliver();
	if (page)
		return true;
	page = gophership_port_take(port, &fill);
	fill = (struct gophership_message){};
	schedule_delayed_work(&late_work, msecs_to_jiffies(flush_ms));
	return !!page;
}

/* Context: process. */
static void pack(const char *text, u32 len)
{
	mutex_lock(&lock);
	if (port && have_room(len)) {
		memcpy(page->data + fill.len, text, len);
		fill.len += len;
	} else if (port) {
		gophership_port_lost(port, 1);
	}
	mutex_unlock(&lock);
}

static void closed(struct gophership_port *gone, void *priv)
{
	mutex_lock(&lock);
	deliver();
	port = NULL;
	mutex_unlock(&lock);
	gophership_port_put(gone);
}

static const struct gophership_port_ops port_ops = {
	.owner = THIS_MODULE,
	.closed = closed,
};

/* One at a time, so that none comes between the look and the port. */
static int attach(struct gophership_endpoint *endpoint, struct gophership_port *offered)
{
	int ret = READ_ONCE(port) ? -EBUSY : gophership_port_accept(offered, &port_ops, NULL);

	if (ret)
		return ret;
	mutex_lock(&lock);
	port = offered;
	mutex_unlock(&lock);
	return 0;
}

static struct gophership_endpoint endpoint = {
	.name = "logtap",
	.owner = THIS_MODULE,
	.buf_size_min = 4096,
	.attach = attach,
};

static void collect(struct work_struct *work)
{
	struct llist_node *first = llist_reverse_order(llist_del_all(&arrived));
	struct message *message, *next;

	llist_for_each_entry_safe(message, next, first, node) {
		messages++;
		bytes += message->buf->len;
		crc = crc32_le(crc, message->text, message->buf->len);
		pack(message->text, message->buf->len);
		gophership_buf_release(message->buf);
	}
}

static DECLARE_WORK(collect_work, collect);

/* A message may be printed where no work can be queued; an irq_work always can. */
static void kick(struct irq_work *work)
{
	schedule_work(&collect_work);
}

static DEFINE_IRQ_WORK(kick_work, kick);

/* Must not print, or the log would never end; nor does the pool in here. */
static void tap(struct console *console, const char *text, unsigned int length)
{
	struct gophership_buf *buf = gophership_pool_acquire(pool, sizeof(struct message) + length,
							     GFP_NOWAIT);
	struct message *message;

	if (!buf) {
		atomic_inc(&lost);
		return;
	}
	message = buf->data;
	message->buf = buf;
	memcpy(message->text, text, length);
	buf->len = length;
	llist_add(&message->node, &arrived);
	irq_work_queue(&kick_work);
}

static struct console logtap = {
	.name = "logtap",
	.write = tap,
	.flags = CON_ENABLED,
	.index = -1,
};

static void settle(void)
{
	irq_work_sync(&kick_work);
	flush_work(&collect_work);
}

static int show(struct seq_file *file, void *unused)
{
	settle();
	seq_printf(file, "messages %lu\nbytes %lu\nlost %d\ncrc32 %08x\n",
		   messages, bytes, atomic_read(&lost), ~crc);
	return 0;
}

static int __init logtap_init(void)
{
	const struct gophership_pool_params params = {
		.name = "logtap", .reserve = 64, .reserve_size = PAGE_SIZE,
	};
	int ret = -ENOMEM;

	pool = gophership_pool_create(&params);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	if (!proc_create_single("gophership_logtap", 0444, NULL, show))
		goto destroy_pool;
	ret = gophership_endpoint_register(&endpoint);
	if (ret)
		goto remove_entry;
	register_console(&logtap);
	return 0;

remove_entry:
	remove_proc_entry("gophership_logtap", NULL);
destroy_pool:
	gophership_pool_destroy(pool);
	return ret;
}
module_init(logtap_init);

static void __exit logtap_exit(void)
{
	unregister_console(&logtap);
	remove_proc_entry("gophership_logtap", NULL);
	settle();
	gophership_endpoint_unregister(&endpoint);
	cancel_delayed_work_sync(&late_work);
	gophership_pool_destroy(pool);
}
module_exit(logtap_exit);

MODULE_DESCRIPTION("GopherShip's sample driver: the kernel's log in buffers");
MODULE_LICENSE("GPL");
