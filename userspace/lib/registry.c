// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The handles of the process, and what fork() does to them.
 *
 * The child of a fork has no mapping of the windows. Its copies of the parent's
 * handles are stale: it lets go of the device, so that it does not keep its
 * parent's leases alive, and every call returns an error.
 */
#include <errno.h>

#include "pool.h"

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
	int cancel;

	/* To close is where a cancelled thread would end. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	for (gs = handles; gs; gs = gs->next) {
		poke(gs->stale, 1);
		device_close(gs->fd);
		gs->fd = -1;
	}
	pthread_setcancelstate(cancel, NULL);
	handles = NULL;
	pthread_mutex_unlock(&registry_lock);
	thread_forked();
}

static int know_fork(void)
{
	int ret;

	if (knows_fork)
		return 0;
	ret = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	knows_fork = !ret;
	return ret;
}

/* Not at the first open: a fork that has begun by then would not call us. */
static void __attribute__((constructor)) know_fork_early(void)
{
	gs_lock(&registry_lock);
	know_fork();
	gs_unlock(&registry_lock);
}

/*
 * 0 or -errno. Under the registry's lock, since before the device was opened: a
 * child that is forked in between would have it, and not know.
 */
int registry_add(struct gophership *gs)
{
	int ret;

	ret = thread_prepare();
	if (!ret)
		ret = know_fork();
	if (ret)
		return ret;
	gs->next = handles;
	handles = gs;
	return 0;
}

/*
 * From here on no thread's exit and no fork looks at @gs. So the device is closed
 * before the lock is given up.
 */
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
	device_close(gs->fd);
	gs_unlock(&registry_lock);
}
