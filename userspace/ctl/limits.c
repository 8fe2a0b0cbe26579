// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "capability.h"
#include "limits.h"

static const struct {
	const char *name;
	const char *title;
	const char *remedy;
} titles[] = {
	{ "quota", "the quota of one open of the device (quota_mb)",
	  "Raise it: quota_mb=... in /etc/modprobe.d or /sys/module/gophership/parameters." },
	{ "memlock", "RLIMIT_MEMLOCK (ulimit -l), for all programs of the user together",
	  "Raise it: LimitMEMLOCK= of a service, or memlock in /etc/security/limits.d." },
	{ "memlock_max", "what one user can lock here (memlock_max_mb), for all programs of the user",
	  "Raise it: memlock_max_mb=... in /etc/modprobe.d or /sys/module/gophership/parameters." },
	{ "machine", "what the machine's limit leaves (user_limit_mb)",
	  "What is on lease: gophershipctl stat. Raise it: user_limit_mb=... in /etc/modprobe.d." },
	{ "cgroup", "what the memory cgroup has left",
	  "Raise it: MemoryMax= of its unit, or memory.max." },
};

void limits_find_memlock(struct limits *limits)
{
	struct rlimit limit;

	limits->memlock = UINT64_MAX;
	limits->exempt = capability_have(CAP_IPC_LOCK);
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		limits->memlock = limit.rlim_cur;
}

bool limits_memlock_holds(const struct limits *limits)
{
	return limits->memlock != UINT64_MAX && !limits->exempt;
}

bool limits_memlock_max_holds(const struct limits *limits)
{
	return limits->memlock_max && !limits->exempt;
}

static void lower(struct limits *limits, const char *name, uint64_t bytes)
{
	if (bytes >= limits->lowest)
		return;
	limits->lowest = bytes;
	limits->name = name;
}

/* Those that ACQUIRE means by EDQUOT. */
static void lower_to_own(struct limits *limits, const struct gophership_info *info)
{
	limits->lowest = info->quota;
	limits->name = "quota";
	if (limits_memlock_holds(limits))
		lower(limits, "memlock", limits->memlock);
	if (limits_memlock_max_holds(limits))
		lower(limits, "memlock_max", limits->memlock_max);
}

enum status limits_find(struct limits *limits, struct device *device)
{
	struct gophership_stats stats;
	enum status status;

	status = device_stats(device, GOPHERSHIP_POOL_USER, &stats);
	if (status != STATUS_OK)
		return status;
	limits->machine_room = device->info.machine_limit > stats.machine_bytes ?
			       device->info.machine_limit - stats.machine_bytes : 0;
	limits->in_cgroup = cgroup_find(&limits->cgroup);
	limits_find_memlock(limits);
	limits->memlock_max = device->info.memlock_max;

	lower_to_own(limits, &device->info);
	lower(limits, "machine", limits->machine_room);
	if (limits->in_cgroup)
		lower(limits, "cgroup", limits->cgroup.room);
	return STATUS_OK;
}

bool limits_blame(struct limits *limits, const struct device *device, int error)
{
	if (error != EDQUOT)
		return !strcmp(limits->name, "machine") || !strcmp(limits->name, "cgroup");
	lower_to_own(limits, &device->info);
	return true;
}

static size_t find_title(const struct limits *limits)
{
	size_t i;

	for (i = 0; strcmp(titles[i].name, limits->name); i++)
		;
	return i;
}

const char *limits_title(const struct limits *limits)
{
	return titles[find_title(limits)].title;
}

const char *limits_remedy(const struct limits *limits)
{
	return titles[find_title(limits)].remedy;
}
