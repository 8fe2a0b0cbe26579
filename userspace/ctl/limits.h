/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bounds the buffers that a program can have on lease here and now.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include "cgroup.h"
#include "device.h"

/**
 * struct limits - all of them, and the lowest one
 * @memlock: RLIMIT_MEMLOCK, of all programs of the user together; UINT64_MAX: none
 * @memlock_max: the module's bound on locked memory of one user; 0: none
 * @exempt: these two do not hold for us (CAP_IPC_LOCK)
 * @in_cgroup: @cgroup is known
 * @cgroup: the tightest memory cgroup
 * @machine_room: what the machine's limit leaves
 * @lowest: bytes that can be had, if nobody else takes them
 * @name: of the limit that it is: "quota", "memlock", "memlock_max", "machine" or "cgroup"
 */
struct limits {
	uint64_t memlock;
	uint64_t memlock_max;
	bool exempt;
	bool in_cgroup;
	struct cgroup cgroup;
	uint64_t machine_room;
	uint64_t lowest;
	const char *name;
};

/* What is known without the device: RLIMIT_MEMLOCK. */
void limits_find_memlock(struct limits *limits);
enum status limits_find(struct limits *limits, struct device *device);
/*
 * The one that ACQUIRE meant by @error, which is the lowest from then on; false: ENOMEM,
 * and none of them is near.
 */
bool limits_blame(struct limits *limits, const struct device *device, int error);
/* For people: what the lowest one is called. */
const char *limits_title(const struct limits *limits);
/* How it is raised. */
const char *limits_remedy(const struct limits *limits);
/* Does RLIMIT_MEMLOCK hold for us? */
bool limits_memlock_holds(const struct limits *limits);
/* Does the module's bound on locked memory hold for us? */
bool limits_memlock_max_holds(const struct limits *limits);

#endif /* LIMITS_H */
