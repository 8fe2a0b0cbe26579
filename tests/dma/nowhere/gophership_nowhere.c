// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that maps each port at its endpoint for a device that cannot do it: it has no
 * driver, and maybe the kernel no DMA. What gophership_port_map() says is what the program is
 * told.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/module.h>

#include "gophership_dma.h"
#include "gophership_port.h"

static struct device *device;

static const struct gophership_port_ops ops = { .owner = THIS_MODULE };

static int attach(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	int ret = gophership_port_accept(port, &ops, NULL);

	if (ret)
		return ret;
	ret = gophership_port_map(port, device, DMA_FROM_DEVICE);
	gophership_port_put(port);
	return ret;
}

static struct gophership_endpoint endpoint = {
	.name = "nowhere",
	.owner = THIS_MODULE,
	.mode = 0666,
	.attach = attach,
};

static int __init nowhere_init(void)
{
	int ret;

	device = root_device_register("gophership-nowhere");
	if (IS_ERR(device))
		return PTR_ERR(device);
	ret = gophership_endpoint_register(&endpoint);
	if (ret)
		root_device_unregister(device);
	return ret;
}
module_init(nowhere_init);

static void __exit nowhere_exit(void)
{
	gophership_endpoint_unregister(&endpoint);
	root_device_unregister(device);
}
module_exit(nowhere_exit);

MODULE_DESCRIPTION("GopherShip's test of a port that cannot be mapped");
MODULE_LICENSE("GPL");
