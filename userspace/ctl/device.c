// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "quantity.h"

static void advise_absent(void)
{
	if (access("/sys/module/gophership", F_OK)) {
		advise("The module is not loaded. Load it: sudo modprobe gophership");
		advise("(in the source tree: sudo make load)");
	} else {
		advise("The module is loaded, so the device should be there; in a container, pass");
		advise("it in (docker run --device /dev/gophership). Else see: sudo dmesg");
	}
}

static void advise_forbidden(const char *path)
{
	struct stat st;

	if (!stat(path, &st) && (st.st_mode & 0060) == 0060 && st.st_gid) {
		advise("It is open to root and to the group with the number %u. Join the group",
		       (unsigned int)st.st_gid);
		advise("gophership: sudo usermod -aG gophership $USER; then log in again.");
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
		advise_absent();
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

enum status device_stats(struct device *device, uint32_t pool, struct gophership_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	stats->pool = pool;
	if (ioctl(device->fd, GOPHERSHIP_IOC_STATS, stats)) {
		complain("cannot read the counters of %s: %s", device->path, strerror(errno));
		return STATUS_DEVICE;
	}
	if (stats->nr_classes > GOPHERSHIP_CLASSES_MAX) {
		complain("%s tells of %u rows of counters; is it a gophership device?",
			 device->path, stats->nr_classes);
		return STATUS_DEVICE;
	}
	return STATUS_OK;
}

static void advise_quota(const struct device *device, uint64_t size)
{
	struct rlimit limit;

	advise("A program can have %s on lease (module parameter quota_mb).",
	       quantity_bytes(device->info.quota).text);
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		advise("Your processes together can have %s (ulimit -l); raise it, or run as root.",
		       quantity_bytes(limit.rlim_cur).text);
	if (size > device->info.page_size)
		advise("Or borrow less: fewer or smaller buffers.");
}

static enum status complain_borrow(const struct device *device, uint64_t size)
{
	int error = errno;

	if (error == EINTR)
		return STATUS_SIGNAL;
	complain("cannot borrow a buffer of %s from %s: %s", quantity_bytes(size).text,
		 device->path, strerror(error));
	if (error == EDQUOT)
		advise_quota(device, size);
	else if (error == ENOMEM)
		advise("The machine's limit is %s; who has it: gophershipctl stat",
		       quantity_bytes(device->info.machine_limit).text);
	return STATUS_DEVICE;
}

static bool map(struct device *device, const struct gophership_lease *lease,
		struct buffer *buffer)
{
	buffer->handle = lease->handle;
	buffer->capacity = lease->capacity;
	/* Populated, so the first I/O does not stop for a fault per page. */
	buffer->data = mmap(NULL, lease->capacity, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_POPULATE, device->fd, lease->offset);
	return buffer->data != MAP_FAILED;
}

static enum status map_all(struct device *device, const struct gophership_lease *leases,
			   unsigned int nr, struct buffer *buffers)
{
	unsigned int i;
	int error;

	for (i = 0; i < nr; i++)
		if (!map(device, &leases[i], &buffers[i]))
			break;
	if (i == nr)
		return STATUS_OK;
	error = errno;
	/* From here on each has a handle, and a mapping or none. */
	for (; i < nr; i++)
		buffers[i] = (struct buffer) { .handle = leases[i].handle };
	device_give_back(device, buffers, nr);
	complain("cannot map a buffer of %s: %s", device->path, strerror(error));
	return STATUS_DEVICE;
}

/*
 * Lease up to @want buffers. The kernel may grant a part of what one call asks
 * for; the first error after that is the end, and errno tells of it.
 */
static unsigned int lease(struct device *device, uint64_t size, unsigned int want,
			  struct gophership_lease *leases)
{
	unsigned int got = 0;

	while (got < want) {
		struct gophership_acquire acquire = {
			.size = sizeof(acquire),
			.min_size = size,
			.count = want - got,
			.leases = (uintptr_t)(leases + got),
		};

		if (ioctl(device->fd, GOPHERSHIP_IOC_ACQUIRE, &acquire))
			break;
		got += acquire.granted;
	}
	return got;
}

enum status device_borrow(struct device *device, uint64_t size, unsigned int *nr,
			  struct buffer *buffers)
{
	struct gophership_lease *leases = calloc(*nr, sizeof(*leases));
	enum status status;
	unsigned int got;

	if (!leases) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	got = lease(device, size, *nr, leases);
	if (!got) {
		status = complain_borrow(device, size);
	} else {
		*nr = got;
		status = map_all(device, leases, got, buffers);
	}
	free(leases);
	return status;
}

enum status device_give_back(struct device *device, struct buffer *buffers, unsigned int nr)
{
	struct gophership_release release = { .size = sizeof(release), .count = nr };
	uint64_t *handles = calloc(nr, sizeof(*handles));
	enum status status = STATUS_OK;
	unsigned int i;

	if (!handles) {
		/* The kernel takes them back when the device is closed. */
		complain("out of memory");
		return STATUS_FAILED;
	}
	for (i = 0; i < nr; i++) {
		handles[i] = buffers[i].handle;
		if (buffers[i].data)
			munmap(buffers[i].data, buffers[i].capacity);
	}
	release.handles = (uintptr_t)handles;
	if (ioctl(device->fd, GOPHERSHIP_IOC_RELEASE, &release)) {
		complain("%s does not take back buffer %u of %u: %s", device->path,
			 release.done, nr, strerror(errno));
		status = STATUS_DEVICE;
	}
	free(handles);
	return status;
}
