// SPDX-License-Identifier: GPL-2.0
/* A driver with the hot path in its own code: gophership_inline.h. */
#include <linux/module.h>

#include "gophership_inline.h"

static int __init inlined_init(void)
{
	struct gophership_buf *buf = gophership_buf_acquire(10000, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	buf->len = scnprintf(buf->data, buf->capacity, "inline, from a buffer of %u bytes",
			     buf->capacity);
	pr_info("%.*s\n", (int)buf->len, (char *)buf->data);
	return gophership_buf_release(buf);
}
module_init(inlined_init);

static void __exit inlined_exit(void)
{
}
module_exit(inlined_exit);

MODULE_DESCRIPTION("GopherShip's test of inline acquire and release");
MODULE_LICENSE("GPL");
