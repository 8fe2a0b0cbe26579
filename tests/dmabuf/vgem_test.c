// SPDX-License-Identifier: GPL-2.0
/*
 * vgem, a driver of virtual graphics memory that no one here wrote, imports our dma-bufs.
 */
#include <drm/drm.h>
#include <drm/vgem_drm.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fixture.h"

static int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? -errno : 0;
}

/* The node of vgem, of all graphics cards; -1: there is none. */
static int vgem_open(void)
{
	for (int i = 0; i < 8; i++) {
		char name[16] = "", path[32];
		struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!call(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, "vgem"))
			return fd;
		close(fd);
	}
	return -1;
}

/* The driver's name of a dma-buf that it imports, or -errno. */
static int import(int card, int dmabuf)
{
	struct drm_prime_handle prime = { .fd = dmabuf };
	int ret = call(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	return ret ? ret : (int)prime.handle;
}

static int forget(int card, int handle)
{
	struct drm_gem_close gem = { .handle = handle };

	return call(card, DRM_IOCTL_GEM_CLOSE, &gem);
}

FIXTURE(vgem)
{
	int fd, watch, card, dmabuf;
	long long before;
	struct buffer buffers[2];
	__u64 length;
};

FIXTURE_SETUP(vgem)
{
	struct gophership_lease leases[2];

	self->fd = device_open();
	self->watch = device_open();
	self->card = vgem_open();
	ASSERT_LE(0, self->card);
	self->before = device_machine_bytes(self->watch);
	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x11, &self->buffers[0]));
	ASSERT_EQ(0, acquire_filled(self->fd, 2 * PAGE, 0x22, &self->buffers[1]));
	for (int i = 0; i < 2; i++)
		leases[i] = self->buffers[i].lease;
	self->dmabuf = dmabuf_export(self->fd, leases, 2, &self->length);
	ASSERT_LE(0, self->dmabuf);
}

FIXTURE_TEARDOWN(vgem)
{
	for (int i = 0; i < 2; i++)
		munmap(self->buffers[i].data, self->buffers[i].lease.capacity);
	close(self->dmabuf);
	close(self->card);
	close(self->fd);
	EXPECT_EQ(self->before, device_machine_bytes(self->watch));
	close(self->watch);
}

/* It attaches and maps it, and holds it until it is told to forget it. */
TEST_F(vgem, imports)
{
	int handle = import(self->card, self->dmabuf);

	ASSERT_LT(0, handle);
	EXPECT_EQ(handle, import(self->card, self->dmabuf));
	close(self->dmabuf);
	self->dmabuf = -1;
	EXPECT_EQ(-EBUSY, device_release_one(self->fd, self->buffers[0].lease.handle));
	EXPECT_EQ(0, forget(self->card, handle));
	EXPECT_EQ(0, device_release_one(self->fd, self->buffers[0].lease.handle));
}

/* What it hands out again is mapped, and is our memory. */
TEST_F(vgem, hands_it_out_again)
{
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1 };
	unsigned char *map;

	prime.handle = import(self->card, self->dmabuf);
	close(self->dmabuf);
	self->dmabuf = -1;
	ASSERT_EQ(0, call(self->card, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));
	ASSERT_EQ(0, forget(self->card, prime.handle));
	map = dmabuf_map(prime.fd, self->length);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, dmabuf_sync(prime.fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_TRUE(memory_is(map, 0x11, LARGE));
	EXPECT_TRUE(memory_is(map + LARGE, 0x22, 2 * PAGE));
	map[LARGE] = 0x33;
	EXPECT_EQ(0x33, self->buffers[1].data[0]);
	ASSERT_EQ(0, dmabuf_sync(prime.fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	munmap(map, self->length);
	close(prime.fd);
}

/* By its own file: where the kernel lets imported memory be mapped like that. */
TEST_F(vgem, maps_it)
{
	struct drm_mode_map_dumb how = { .handle = import(self->card, self->dmabuf) };
	unsigned char *map;
	int ret;

	ret = call(self->card, DRM_IOCTL_MODE_MAP_DUMB, &how);
	if (ret == -EINVAL)
		SKIP(return, "this kernel maps no imported buffers by the importer's file");
	ASSERT_EQ(0, ret);
	map = mmap(NULL, self->length, PROT_READ | PROT_WRITE, MAP_SHARED, self->card, how.offset);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(memory_is(map, 0x11, LARGE));
	EXPECT_TRUE(memory_is(map + LARGE, 0x22, 2 * PAGE));
	munmap(map, self->length);
}

/* A fence that it puts into our dma-buf is waited for, as in one of its own. */
TEST_F(vgem, fences_are_heeded)
{
	struct drm_vgem_fence_attach attach = { .flags = VGEM_FENCE_WRITE };
	struct pollfd poll_for = { .fd = self->dmabuf, .events = POLLIN };
	struct drm_vgem_fence_signal signal = { 0 };

	attach.handle = import(self->card, self->dmabuf);
	EXPECT_EQ(1, poll(&poll_for, 1, 0));
	ASSERT_EQ(0, call(self->card, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach));
	EXPECT_EQ(0, poll(&poll_for, 1, 0));
	signal.fence = attach.out_fence;
	ASSERT_EQ(0, call(self->card, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal));
	EXPECT_EQ(1, poll(&poll_for, 1, 10000));
	EXPECT_EQ(0, dmabuf_sync(self->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
}

/* The exporter is closed while the card has it. */
TEST_F(vgem, outlives_the_exporter)
{
	int handle = import(self->card, self->dmabuf);

	ASSERT_LT(0, handle);
	for (int i = 0; i < 2; i++)
		munmap(self->buffers[i].data, self->buffers[i].lease.capacity);
	close(self->dmabuf);
	close(self->fd);
	EXPECT_EQ(self->before + (long long)self->length, device_machine_bytes(self->watch));
	EXPECT_EQ(0, forget(self->card, handle));
	EXPECT_EQ(self->before, device_machine_bytes(self->watch));
	self->dmabuf = -1;
	self->fd = -1;
}

TEST_HARNESS_MAIN
