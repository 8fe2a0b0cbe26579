// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for QEMU's "edu" device that does, case by case, what a driver must do, and what
 * it must not. A word written to /proc/gophership_probe is a case; the write fails if that
 * does, and the log has the line. The file is there as long as the module, whether the
 * driver is bound or not.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/proc_fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "probe.h"

#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_START	0x01
#define EDU_TO_RAM	0x02
#define EDU_MEMORY	0x40000

static struct pci_dev *device;
static void __iomem *regs;

struct device *probe_device(void)
{
	return device ? &device->dev : NULL;
}

static int transfer(u32 from, u32 to, size_t len, u32 command)
{
	unsigned long deadline = jiffies + 60 * HZ;

	if (!device)
		return -ENODEV;
	iowrite32(from, regs + EDU_DMA_SRC);
	iowrite32(to, regs + EDU_DMA_DST);
	iowrite32(len, regs + EDU_DMA_COUNT);
	iowrite32(EDU_START | command, regs + EDU_DMA_CMD);
	while (ioread32(regs + EDU_DMA_CMD) & EDU_START) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		msleep(20);
	}
	return 0;
}

int probe_to_ram(dma_addr_t addr, size_t len)
{
	return transfer(EDU_MEMORY, addr, len, EDU_TO_RAM);
}

int probe_from_ram(dma_addr_t addr, size_t len)
{
	return transfer(addr, EDU_MEMORY, len, 0);
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{ "round-trip", pool_round_trip },
	{ "directions", pool_directions },
	{ "trimmed", pool_trimmed },
	{ "stale", pool_stale },
	{ "full", pool_full },
	{ "bounced", pool_bounced },
	{ "direct", pool_direct },
	{ "refused", pool_refused },
	{ "plain", pool_plain },
	{ "syncs-while-destroyed", pool_syncs_while_destroyed },
	{ "keep", pool_keep },
	{ "kept", pool_kept },
	{ "port-take", port_take },
	{ "port-closed", port_closed },
	{ "port-put", port_put },
	{ "port-unbound", port_unbound },
};

static ssize_t run(struct file *file, const char __user *text, size_t len, loff_t *pos)
{
	char name[32] = {};
	unsigned int i;
	int ret;

	if (len >= sizeof(name) || copy_from_user(name, text, len))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!sysfs_streq(name, cases[i].name))
			continue;
		ret = cases[i].run();
		return ret ?: len;
	}
	return -ENOENT;
}

static const struct proc_ops proc_ops = { .proc_write = run };

static int probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	int ret = pcim_enable_device(dev) ?: pcim_iomap_regions(dev, BIT(0), "probe") ?:
		  dma_set_mask(&dev->dev, DMA_BIT_MASK(28));

	if (ret)
		return ret;
	pci_set_master(dev);
	regs = pcim_iomap_table(dev)[0];
	device = dev;
	return 0;
}

static void remove(struct pci_dev *dev)
{
	pci_clear_master(dev);
	device = NULL;
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };

static struct pci_driver driver = {
	.name = "gophership_probe",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};

static int __init probe_init(void)
{
	int ret = pci_register_driver(&driver);

	if (ret)
		return ret;
	ret = ports_init();
	if (ret) {
		pci_unregister_driver(&driver);
		return ret;
	}
	proc_create("gophership_probe", 0200, NULL, &proc_ops);
	return 0;
}
module_init(probe_init);

static void __exit probe_exit(void)
{
	remove_proc_entry("gophership_probe", NULL);
	ports_exit();
	pci_unregister_driver(&driver);
}
module_exit(probe_exit);

MODULE_DESCRIPTION("GopherShip's test of pools and ports that are bound to a device");
MODULE_LICENSE("GPL");
