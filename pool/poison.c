// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: filled payloads, to see what writes to them while they are free.
 */
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "pool/poison.h"
#include "pool/reject.h"
#include "pool/types.h"

#define POISON_BYTE	0xa6

DEFINE_STATIC_KEY_FALSE(gophership_poison_key);

static bool poison;
module_param(poison, bool, 0444);
MODULE_PARM_DESC(poison,
		 "Fill released buffers and report who writes to them (slow; default off)");

/* Fill the payload, to see what writes to it while it is free. */
void gophership_poison_fill(struct gophership_buf *buf)
{
	memset(buf->data, POISON_BYTE, buf->capacity);
	if (!gophership_mapped(buf))
		buf->writer = 0;
}

/* Report a write to the payload since it was filled. */
void gophership_poison_check(struct gophership_buf *buf)
{
	void *bad = memchr_inv(buf->data, POISON_BYTE, buf->capacity);

	if (bad)
		gophership_reject_poison(buf, bad - buf->data);
}

void __init gophership_poison_init(void)
{
	if (poison)
		static_branch_enable(&gophership_poison_key);
}
