// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The handles of the process, and what fork() does to them.
 *
 * The child of a fork has no mapping of the windows. Its copies of the parent's
 * handles are stale: it lets go of the device, so that it does not keep its
 * parent's leases alive, and every call finds out.
 */
#include <errno.h>

#include "pool.h"

pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;

static struct gophership *handles;	/* protected by registry_lock */
static bool knows_fork;			/* protected by registry_lock */

static void before_fork(void)
{
	gs_lock(&registry_lock);
}

static void after_fork_in_parent(void)
{
	gs_unlock(&registry_lock);
}

static void after_fork_in_child(void)
{
	struct gophership *gs;

	for (gs = handles; gs; gs = gs->next) {
		poke(gs->stale, 1);
		device_close(gs->fd);
		gs->fd = -1;
	}
	handles = NULL;
	pthread_mutex_init(&registry_lock, NULL);
	thread_forked();
}

/* 0 or -errno. */
int registry_add(struct gophership *gs)
{
	int ret;

	gs_lock(&registry_lock);
	ret = thread_prepare();
	if (!ret && !knows_fork) {
		ret = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
		knows_fork = !ret;
	}
	if (!ret) {
		gs->next = handles;
		handles = gs;
	}
	gs_unlock(&registry_lock);
	return ret;
}

/* From here on no thread's exit and no fork looks at @gs. */
void registry_remove(struct gophership *gs)
{
	struct gophership **link;

	gs_lock(&registry_lock);
	for (link = &handles; *link; link = &(*link)->next)
		if (*link == gs) {
			*link = gs->next;
			break;
		}
	thread_caches_close(gs);
	gs_unlock(&registry_lock);
}
