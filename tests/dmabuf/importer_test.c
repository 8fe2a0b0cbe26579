// SPDX-License-Identifier: GPL-2.0
/*
 * Importers in the kernel: what a device and a driver see of a dma-buf, and what becomes of
 * it when either side dies. BOUNCED=1: on a machine with swiotlb=force, where a device has
 * a copy of its own, and what is not synchronised is stale.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "dmabuf_importer/importer.h"
#include "fixture.h"
#include "port.h"

enum { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE };

static int call(int importer, unsigned long command, unsigned long arg)
{
	return ioctl(importer, command, arg) ? -errno : 0;
}

static int copy(int importer, void *memory, __u64 offset, __u32 length, int vmap, int write)
{
	struct importer_copy how = {
		.offset = offset, .address = (uintptr_t)memory, .length = length,
		.vmap = vmap, .write = write,
	};

	return call(importer, IMPORTER_COPY, (uintptr_t)&how);
}

static int map(int importer, __u32 segment, __u32 direction, struct importer_map *told)
{
	struct importer_map own;

	told = told ? told : &own;
	*told = (struct importer_map) { .segment = segment, .direction = direction };
	return call(importer, IMPORTER_MAP, (uintptr_t)told);
}

/* A byte that the device writes. */
static int device_writes(int importer, __u64 offset, unsigned char byte)
{
	return copy(importer, &byte, offset, 1, 0, 1);
}

/* A byte that it reads, or -errno. */
static int device_reads(int importer, __u64 offset)
{
	unsigned char byte;
	int ret = copy(importer, &byte, offset, 1, 0, 0);

	return ret ? ret : byte;
}

static bool bounced(void)
{
	return getenv("BOUNCED");
}

FIXTURE(importer)
{
	int fd, watch, importer;
	long long before;
};

FIXTURE_SETUP(importer)
{
	self->fd = device_open();
	self->watch = device_open();
	self->importer = open(IMPORTER, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->importer);
	self->before = device_machine_bytes(self->watch);
	ASSERT_LE(0, self->before);
}

FIXTURE_TEARDOWN(importer)
{
	close(self->importer);
	close(self->fd);
	EXPECT_EQ(self->before, device_machine_bytes(self->watch));
	close(self->watch);
}

#define PARTS	6

static const size_t sizes[PARTS] = { PAGE, LARGE, PAGE, 4 * PAGE, 2 * PAGE, 8 * PAGE };

/* A dma-buf of several buffers, whose bytes say where they are; @whole gets those. */
static int export_parts(int device, unsigned char *whole, __u64 *length)
{
	struct gophership_lease leases[PARTS];
	struct buffer buffer;
	size_t at = 0;

	for (int i = 0; i < PARTS; i++) {
		if (buffer_acquire(device, sizes[i], &buffer))
			return -ENOMEM;
		for (size_t j = 0; j < sizes[i]; j++)
			buffer.data[j] = (at + j) / 64 * 7 + (at + j);
		memcpy(whole + at, buffer.data, sizes[i]);
		munmap(buffer.data, sizes[i]);
		at += sizes[i];
		leases[i] = buffer.lease;
	}
	return dmabuf_export(device, leases, PARTS, length);
}

TEST_F(importer, device_sees_the_bytes)
{
	static const __u32 segments[] = { PAGE, PAGE + 512, 3 * PAGE, LARGE, 0xffffffff };
	static unsigned char whole[LARGE * PARTS], seen[LARGE * PARTS];
	struct importer_map told;
	__u64 length;
	int fd;

	fd = export_parts(self->fd, whole, &length);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, call(self->importer, IMPORTER_ATTACH, fd));
	for (size_t i = 0; i < sizeof(segments) / sizeof(*segments); i++) {
		ASSERT_EQ(0, map(self->importer, segments[i], BIDIRECTIONAL, &told));
		EXPECT_EQ(length, told.length);
		EXPECT_GE(segments[i], told.longest);
		/* Neighbours are one segment as far as it may be. */
		if (segments[i] == PAGE)
			EXPECT_EQ(length / PAGE, told.segments);
		if (segments[i] >= LARGE)
			EXPECT_GE((__u32)PARTS, told.segments);
		memset(seen, 0, sizeof(seen));
		ASSERT_EQ(0, copy(self->importer, seen, 0, length, 0, 0));
		EXPECT_EQ(0, memcmp(whole, seen, length));
		ASSERT_EQ(0, call(self->importer, IMPORTER_UNMAP, 0));
	}
	close(fd);
}

TEST_F(importer, segments_below_a_page_are_refused)
{
	struct gophership_lease lease;
	int fd;

	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	fd = dmabuf_export(self->fd, &lease, 1, NULL);
	ASSERT_EQ(0, call(self->importer, IMPORTER_ATTACH, fd));
	EXPECT_EQ(-EINVAL, map(self->importer, 512, BIDIRECTIONAL, NULL));
	EXPECT_EQ(0, map(self->importer, PAGE, BIDIRECTIONAL, NULL));
	close(fd);
}

TEST_F(importer, driver_sees_the_bytes)
{
	static unsigned char whole[LARGE * PARTS], seen[LARGE * PARTS];
	unsigned char *mapped, byte = 0x77;
	__u64 length;
	int fd;

	fd = export_parts(self->fd, whole, &length);
	ASSERT_EQ(0, call(self->importer, IMPORTER_ATTACH, fd));
	ASSERT_EQ(0, call(self->importer, IMPORTER_VMAP, 0));
	ASSERT_EQ(0, copy(self->importer, seen, 0, length, 1, 0));
	EXPECT_EQ(0, memcmp(whole, seen, length));
	ASSERT_EQ(0, copy(self->importer, &byte, length - 1, 1, 1, 1));
	mapped = dmabuf_map(fd, length);
	ASSERT_NE(MAP_FAILED, mapped);
	EXPECT_EQ(0x77, mapped[length - 1]);
	ASSERT_EQ(0, call(self->importer, IMPORTER_BEGIN, BIDIRECTIONAL));
	ASSERT_EQ(0, call(self->importer, IMPORTER_END, BIDIRECTIONAL));
	ASSERT_EQ(0, call(self->importer, IMPORTER_VUNMAP, 0));
	/* Again: it is another place then, or the same. */
	ASSERT_EQ(0, call(self->importer, IMPORTER_VMAP, 0));
	ASSERT_EQ(0, copy(self->importer, &byte, 0, 1, 1, 0));
	EXPECT_EQ(whole[0], byte);
	munmap(mapped, length);
	close(fd);
}

/*
 * The caches
 */

/* Two importers, each with its own copy where the machine is of that kind. */
TEST_F(importer, program_and_devices_are_synchronised)
{
	int second = open(IMPORTER, O_RDWR | O_CLOEXEC), fd;
	struct buffer buffer;

	ASSERT_LE(0, second);
	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x11, &buffer));
	fd = dmabuf_export(self->fd, &buffer.lease, 1, NULL);
	ASSERT_EQ(0, call(self->importer, IMPORTER_ATTACH, fd));
	ASSERT_EQ(0, call(second, IMPORTER_ATTACH, fd));
	ASSERT_EQ(0, map(self->importer, LARGE, BIDIRECTIONAL, NULL));
	ASSERT_EQ(0, map(second, LARGE, TO_DEVICE, NULL));

	/* What the program writes, both devices see after it has ended its access. */
	ASSERT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE));
	memset(buffer.data, 0x22, LARGE);
	if (bounced())
		EXPECT_EQ(0x11, device_reads(self->importer, 5));
	ASSERT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0x22, device_reads(self->importer, 5));
	EXPECT_EQ(0x22, device_reads(second, LARGE - 1));

	/* What a device writes, the program sees after it has begun one. */
	ASSERT_EQ(0, device_writes(self->importer, 5, 0x33));
	if (bounced())
		EXPECT_EQ(0x22, buffer.data[5]);
	ASSERT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0x33, buffer.data[5]);
	ASSERT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0x33, device_reads(second, 5));

	/* The same for a driver that looks with its own hands. */
	ASSERT_EQ(0, device_writes(self->importer, 6, 0x44));
	ASSERT_EQ(0, call(second, IMPORTER_BEGIN, FROM_DEVICE));
	EXPECT_EQ(0x44, buffer.data[6]);
	ASSERT_EQ(0, call(second, IMPORTER_END, FROM_DEVICE));
	munmap(buffer.data, LARGE);
	close(second);
	close(fd);
}

TEST_F(importer, end_of_a_mapping_synchronises)
{
	struct buffer buffer;
	int fd;

	ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x11, &buffer));
	fd = dmabuf_export(self->fd, &buffer.lease, 1, NULL);
	ASSERT_EQ(0, call(self->importer, IMPORTER_ATTACH, fd));
	ASSERT_EQ(0, map(self->importer, LARGE, FROM_DEVICE, NULL));
	ASSERT_EQ(0, device_writes(self->importer, PAGE - 1, 0x33));
	ASSERT_EQ(0, call(self->importer, IMPORTER_UNMAP, 0));
	EXPECT_EQ(0x33, buffer.data[PAGE - 1]);
	/* And it is forgotten: there is nothing to synchronise. */
	EXPECT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	munmap(buffer.data, PAGE);
	close(fd);
}

/*
 * What an importer does to its table is nothing to the syncs, which go by the pages where
 * caches are not coherent. Its table is in several parts, since it is long.
 */
TEST_F(importer, syncs_do_not_walk_what_is_shown)
{
	struct importer_syncs syncs;
	struct importer_map told;
	struct port port;
	int fd, ret;

	ASSERT_EQ(0, port_open(self->fd, LARGE, 20, &port));
	for (size_t i = 0; i < 20 * LARGE / PAGE; i++)
		port.bank[i * PAGE] = i;
	fd = dmabuf_export_bank(port.fd, NULL);
	ASSERT_LE(0, fd);
	ret = call(self->importer, IMPORTER_ATTACH_INCOHERENT, fd);
	if (ret == -ENODEV) {
		close(fd);
		port_close(&port);
		SKIP(return, "this kernel gives no device mapping calls of its own");
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, map(self->importer, PAGE, BIDIRECTIONAL, &told));
	EXPECT_EQ(20 * LARGE / PAGE, told.segments);
	for (size_t i = 0; i < 20 * LARGE / PAGE; i++)
		EXPECT_EQ(i % 256, (size_t)device_reads(self->importer, i * PAGE));
	ASSERT_EQ(0, call(self->importer, IMPORTER_MANGLE, 0));
	ASSERT_EQ(0, call(self->importer, IMPORTER_SYNCS, (uintptr_t)&syncs));
	ASSERT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	ASSERT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	ASSERT_EQ(0, call(self->importer, IMPORTER_SYNCS, (uintptr_t)&syncs));
	EXPECT_EQ(2 * told.segments, syncs.right);
	EXPECT_EQ(0, syncs.wrong);
	ASSERT_EQ(0, call(self->importer, IMPORTER_UNMAP, 0));
	close(fd);
	port_close(&port);
}

/*
 * Death
 */

/* The exporter is killed when @importer has attached, and all it had is closed. */
static int orphan(int importer, bool mapped)
{
	struct buffer buffer;
	int ends[2], own, fd;
	char byte = 0;
	pid_t child;

	if (pipe(ends))
		return -errno;
	child = fork();
	if (!child) {
		own = device_open();
		if (acquire_filled(own, LARGE, 0x5a, &buffer))
			_exit(1);
		fd = dmabuf_export(own, &buffer.lease, 1, NULL);
		byte = !call(importer, IMPORTER_ATTACH, fd) &&
		       (!mapped || !map(importer, LARGE, BIDIRECTIONAL, NULL));
		if (write(ends[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		byte = 0;
	close(ends[0]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return byte ? 0 : -EIO;
}

TEST_F(importer, exporter_is_killed)
{
	unsigned char seen[LARGE];

	for (int mapped = 0; mapped < 2; mapped++) {
		ASSERT_EQ(0, orphan(self->importer, mapped));
		EXPECT_EQ(self->before + (long long)LARGE, device_machine_bytes(self->watch));
		/* It may map only now. */
		if (!mapped)
			ASSERT_EQ(0, map(self->importer, PAGE, BIDIRECTIONAL, NULL));
		ASSERT_EQ(0, copy(self->importer, seen, 0, LARGE, 0, 0));
		EXPECT_TRUE(memory_is(seen, 0x5a, LARGE));
		memset(seen, 0x66, LARGE);
		ASSERT_EQ(0, copy(self->importer, seen, 0, LARGE, 0, 1));
		EXPECT_EQ(0, call(self->importer, IMPORTER_VMAP, 0));
		ASSERT_EQ(0, call(self->importer, IMPORTER_DETACH, 0));
		EXPECT_EQ(self->before, device_machine_bytes(self->watch));
	}
}

/* What the device wrote into an orphan is seen by nobody. */
TEST_F(importer, next_borrower_sees_zeroes)
{
	struct buffer others[MANY];
	unsigned char dirt[LARGE];

	memset(dirt, 0x66, LARGE);
	for (int round = 0; round < 4; round++) {
		ASSERT_EQ(0, orphan(self->importer, true));
		ASSERT_EQ(0, copy(self->importer, dirt, 0, LARGE, 0, 1));
		ASSERT_EQ(0, others_take_over(self->watch, LARGE, 0, others));
		others_give_back(self->watch, others);
		ASSERT_EQ(0, call(self->importer, IMPORTER_DETACH, 0));
		ASSERT_EQ(0, others_take_over(self->watch, LARGE, 0, others));
		others_give_back(self->watch, others);
	}
}

/* The importer is killed; what it had is free again. */
TEST_F(importer, importer_is_killed)
{
	struct buffer buffer;
	char byte = 0;
	int ends[2], fd;
	pid_t child;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
	fd = dmabuf_export(self->fd, &buffer.lease, 1, NULL);
	child = fork();
	if (!child) {
		int importer = open(IMPORTER, O_RDWR);

		byte = !call(importer, IMPORTER_ATTACH, fd) &&
		       !map(importer, LARGE, BIDIRECTIONAL, NULL) &&
		       !call(importer, IMPORTER_VMAP, 0);
		close(fd);
		if (write(ends[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(ends[0], &byte, 1));
	EXPECT_EQ(1, byte);
	close(fd);
	EXPECT_EQ(-EBUSY, device_release_one(self->fd, buffer.lease.handle));
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(0, buffer_release(self->fd, &buffer));
}

/*
 * Banks
 */

TEST_F(importer, bank_is_exported_whole)
{
	struct gophership_export call_with = { .size = sizeof(call_with) };
	unsigned char *seen = malloc(5 * 2 * PAGE);
	struct importer_map told;
	struct port port;
	__u64 length;
	int fd;

	ASSERT_EQ(0, port_open(self->fd, 2 * PAGE, 5, &port));
	for (int i = 0; i < 5; i++)
		memset(port_buffer(&port, i), 0x10 + i, 2 * PAGE);
	call_with.count = 1;
	EXPECT_EQ(-EINVAL, device_call(port.fd, GOPHERSHIP_IOC_EXPORT, &call_with));
	call_with.count = 0;
	call_with.handles = 1;
	EXPECT_EQ(-EINVAL, device_call(port.fd, GOPHERSHIP_IOC_EXPORT, &call_with));
	call_with.handles = 0;
	call_with.flags = 1;
	EXPECT_EQ(-EINVAL, device_call(port.fd, GOPHERSHIP_IOC_EXPORT, &call_with));
	call_with.flags = 0;
	call_with.size--;
	EXPECT_EQ(-EINVAL, device_call(port.fd, GOPHERSHIP_IOC_EXPORT, &call_with));

	fd = dmabuf_export_bank(port.fd, &length);
	ASSERT_LE(0, fd);
	EXPECT_EQ(10 * PAGE, length);
	ASSERT_EQ(0, call(self->importer, IMPORTER_ATTACH, fd));
	ASSERT_EQ(0, map(self->importer, LARGE, BIDIRECTIONAL, &told));
	EXPECT_EQ(10 * PAGE, told.length);
	ASSERT_EQ(0, copy(self->importer, seen, 0, 10 * PAGE, 0, 0));
	for (int i = 0; i < 5; i++)
		EXPECT_TRUE(memory_is(seen + i * 2 * PAGE, 0x10 + i, 2 * PAGE));
	ASSERT_EQ(0, device_writes(self->importer, 9 * PAGE, 0x77));
	ASSERT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0x77, port_buffer(&port, 4)[PAGE]);
	close(fd);
	port_close(&port);
	free(seen);
}

/* The port and its program are gone; the bank stays until the last of its dma-bufs goes. */
TEST_F(importer, bank_outlives_its_port)
{
	struct buffer others[MANY];
	unsigned char seen[PAGE];
	long long with_port;
	struct port port;
	int fds[2];

	ASSERT_EQ(0, port_open(self->fd, PAGE, 8, &port));
	with_port = device_machine_bytes(self->watch);
	memset(port.bank, 0x5a, 8 * PAGE);
	for (int i = 0; i < 2; i++)
		fds[i] = dmabuf_export_bank(port.fd, NULL);
	ASSERT_LE(0, fds[1]);
	ASSERT_EQ(0, call(self->importer, IMPORTER_ATTACH, fds[1]));
	port_close(&port);
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(with_port, device_machine_bytes(self->watch));
	ASSERT_EQ(0, others_take_over(self->watch, PAGE, 0, others));
	others_give_back(self->watch, others);
	ASSERT_EQ(0, map(self->importer, PAGE, BIDIRECTIONAL, NULL));
	ASSERT_EQ(0, copy(self->importer, seen, 7 * PAGE, PAGE, 0, 0));
	EXPECT_TRUE(memory_is(seen, 0x5a, PAGE));
	ASSERT_EQ(0, call(self->importer, IMPORTER_DETACH, 0));
	EXPECT_EQ(self->before, device_machine_bytes(self->watch));
	ASSERT_EQ(0, others_take_over(self->watch, PAGE, 0, others));
	others_give_back(self->watch, others);
}

/* One that is exported again before the port is closed, and closed before. */
TEST_F(importer, bank_that_was_exported_goes_with_its_port)
{
	struct port port;
	int fd;

	ASSERT_EQ(0, port_open(self->fd, PAGE, 8, &port));
	for (int i = 0; i < 3; i++) {
		fd = dmabuf_export_bank(port.fd, NULL);
		ASSERT_LE(0, fd);
		close(fd);
	}
	port_close(&port);
	EXPECT_EQ(self->before, device_machine_bytes(self->watch));
}

TEST_HARNESS_MAIN
