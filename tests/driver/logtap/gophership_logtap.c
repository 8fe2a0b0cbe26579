// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that uses GopherShip's buffers: it taps the kernel's log. A console
 * is told every message where and when it is printed, in whatever context that
 * is; so each goes into a buffer of its own and on a list without a lock, and a
 * work item looks at it later. cat /proc/gophership_logtap
 */
#include <linux/console.h>
#include <linux/crc32.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include "gophership_buf.h"

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

static void collect(struct work_struct *work)
{
	struct llist_node *first = llist_reverse_order(llist_del_all(&arrived));
	struct message *message, *next;

	llist_for_each_entry_safe(message, next, first, node) {
		messages++;
		bytes += message->buf->len;
		crc = crc32_le(crc, message->text, message->buf->len);
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
	struct gophership_buf *buf = gophership_buf_acquire(sizeof(struct message) + length,
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
	if (!proc_create_single("gophership_logtap", 0444, NULL, show))
		return -ENOMEM;
	register_console(&logtap);
	return 0;
}
module_init(logtap_init);

static void __exit logtap_exit(void)
{
	unregister_console(&logtap);
	remove_proc_entry("gophership_logtap", NULL);
	settle();
}
module_exit(logtap_exit);

MODULE_DESCRIPTION("GopherShip's sample driver: the kernel's log in buffers");
MODULE_LICENSE("GPL");
