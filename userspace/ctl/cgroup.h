/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the memory cgroup of this process lets it have.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct cgroup - the tightest one: the own or one above it
 * @path: its name
 * @limit: bytes that it may have: memory.max or memory.high
 * @room: bytes of that which are left, page cache that can go counted as left
 */
struct cgroup {
	char path[PATH_MAX];
	uint64_t limit;
	uint64_t room;
};

/* False: there is no limit, or none that could be found (version 1). */
bool cgroup_find(struct cgroup *cgroup);

#endif /* CGROUP_H */
