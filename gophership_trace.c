// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the tracepoints' definitions.
 */
#include "gophership_pool.h"

#define CREATE_TRACE_POINTS
#include "gophership_trace.h"

/* Somebody traces releases: the first one comes, the last one goes. */
int gophership_release_watch(void)
{
	static_branch_inc(&gophership_detour_key);
	return 0;
}

void gophership_release_unwatch(void)
{
	static_branch_dec(&gophership_detour_key);
}
