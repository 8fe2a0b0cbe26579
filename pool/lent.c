// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: buffers that the device lends.
 *
 * They have a descriptor, a pool and its counters as all buffers, and never lie in a
 * magazine: the device keeps them while they are idle (device/idle.c).
 * Their seal says so (GOPHERSHIP_SEAL_LENT), so a release by a driver is refused, by
 * any pointer. Hence only the device changes such a seal, and it knows the buffer's user.
 * When such a buffer is retired, its payload is freed at once. The descriptor stays for a
 * grace period, for releases that look at its seal at that moment.
 */
#include <linux/bug.h>
#include <linux/percpu.h>

#include "pool/free.h"
#include "pool/lent.h"
#include "pool/payload.h"
#include "pool/seal.h"

/* See pool/lent.h. */
struct gophership_buf *gophership_lend(struct gophership_pool *pool, unsigned int class,
				       gfp_t gfp)
{
	struct gophership_buf *buf;

	buf = gophership_payload_alloc(pool, class, gophership_class_order(class), gfp);
	if (!buf)
		return NULL;
	/* Fails only if a wild release hit upon it before: then it is in the pool. */
	if (!gophership_claim(buf, GOPHERSHIP_SEAL_LEASED, GOPHERSHIP_SEAL_LENT))
		return NULL;
	WRITE_ONCE(buf->acquired_by, _RET_IP_);
	this_cpu_inc(pool->heads[class].misses);
	return buf;
}

/* See pool/lent.h. */
void gophership_lent_free(struct gophership_buf *buf)
{
	if (WARN_ON_ONCE(!gophership_claim(buf, GOPHERSHIP_SEAL_LENT, GOPHERSHIP_SEAL_RETIRING)))
		return;
	WRITE_ONCE(buf->released_by, _RET_IP_);
	this_cpu_inc(buf->heads->shrunk);
	gophership_payload_drop(buf);
	gophership_free_buf(buf);
}
