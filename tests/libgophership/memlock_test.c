// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that lock their memory: mlockall(MCL_FUTURE) with the RLIMIT_MEMLOCK
 * of an ordinary user, far below the length of the windows.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fixture.h"

#define MB	0x100000UL
#define NOBODY	65534
#define DEVICE	"/dev/gophership"

FIXTURE(memlock)
{
	mode_t mode;
};

FIXTURE_SETUP(memlock)
{
	struct stat st;

	ASSERT_EQ(0, stat(DEVICE, &st));
	self->mode = st.st_mode & 0777;
	ASSERT_EQ(0, chmod(DEVICE, 0666));
}

FIXTURE_TEARDOWN_PARENT(memlock)
{
	chmod(DEVICE, self->mode);
}

static int limit_memlock(size_t soft)
{
	struct rlimit limit = { .rlim_cur = soft, .rlim_max = 64 * MB };

	return setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* From here on: no privilege, and whatever is mapped is locked. */
static int become_locked(size_t limit)
{
	if (limit_memlock(limit) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -1;
	return mlockall(MCL_FUTURE);
}

/* Acquires until that fails, and writes to each; how many there are. */
static unsigned int acquire_all(struct gophership *gs, size_t size, void **bufs, unsigned int most)
{
	unsigned int nr = 0;

	while (nr < most && (bufs[nr] = gophership_acquire(gs, size)))
		*(volatile char *)bufs[nr++] = 0x5a;
	return nr;
}

static bool window_is_locked(const void *buf)
{
	unsigned long start, end;
	bool found = false, locked = false;
	char line[256], flags[256];
	FILE *maps = fopen("/proc/self/smaps", "re");

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			found = start <= (uintptr_t)buf && (uintptr_t)buf < end;
		else if (found && sscanf(line, "VmFlags: %255[^\n]", flags) == 1)
			locked |= !!strstr(flags, "lo ") || !!strstr(flags, " lo");
	}
	if (maps)
		fclose(maps);
	return locked;
}

TEST_F_TIMEOUT(memlock, handle_opens_below_the_windows_length, 120)
{
	void *before[128], *after[512];
	unsigned int nr, more;
	struct gophership *gs;

	ASSERT_EQ(0, become_locked(8 * MB));
	ASSERT_EQ(0, gophership_open(&gs, NULL));
	nr = acquire_all(gs, LARGEST, before, ARRAY_SIZE(before));
	/* The limit is for what is on lease, and nothing else is. */
	EXPECT_EQ(8 * MB / LARGEST, nr);
	EXPECT_TRUE(nr == ARRAY_SIZE(before) || errno == EDQUOT);
	EXPECT_FALSE(window_is_locked(before[0]));

	/* What is raised later holds at once. */
	ASSERT_EQ(0, limit_memlock(40 * MB));
	more = acquire_all(gs, LARGEST, after, ARRAY_SIZE(after));
	EXPECT_EQ(32 * MB / LARGEST, more);
	EXPECT_FALSE(has_twins(after, more));
	EXPECT_EQ(nr, gophership_release_bulk(gs, before, nr));
	EXPECT_EQ(more, gophership_release_bulk(gs, after, more));
	EXPECT_EQ(-EINVAL, gophership_release(gs, (char *)before[0] + 1));
	gophership_close(gs);
}

/* Each class: a buffer of every window is where its chunk says. */
TEST_F_TIMEOUT(memlock, all_windows_are_there, 120)
{
	struct gophership *gs;

	ASSERT_EQ(0, become_locked(8 * MB));
	ASSERT_EQ(0, gophership_open(&gs, NULL));
	for (size_t size = PAGE; size <= LARGEST; size *= 2) {
		void *buf = gophership_acquire(gs, size);

		ASSERT_NE(NULL, buf);
		memset(buf, 1, size);
		EXPECT_EQ(size, gophership_capacity(gs, buf));
		EXPECT_EQ(0, gophership_release(gs, buf));
	}
	gophership_close(gs);
}

/* Windows that end within a chunk: what is behind them stays whose it is. */
TEST_F_TIMEOUT(memlock, windows_of_odd_length_disturb_nothing, 120)
{
	struct gophership_options options = { .size = sizeof(options), .ceiling = 5 * PAGE };
	void *bufs[8], *mine[64];
	struct gophership *gs;

	ASSERT_EQ(0, become_locked(MB));
	ASSERT_EQ(0, gophership_open(&gs, &options));
	ASSERT_EQ(5, acquire_all(gs, PAGE, bufs, ARRAY_SIZE(bufs)));
	EXPECT_EQ(ENOMEM, errno);
	for (unsigned int i = 0; i < ARRAY_SIZE(mine); i++) {
		mine[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
		ASSERT_NE(MAP_FAILED, mine[i]);
		EXPECT_EQ(-EINVAL, gophership_release(gs, mine[i]));
	}
	gophership_close(gs);
	for (unsigned int i = 0; i < ARRAY_SIZE(mine); i++)
		memset(mine[i], 1, PAGE);
}

static void *acquire_waiting(void *argument)
{
	return gophership_acquire_wait(argument, PAGE, 60000);
}

/* The kernel's limit, which another handle has used up: nothing tells, but it is seen. */
TEST_F_TIMEOUT(memlock, waits_for_what_another_has, 120)
{
	struct gophership *other, *gs;
	pthread_t thread;
	void *bufs[16];
	void *buf;

	ASSERT_EQ(0, limit_memlock(8 * PAGE));
	ASSERT_EQ(0, setresgid(NOBODY, NOBODY, NOBODY));
	ASSERT_EQ(0, setresuid(NOBODY, NOBODY, NOBODY));
	ASSERT_EQ(0, gophership_open(&other, NULL));
	ASSERT_EQ(0, gophership_open(&gs, NULL));
	ASSERT_EQ(8, acquire_all(other, PAGE, bufs, ARRAY_SIZE(bufs)));
	EXPECT_EQ(EDQUOT, errno);
	EXPECT_EQ(NULL, gophership_acquire_wait(gs, PAGE, 10));
	EXPECT_EQ(ETIMEDOUT, errno);
	ASSERT_EQ(0, pthread_create(&thread, NULL, acquire_waiting, gs));
	while (stats_of(gs).waiting != 1)
		sched_yield();
	gophership_close(other);
	pthread_join(thread, &buf);
	EXPECT_NE(NULL, buf);
	EXPECT_EQ(0, gophership_release(gs, buf));
	gophership_close(gs);
}

TEST_F_TIMEOUT(memlock, no_room_for_the_tables_is_EAGAIN, 120)
{
	struct gophership *gs;

	ASSERT_EQ(0, become_locked(16 * PAGE));
	EXPECT_EQ(-EAGAIN, gophership_open(&gs, NULL));
	EXPECT_EQ(NULL, gs);
}

TEST_HARNESS_MAIN
