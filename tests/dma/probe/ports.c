// SPDX-License-Identifier: GPL-2.0
/*
 * A port that is mapped for a device: /dev/gophership-probe takes one, with two buffers
 * submitted or more.
 */
#include <linux/module.h>
#include <linux/string.h>

#include "gophership_port.h"
#include "probe.h"

static struct gophership_port *port;
static struct gophership_buf *bufs[2];
static dma_addr_t addrs[2];

static const struct gophership_port_ops ops = { .owner = THIS_MODULE };

static int attach(struct gophership_endpoint *endpoint, struct gophership_port *offered)
{
	int ret;

	if (port || !probe_device())
		return -EBUSY;
	ret = gophership_port_accept(offered, &ops, NULL);
	if (ret)
		return ret;
	ret = gophership_port_map(offered, probe_device(), DMA_FROM_DEVICE);
	if (ret) {
		gophership_port_put(offered);
		return ret;
	}
	port = offered;
	return 0;
}

static struct gophership_endpoint endpoint = {
	.name = "probe",
	.owner = THIS_MODULE,
	.mode = 0666,
	.attach = attach,
};

int ports_init(void)
{
	return gophership_endpoint_register(&endpoint);
}

void ports_exit(void)
{
	gophership_endpoint_unregister(&endpoint);
	if (port)
		gophership_port_put(port);
}

/* Two buffers are taken, and one of them goes back: that is the program's again. */
int port_take(void)
{
	struct gophership_buf *plain = gophership_buf_acquire(1, GFP_KERNEL);
	struct gophership_message messages[2];

	check(port && plain);
	check(gophership_port_dma(port, plain) == DMA_MAPPING_ERROR);
	check(!gophership_buf_release(plain));
	check(gophership_port_map(port, probe_device(), DMA_FROM_DEVICE) == -EBUSY);
	check(gophership_port_take_bulk(port, 2, bufs, messages) == 2);
	addrs[0] = gophership_port_dma(port, bufs[0]);
	addrs[1] = gophership_port_dma(port, bufs[1]);
	check(addrs[0] != DMA_MAPPING_ERROR && addrs[1] != DMA_MAPPING_ERROR);
	check(gophership_buf_dma(bufs[0]) == DMA_MAPPING_ERROR);
	check(!gophership_port_deliver(port, bufs[0], &messages[0]));
	return 0;
}

/*
 * The program is gone. With an IOMMU the device faults at what was the program's, and
 * reaches what the driver still has.
 */
int port_closed(void)
{
	struct gophership_message nothing = {};

	check(gophership_port_closed(port));
	check(!probe_to_ram(addrs[0], EDU_SIZE));
	memset(bufs[1]->data, 1, EDU_SIZE);
	gophership_port_sync_for_device(port, bufs[1], 0, EDU_SIZE);
	check(!probe_to_ram(addrs[1], EDU_SIZE));
	gophership_port_sync_for_cpu(port, bufs[1], 0, EDU_SIZE);
	check(memchr_inv(bufs[1]->data, 1, EDU_SIZE));
	check(gophership_port_deliver(port, bufs[1], &nothing) == -EPIPE);
	return 0;
}

/* And when the port is put, at all of it. */
int port_put(void)
{
	gophership_port_put(port);
	port = NULL;
	check(!probe_to_ram(addrs[1], EDU_SIZE));
	return 0;
}

/* The driver was unbound, and is bound again; what it forgot to put is unmapped. */
int port_unbound(void)
{
	struct gophership_message nothing = {};

	check(gophership_port_dma(port, bufs[1]) == DMA_MAPPING_ERROR);
	gophership_port_sync_for_cpu(port, bufs[1], 0, EDU_SIZE);
	check(gophership_port_map(port, probe_device(), DMA_FROM_DEVICE) == -EBUSY);
	check(!gophership_port_deliver(port, bufs[1], &nothing));
	return port_put();
}
