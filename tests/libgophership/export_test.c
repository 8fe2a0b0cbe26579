// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers as dma-bufs: what the library does with a buffer that the kernel does not take
 * back.
 */
#include <sys/mman.h>

#include "fixture.h"
#include "memory.h"

#define NR	64

FIXTURE(export)
{
	struct gophership *gs;
};

FIXTURE_SETUP(export)
{
	/* As much as one chunk: what is free is handed out again at once. */
	self->gs = open_with((struct gophership_options) { .ceiling = NR * PAGE });
	ASSERT_NE(NULL, self->gs);
}

FIXTURE_TEARDOWN(export)
{
	gophership_close(self->gs);
}

static unsigned char *map(int fd, size_t length)
{
	void *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return map == MAP_FAILED ? NULL : map;
}

TEST_F(export, shows_the_buffers_in_their_order)
{
	void *bufs[3] = {
		gophership_acquire(self->gs, 2 * PAGE),
		gophership_acquire(self->gs, PAGE),
		gophership_acquire(self->gs, 4 * PAGE),
	};
	unsigned char *seen;
	int fd;

	memset(bufs[0], 1, 2 * PAGE);
	memset(bufs[1], 2, PAGE);
	memset(bufs[2], 3, 4 * PAGE);
	errno = 0;
	fd = gophership_export(self->gs, bufs, 3);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, errno);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	seen = map(fd, 7 * PAGE);
	ASSERT_NE(NULL, seen);
	EXPECT_TRUE(memory_is(seen, 1, 2 * PAGE));
	EXPECT_TRUE(memory_is(seen + 2 * PAGE, 2, PAGE));
	EXPECT_TRUE(memory_is(seen + 3 * PAGE, 3, 4 * PAGE));
	seen[2 * PAGE] = 9;
	EXPECT_EQ(9, *(unsigned char *)bufs[1]);
	EXPECT_EQ(4 * PAGE, gophership_capacity(self->gs, bufs[2]));
	EXPECT_EQ(3, used_of(self->gs));
	munmap(seen, 7 * PAGE);
	close(fd);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, gophership_release(self->gs, bufs[i]));
	EXPECT_EQ(0, used_of(self->gs));
}

/* Whatever is released and acquired meanwhile, nobody gets a buffer that a device has. */
TEST_F(export, is_handed_out_to_nobody)
{
	void *bufs[NR], *again[NR], *exported;
	int fd;

	ASSERT_EQ(NR, gophership_acquire_bulk(self->gs, PAGE, NR, bufs));
	exported = bufs[NR / 2];
	fd = gophership_export(self->gs, &exported, 1);
	ASSERT_LE(0, fd);
	for (int round = 0; round < 3; round++) {
		EXPECT_EQ(-EBUSY, gophership_release(self->gs, exported));
		EXPECT_EQ(NR - 1, gophership_release_bulk(self->gs, bufs, NR));
		gophership_trim(self->gs);
		ASSERT_EQ(NR - 1, gophership_acquire_bulk(self->gs, PAGE, NR, again));
		for (int i = 0; i < NR - 1; i++)
			ASSERT_NE(exported, again[i]);
		memcpy(bufs, again, sizeof(*again) * (NR - 1));
		bufs[NR - 1] = exported;
	}
	close(fd);
	EXPECT_EQ(0, gophership_release(self->gs, exported));
	EXPECT_EQ(-EALREADY, gophership_release(self->gs, exported));
	EXPECT_EQ(0, gophership_capacity(self->gs, exported));
	EXPECT_EQ((NR - 1) * PAGE, stats_of(self->gs).leased_bytes);
	/* There is room for another one. */
	EXPECT_NE(NULL, gophership_acquire(self->gs, PAGE));
}

static void *release_it(void *arg)
{
	void **call = arg;

	return (void *)(intptr_t)gophership_release(call[0], call[1]);
}

TEST_F(export, another_thread_releases)
{
	void *buf = gophership_acquire(self->gs, PAGE), *call[] = { self->gs, buf }, *ret;
	int fd = gophership_export(self->gs, &buf, 1);
	pthread_t thread;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, release_it, call));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(-EBUSY, (intptr_t)ret);
	close(fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, release_it, call));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(0, (intptr_t)ret);
	EXPECT_EQ(-EALREADY, gophership_release(self->gs, buf));
	EXPECT_EQ(0, stats_of(self->gs).leased_bytes % PAGE);
}

TEST_F(export, what_is_refused)
{
	void *buf = gophership_acquire(self->gs, PAGE), *other = gophership_acquire(self->gs, PAGE);
	void *bufs[] = { other, buf }, *twice[] = { buf, buf };
	int fd;

	EXPECT_EQ(-EINVAL, gophership_export(NULL, &buf, 1));
	EXPECT_EQ(-EINVAL, gophership_export(self->gs, NULL, 1));
	EXPECT_EQ(-EINVAL, gophership_export(self->gs, &buf, 0));
	EXPECT_EQ(-EINVAL, gophership_export(self->gs, &buf, 4097));
	EXPECT_EQ(-EBUSY, gophership_export(self->gs, twice, 2));
	for (int offset = 1; offset < PAGE; offset *= 2) {
		bufs[1] = (char *)buf + offset;
		EXPECT_EQ(-EINVAL, gophership_export(self->gs, bufs, 2));
	}
	bufs[1] = &fd;
	EXPECT_EQ(-EINVAL, gophership_export(self->gs, bufs, 2));
	bufs[1] = NULL;
	EXPECT_EQ(-EINVAL, gophership_export(self->gs, bufs, 2));
	bufs[1] = buf;
	ASSERT_EQ(0, gophership_release(self->gs, buf));
	EXPECT_EQ(-EALREADY, gophership_export(self->gs, bufs, 2));
	/* After all of it the other one is as it was. */
	fd = gophership_export(self->gs, &other, 1);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, gophership_export(self->gs, &other, 1));
	close(fd);
	EXPECT_EQ(0, gophership_release(self->gs, other));
	EXPECT_EQ(-EALREADY, gophership_export(self->gs, &other, 1));
}

/* What the dma-buf shows stays; the handle is gone. */
TEST_F(export, handle_is_closed)
{
	void *buf = gophership_acquire(self->gs, PAGE);
	unsigned char *seen;
	int fd;

	memset(buf, 7, PAGE);
	fd = gophership_export(self->gs, &buf, 1);
	seen = map(fd, PAGE);
	ASSERT_NE(NULL, seen);
	gophership_close(self->gs);
	self->gs = NULL;
	EXPECT_TRUE(memory_is(seen, 7, PAGE));
	munmap(seen, PAGE);
	close(fd);
}

TEST_F(export, child_is_stale)
{
	void *buf = gophership_acquire(self->gs, PAGE);
	pid_t child = fork();
	int status;

	if (!child)
		_exit(gophership_export(self->gs, &buf, 1) != -ESTALE);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(export, with_GOPHERSHIP_DEBUG)
{
	struct gophership *gs;
	void *buf;
	int fd;

	setenv("GOPHERSHIP_DEBUG", "1", 1);
	ASSERT_EQ(0, gophership_open(&gs, NULL));
	unsetenv("GOPHERSHIP_DEBUG");
	buf = gophership_acquire(gs, PAGE);
	fd = gophership_export(gs, &buf, 1);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, gophership_release(gs, buf));
	close(fd);
	EXPECT_EQ(0, gophership_release(gs, buf));
	EXPECT_EQ(-EALREADY, gophership_release(gs, buf));
	gophership_close(gs);
}

/* A thread waits for a buffer; the end of an export is a release. */
static void *wait_for_one(void *gs)
{
	return gophership_acquire_wait(gs, PAGE, 60000);
}

TEST_F(export, release_wakes_those_that_wait)
{
	void *bufs[NR], *got;
	pthread_t thread;
	int fd;

	ASSERT_EQ(NR, gophership_acquire_bulk(self->gs, PAGE, NR, bufs));
	fd = gophership_export(self->gs, bufs, 1);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_one, self->gs));
	while (!stats_of(self->gs).waiting)
		usleep(1000);
	close(fd);
	EXPECT_EQ(0, gophership_release(self->gs, bufs[0]));
	ASSERT_EQ(0, pthread_join(thread, &got));
	EXPECT_NE(NULL, got);
}

TEST_F(export, ports_and_banks)
{
	struct gophership_port_options options = { .size = sizeof(options), .count = 3 };
	struct gophership_bank *bank;
	struct gophership_port *port;
	unsigned char *seen;
	int fd;

	EXPECT_EQ(-EINVAL, gophership_bank_export(NULL));
	EXPECT_EQ(-EINVAL, gophership_port_export(NULL));
	ASSERT_EQ(0, gophership_bank_open(self->gs, PAGE, 4, 0, &bank));
	memset(gophership_bank_acquire(bank), 5, PAGE);
	fd = gophership_bank_export(bank);
	ASSERT_LE(0, fd);
	seen = map(fd, 4 * PAGE);
	ASSERT_NE(NULL, seen);
	EXPECT_TRUE(memory_is(seen, 5, PAGE) || memory_is(seen + 3 * PAGE, 5, PAGE));
	gophership_bank_close(bank);
	EXPECT_TRUE(memory_is(seen, 5, PAGE) || memory_is(seen + 3 * PAGE, 5, PAGE));
	munmap(seen, 4 * PAGE);
	close(fd);

	ASSERT_EQ(0, gophership_port_open(self->gs, &options, &port));
	memset(gophership_port_buffer(port, 2), 6, PAGE);
	fd = gophership_port_export(port);
	ASSERT_LE(0, fd);
	seen = map(fd, 3 * PAGE);
	ASSERT_NE(NULL, seen);
	EXPECT_TRUE(memory_is(seen + 2 * PAGE, 6, PAGE));
	munmap(seen, 3 * PAGE);
	close(fd);
	gophership_port_close(port);
}

TEST_HARNESS_MAIN
