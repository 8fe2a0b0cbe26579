// SPDX-License-Identifier: GPL-2.0
/*
 * Handles from open to close: options, threads that end, several handles.
 */
#include <dlfcn.h>
#include <signal.h>

#include "fixture.h"
#include "memory.h"

TEST(open_refuses_nonsense)
{
	struct gophership_options options = { .size = sizeof(options) };
	struct gophership *gs = (struct gophership *)1;

	EXPECT_EQ(-EINVAL, gophership_open(NULL, NULL));
	options.size = 8;
	EXPECT_EQ(-EINVAL, gophership_open(&gs, &options));
	EXPECT_EQ(NULL, gs);
	options.size = sizeof(options) + 8;
	EXPECT_EQ(-EINVAL, gophership_open(&gs, &options));
	options = (struct gophership_options) { .size = sizeof(options), .flags = 1U << 31 };
	EXPECT_EQ(-EINVAL, gophership_open(&gs, &options));
	options = (struct gophership_options) { .size = sizeof(options), .reserved = 1 };
	EXPECT_EQ(-EINVAL, gophership_open(&gs, &options));
	options = (struct gophership_options) { .size = sizeof(options), .device = "/none/none" };
	errno = 77;
	EXPECT_EQ(-ENOENT, gophership_open(&gs, &options));
	EXPECT_EQ(77, errno);
#ifndef STANDIN
	options.device = "/dev/null";
	EXPECT_EQ(-EPROTO, gophership_open(&gs, &options));
#endif
	gophership_close(NULL);
}

static struct gophership *shared;
static pthread_barrier_t barrier;

TEST(reserve_is_there_at_once)
{
	struct gophership_options options = { .flags = GOPHERSHIP_PREFAULT,
					      .reserve = { 100, 0, 0, 0, 9 } };
	struct gophership *gs = open_with(options);
	struct gophership_lib_stats stats;

	ASSERT_NE(NULL, gs);
	stats = stats_of(gs);
	EXPECT_EQ(100, stats.classes[0].idle);
	EXPECT_EQ(0, stats.classes[1].leased);
	EXPECT_EQ(9, stats.classes[4].idle);
	gophership_close(gs);
	options.ceiling = 99 * PAGE;
	EXPECT_EQ(NULL, open_with(options));
}

static bool is_resident(void *buf)
{
	unsigned long frame = memory_frame(buf);

	return frame;
}

TEST(prefault_maps_at_once)
{
	struct gophership *gs;

	if (geteuid())
		SKIP(return, "only root sees frames");
	for (int wanted = 0; wanted < 2; wanted++) {
		gs = open_with((struct gophership_options) {
				.flags = wanted ? GOPHERSHIP_PREFAULT : 0 });
		ASSERT_NE(NULL, gs);
		EXPECT_EQ(!!wanted, is_resident(gophership_acquire(gs, PAGE)));
		gophership_close(gs);
	}
}

TEST(close_with_buffers_in_use)
{
	struct gophership *gs;
	void *buf;

	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, gophership_open(&gs, NULL));
		buf = gophership_acquire(gs, i & 1 ? PAGE : LARGEST);
		ASSERT_NE(NULL, buf);
		*(char *)buf = 1;
		gophership_close(gs);
#ifndef __SANITIZE_ADDRESS__
		ASSERT_EQ(SIGSEGV, memory_read_signal(buf));
#endif
	}
}

static void *use_and_wait(void *unused)
{
	struct gophership *gs = shared;

	(void)unused;
	gophership_release(gs, gophership_acquire(gs, PAGE));
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* The threads end before, while and after the handle is closed. */
TEST(threads_that_end_around_close)
{
	pthread_t threads[8];

	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, gophership_open(&shared, NULL));
		pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(threads) + 1);
		for (size_t k = 0; k < ARRAY_SIZE(threads); k++)
			ASSERT_EQ(0, pthread_create(&threads[k], NULL, use_and_wait, NULL));
		pthread_barrier_wait(&barrier);
		gophership_close(shared);
		for (size_t k = 0; k < ARRAY_SIZE(threads); k++)
			pthread_join(threads[k], NULL);
		pthread_barrier_destroy(&barrier);
	}
}

#ifdef STANDIN
/* As a plugin has the shared library. */
static struct {
	void *code;
	int (*open)(struct gophership **gs, const struct gophership_options *options);
	void (*close)(struct gophership *gs);
	void *(*acquire)(struct gophership *gs, size_t size);
	int (*release)(struct gophership *gs, void *buf);
} plugin;

static bool load_plugin(void)
{
	plugin.code = dlopen(STANDIN, RTLD_NOW);
	if (!plugin.code)
		return false;
	plugin.open = dlsym(plugin.code, "gophership_open");
	plugin.close = dlsym(plugin.code, "gophership_close");
	plugin.acquire = dlsym(plugin.code, "gophership_acquire");
	plugin.release = dlsym(plugin.code, "gophership_release");
	return plugin.open && plugin.close && plugin.acquire && plugin.release;
}

static void *use_and_wait_twice(void *gs)
{
	plugin.release(gs, plugin.acquire(gs, PAGE));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* What runs at a thread's end is still there. */
TEST(threads_that_end_after_dlclose)
{
	struct gophership *gs;
	pthread_t thread;

	ASSERT_TRUE(load_plugin());
	ASSERT_EQ(0, plugin.open(&gs, NULL));
	pthread_barrier_init(&barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, use_and_wait_twice, gs));
	pthread_barrier_wait(&barrier);
	plugin.close(gs);
	EXPECT_EQ(0, dlclose(plugin.code));
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(0, pthread_join(thread, NULL));
}
#endif

static void *use_each(void *argument)
{
	struct gophership **handles = argument;

	for (int round = 0; round < 20; round++) {
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < 100; i++)
			for (int k = 0; k < 3; k++)
				if (gophership_release(handles[k],
						       gophership_acquire(handles[k], PAGE)))
					return handles;
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* A thread's cache of a closed handle is not the new handle's. */
TEST(handles_come_and_go_under_a_thread)
{
	struct gophership *handles[3];
	pthread_t thread;
	void *result;

	pthread_barrier_init(&barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, use_each, handles));
	for (int round = 0; round < 20; round++) {
		for (int k = 0; k < 3; k++)
			ASSERT_EQ(0, gophership_open(&handles[k], NULL));
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (int k = 0; k < 3; k++) {
			EXPECT_EQ(0, used_of(handles[k]));
			gophership_close(handles[k]);
		}
	}
	pthread_join(thread, &result);
	EXPECT_EQ(NULL, result);
}

TEST_HARNESS_MAIN
