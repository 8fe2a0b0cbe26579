// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"

#define MOUNT	"/sys/fs/cgroup"

/* The own one, from its mount on: "" for the root. */
static bool find_own(char *path)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 8];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4))
			continue;
		snprintf(path, PATH_MAX, "%.*s", PATH_MAX - 1, line[4] ? line + 3 : "");
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

static FILE *open_file(const char *path, const char *name)
{
	FILE *file = NULL;
	char *full;

	if (asprintf(&full, MOUNT "%s/%s", path, name) < 0)
		return NULL;
	file = fopen(full, "re");
	free(full);
	return file;
}

/* UINT64_MAX: "max", or there is no such file. */
static uint64_t read_number(const char *path, const char *name)
{
	FILE *file = open_file(path, name);
	uint64_t number = UINT64_MAX;

	if (!file)
		return UINT64_MAX;
	if (fscanf(file, "%" SCNu64, &number) != 1)
		number = UINT64_MAX;
	fclose(file);
	return number;
}

/* Page cache that goes as soon as something else needs the room. */
static uint64_t read_clean_cache(const char *path)
{
	FILE *file = open_file(path, "memory.stat");
	uint64_t cache = 0, busy = 0, number;
	char key[64];

	if (!file)
		return 0;
	while (fscanf(file, "%63s %" SCNu64, key, &number) == 2) {
		if (!strcmp(key, "active_file") || !strcmp(key, "inactive_file"))
			cache += number;
		else if (!strcmp(key, "file_dirty") || !strcmp(key, "file_writeback"))
			busy += number;
	}
	fclose(file);
	return cache > busy ? cache - busy : 0;
}

static void look_at(struct cgroup *tightest, const char *path)
{
	uint64_t max = read_number(path, "memory.max");
	uint64_t high = read_number(path, "memory.high");
	uint64_t limit = high < max ? high : max;
	uint64_t used, cache, room;

	used = read_number(path, "memory.current");
	if (limit == UINT64_MAX || used == UINT64_MAX)
		return;
	cache = read_clean_cache(path);
	used = used > cache ? used - cache : 0;
	room = limit > used ? limit - used : 0;
	if (room >= tightest->room)
		return;
	strcpy(tightest->path, *path ? path : "/");
	tightest->limit = limit;
	tightest->room = room;
}

bool cgroup_find(struct cgroup *cgroup)
{
	char path[PATH_MAX];
	char *slash;

	cgroup->room = UINT64_MAX;
	if (!find_own(path))
		return false;
	look_at(cgroup, path);
	while ((slash = strrchr(path, '/'))) {
		*slash = '\0';
		look_at(cgroup, path);
	}
	return cgroup->room != UINT64_MAX;
}
