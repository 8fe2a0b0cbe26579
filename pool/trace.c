// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the tracepoints' definitions.
 */
#include <linux/init.h>
#include <linux/mutex.h>

#include "pool/seal.h"

#define CREATE_TRACE_POINTS
#include "pool/trace.h"

static DEFINE_MUTEX(watchers_lock);
/* How many of the hot path's two tracepoints are in use; protected by watchers_lock. */
static unsigned int watchers;

/* With a watcher acquire and release take the slow path. */
static void count_watchers(int more)
{
	unsigned long secret = gophership_bounds.secret;

	mutex_lock(&watchers_lock);
	watchers += more;
	WRITE_ONCE(gophership_bounds.hot_secret, watchers ? ~secret : secret);
	mutex_unlock(&watchers_lock);
}

/* A tracepoint's first user comes, maybe before the module's init. */
int gophership_watch(void)
{
	count_watchers(1);
	return 0;
}

/* Its last one goes. */
void gophership_unwatch(void)
{
	count_watchers(-1);
}

/* The secret is there. */
void __init gophership_watch_init(void)
{
	count_watchers(0);
}
