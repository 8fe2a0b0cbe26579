// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's page that tells of memory pressure, and what the library makes
 * of it. For guests: memory really gets short here.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

/* The sum of the values whose names begin with @name. */
static unsigned long sum_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	unsigned long sum = 0, value;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && sscanf(line, "%*s %lu", &value) == 1)
			sum += value;
	fclose(file);
	return sum;
}

static unsigned long available_kib(void)
{
	return sum_of("/proc/meminfo", "MemAvailable:");
}

/* With less than this available memory is short, as gophership(4) says. */
static unsigned long short_kib(void)
{
	unsigned long kib = sum_of("/proc/meminfo", "MemTotal:") / 16;

	return kib < 1UL << 20 ? kib : 1UL << 20;
}

/* Take memory until less than @kib is available. Returns whether it came to that. */
static bool take_until(unsigned long kib)
{
	size_t size = sum_of("/proc/meminfo", "MemTotal:") << 10, has = 0, end;
	unsigned long available;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	while ((available = available_kib()) >= kib && has < size) {
		/* Half of what is too much, so that it slows down towards the end. */
		end = has + (((available - kib) << 10) / 2 / PAGE + 16) * PAGE;
		for (; has < end && has < size; has += PAGE)
			memory[has] = 1;
	}
	return available < kib;
}

/*
 * A child that has so much memory that less than @kib is available; 0 if it cannot. It
 * ends with the caller, and is the first one to be killed.
 */
static pid_t hog_until(unsigned long kib)
{
	int pipes[2], score;
	pid_t pid;
	char word;

	if (pipe(pipes))
		return 0;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		score = open("/proc/self/oom_score_adj", O_WRONLY);
		if (write(score, "1000", 4) == 4 && take_until(kib) &&
		    write(pipes[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	if (pid > 0 && read(pipes[0], &word, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = 0;
	}
	close(pipes[0]);
	return pid > 0 ? pid : 0;
}

/* From now on memory is short, and nobody has to wait for any. */
static pid_t hog_until_short(void)
{
	return hog_until(short_kib() / 2);
}

static void end_hog(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
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
TEST_F_TIMEOUT(pressure, events_are_few_and_tell, 120)
{
	pid_t hog = hog_until_short();
	unsigned int asked = 0, most;
	long long start, ms;
	__u32 before, events;

	ASSERT_NE(0, hog);
	usleep(200000);
	before = self->page->events;
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
	end_hog(hog);
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

static void acquire_and_release(struct gophership *gs)
{
	/* It looks at the page now and then. */
	for (int i = 0; i < 4096; i++)
		gophership_release(gs, gophership_acquire(gs, PAGE));
}

TEST_F_TIMEOUT(pressure, the_library_gives_back, 120)
{
	struct gophership *gs;
	void *held;
	pid_t hog;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	held = gophership_acquire(gs, 4 * PAGE);
	memset(held, 0x42, 4 * PAGE);
	leave_many_idle(gs);
	EXPECT_LE(1000 * 2 * PAGE, stats_of(gs).leased_bytes);
	hog = hog_until_short();
	ASSERT_NE(0, hog);
	usleep(200000);
	drop_caches();
	acquire_and_release(gs);
	EXPECT_EQ(1, stats_of(gs).pressure);
	EXPECT_EQ(0, stats_of(gs).classes[1].leased);
	EXPECT_LE(1000, stats_of(gs).given_back);
	EXPECT_TRUE(memory_is(held, 0x42, 4 * PAGE));
	EXPECT_EQ(0, gophership_release(gs, held));
	end_hog(hog);
	gophership_close(gs);
}

TEST_F(pressure, it_is_none_to_drop_caches)
{
	__u32 before = self->page->events;

	if (available_kib() < short_kib())
		SKIP(return, "only %lu KiB are available", available_kib());
	usleep(200000);
	drop_caches();
	EXPECT_EQ(before, self->page->events);
}

/* Pages that reclaim looked at so far. */
static unsigned long scanned(void)
{
	return sum_of("/proc/vmstat", "pgscan_kswapd") + sum_of("/proc/vmstat", "pgscan_direct");
}

/* Read @kib of a file from its beginning. Returns whether they are there. */
static bool read_through(int fd, unsigned long kib)
{
	static char data[64 << 10];
	off_t offset;

	for (offset = 0; offset < (off_t)kib << 10; offset += sizeof(data))
		if (pread(fd, data, sizeof(data), offset) <= 0)
			return false;
	return true;
}

/* Read a file of so much again and again, until reclaim has been at work, or too long. */
static bool read_until_reclaimed(int fd, unsigned long kib)
{
	unsigned long before = scanned();
	long long end = clock_ms() + 120000;

	while (scanned() - before < 1000)
		if (clock_ms() > end || !read_through(fd, kib))
			return false;
	return true;
}

/*
 * A file that is larger than what is available, while three times as much is
 * available as would be short: reclaim is at work, and nothing is given back for it.
 */
TEST_F_TIMEOUT(pressure, it_is_none_to_read_a_large_file, 300)
{
	unsigned long kib = 6 * short_kib(), available;
	struct gophership *gs;
	bool reclaimed;
	__u32 before;
	pid_t hog;
	int fd;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	leave_many_idle(gs);
	/* All of it is a hole, which takes as much of the page cache as anything. */
	fd = open("/mnt/pressure", O_RDWR | O_CREAT | O_TRUNC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unlink("/mnt/pressure"));
	ASSERT_EQ(0, ftruncate(fd, (off_t)kib << 10));
	hog = hog_until(3 * short_kib());
	ASSERT_NE(0, hog);
	before = self->page->events;
	reclaimed = read_until_reclaimed(fd, kib);
	available = available_kib();
	if (!reclaimed || available < 2 * short_kib())
		SKIP(return, "%sreclaimed, and %lu KiB are available", reclaimed ? "" : "not ",
		     available);
	EXPECT_EQ(before, self->page->events);
	acquire_and_release(gs);
	EXPECT_EQ(0, stats_of(gs).pressure);
	end_hog(hog);
	close(fd);
	gophership_close(gs);
}

TEST_F_TIMEOUT(pressure, the_keeper_gives_back_while_the_program_sleeps, 240)
{
	struct gophership_options options = { .size = sizeof(options),
					      .flags = GOPHERSHIP_KEEPER };
	struct gophership *gs;
	pid_t hog;
	int ms;

	ASSERT_EQ(0, gophership_open(&gs, &options));
	leave_many_idle(gs);
	hog = hog_until_short();
	ASSERT_NE(0, hog);
	usleep(200000);
	drop_caches();
	for (ms = 0; ms < 60000 && stats_of(gs).leased_bytes; ms += 50)
		usleep(50000);
	EXPECT_EQ(0, stats_of(gs).leased_bytes);
	end_hog(hog);
	gophership_close(gs);
}

TEST_HARNESS_MAIN
