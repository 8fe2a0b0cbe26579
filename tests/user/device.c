// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"

int device_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int device_call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) < 0 ? -errno : 0;
}

int device_info(int fd, struct gophership_info *info)
{
	*info = (struct gophership_info){ .size = sizeof(*info) };
	return device_call(fd, GOPHERSHIP_IOC_INFO, info);
}

int device_stats(int fd, struct gophership_stats *stats)
{
	*stats = (struct gophership_stats){ .size = sizeof(*stats) };
	return device_call(fd, GOPHERSHIP_IOC_STATS, stats);
}

/* The number granted. */
int device_acquire(int fd, __u64 min_size, __u32 count, struct gophership_lease *leases)
{
	struct gophership_acquire acquire = {
		.size = sizeof(acquire),
		.min_size = min_size,
		.count = count,
		.leases = (uintptr_t)leases,
	};
	int ret = device_call(fd, GOPHERSHIP_IOC_ACQUIRE, &acquire);

	return ret ? ret : (int)acquire.granted;
}

/* 0, or the error; one that was not granted without an error is an error, too. */
int device_acquire_one(int fd, __u64 min_size, struct gophership_lease *lease)
{
	int ret = device_acquire(fd, min_size, 1, lease);

	if (ret < 0)
		return ret;
	return ret == 1 ? 0 : -EPROTO;
}

int device_release(int fd, const __u64 *handles, __u32 count, __u32 *done)
{
	struct gophership_release release = {
		.size = sizeof(release),
		.count = count,
		.done = 0xdddddddd,
		.handles = (uintptr_t)handles,
	};
	int ret = device_call(fd, GOPHERSHIP_IOC_RELEASE, &release);

	if (done)
		*done = release.done;
	return ret;
}

int device_release_one(int fd, __u64 handle)
{
	return device_release(fd, &handle, 1, NULL);
}

int device_release_leases(int fd, const struct gophership_lease *leases, __u32 count)
{
	__u64 *handles = malloc(count * sizeof(*handles));
	int ret;

	if (!handles)
		return -ENOMEM;
	for (__u32 i = 0; i < count; i++)
		handles[i] = leases[i].handle;
	ret = device_release(fd, handles, count, NULL);
	free(handles);
	return ret;
}

bool device_leave_idle(int fd, __u64 size, __u32 nr)
{
	static struct gophership_lease leases[1024];

	return device_acquire(fd, size, nr, leases) == (int)nr &&
	       !device_release_leases(fd, leases, nr);
}

int device_trim(int fd, __u64 *bytes)
{
	struct gophership_trim trim = { .size = sizeof(trim), .bytes = ~0ULL };
	int ret = device_call(fd, GOPHERSHIP_IOC_TRIM, &trim);

	if (bytes)
		*bytes = trim.bytes;
	return ret;
}

void *device_map(int fd, __u64 offset, size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

void *device_map_lease(int fd, const struct gophership_lease *lease)
{
	return device_map(fd, lease->offset, lease->capacity);
}

long device_leased(int fd)
{
	struct gophership_stats stats;

	return device_stats(fd, &stats) ? -1 : (long)stats.leased;
}

long device_retired(int fd)
{
	struct gophership_stats stats;

	return device_stats(fd, &stats) ? -1 : (long)stats.retired;
}

long long device_idle_bytes(int fd)
{
	struct gophership_stats stats;
	long long bytes = 0;

	if (device_stats(fd, &stats) < 0)
		return -1;
	for (int class = 0; class < NR_CLASSES; class++)
		bytes += (long long)stats.classes[class].cached << (12 + class);
	return bytes;
}

long long device_machine_bytes(int fd)
{
	struct gophership_stats stats;

	return device_stats(fd, &stats) ? -1 : (long long)stats.machine_bytes;
}

bool device_set_parameter(const char *name, const char *value)
{
	char path[64];
	bool taken;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/gophership/parameters/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	taken = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return taken;
}

bool device_parameter_is(const char *name, const char *value)
{
	char path[64], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/gophership/parameters/%s", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%63s", text) != 1)
		text[0] = '\0';
	fclose(file);
	return !strcmp(text, value);
}

int device_status_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int buffer_acquire(int fd, __u64 min_size, struct buffer *buffer)
{
	int ret = device_acquire_one(fd, min_size, &buffer->lease);

	if (ret)
		return ret;
	buffer->data = device_map_lease(fd, &buffer->lease);
	if (buffer->data != MAP_FAILED)
		return 0;
	ret = -errno;
	device_release_one(fd, buffer->lease.handle);
	return ret;
}

int buffer_release(int fd, struct buffer *buffer)
{
	int ret = device_release_one(fd, buffer->lease.handle);

	munmap(buffer->data, buffer->lease.capacity);
	return ret;
}
