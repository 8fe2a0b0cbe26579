// SPDX-License-Identifier: GPL-2.0
/* A driver with two bugs: it releases a buffer twice, and memory of its own. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include "gophership_buf.h"

static int __init mistake_init(void)
{
	struct gophership_buf *buf = gophership_buf_acquire(4096, GFP_KERNEL);
	long mine[16] = { 0 };
	int first, second, third;

	if (!buf)
		return -ENOMEM;
	first = gophership_buf_release(buf);
	second = gophership_buf_release(buf);
	third = gophership_buf_release((struct gophership_buf *)mine);
	pr_info("release: %d, once more: %d (-EALREADY), a piece of the stack: %d (-EINVAL)\n",
		first, second, third);
	return 0;
}
module_init(mistake_init);

static void __exit mistake_exit(void) { }
module_exit(mistake_exit);

MODULE_DESCRIPTION("A driver with mistakes, for the demonstration");
MODULE_LICENSE("GPL");
