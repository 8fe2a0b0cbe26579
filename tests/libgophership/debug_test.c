// SPDX-License-Identifier: GPL-2.0
/*
 * GOPHERSHIP_DEBUG=1: what it says, and what it leaves behind.
 */

#include "fixture.h"

/* What a process with GOPHERSHIP_DEBUG=1 says. */
static void debugged(const char *path, void (*body)(struct gophership *gs))
{
	struct gophership *gs;
	int fd;

	setenv("GOPHERSHIP_DEBUG", "1", 1);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDERR_FILENO);
	if (gophership_open(&gs, NULL))
		_exit(1);
	body(gs);
	gophership_close(gs);
	_exit(0);
}

static void make_mistakes(struct gophership *gs)
{
	void *buf = gophership_acquire(gs, PAGE);
	void *kept = gophership_acquire(gs, LARGEST);

	gophership_release(gs, buf);
	gophership_release(gs, buf);
	gophership_release(gs, &buf);
	(void)kept;
}

static void make_none(struct gophership *gs)
{
	void *bufs[100];

	gophership_release_bulk(gs, bufs, gophership_acquire_bulk(gs, PAGE, 100, bufs));
}

static int debug_output(char *text, size_t size, void (*body)(struct gophership *gs))
{
	char path[] = "/tmp/gophership-debug-XXXXXX";
	int fd = mkstemp(path);
	pid_t pid = fork();
	ssize_t length;
	int status;

	if (!pid)
		debugged(path, body);
	waitpid(pid, &status, 0);
	length = read(fd, text, size - 1);
	text[length < 0 ? 0 : length] = 0;
	close(fd);
	unlink(path);
	return status;
}

TEST(debug_names_the_call_sites)
{
	char text[4096], *again, *before;
	char *at, *first;

	ASSERT_EQ(0, debug_output(text, sizeof(text), make_mistakes));
	again = strstr(text, "double release of ");
	ASSERT_NE(NULL, again) {
		TH_LOG("%s", text);
	}
	before = strstr(again, "released before at ");
	ASSERT_NE(NULL, before);
	at = (char *)(uintptr_t)strtoull(strstr(again, "at ") + 3, NULL, 0);
	first = (char *)(uintptr_t)strtoull(before + strlen("released before at "), NULL, 0);
	/* Two places of one function. */
	EXPECT_GT(at, first);
	EXPECT_GT(first, (char *)make_mistakes);
	EXPECT_LT(at, (char *)make_mistakes + 400);
	EXPECT_NE(NULL, strstr(text, "which is no buffer"));
	EXPECT_NE(NULL, strstr(text, "of 65536 bytes, acquired at"));
	EXPECT_NE(NULL, strstr(text, "1 not released at close"));
}

TEST(debug_is_quiet_without_a_mistake)
{
	char text[4096];

	ASSERT_EQ(0, debug_output(text, sizeof(text), make_none));
	EXPECT_STREQ("", text);
}

#ifdef BARE
static size_t mapped_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!file || fscanf(file, "%lu", &pages) != 1)
		return 0;
	fclose(file);
	return pages * PAGE;
}

/* In units of 16 KiB. */
static int child_unmaps(struct gophership_options options)
{
	struct gophership *gs = open_with(options);
	size_t before;
	int status;

	if (!gs)
		return -1;
	if (!fork()) {
		before = mapped_bytes();
		gophership_close(gs);
		_exit((before - mapped_bytes()) >> 14);
	}
	wait(&status);
	gophership_close(gs);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define NR_TRIES	200

/* The notes are 16 bytes for each buffer: here some 500 KiB. */
TEST(debug_leaves_nothing_mapped)
{
	struct gophership_options options = { .ceiling = 64 << 20 };
	int plain = child_unmaps(options);
	size_t before;

	EXPECT_LT(0, plain);
	setenv("GOPHERSHIP_DEBUG", "1", 1);
	EXPECT_LT(plain + 20, child_unmaps(options));
	/* Too many. */
	options.reserve[4] = 1 << 20;
	before = mapped_bytes();
	for (int i = 0; i < NR_TRIES; i++)
		ASSERT_EQ(NULL, open_with(options));
	EXPECT_GT(before + NR_TRIES * (128 << 10), mapped_bytes());
}
#endif

TEST_HARNESS_MAIN
