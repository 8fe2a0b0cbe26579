// SPDX-License-Identifier: GPL-2.0
/* The smallest driver there is: borrow a buffer, use it, give it back. */
#include <linux/module.h>
#include "gophership_buf.h"

static int __init hello_init(void)
{
	struct gophership_buf *buf = gophership_buf_acquire(10000, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	buf->len = scnprintf(buf->data, buf->capacity, "hello from a buffer of %u bytes",
			     buf->capacity);
	pr_info("%.*s\n", (int)buf->len, (char *)buf->data);
	return gophership_buf_release(buf);
}
module_init(hello_init);

static void __exit hello_exit(void) { }
module_exit(hello_exit);

MODULE_DESCRIPTION("GopherShip's smallest driver");
MODULE_LICENSE("GPL");
