// SPDX-License-Identifier: GPL-2.0
/* A driver of a source tree of its own; its name comes before ours in DKMS's order. */
#include <linux/module.h>
#include "gophership_buf.h"
#include "gophership_port.h"

static int __init courier_init(void)
{
	struct gophership_buf *buf = gophership_buf_acquire(PAGE_SIZE, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	pr_info("courier: a buffer of %u bytes\n", buf->capacity);
	return gophership_buf_release(buf);
}
module_init(courier_init);

static void __exit courier_exit(void) { }
module_exit(courier_exit);

MODULE_DESCRIPTION("A driver under DKMS that builds against GopherShip's");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
