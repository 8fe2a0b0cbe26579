// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's page that tells of memory pressure, and what the library makes
 * of it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "fixture.h"
#include "device.h"
#include "memory.h"

FIXTURE(pressure)
{
	int fd;
	struct gophership_info info;
	volatile struct gophership_pressure *page;
};

FIXTURE_SETUP(pressure)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_info(self->fd, &self->info));
	ASSERT_TRUE(self->info.features & GOPHERSHIP_FEATURE_PRESSURE);
	self->page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
			  self->info.pressure_offset);
	ASSERT_NE(MAP_FAILED, (void *)self->page);
}

FIXTURE_TEARDOWN(pressure)
{
	close(self->fd);
}

static int error_of_map(int fd, size_t length, int prot, int flags, __u64 offset)
{
	void *map = mmap(NULL, length, prot, flags, fd, offset);

	if (map == MAP_FAILED)
		return errno;
	munmap(map, length);
	return 0;
}

TEST_F(pressure, the_page_is_read_only)
{
	__u64 offset = self->info.pressure_offset;
	void *page = (void *)self->page;
	int fd = self->fd;

	EXPECT_EQ(EACCES, error_of_map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, offset));
	EXPECT_EQ(EACCES, error_of_map(fd, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, offset));
	EXPECT_EQ(EINVAL, error_of_map(fd, PAGE, PROT_READ, MAP_PRIVATE, offset));
	EXPECT_EQ(EINVAL, error_of_map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, offset));
	EXPECT_EQ(EINVAL, error_of_map(fd, 2 * PAGE, PROT_READ, MAP_SHARED, offset));
	EXPECT_EQ(EINVAL, error_of_map(fd, PAGE, PROT_READ, MAP_SHARED, offset + PAGE));
	EXPECT_EQ(-1, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(page, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(SIGSEGV, memory_write_signal(page));
}

/* Not by the kernel's own hands either. */
TEST_F(pressure, nobody_writes_through_mem)
{
	struct gophership_pressure before = *(struct gophership_pressure *)self->page;
	int mem = open("/proc/self/mem", O_RDWR);
	__u32 evil = 0xdeadbeef;

	ASSERT_LE(0, mem);
	EXPECT_EQ(-1, pwrite(mem, &evil, sizeof(evil), (uintptr_t)self->page));
	EXPECT_EQ(-1, read(mem, (void *)self->page, 4));
	EXPECT_EQ(before.size, self->page->size);
	EXPECT_NE(evil, self->page->events);
	close(mem);
}

TEST_F(pressure, the_page_shows_nothing_else)
{
	EXPECT_EQ(sizeof(struct gophership_pressure), self->page->size);
	EXPECT_TRUE(memory_is((char *)self->page + sizeof(struct gophership_pressure), 0,
			      PAGE - sizeof(struct gophership_pressure)));
}

TEST_F(pressure, every_context_has_the_same)
{
	int fd = device_open();
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, self->info.pressure_offset);

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_NE(0, memory_frame(page));
	EXPECT_EQ(memory_frame((void *)self->page), memory_frame(page));
	close(fd);
}

TEST_F(pressure, a_child_does_not_inherit_it)
{
	int status;

	if (!fork())
		_exit(memory_read_signal((void *)self->page) != SIGSEGV);
	wait(&status);
	EXPECT_EQ(0, status);
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	/* It asks the shrinkers, as reclaim does. */
	if (write(fd, "2", 1) != 1)
		_exit(99);
	close(fd);
}

static long long clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* At most ten a second, however often the kernel asks. */
TEST_F(pressure, events_are_few_and_tell)
{
	__u32 before = self->page->events, events;
	unsigned int asked = 0, most;
	long long start, ms;

	usleep(200000);
	drop_caches();
	EXPECT_LE(1, self->page->events - before);
	before = self->page->events;
	start = clock_ms();
	do {
		drop_caches();
		asked++;
		ms = clock_ms() - start;
	} while (ms < 1000);
	events = self->page->events - before;
	EXPECT_LE(1, events);
	most = ms / 100 + 1;
	EXPECT_GE(most, events);
	if (asked <= 2 * most)
		SKIP(return, "this machine drops its caches no more than %u times in %lld ms",
		     asked, ms);
}

static void leave_many_idle(struct gophership *gs)
{
	void *bufs[1000];
	unsigned int nr = gophership_acquire_bulk(gs, 2 * PAGE, 1000, bufs);

	for (unsigned int i = 0; i < nr; i++)
		memset(bufs[i], 0x77, 2 * PAGE);
	gophership_release_bulk(gs, bufs, nr);
}

TEST_F(pressure, the_library_gives_back)
{
	struct gophership *gs;
	void *held;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	held = gophership_acquire(gs, 4 * PAGE);
	memset(held, 0x42, 4 * PAGE);
	leave_many_idle(gs);
	EXPECT_LE(1000 * 2 * PAGE, stats_of(gs).leased_bytes);
	usleep(200000);
	drop_caches();
	for (int i = 0; i < 4096; i++)
		gophership_release(gs, gophership_acquire(gs, PAGE));
	EXPECT_EQ(1, stats_of(gs).pressure);
	EXPECT_EQ(0, stats_of(gs).classes[1].leased);
	EXPECT_LE(1000, stats_of(gs).given_back);
	EXPECT_TRUE(memory_is(held, 0x42, 4 * PAGE));
	EXPECT_EQ(0, gophership_release(gs, held));
	gophership_close(gs);
}

TEST_F(pressure, the_keeper_gives_back_while_the_program_sleeps)
{
	struct gophership_options options = { .size = sizeof(options),
					      .flags = GOPHERSHIP_KEEPER };
	struct gophership *gs;
	int ms;

	ASSERT_EQ(0, gophership_open(&gs, &options));
	leave_many_idle(gs);
	usleep(200000);
	drop_caches();
	for (ms = 0; ms < 60000 && stats_of(gs).leased_bytes; ms += 50)
		usleep(50000);
	EXPECT_EQ(0, stats_of(gs).leased_bytes);
	gophership_close(gs);
}

TEST_HARNESS_MAIN
