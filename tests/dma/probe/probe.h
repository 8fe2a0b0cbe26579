/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of this driver share: QEMU's "edu" device, asked for one transfer at a time.
 */
#ifndef TESTS_DMA_PROBE_H
#define TESTS_DMA_PROBE_H

#include <linux/device.h>
#include <linux/printk.h>
#include <linux/types.h>

#include "gophership_dma.h"

#define EDU_SIZE	4096U

/* The device, or NULL while the driver is not bound to it. */
struct device *probe_device(void);

/* Move bytes between the device's memory and @addr, and wait for the end. 0 or an error. */
int probe_to_ram(dma_addr_t addr, size_t len);
int probe_from_ram(dma_addr_t addr, size_t len);

/* Fails a case, and says where. */
#define check(condition)						\
do {									\
	if (!(condition)) {						\
		pr_err("gophership_probe: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
		return -EINVAL;						\
	}								\
} while (0)

/* The cases, by what is written to /proc/gophership_probe. */
int pool_round_trip(void);
int pool_directions(void);
int pool_trimmed(void);
int pool_stale(void);
int pool_full(void);
int pool_bounced(void);
int pool_direct(void);
int pool_refused(void);
int pool_plain(void);
int pool_syncs_while_destroyed(void);
int pool_keep(void);
int pool_kept(void);

int port_take(void);
int port_closed(void);
int port_put(void);
int port_unbound(void);
int ports_init(void);
void ports_exit(void);

#endif /* TESTS_DMA_PROBE_H */
