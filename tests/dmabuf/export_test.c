// SPDX-License-Identifier: GPL-2.0
/*
 * GOPHERSHIP_IOC_EXPORT: what a dma-buf shows, who pays for it and for how long, and what
 * is refused.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fixture.h"

/* A device, and another open of it that has nothing and looks at the counters. */
FIXTURE(dmabuf)
{
	int fd;
	int watch;
};

FIXTURE_SETUP(dmabuf)
{
	self->fd = device_open();
	self->watch = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->watch);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->fd);
	close(self->watch);
}

TEST_F(dmabuf, shows_the_buffers_in_the_order_of_the_handles)
{
	static const size_t sizes[] = { 2 * PAGE, LARGE, PAGE };
	struct gophership_lease leases[3];
	struct buffer buffers[3];
	unsigned char *map, *at;
	__u64 length;
	int fd;

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, acquire_filled(self->fd, sizes[i], 0x11 * (i + 1), &buffers[i]));
		leases[2 - i] = buffers[i].lease;
	}
	fd = dmabuf_export(self->fd, leases, 3, &length);
	ASSERT_LE(0, fd);
	EXPECT_EQ(3 * PAGE + LARGE, length);
	EXPECT_EQ((off_t)length, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & O_ACCMODE);
	map = dmabuf_map(fd, length);
	ASSERT_NE(MAP_FAILED, map);
	at = map;
	for (int i = 2; i >= 0; at += sizes[i], i--) {
		EXPECT_TRUE(memory_is(at, 0x11 * (i + 1), sizes[i]));
		at[sizes[i] - 1] = 0x77;
		EXPECT_EQ(0x77, buffers[i].data[sizes[i] - 1]);
	}
	munmap(map, length);
	close(fd);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, buffer_release(self->fd, &buffers[i]));
}

/* Each part of the mapping shows that part. */
TEST_F(dmabuf, is_mapped_in_part)
{
	struct gophership_lease leases[4];
	unsigned char *map;
	__u64 length;
	int fd;

	ASSERT_EQ(4, device_acquire(self->fd, 2 * PAGE, 4, leases));
	for (int i = 0; i < 4; i++) {
		map = device_map_lease(self->fd, &leases[i]);
		memset(map, 2 * i, PAGE);
		memset(map + PAGE, 2 * i + 1, PAGE);
		munmap(map, 2 * PAGE);
	}
	fd = dmabuf_export(self->fd, leases, 4, &length);
	ASSERT_LE(0, fd);
	for (unsigned int first = 0; first < 8; first++) {
		for (unsigned int nr = 1; first + nr <= 8; nr++) {
			map = mmap(NULL, nr * PAGE, PROT_READ, MAP_SHARED, fd, first * PAGE);
			ASSERT_NE(MAP_FAILED, map);
			for (unsigned int i = 0; i < nr; i++)
				EXPECT_TRUE(memory_is(map + i * PAGE, first + i, PAGE));
			munmap(map, nr * PAGE);
		}
	}
	close(fd);
	EXPECT_EQ(0, device_release_leases(self->fd, leases, 4));
}

TEST_F(dmabuf, release_is_EBUSY_until_it_is_gone)
{
	struct gophership_lease leases[3];
	__u64 handles[3];
	unsigned char *map;
	__u32 done;
	int fd;

	ASSERT_EQ(3, device_acquire(self->fd, PAGE, 3, leases));
	fd = dmabuf_export(self->fd, &leases[1], 1, NULL);
	ASSERT_LE(0, fd);
	for (int i = 0; i < 3; i++)
		handles[i] = leases[i].handle;
	EXPECT_EQ(-EBUSY, device_release(self->fd, handles, 3, &done));
	EXPECT_EQ(1, done);
	map = dmabuf_map(fd, PAGE);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_EQ(-EBUSY, device_release_one(self->fd, handles[1]));
	munmap(map, PAGE);
	EXPECT_EQ(0, device_release(self->fd, handles + 1, 2, &done));
	EXPECT_EQ(2, done);
	EXPECT_EQ(-EALREADY, device_release_one(self->fd, handles[1]));
}

/* A bad handle at any place, of any kind: nothing is exported. */
TEST_F(dmabuf, all_or_nothing)
{
	struct gophership_lease leases[4], again[4], gone, other;
	int fd, elsewhere = device_open();

	ASSERT_LE(0, elsewhere);
	ASSERT_EQ(4, device_acquire(self->fd, PAGE, 4, leases));
	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &gone));
	ASSERT_EQ(0, device_release_one(self->fd, gone.handle));
	ASSERT_EQ(0, device_acquire_one(elsewhere, PAGE, &other));
	for (int i = 0; i < 4; i++) {
		memcpy(again, leases, sizeof(leases));
		again[i] = gone;
		EXPECT_EQ(-EALREADY, dmabuf_export(self->fd, again, 4, NULL));
		again[i] = other;
		EXPECT_EQ(-EINVAL, dmabuf_export(self->fd, again, 4, NULL));
		again[i].handle = 0;
		EXPECT_EQ(-EINVAL, dmabuf_export(self->fd, again, 4, NULL));
		again[i] = leases[(i + 1) % 4];
		EXPECT_EQ(-EBUSY, dmabuf_export(self->fd, again, 4, NULL));
		fd = dmabuf_export(self->fd, &leases[i], 1, NULL);
		ASSERT_LE(0, fd);
		EXPECT_EQ(-EBUSY, dmabuf_export(self->fd, leases, 4, NULL));
		close(fd);
	}
	EXPECT_EQ(0, device_release_leases(self->fd, leases, 4));
	EXPECT_EQ(0, device_leased(self->fd));
	close(elsewhere);
}

TEST_F(dmabuf, refused_handles_are_counted)
{
	struct gophership_lease lease, bad = { .handle = 0x123456789abcdefULL };
	struct gophership_stats stats;

	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	ASSERT_EQ(0, device_release_one(self->fd, lease.handle));
	EXPECT_EQ(-EALREADY, dmabuf_export(self->fd, &lease, 1, NULL));
	EXPECT_EQ(-EINVAL, dmabuf_export(self->fd, &bad, 1, NULL));
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(1, stats.doubled);
	EXPECT_EQ(1, stats.foreign);
}

TEST_F(dmabuf, bad_arguments)
{
	struct gophership_export call = { .size = sizeof(call), .count = 1 };
	struct gophership_lease lease;
	__u64 *edge = memory_before_hole(sizeof(*edge));
	int reader = open(DEVICE, O_RDONLY);

	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	*edge = lease.handle;
	EXPECT_EQ(-EFAULT, device_call(self->fd, GOPHERSHIP_IOC_EXPORT, &call));
	call.handles = (uintptr_t)edge;
	EXPECT_EQ(-EBADF, device_call(reader, GOPHERSHIP_IOC_EXPORT, &call));
	call.count = 2;
	EXPECT_EQ(-EFAULT, device_call(self->fd, GOPHERSHIP_IOC_EXPORT, &call));
	call.count = 0;
	EXPECT_EQ(-EINVAL, device_call(self->fd, GOPHERSHIP_IOC_EXPORT, &call));
	call.count = GOPHERSHIP_BATCH_MAX + 1;
	EXPECT_EQ(-EINVAL, device_call(self->fd, GOPHERSHIP_IOC_EXPORT, &call));
	call.count = 1;
	EXPECT_EQ(0, device_call(self->fd, GOPHERSHIP_IOC_EXPORT, &call));
	close(call.fd);
	EXPECT_EQ(0, device_release_one(self->fd, lease.handle));
	close(reader);
}

/* No descriptor left, or no place to tell it: the leases are as they were. */
TEST_F(dmabuf, what_cannot_be_told_is_undone)
{
	struct gophership_export *call = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rlimit limit, none = { .rlim_cur = 0 };
	struct gophership_lease lease;
	__u64 handle;

	ASSERT_NE(MAP_FAILED, call);
	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	handle = lease.handle;
	*call = (struct gophership_export) {
		.size = sizeof(*call), .count = 1, .handles = (uintptr_t)&handle,
	};
	ASSERT_EQ(0, mprotect(call, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, device_call(self->fd, GOPHERSHIP_IOC_EXPORT, call));
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none.rlim_max = limit.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, dmabuf_export(self->fd, &lease, 1, NULL));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, device_release_one(self->fd, handle));
}

TEST_F(dmabuf, mapping_is_shared_and_not_executable)
{
	struct gophership_lease lease;
	void *map;
	int fd;

	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	fd = dmabuf_export(self->fd, &lease, 1, NULL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
	/* New kernels refuse it themselves, for every dma-buf. */
	EXPECT_TRUE(errno == EACCES || errno == EPERM);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	map = dmabuf_map(fd, PAGE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	munmap(map, PAGE);
	close(fd);
}

/* Or the pages might be in use when the dma-buf is gone. */
TEST_F(dmabuf, mapping_cannot_be_pinned)
{
	struct iovec iov = { .iov_len = PAGE };
	struct gophership_lease lease;
	int ends[2], fd;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	fd = dmabuf_export(self->fd, &lease, 1, NULL);
	iov.iov_base = dmabuf_map(fd, PAGE);
	ASSERT_NE(MAP_FAILED, iov.iov_base);
	*(char *)iov.iov_base = 1;
	EXPECT_EQ(-1, vmsplice(ends[1], &iov, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	munmap(iov.iov_base, PAGE);
	close(fd);
	EXPECT_EQ(0, device_release_one(self->fd, lease.handle));
	EXPECT_EQ(0, device_retired(self->fd));
}

TEST_F(dmabuf, sync_is_there)
{
	struct gophership_lease lease;
	int fd;

	ASSERT_EQ(0, device_acquire_one(self->fd, PAGE, &lease));
	fd = dmabuf_export(self->fd, &lease, 1, NULL);
	ASSERT_LE(0, fd);
	for (__u64 how = DMA_BUF_SYNC_READ; how <= DMA_BUF_SYNC_RW; how++) {
		EXPECT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_START | how));
		EXPECT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_END | how));
	}
	EXPECT_EQ(-EINVAL, dmabuf_sync(fd, ~0ULL));
	close(fd);
}

/*
 * Isolation
 */

/* The pool gives back what it took last: is it the same memory? What is in it? */
TEST_F(dmabuf, next_lease_is_zero_in_the_same_context_too)
{
	struct buffer buffer;
	unsigned long frame;
	int fd;

	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		/* Without an export a context finds its own bytes. */
		ASSERT_EQ(0, buffer_acquire(self->fd, size, &buffer));
		EXPECT_TRUE(memory_is(buffer.data, 0x5a, size));
		ASSERT_EQ(frame, memory_frame(buffer.data));
		fd = dmabuf_export(self->fd, &buffer.lease, 1, NULL);
		ASSERT_LE(0, fd);
		close(fd);
		EXPECT_TRUE(memory_is(buffer.data, 0x5a, size));
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		ASSERT_EQ(0, buffer_acquire(self->fd, size, &buffer));
		EXPECT_TRUE(memory_is(buffer.data, 0, size));
		EXPECT_EQ(frame, memory_frame(buffer.data));
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
	}
}

/* While the dma-buf lives its memory goes to nobody; then to anybody, and is zero. */
TEST_F(dmabuf, memory_goes_on_when_the_dmabuf_is_gone)
{
	struct buffer buffer, others[MANY];
	unsigned char *map;
	unsigned long frame;
	int fd, other;

	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		other = device_open();
		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		fd = dmabuf_export(self->fd, &buffer.lease, 1, NULL);
		map = dmabuf_map(fd, size);
		ASSERT_NE(MAP_FAILED, map);
		munmap(buffer.data, size);
		close(self->fd);
		close(fd);
		self->fd = device_open();
		EXPECT_EQ(0, others_take_over(other, size, frame, others));
		EXPECT_TRUE(memory_is(map, 0x5a, size));
		memset(map, 0x66, size);
		others_give_back(other, others);
		munmap(map, size);
		EXPECT_EQ(1, others_take_over(other, size, frame, others));
		others_give_back(other, others);
		close(other);
	}
}

/* What goes by the window goes with the context; the dma-buf's mapping stays. */
TEST_F(dmabuf, window_goes_with_the_context)
{
	struct buffer buffer;
	unsigned char *map;
	int fd;

	ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &buffer));
	fd = dmabuf_export(self->fd, &buffer.lease, 1, NULL);
	map = dmabuf_map(fd, PAGE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EBUSY, device_release_one(self->fd, buffer.lease.handle));
	EXPECT_EQ(0, memory_write_signal(buffer.data));
	close(fd);
	munmap(map, PAGE);
	EXPECT_EQ(0, device_release_one(self->fd, buffer.lease.handle));
	EXPECT_EQ(SIGBUS, memory_read_signal(buffer.data));
}

/*
 * Who pays
 */

TEST_F(dmabuf, is_paid_for_until_it_is_gone)
{
	struct gophership_lease leases[5];
	long long before = device_machine_bytes(self->watch);
	struct gophership_stats stats;
	void *map;
	int fd;

	ASSERT_EQ(5, device_acquire(self->fd, LARGE, 5, leases));
	fd = dmabuf_export(self->fd, leases, 3, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(5, stats.leased);
	EXPECT_EQ(5 * LARGE, stats.leased_bytes);
	EXPECT_EQ(before + 5 * LARGE, device_machine_bytes(self->watch));
	close(self->fd);
	EXPECT_EQ(before + 3 * LARGE, device_machine_bytes(self->watch));
	map = dmabuf_map(fd, 3 * LARGE);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_EQ(before + 3 * LARGE, device_machine_bytes(self->watch));
	munmap(map, 3 * LARGE);
	EXPECT_EQ(before, device_machine_bytes(self->watch));
	self->fd = device_open();
}

/* Several dma-bufs of a context, some gone before it is closed and some after. */
TEST_F(dmabuf, each_is_paid_for_by_itself)
{
	long long before = device_machine_bytes(self->watch);
	struct gophership_lease leases[4];
	int fds[4];

	ASSERT_EQ(4, device_acquire(self->fd, 2 * PAGE, 4, leases));
	for (int i = 0; i < 4; i++)
		fds[i] = dmabuf_export(self->fd, &leases[i], 1, NULL);
	close(fds[2]);
	EXPECT_EQ(before + 8 * PAGE, device_machine_bytes(self->watch));
	close(self->fd);
	EXPECT_EQ(before + 6 * PAGE, device_machine_bytes(self->watch));
	close(fds[0]);
	EXPECT_EQ(before + 4 * PAGE, device_machine_bytes(self->watch));
	close(fds[3]);
	close(fds[1]);
	EXPECT_EQ(before, device_machine_bytes(self->watch));
	self->fd = device_open();
}

/* The exporter is killed; the other process has the dma-buf and goes on. */
TEST_F(dmabuf, outlives_the_process)
{
	long long before = device_machine_bytes(self->watch);
	struct buffer buffer;
	unsigned char *map;
	int ends[2], fd;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int own = device_open();

		if (acquire_filled(own, LARGE, 0x5a, &buffer))
			_exit(1);
		fd_send(ends[1], dmabuf_export(own, &buffer.lease, 1, NULL));
		pause();
	}
	close(ends[1]);
	fd = fd_receive(ends[0]);
	ASSERT_LE(0, fd);
	map = dmabuf_map(fd, LARGE);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_TRUE(memory_is(map, 0x5a, LARGE));
	memset(map, 0x66, LARGE);
	EXPECT_EQ(0, dmabuf_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(before + (long long)LARGE, device_machine_bytes(self->watch));
	munmap(map, LARGE);
	close(fd);
	EXPECT_EQ(before, device_machine_bytes(self->watch));
	close(ends[0]);
}

TEST_F(dmabuf, mapping_is_inherited)
{
	struct buffer buffer;
	unsigned char *map;
	int fd, status;
	pid_t child;

	ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &buffer));
	fd = dmabuf_export(self->fd, &buffer.lease, 1, NULL);
	map = dmabuf_map(fd, PAGE);
	ASSERT_NE(MAP_FAILED, map);
	child = fork();
	if (!child)
		_exit(!(memory_is(map, 0x5a, PAGE) && (map[0] = 0x66)));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0x66, buffer.data[0]);
	munmap(map, PAGE);
	close(fd);
	EXPECT_EQ(0, buffer_release(self->fd, &buffer));
}

/*
 * Races
 */

struct race {
	int fd;
	struct gophership_lease leases[4];
	atomic_int stop;
	atomic_long exported, strange;
};

static void *export_all_the_time(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		int fd = dmabuf_export(race->fd, race->leases, 4, NULL);

		if (fd >= 0) {
			atomic_fetch_add(&race->exported, 1);
			close(fd);
		} else if (fd != -EBUSY && fd != -EALREADY) {
			atomic_fetch_add(&race->strange, 1);
		}
	}
	return NULL;
}

/* Two threads export, this one releases: a lease goes when no dma-buf has it. */
TEST_F(dmabuf, export_and_release_race)
{
	long long before = device_machine_bytes(self->watch);
	struct race race = { .fd = self->fd };
	pthread_t threads[2];
	int ret;

	for (int round = 0; round < 100; round++) {
		ASSERT_EQ(4, device_acquire(self->fd, PAGE, 4, race.leases));
		atomic_store(&race.stop, 0);
		for (int i = 0; i < 2; i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, export_all_the_time,
						    &race));
		for (int i = 3; i >= 0; i--) {
			do
				ret = device_release_one(self->fd, race.leases[i].handle);
			while (ret == -EBUSY && !sched_yield());
			EXPECT_EQ(0, ret);
		}
		atomic_store(&race.stop, 1);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
	}
	EXPECT_EQ(0, atomic_load(&race.strange));
	EXPECT_EQ(0, device_leased(self->fd));
	EXPECT_EQ(before, device_machine_bytes(self->watch));
}

static void *close_it(void *arg)
{
	close(*(int *)arg);
	return NULL;
}

/* The context and its dma-bufs are closed at the same moment. */
TEST_F(dmabuf, closes_race)
{
	long long before = device_machine_bytes(self->watch);
	struct gophership_lease leases[4];
	pthread_t threads[2];
	int fds[2];

	for (int round = 0; round < 300; round++) {
		int fd = device_open();

		ASSERT_EQ(4, device_acquire(fd, PAGE, 4, leases));
		for (int i = 0; i < 2; i++) {
			fds[i] = dmabuf_export(fd, &leases[2 * i], 2, NULL);
			ASSERT_LE(0, fds[i]);
		}
		for (int i = 0; i < 2; i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, close_it, &fds[i]));
		close(fd);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		ASSERT_EQ(before, device_machine_bytes(self->watch));
	}
}

TEST_HARNESS_MAIN
