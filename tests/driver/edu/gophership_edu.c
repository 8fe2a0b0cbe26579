// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for QEMU's "edu" device, which has 4096 bytes of memory and moves them by DMA: it
 * reads and writes what a program sees.
 *
 * A buffer that the program submits with a length goes to the device's memory, and comes
 * back empty. One that it submits empty comes back with what the device has.
 */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/wait.h>
#include "gophership_dma.h"
#include "gophership_port.h"

enum { EDU_IRQ_STATUS = 0x24, EDU_IRQ_ACK = 0x64 }; /* registers */
enum { EDU_DMA_SRC = 0x80, EDU_DMA_DST = 0x88, EDU_DMA_COUNT = 0x90, EDU_DMA_CMD = 0x98 };
enum { EDU_START = 1, EDU_TO_RAM = 2, EDU_INTERRUPT = 4 }; /* of EDU_DMA_CMD */
#define EDU_MEMORY	0x40000
#define EDU_SIZE	4096U

/**
 * struct edu - a device, and the port that it works for
 * @dev: the device
 * @regs: its registers
 * @endpoint: where programs bring their ports
 * @lock: protects the fields below; taken in the interrupt
 * @port: one at a time, or NULL
 * @buf: what the device is at work on, or NULL
 * @message: what to say of it then
 * @idle: @buf became NULL
 */
struct edu {
	struct pci_dev *dev;
	void __iomem *regs;
	struct gophership_endpoint endpoint;
	spinlock_t lock;	/* see above */
	struct gophership_port *port;
	struct gophership_buf *buf;
	struct gophership_message message;
	wait_queue_head_t idle;
};

/* The next buffer, if the device has none. Context: edu->lock held. */
static void start(struct edu *edu)
{
	bool to_ram;
	u32 addr;

	if (edu->buf || !edu->port)
		return;
	edu->buf = gophership_port_take(edu->port, &edu->message);
	if (!edu->buf)
		return;
	to_ram = !edu->message.len;
	/* One without bytes is filled from its start: its offset may be its end. */
	if (to_ram)
		edu->message.offset = 0;
	edu->message.len = min(edu->message.len ?: EDU_SIZE, EDU_SIZE);
	addr = gophership_port_dma(edu->port, edu->buf) + edu->message.offset;
	gophership_port_sync_for_device(edu->port, edu->buf, edu->message.offset,
					edu->message.len);
	iowrite32(to_ram ? EDU_MEMORY : addr, edu->regs + EDU_DMA_SRC);
	iowrite32(to_ram ? addr : EDU_MEMORY, edu->regs + EDU_DMA_DST);
	iowrite32(edu->message.len, edu->regs + EDU_DMA_COUNT);
	iowrite32(EDU_START | EDU_INTERRUPT | (to_ram ? EDU_TO_RAM : 0), edu->regs + EDU_DMA_CMD);
	if (!to_ram)
		edu->message.len = 0;
}

static irqreturn_t interrupt(int irq, void *priv)
{
	struct edu *edu = priv;
	u32 status = ioread32(edu->regs + EDU_IRQ_STATUS);

	iowrite32(status, edu->regs + EDU_IRQ_ACK);
	spin_lock(&edu->lock);
	if (edu->buf) {
		gophership_port_sync_for_cpu(edu->port, edu->buf, edu->message.offset,
					     edu->message.len);
		gophership_port_deliver(edu->port, edu->buf, &edu->message);
		edu->buf = NULL;
		wake_up(&edu->idle);
	}
	start(edu);
	spin_unlock(&edu->lock);
	return IRQ_HANDLED;
}

static void submitted(struct gophership_port *port, void *priv)
{
	struct edu *edu = priv;

	spin_lock_irq(&edu->lock);
	start(edu);
	spin_unlock_irq(&edu->lock);
}

/* No more buffers are taken: the device ends with the one that it has. */
static void closed(struct gophership_port *port, void *priv)
{
	struct edu *edu = priv;

	wait_event(edu->idle, !READ_ONCE(edu->buf));
	spin_lock_irq(&edu->lock);
	edu->port = NULL;
	spin_unlock_irq(&edu->lock);
	gophership_port_put(port);
}

static const struct gophership_port_ops ops = {
	.owner = THIS_MODULE,
	.submitted = submitted,
	.closed = closed,
};

static int attach(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	struct edu *edu = container_of(endpoint, struct edu, endpoint);
	int ret;

	if (edu->port)
		return -EBUSY;
	ret = gophership_port_accept(port, &ops, edu);
	if (ret)
		return ret;
	ret = gophership_port_map(port, &edu->dev->dev, DMA_BIDIRECTIONAL);
	if (ret) {
		gophership_port_put(port);
		return ret;
	}
	spin_lock_irq(&edu->lock);
	edu->port = port;
	start(edu);
	spin_unlock_irq(&edu->lock);
	return 0;
}

static int probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	struct edu *edu = devm_kzalloc(&dev->dev, sizeof(*edu), GFP_KERNEL);
	int ret;

	if (!edu)
		return -ENOMEM;
	ret = pcim_enable_device(dev) ?: pcim_iomap_regions(dev, BIT(0), "edu") ?:
	      dma_set_mask(&dev->dev, DMA_BIT_MASK(28));
	if (ret)
		return ret;
	edu->dev = dev;
	edu->regs = pcim_iomap_table(dev)[0];
	spin_lock_init(&edu->lock);
	init_waitqueue_head(&edu->idle);
	pci_set_master(dev);
	ret = pci_alloc_irq_vectors(dev, 1, 1, PCI_IRQ_MSI);
	if (ret < 0)
		return ret;
	ret = request_irq(pci_irq_vector(dev, 0), interrupt, 0, "edu", edu);
	if (ret)
		goto free_vectors;
	edu->endpoint = (struct gophership_endpoint){ "edu", THIS_MODULE, .attach = attach };
	ret = gophership_endpoint_register(&edu->endpoint);
	if (ret)
		goto free_irq;
	pci_set_drvdata(dev, edu);
	return 0;

free_irq:
	free_irq(pci_irq_vector(dev, 0), edu);
free_vectors:
	pci_free_irq_vectors(dev);
	return ret;
}

static void remove(struct pci_dev *dev)
{
	struct edu *edu = pci_get_drvdata(dev);

	gophership_endpoint_unregister(&edu->endpoint);
	free_irq(pci_irq_vector(dev, 0), edu);
	pci_free_irq_vectors(dev);
	pci_clear_master(dev);
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver edu_driver = {
	.name = "gophership_edu",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};
module_pci_driver(edu_driver);

MODULE_DESCRIPTION("GopherShip's sample of a driver whose device does DMA");
MODULE_LICENSE("GPL");
