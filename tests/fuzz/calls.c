// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of the device: mostly meant well.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cover.h"
#include "device.h"
#include "fuzz.h"

#define BURST	600U

static uint64_t handles[HANDLES];

int op_open(void)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	struct context *context = &contexts[SHARED + below(CONTEXTS - SHARED)];

	if (context->fd >= 0)
		close(context->fd);
	context->fd = open(DEVICE, modes[below(5)] | O_CLOEXEC);
	context->id = 0x6f00000000000000 | atomic_fetch_add(&common->ids, 1);
	return context->fd;
}

int op_close(void)
{
	struct context *context = &contexts[SHARED + below(CONTEXTS - SHARED)];
	int ret = context->fd < 0 ? 0 : close(context->fd);

	context->fd = -1;
	return ret;
}

void spoil(void *structure, size_t size)
{
	uint64_t value = odd();
	size_t width = one_in(2) ? 4 : 8;

	memcpy((char *)structure + below((size - width) / 4 + 1) * 4, &value, width);
}

int op_acquire(void)
{
	struct gophership_lease leases[64], *to = leases;
	struct gophership_acquire acquire = {
		.size = sizeof(acquire),
		.min_size = one_in(3) ? below(65537) : PAGE << below(5),
		.count = one_in(4) ? below(64) + 1 : 1,
	};
	struct context *context = some_context();
	struct mapping *target = one_in(8) ? some_mapping() : NULL;
	uint32_t i;
	int ret;

	/* The leases land in a buffer (where touch() does not look), or may not. */
	if (target)
		to = (struct gophership_lease *)(target->at + TOUCHED);
	acquire.leases = one_in(16) ? odd() : (uintptr_t)to;
	if (one_in(8))
		spoil(&acquire, sizeof(acquire));
	/* Never to where the worker itself has something, nor more than there is room for. */
	if (acquire.leases != (uintptr_t)to)
		acquire.leases = odd();
	if (acquire.count > (target ? 2 : 64) && acquire.leases == (uintptr_t)to)
		acquire.leases = 0;
	ret = ioctl(context->fd, GOPHERSHIP_IOC_ACQUIRE, &acquire);
	if (ret || acquire.leases != (uintptr_t)leases)
		return ret ? -errno : 0;
	for (i = 0; i < acquire.granted && i < 64; i++)
		if (one_in(2))
			handles[below(HANDLES)] = leases[i].handle;
		else
			common->handles[below(HANDLES)] = leases[i].handle;
	return acquire.granted;
}

int op_release(void)
{
	uint64_t some[80];
	struct gophership_release release = {
		.size = sizeof(release), .count = one_in(4) ? below(80) + 1 : 1,
		.handles = (uintptr_t)some,
	};

	for (unsigned int i = 0; i < 80; i++) {
		some[i] = one_in(2) ? handles[below(HANDLES)] : common->handles[below(HANDLES)];
		if (one_in(40))
			some[i] ^= 1ULL << below(64);
	}
	if (one_in(10))
		spoil(&release, sizeof(release));
	if (one_in(30))
		release.handles = odd();
	return ioctl(some_context()->fd, GOPHERSHIP_IOC_RELEASE, &release) ? -errno :
	       (int)release.done;
}

/* A dma-buf of some handles, in place of an older one; a mapping and a sync. */
int op_export(void)
{
	static int dmabufs[4] = { -1, -1, -1, -1 };
	uint64_t some[8];
	struct gophership_export export = {
		.size = sizeof(export), .count = 1 + below(8), .handles = (uintptr_t)some, .fd = -1,
	};
	struct dma_buf_sync sync = { .flags = below(8) };
	int *place = &dmabufs[below(4)];
	void *map;
	int ret;

	for (unsigned int i = 0; i < 8; i++)
		some[i] = one_in(2) ? handles[below(HANDLES)] : common->handles[below(HANDLES)];
	if (one_in(10))
		spoil(&export, sizeof(export));
	if (one_in(30))
		export.handles = odd();
	ret = ioctl(some_context()->fd, GOPHERSHIP_IOC_EXPORT, &export) ? -errno : 0;
	if (*place >= 0)
		close(*place);
	*place = ret ? -1 : export.fd;
	if (ret)
		return ret;
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, one_in(4) ? MAP_PRIVATE : MAP_SHARED,
		   export.fd, below(4) * PAGE);
	ioctl(export.fd, DMA_BUF_IOCTL_SYNC, &sync);
	if (map != MAP_FAILED)
		munmap(map, PAGE);
	return 0;
}

/* More than a processor keeps for itself: the depot has to do with it. */
int op_burst(void)
{
	static struct gophership_lease leases[BURST];
	static __u64 some[BURST];
	struct context *context = some_context();
	unsigned int class = below(5);
	int nr = device_acquire(context->fd, PAGE << class, 1 + below(BURST >> class), leases);
	uint32_t done = 0;

	/* More than that KCOV does not remember. */
	cover_collect();
	for (int i = 0; i < nr; i++)
		some[i] = leases[i].handle;
	/* All in one call, but for one that goes before. */
	if (nr > 0 && one_in(4))
		device_release_one(context->fd, some[below(nr)]);
	if (nr > 0 && device_release(context->fd, some, nr, &done))
		device_release(context->fd, some + done + 1, nr - done - 1, NULL);
	return nr;
}

int op_info(void)
{
	unsigned char bytes[PAGE];
	struct gophership_info *info = (void *)bytes;
	struct gophership_stats *stats = (void *)bytes;

	memset(bytes, 0, sizeof(bytes));
	if (one_in(2)) {
		info->size = one_in(3) ? below(4097) : sizeof(*info);
		if (one_in(4))
			spoil(bytes, sizeof(*info) + 8);
		return ioctl(some_context()->fd, GOPHERSHIP_IOC_INFO, bytes) ? -errno : 0;
	}
	stats->size = one_in(3) ? below(4097) : sizeof(*stats);
	stats->pool = below(5);
	strcpy(stats->name, one_in(2) ? "kernel" : "");
	if (one_in(4))
		spoil(bytes, sizeof(*stats) + 8);
	return ioctl(some_context()->fd, GOPHERSHIP_IOC_STATS, bytes) ? -errno : 0;
}

/* Any command of anybody, with anything. */
int op_ioctl(void)
{
	unsigned long command = one_in(2) ? odd() : GOPHERSHIP_IOC_INFO + below(14) - 4;

	return ioctl(some_context()->fd, command, odd()) ? -errno : 0;
}
