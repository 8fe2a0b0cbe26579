// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pools.h"

/* Room for one more; false without memory. */
static bool grow(struct pools *pools)
{
	void *list = realloc(pools->list, (pools->nr + 1) * sizeof(*pools->list));

	if (!list) {
		complain("there is no memory for the counters of %zu pools", pools->nr + 1);
		return false;
	}
	pools->list = list;
	return true;
}

/* From an older module: the two that have a number. */
static enum status read_two(struct pools *pools, struct device *device)
{
	static const char *const names[] = {
		[GOPHERSHIP_POOL_KERNEL] = "kernel", [GOPHERSHIP_POOL_USER] = "user",
	};
	static const uint32_t numbers[] = { GOPHERSHIP_POOL_KERNEL, GOPHERSHIP_POOL_USER };
	enum status status;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!grow(pools))
			return STATUS_FAILED;
		status = device_stats(device, numbers[i], &pools->list[pools->nr]);
		if (status != STATUS_OK)
			return status;
		strcpy(pools->list[pools->nr].name, names[numbers[i]]);
		pools->nr++;
	}
	return STATUS_OK;
}

static enum status read_all(struct pools *pools, struct device *device)
{
	const char *name = "";
	enum status status;

	for (;; pools->nr++) {
		if (!grow(pools))
			return STATUS_FAILED;
		if (pools->nr)
			name = pools->list[pools->nr - 1].name;
		status = device_stats_after(device, name, &pools->list[pools->nr]);
		if (status != STATUS_OK || !pools->list[pools->nr].nr_classes)
			return status;
		/* They come in order, so this ends. */
		if (strcmp(pools->list[pools->nr].name, name) <= 0) {
			complain("%s names the pools in no order; is it a gophership device?",
				 device->path);
			return STATUS_DEVICE;
		}
	}
}

enum status pools_read(struct pools *pools, struct device *device)
{
	enum status status;

	*pools = (struct pools){ 0 };
	if (device->info.features & GOPHERSHIP_FEATURE_POOLS)
		status = read_all(pools, device);
	else
		status = read_two(pools, device);
	if (status != STATUS_OK)
		pools_free(pools);
	return status;
}

void pools_free(struct pools *pools)
{
	free(pools->list);
	*pools = (struct pools){ 0 };
}

struct pool_sum pools_sum(const struct gophership_stats *stats)
{
	const struct gophership_class_counters *class = stats->classes;
	struct pool_sum sum = { 0 };

	for (; class < stats->classes + stats->nr_classes; class++) {
		sum.leased += class->leased;
		sum.leased_bytes += class->leased * class->capacity;
		sum.cached += class->cached;
		sum.cached_bytes += class->cached * class->capacity;
		sum.acquires += class->acquires;
		sum.hits += class->hits;
		sum.misses += class->misses;
		sum.shrunk += class->shrunk;
	}
	return sum;
}

const struct gophership_stats *pools_find(const struct pools *pools, const char *name)
{
	size_t i;

	for (i = 0; i < pools->nr; i++)
		if (!strcmp(pools->list[i].name, name))
			return &pools->list[i];
	return NULL;
}
