// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: buffers that the device lends.
 *
 * They have a descriptor, a pool and its counters as all others, and never see a
 * magazine: what lies idle of them is kept by the device (device/idle.c).
 * Their seal says so (GOPHERSHIP_SEAL_LENT), so a release by a driver, whatever
 * pointer it has, is refused. Hence only the device ever changes such a seal,
 * and the device knows who has the buffer: the payload of one that is retiring is
 * freed at once. The descriptor stays for a grace period, for releases that are just
 * looking at its seal.
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
