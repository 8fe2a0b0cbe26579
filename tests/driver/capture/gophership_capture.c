// SPDX-License-Identifier: GPL-2.0
/*
 * A capture driver with a device node of its own: packets of 64 to 9000 bytes come in a
 * hard interrupt (here: of a timer) and go to the program without a copy. A packet that
 * is larger than a buffer goes into several, with MORE. What comes when the program has
 * submitted too few is lost, and the program is told.
 *
 * Each byte of a packet is the low byte of its number, which is the message's tag.
 * /proc/gophership_capture has what each CPU has seen.
 */
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/version.h>
#include "gophership_port.h"

#define PACKET_MIN	64U
#define PACKET_MAX	9000U
#define BURST		4	/* packets an interrupt */
#define FRAGMENTS	DIV_ROUND_UP(PACKET_MAX, PAGE_SIZE)

static unsigned int period_ms = 1;	/* between interrupts */
module_param(period_ms, uint, 0444);

struct capture_stats {
	unsigned long packets, bytes, lost;
};

static DEFINE_PER_CPU(struct capture_stats, capture_stats);

/**
 * struct capture - a port at work; all but @port belongs to the interrupt
 * @port: the port
 * @timer: the interrupt
 * @bufs: taken for the next packet: too few for the last one
 * @nr: how many
 * @number: of the next packet
 */
struct capture {
	struct gophership_port *port;
	struct hrtimer timer;
	struct gophership_buf *bufs[FRAGMENTS];
	unsigned int nr;
	u32 number;
};

/* Have @need buffers at least. */
static bool gather(struct capture *capture, unsigned int need)
{
	struct gophership_message unused[FRAGMENTS];

	if (capture->nr < need)
		capture->nr += gophership_port_take_bulk(capture->port, need - capture->nr,
							 capture->bufs + capture->nr, unused);
	return capture->nr >= need;
}

static void send(struct capture *capture, u32 len, unsigned int fragments)
{
	u32 capacity = gophership_port_capacity(capture->port);
	struct gophership_message messages[FRAGMENTS] = {};
	unsigned int i;

	for (i = 0; i < fragments; i++) {
		messages[i].len = min(len - i * capacity, capacity);
		messages[i].flags = i + 1 < fragments ? GOPHERSHIP_MESSAGE_MORE : 0;
		messages[i].tag = capture->number;
		memset(capture->bufs[i]->data, capture->number, messages[i].len);
	}
	gophership_port_deliver_bulk(capture->port, fragments, capture->bufs, messages);
	capture->nr -= fragments;
	memmove(capture->bufs, capture->bufs + fragments, capture->nr * sizeof(*capture->bufs));
}

static void receive(struct capture *capture)
{
	u32 len = PACKET_MIN + hash_32(capture->number, 32) % (PACKET_MAX - PACKET_MIN + 1);
	unsigned int fragments = DIV_ROUND_UP(len, gophership_port_capacity(capture->port));

	if (gather(capture, fragments)) {
		send(capture, len, fragments);
		this_cpu_inc(capture_stats.packets);
		this_cpu_add(capture_stats.bytes, len);
	} else {
		gophership_port_lost(capture->port, 1);
		this_cpu_inc(capture_stats.lost);
	}
	capture->number++;
}

static enum hrtimer_restart interrupt(struct hrtimer *timer)
{
	struct capture *capture = container_of(timer, struct capture, timer);
	unsigned int i;

	for (i = 0; i < BURST; i++)
		receive(capture);
	hrtimer_forward_now(timer, ms_to_ktime(period_ms));
	return HRTIMER_RESTART;
}

static void closed(struct gophership_port *port, void *priv)
{
	struct gophership_message nothing = {};
	struct capture *capture = priv;

	hrtimer_cancel(&capture->timer);
	while (capture->nr)
		gophership_port_deliver(port, capture->bufs[--capture->nr], &nothing);
	gophership_port_put(port);
	kfree(capture);
}

static const struct gophership_port_ops port_ops = {
	.owner = THIS_MODULE,
	.closed = closed,
};

static int attach(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	struct capture *capture = kzalloc(sizeof(*capture), GFP_KERNEL);
	int ret;

	if (!capture)
		return -ENOMEM;
	capture->port = port;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(&capture->timer, interrupt, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
#else
	hrtimer_init(&capture->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	capture->timer.function = interrupt;
#endif
	ret = gophership_port_accept(port, &port_ops, capture);
	if (ret)
		kfree(capture);
	else
		hrtimer_start(&capture->timer, ms_to_ktime(period_ms), HRTIMER_MODE_REL_HARD);
	return ret;
}

static struct gophership_endpoint endpoint = {
	.owner = THIS_MODULE,
	.count_min = FRAGMENTS,
	.attach = attach,
};

static long ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return gophership_endpoint_ioctl(&endpoint, cmd, arg);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = { MISC_DYNAMIC_MINOR, "capture", &fops };

static int show(struct seq_file *file, void *unused)
{
	int cpu;

	for_each_possible_cpu(cpu)
		seq_printf(file, "cpu%d: packets %lu, bytes %lu, lost %lu\n", cpu,
			   per_cpu(capture_stats.packets, cpu), per_cpu(capture_stats.bytes, cpu),
			   per_cpu(capture_stats.lost, cpu));
	return 0;
}

static int __init capture_init(void)
{
	int ret;

	if (!period_ms || !proc_create_single("gophership_capture", 0444, NULL, show))
		return -EINVAL;
	gophership_endpoint_init(&endpoint);
	ret = misc_register(&device);
	if (ret)
		remove_proc_entry("gophership_capture", NULL);
	return ret;
}
module_init(capture_init);

static void __exit capture_exit(void)
{
	misc_deregister(&device);
	gophership_endpoint_unregister(&endpoint);
	remove_proc_entry("gophership_capture", NULL);
}
module_exit(capture_exit);

MODULE_DESCRIPTION("GopherShip's sample of a capture driver");
MODULE_LICENSE("GPL");
