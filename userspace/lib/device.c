// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel, by way of /dev/gophership.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"

int device_open(const char *path)
{
	/* A FIFO in its place must not make us wait. */
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void device_close(int fd)
{
	close(fd);
}

int device_info(int fd, struct gophership_info *info)
{
	*info = (struct gophership_info) { .size = sizeof(*info) };
	return ioctl(fd, GOPHERSHIP_IOC_INFO, info) ? -errno : 0;
}

int device_lease(int fd, uint64_t size, unsigned int nr, struct gophership_lease *leases)
{
	struct gophership_acquire acquire = {
		.size = sizeof(acquire),
		.min_size = size,
		.count = nr,
		.leases = (uintptr_t)leases,
	};

	return ioctl(fd, GOPHERSHIP_IOC_ACQUIRE, &acquire) ? -errno : (int)acquire.granted;
}

unsigned int device_give_back(int fd, const __u64 *handles, unsigned int nr)
{
	struct gophership_release release = {
		.size = sizeof(release),
		.count = nr,
		.handles = (uintptr_t)handles,
	};

	ioctl(fd, GOPHERSHIP_IOC_RELEASE, &release);
	return release.done;
}

int device_export(int fd, const __u64 *handles, unsigned int nr)
{
	struct gophership_export call = {
		.size = sizeof(call),
		.count = nr,
		.handles = (uintptr_t)handles,
	};

	return ioctl(fd, GOPHERSHIP_IOC_EXPORT, &call) ? -errno : call.fd;
}

uint64_t device_retired(int fd)
{
	struct gophership_stats stats = { .size = sizeof(stats) };

	return ioctl(fd, GOPHERSHIP_IOC_STATS, &stats) ? 0 : stats.retired;
}

int device_map(int fd, void *address, size_t length, uint64_t offset, int protection, int how)
{
	void *map = mmap(address, length, protection, MAP_SHARED | how, fd, offset);

	return map == MAP_FAILED ? -errno : 0;
}

const struct gophership_pressure *device_map_pressure(int fd, const struct gophership_info *info)
{
	const struct gophership_pressure *page;

	if (!(info->features & GOPHERSHIP_FEATURE_PRESSURE))
		return NULL;
	page = mmap(NULL, info->page_size, PROT_READ, MAP_SHARED, fd, info->pressure_offset);
	if (page == MAP_FAILED)
		return NULL;
	if (page->size >= sizeof(*page))
		return page;
	device_unmap_pressure(page, info->page_size);
	return NULL;
}

void device_unmap_pressure(const struct gophership_pressure *page, size_t length)
{
	munmap((void *)page, length);
}

static int membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) ? -errno : 0;
}

int device_barrier_prepare(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

int device_barrier(void)
{
	return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}
