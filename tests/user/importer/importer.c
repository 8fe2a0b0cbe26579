// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that has a buffer of the pool's for as long as it is loaded.
 */
#include <linux/module.h>

#include "gophership_buf.h"

static struct gophership_buf *buf;

static int __init importer_init(void)
{
	buf = gophership_buf_acquire(PAGE_SIZE, GFP_KERNEL);
	return buf ? 0 : -ENOMEM;
}

static void __exit importer_exit(void)
{
	gophership_buf_release(buf);
}

module_init(importer_init);
module_exit(importer_exit);

MODULE_DESCRIPTION("A user of gophership's symbols");
MODULE_LICENSE("GPL");
