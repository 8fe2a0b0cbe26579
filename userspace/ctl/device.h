/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device: everything that knows its ioctls is behind these functions.
 *
 * All of them complain by themselves, with what to do next, and return a
 * status; nothing more needs to be said by the caller.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdint.h>

#include <linux/gophership.h>

#include "complain.h"

#define DEVICE_PATH	"/dev/gophership"

/**
 * struct device - one open of the device
 * @path: where it was found
 * @fd: the file descriptor, -1 if closed
 * @info: what GOPHERSHIP_IOC_INFO told
 */
struct device {
	const char *path;
	int fd;
	struct gophership_info info;
};

enum status device_open(struct device *device, const char *path);
void device_close(struct device *device);
enum status device_stats(struct device *device, uint32_t pool, struct gophership_stats *stats);
/* Of the next pool by name; nr_classes 0: there is none. */
enum status device_stats_after(struct device *device, const char *name,
			       struct gophership_stats *stats);
/* Give back what lies idle; *@bytes: so much went. */
enum status device_trim(struct device *device, uint64_t *bytes);

#endif /* DEVICE_H */
