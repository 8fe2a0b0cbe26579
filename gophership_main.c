// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: load and unload, in order.
 */
#include <linux/init.h>
#include <linux/module.h>

#include "device/debugfs.h"
#include "device/ioctl.h"
#include "device/port.h"
#include "device/pressure.h"
#include "device/stream.h"
#include "pool/cached.h"
#include "pool/debugfs.h"
#include "pool/list.h"
#include "pool/magazine.h"
#include "pool/payload.h"
#include "pool/poison.h"
#include "pool/pool.h"
#include "pool/reclaim.h"
#include "pool/report.h"
#include "pool/seal.h"
#include "pool/site.h"
#include "pool/trace.h"

static int __init gophership_init(void)
{
	int ret;

	gophership_bounds_init();
	gophership_watch_init();
	gophership_poison_init();
	gophership_list_init();
	ret = gophership_sites_init();
	if (ret)
		return ret;
	ret = gophership_cached_init();
	if (ret)
		goto exit_sites;
	ret = gophership_payload_init();
	if (ret)
		goto exit_cached;
	ret = gophership_magazines_init();
	if (ret)
		goto exit_payload;
	ret = gophership_pressure_init();
	if (ret)
		goto exit_payload;
	ret = gophership_reclaim_init();
	if (ret)
		goto exit_pressure;
	ret = gophership_pools_init();
	if (ret)
		goto exit_reclaim;
	ret = gophership_ports_init();
	if (ret)
		goto exit_pools;
	ret = gophership_stream_init();
	if (ret)
		goto exit_ports;
	ret = gophership_dev_init();
	if (ret)
		goto exit_streams;
	gophership_dev_debugfs_init(gophership_debugfs_init(gophership_debugfs_lent_row));
	return 0;

exit_streams:
	gophership_stream_exit();
exit_ports:
	gophership_ports_exit();
exit_pools:
	gophership_pools_exit();
exit_reclaim:
	gophership_reclaim_exit();
exit_pressure:
	gophership_pressure_exit();
exit_payload:
	gophership_payload_exit();
	gophership_magazines_exit();
	gophership_report_exit();
exit_cached:
	gophership_cached_exit();
exit_sites:
	gophership_sites_exit();
	return ret;
}

static void __exit gophership_exit(void)
{
	gophership_debugfs_exit();
	gophership_dev_exit();
	gophership_stream_exit();
	gophership_ports_exit();
	gophership_pools_exit();
	gophership_reclaim_exit();
	gophership_pressure_exit();
	gophership_payload_exit();
	gophership_magazines_exit();
	gophership_report_exit();
	gophership_cached_exit();
	gophership_sites_exit();
}

module_init(gophership_init);
module_exit(gophership_exit);

MODULE_DESCRIPTION("GopherShip: a pool of page-aligned buffers for drivers and user space");
MODULE_VERSION(GOPHERSHIP_VERSION);
MODULE_LICENSE("GPL");
