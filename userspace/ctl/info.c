// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "device.h"
#include "limits.h"
#include "output.h"
#include "quantity.h"
#include "text.h"

/**
 * struct feature - what a device can have
 * @bit: in the device's features
 * @name: for programs
 * @title: for people
 */
struct feature {
	uint64_t bit;
	const char *name;
	const char *title;
};

static const struct feature features[] = {
	{ GOPHERSHIP_FEATURE_MEMCG, "memcg", "leases are charged to the memory cgroup" },
	{ GOPHERSHIP_FEATURE_PRESSURE, "pressure", "a page tells of memory pressure" },
	{ GOPHERSHIP_FEATURE_PORT, "port", "programs and drivers share buffers" },
	{ GOPHERSHIP_FEATURE_POOLS, "pools", "counters of any pool, by name" },
	{ GOPHERSHIP_FEATURE_TRIM, "trim", "all that lies idle can be asked back" },
	{ GOPHERSHIP_FEATURE_DMABUF, "dmabuf", "buffers can be shown to drivers as dma-bufs" },
};

#define NR_FEATURES	(sizeof(features) / sizeof(features[0]))

static void print_features(const struct gophership_info *info)
{
	bool any = false;
	size_t i;

	for (i = 0; i < NR_FEATURES; i++) {
		if (!(info->features & features[i].bit))
			continue;
		printf("  %-14s %s (%s)\n", any ? "" : "features", features[i].name,
		       features[i].title);
		any = true;
	}
	if (!any)
		printf("  %-14s none\n", "features");
}

static struct json_object *features_json(const struct gophership_info *info)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < NR_FEATURES; i++)
		if (info->features & features[i].bit)
			json_object_array_add(list, json_object_new_string(features[i].name));
	return list;
}

/* What bounds this user, here. */
static void print_limits(const struct limits *limits)
{
	if (limits_memlock_holds(limits)) {
		printf("  memlock        %s on lease to all programs of the user (ulimit -l);\n",
		       quantity_bytes(limits->memlock).text);
		printf("  %-14s what io_uring registers counts once more\n", "");
	}
	if (limits_memlock_max_holds(limits))
		printf("  memlock max    %s for each user, where memlock is more (memlock_max_mb)\n",
		       quantity_bytes(limits->memlock_max).text);
	if (limits->in_cgroup) {
		printf("  memory cgroup  %s of %s are left, ",
		       quantity_bytes(limits->cgroup.room).text,
		       quantity_bytes(limits->cgroup.limit).text);
		text_print(stdout, limits->cgroup.path);
		putchar('\n');
	}
	printf("  limit          %s for you now: %s\n", quantity_bytes(limits->lowest).text,
	       limits_title(limits));
	printf("  %-14s %s\n", "", limits_remedy(limits));
}

static void print_text(const struct device *device, const struct limits *limits)
{
	const struct gophership_info *info = &device->info;
	const struct gophership_class_info *class;
	uint32_t i;

	text_print(stdout, device->path);
	putchar('\n');
	printf("  page size      %s\n", quantity_bytes(info->page_size).text);
	printf("  quota          %s on lease to one program (one open of the device)\n",
	       quantity_bytes(info->quota).text);
	printf("  machine limit  %s on lease in all\n", quantity_bytes(info->machine_limit).text);
	print_limits(limits);
	printf("  batch          %u buffers in one call\n", info->batch_max);
	print_features(info);
	printf("\n  %8s  %8s  %10s  %14s\n", "buffer", "slots", "window", "mmap offset");
	for (i = 0; i < info->nr_classes; i++) {
		class = &info->classes[i];
		printf("  %8s  %8u  %10s  %#14" PRIx64 "\n",
		       quantity_bytes(class->capacity).text, class->slots,
		       quantity_bytes(class->length).text, (uint64_t)class->offset);
	}
}

static struct json_object *class_json(const struct gophership_class_info *class)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "capacity", json_object_new_uint64(class->capacity));
	json_object_object_add(object, "slots", json_object_new_uint64(class->slots));
	json_object_object_add(object, "offset", json_object_new_uint64(class->offset));
	json_object_object_add(object, "length", json_object_new_uint64(class->length));
	return object;
}

static void add_limits(struct json_object *object, const struct limits *limits)
{
	struct json_object *cgroup = NULL;

	if (limits->in_cgroup) {
		cgroup = json_object_new_object();
		json_object_object_add(cgroup, "path", text_json(limits->cgroup.path));
		json_object_object_add(cgroup, "limit",
				       json_object_new_uint64(limits->cgroup.limit));
		json_object_object_add(cgroup, "room",
				       json_object_new_uint64(limits->cgroup.room));
	}
	json_object_object_add(object, "machine_room",
			       json_object_new_uint64(limits->machine_room));
	json_object_object_add(object, "memlock", limits_memlock_holds(limits) ?
			       json_object_new_uint64(limits->memlock) : NULL);
	json_object_object_add(object, "memlock_max", limits_memlock_max_holds(limits) ?
			       json_object_new_uint64(limits->memlock_max) : NULL);
	json_object_object_add(object, "cgroup", cgroup);
	json_object_object_add(object, "limit", json_object_new_uint64(limits->lowest));
	json_object_object_add(object, "limited_by", json_object_new_string(limits->name));
}

static void print_json(const struct device *device, const struct limits *limits)
{
	const struct gophership_info *info = &device->info;
	struct json_object *object = json_object_new_object();
	struct json_object *classes = json_object_new_array();
	uint32_t i;

	for (i = 0; i < info->nr_classes; i++)
		json_object_array_add(classes, class_json(&info->classes[i]));
	json_object_object_add(object, "device", text_json(device->path));
	json_object_object_add(object, "page_size", json_object_new_uint64(info->page_size));
	json_object_object_add(object, "quota", json_object_new_uint64(info->quota));
	json_object_object_add(object, "machine_limit",
			       json_object_new_uint64(info->machine_limit));
	add_limits(object, limits);
	json_object_object_add(object, "batch_max", json_object_new_uint64(info->batch_max));
	json_object_object_add(object, "features", features_json(info));
	json_object_object_add(object, "classes", classes);
	output_json(stdout, object, JSON_C_TO_STRING_PRETTY);
}

static enum status look(struct device *device, void *options)
{
	const struct common *common = options;
	struct limits limits;
	enum status status;

	status = limits_find(&limits, device);
	if (status == STATUS_OK && common->json)
		print_json(device, &limits);
	else if (status == STATUS_OK)
		print_text(device, &limits);
	return status;
}

int command_info(int argc, char **argv)
{
	static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.doc = "Show what the device offers: the size classes of its buffers, and how much "
		       "of them a program and all programs can borrow.",
		.children = children,
	};
	struct common common = { .device = DEVICE_PATH };

	return command_look(&argp, argc, argv, &common, look);
}
