// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "owner.h"

static void advise_absent(const char *path)
{
	if (strcmp(path, DEVICE_PATH)) {
		advise("The device is " DEVICE_PATH ", unless udev or a container names it");
		advise("otherwise; without -D that is the one which is opened.");
	} else if (access("/sys/module/gophership", F_OK)) {
		advise("The module is not loaded. Load it: sudo modprobe gophership");
		advise("(in the source tree: sudo make load)");
	} else {
		advise("The module is loaded, so the device should be there; in a container, pass");
		advise("it in (docker run --device /dev/gophership). Else see: sudo dmesg");
	}
}

static void advise_forbidden(const char *path)
{
	struct owner group;
	struct stat st;

	if (!stat(path, &st) && (st.st_mode & 0060) == 0060 && st.st_gid) {
		group = owner_group(st.st_gid);
		advise("It is open to root and to the group %s. Join that group:", group.text);
		advise("sudo usermod -aG %s $USER; then log in again, or: newgrp %s", group.text,
		       group.text);
		return;
	}
	advise("It is open to root only: use sudo. To open it to a group, install the udev");
	advise("rule: sudo make install-user; then: sudo usermod -aG gophership $USER");
}

static enum status complain_open(const char *path)
{
	int error = errno;

	complain("cannot open %s: %s", path, strerror(error));
	if (error == ENOENT || error == ENXIO || error == ENODEV)
		advise_absent(path);
	else if (error == EACCES || error == EPERM)
		advise_forbidden(path);
	return STATUS_DEVICE;
}

enum status device_open(struct device *device, const char *path)
{
	device->path = path;
	/* A FIFO in its place must not make us wait. */
	device->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device->fd < 0)
		return complain_open(path);
	memset(&device->info, 0, sizeof(device->info));
	device->info.size = sizeof(device->info);
	if (ioctl(device->fd, GOPHERSHIP_IOC_INFO, &device->info)) {
		complain("%s does not answer as a gophership device: %s", path, strerror(errno));
		if (errno == E2BIG || errno == EINVAL)
			advise("The loaded module is of another version than this tool.");
		device_close(device);
		return STATUS_DEVICE;
	}
	if (!device->info.nr_classes || device->info.nr_classes > GOPHERSHIP_CLASSES_MAX) {
		complain("%s tells of %u size classes; is it a gophership device?", path,
			 device->info.nr_classes);
		device_close(device);
		return STATUS_DEVICE;
	}
	return STATUS_OK;
}

void device_close(struct device *device)
{
	close(device->fd);
	device->fd = -1;
}

static enum status read_stats(struct device *device, struct gophership_stats *stats)
{
	stats->size = sizeof(*stats);
	if (ioctl(device->fd, GOPHERSHIP_IOC_STATS, stats)) {
		if (errno == ENOENT && stats->pool == GOPHERSHIP_POOL_AFTER) {
			stats->nr_classes = 0;
			return STATUS_OK;
		}
		complain("cannot read the counters of %s: %s", device->path, strerror(errno));
		return STATUS_DEVICE;
	}
	if (stats->nr_classes > GOPHERSHIP_CLASSES_MAX) {
		complain("%s tells of %u rows of counters; is it a gophership device?",
			 device->path, stats->nr_classes);
		return STATUS_DEVICE;
	}
	/* It is text from here on. */
	stats->name[sizeof(stats->name) - 1] = '\0';
	return STATUS_OK;
}

enum status device_stats(struct device *device, uint32_t pool, struct gophership_stats *stats)
{
	*stats = (struct gophership_stats){ .pool = pool };
	return read_stats(device, stats);
}

enum status device_stats_after(struct device *device, const char *name,
			       struct gophership_stats *stats)
{
	*stats = (struct gophership_stats){ .pool = GOPHERSHIP_POOL_AFTER };
	strncpy(stats->name, name, sizeof(stats->name) - 1);
	return read_stats(device, stats);
}

enum status device_trim(struct device *device, uint64_t *bytes)
{
	struct gophership_trim trim = { .size = sizeof(trim) };

	if (!ioctl(device->fd, GOPHERSHIP_IOC_TRIM, &trim)) {
		*bytes = trim.bytes;
		return STATUS_OK;
	}
	complain("cannot trim the pools of %s: %s", device->path, strerror(errno));
	if (errno == EPERM)
		advise("It slows every user of the machine, and so wants CAP_SYS_ADMIN: try sudo.");
	else if (errno == ENOTTY)
		advise("The loaded module is older than this tool.");
	return STATUS_DEVICE;
}
