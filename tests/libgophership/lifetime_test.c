// SPDX-License-Identifier: GPL-2.0
/*
 * Handles from open to close: options, ceilings, fork, signals, idle time.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "fixture.h"
#include "memory.h"
#ifdef STANDIN
#include "standin.h"
#if !defined(MEMCHECK) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Nobody looks on, who would want memory or each instruction for himself. */
#define BARE
#endif
#endif

static struct gophership *open_with(struct gophership_options options)
{
	struct gophership *gs;

	options.size = sizeof(options);
	return gophership_open(&gs, &options) ? NULL : gs;
}

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

TEST(ceiling_is_ENOMEM_and_recovers)
{
	struct gophership *gs = open_with((struct gophership_options) { .ceiling = 10 * PAGE });
	void *bufs[11], *large;

	ASSERT_NE(NULL, gs);
	for (int i = 0; i < 100; i++) {
		errno = 0;
		ASSERT_EQ(10, gophership_acquire_bulk(gs, PAGE, 11, bufs));
		ASSERT_EQ(ENOMEM, errno);
		ASSERT_EQ(NULL, gophership_acquire(gs, 0));
		ASSERT_EQ(0, gophership_release(gs, bufs[3]));
		bufs[3] = gophership_acquire(gs, 0);
		ASSERT_NE(NULL, bufs[3]);
		ASSERT_EQ(10, gophership_release_bulk(gs, bufs, 10));
		/* What is idle in one class makes room for another. */
		errno = 77;
		large = gophership_acquire(gs, 8 * PAGE);
		ASSERT_NE(NULL, large);
		/* It took some refusals, which are nothing to the caller. */
		ASSERT_EQ(77, errno);
		ASSERT_EQ(2, gophership_acquire_bulk(gs, PAGE, 3, bufs));
		ASSERT_EQ(NULL, gophership_acquire(gs, LARGEST));
		ASSERT_EQ(2, gophership_release_bulk(gs, bufs, 2));
		ASSERT_EQ(0, gophership_release(gs, large));
	}
	EXPECT_GE(10 * PAGE, stats_of(gs).leased_bytes);
	EXPECT_NE(0, stats_of(gs).failed);
	gophership_close(gs);
}

/* To the byte, in each class, of what was idle in another one before. */
TEST(ceiling_is_exact)
{
	static const uint64_t ceilings[] = {
		1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5 * PAGE, 10 * PAGE, 17 * PAGE - 1,
		33 * PAGE, 64 * PAGE, 65 * PAGE, 100 * PAGE, 300 * PAGE + 1,
	};
	static void *bufs[302];

	for (size_t i = 0; i < ARRAY_SIZE(ceilings); i++) {
		struct gophership *gs;

		gs = open_with((struct gophership_options) { .ceiling = ceilings[i] });
		ASSERT_NE(NULL, gs);
		EXPECT_EQ(ceilings[i], stats_of(gs).ceiling);
		/* Up and down, in one call and one by one. */
		for (int round = 0; round < 20; round++) {
			size_t size = (size_t)PAGE << (round * 3 % 5);
			unsigned int wanted = ceilings[i] / size, nr = 0;

			if (round % 2)
				nr = gophership_acquire_bulk(gs, size, wanted + 1, bufs);
			else
				while (nr <= wanted && (bufs[nr] = gophership_acquire(gs, size)))
					nr++;
			EXPECT_EQ(wanted, nr) {
				TH_LOG("ceiling %llu, size %zu",
				       (unsigned long long)ceilings[i], size);
			}
			EXPECT_GE(ceilings[i], stats_of(gs).leased_bytes);
			EXPECT_EQ(nr, gophership_release_bulk(gs, bufs, nr));
		}
		gophership_close(gs);
	}
}

/* What is in use of one class and what is taken of another are below it together. */
TEST(ceiling_is_exact_for_all_classes_together)
{
	static void *bufs[64];

	for (unsigned int a = 0; a < 5; a++) {
		for (unsigned int b = 0; b < 5; b++) {
			size_t held_size = (size_t)PAGE << a, size = (size_t)PAGE << b;
			struct gophership *gs;
			void *held[2];

			gs = open_with((struct gophership_options) { .ceiling = 40 * PAGE });
			ASSERT_NE(NULL, gs);
			for (unsigned int nr = 0; nr < 3; nr++) {
				unsigned int wanted = (40 * PAGE - nr * held_size) / size, got;

				got = gophership_acquire_bulk(gs, size, 64, bufs);
				EXPECT_EQ(wanted, got) {
					TH_LOG("%u of class %u held, class %u", nr, a, b);
				}
				EXPECT_GE(40 * PAGE, stats_of(gs).leased_bytes);
				EXPECT_EQ(got, gophership_release_bulk(gs, bufs, got));
				if (nr < 2) {
					held[nr] = gophership_acquire(gs, held_size);
					ASSERT_NE(NULL, held[nr]);
					EXPECT_GE(40 * PAGE, stats_of(gs).leased_bytes);
				}
			}
			EXPECT_EQ(2, gophership_release_bulk(gs, held, 2));
			gophership_close(gs);
		}
	}
}

#ifdef STANDIN
#define FEW_BYTES	(256 << 20)	/* the quota */

static int limit_bytes(void)
{
	return 0;
}
#else
#define FEW_BYTES	(1 << 20)

/* For who may not lock as much as he likes. */
static int limit_bytes(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};
	struct rlimit limit = { FEW_BYTES, FEW_BYTES };

	return setrlimit(RLIMIT_MEMLOCK, &limit) || syscall(SYS_capset, &header, none);
}
#endif

/* The kernel's limits for the one who asks, where no ceiling was given. */
TEST(limits_of_the_kernel_are_EDQUOT_and_recover)
{
	static void *bufs[FEW_BYTES / LARGEST + 1];
	const unsigned int nr = FEW_BYTES / LARGEST;
	struct gophership *gs;

	ASSERT_EQ(0, limit_bytes());
	ASSERT_EQ(0, gophership_open(&gs, NULL));
	errno = 0;
	ASSERT_EQ(nr, gophership_acquire_bulk(gs, LARGEST, nr + 1, bufs));
	EXPECT_EQ(EDQUOT, errno);
	errno = 0;
	EXPECT_EQ(NULL, gophership_acquire(gs, 0));
	EXPECT_EQ(EDQUOT, errno);
	EXPECT_EQ(0, gophership_release(gs, bufs[nr / 2]));
	EXPECT_NE(NULL, gophership_acquire(gs, 0));
	EXPECT_EQ(nr - 1, gophership_release_bulk(gs, bufs, nr));
	gophership_close(gs);
}

static struct gophership *shared;
static pthread_barrier_t barrier;

static void *hoard(void *unused)
{
	(void)unused;
	/* All that there is, idle in this thread's cache. */
	for (int i = 0; i < 100; i++)
		gophership_release(shared, gophership_acquire(shared, PAGE));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	/* And it can go on after its cache was emptied. */
	return gophership_acquire(shared, PAGE);
}

static void meet_the_hoarder(struct __test_metadata *_metadata, uint32_t flags)
{
	void *bufs[8], *result;
	pthread_t thread;

	shared = open_with((struct gophership_options) { .ceiling = 8 * PAGE, .flags = flags });
	ASSERT_NE(NULL, shared);
	pthread_barrier_init(&barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, hoard, NULL));
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(8, gophership_acquire_bulk(shared, PAGE, 8, bufs));
	EXPECT_EQ(NULL, gophership_acquire(shared, PAGE));
	EXPECT_EQ(0, gophership_release(shared, bufs[0]));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, &result);
	EXPECT_NE(NULL, result);
	gophership_close(shared);
}

TEST(what_another_thread_hoards_is_found)
{
	meet_the_hoarder(_metadata, 0);
}

TEST(without_thread_caches_nobody_hoards)
{
	meet_the_hoarder(_metadata, GOPHERSHIP_NO_THREAD_CACHE);
}

static void *use_one_and_stay(void *used)
{
	void *buf = gophership_acquire(shared, PAGE);

	gophership_release(shared, buf);
	*(void **)used = buf;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* What a thread has released is another one's at once, or it keeps that for itself. */
TEST(without_thread_caches_a_buffer_is_for_all)
{
	for (int apart = 0; apart < 2; apart++) {
		struct gophership_lib_stats before, after;
		void *used, *buf;
		pthread_t thread;

		shared = open_with((struct gophership_options) {
				.flags = apart ? 0 : GOPHERSHIP_NO_THREAD_CACHE });
		ASSERT_NE(NULL, shared);
		pthread_barrier_init(&barrier, NULL, 2);
		ASSERT_EQ(0, pthread_create(&thread, NULL, use_one_and_stay, &used));
		pthread_barrier_wait(&barrier);
		before = stats_of(shared);
		buf = gophership_acquire(shared, PAGE);
		after = stats_of(shared);
		EXPECT_NE(NULL, used);
		EXPECT_NE(NULL, buf);
		EXPECT_EQ(apart, before.leases != after.leases);
		EXPECT_EQ(apart, before.system_calls != after.system_calls);
		EXPECT_EQ(apart ? 2 : 0, after.threads);
		pthread_barrier_wait(&barrier);
		pthread_join(thread, NULL);
		gophership_close(shared);
	}
}

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

/* Everything that a child can do with its parent's handle. */
static int child(struct gophership *gs, void *buf)
{
	struct gophership_lib_stats stats = { .size = sizeof(stats) };
	struct gophership *own;
	void *bufs[4];

	errno = 0;
	if (gophership_acquire(gs, PAGE) || errno != ESTALE)
		return 1;
	errno = 0;
	if (gophership_acquire_bulk(gs, PAGE, 4, bufs) || errno != ESTALE)
		return 2;
	if (gophership_release(gs, buf) != -EINVAL || gophership_release_bulk(gs, &buf, 1))
		return 3;
	if (gophership_capacity(gs, buf) || gophership_stats(gs, &stats) != -ESTALE ||
	    gophership_trim(gs))
		return 4;
	/* One of its own. */
	if (gophership_open(&own, NULL))
		return 5;
	if (gophership_acquire_bulk(own, PAGE, 4, bufs) != 4)
		return 6;
	memset(bufs[0], 0x33, PAGE);
	if (gophership_release_bulk(own, bufs, 4) != 4 || gophership_release(own, buf) == 0)
		return 7;
	gophership_close(gs);
	if (!gophership_acquire(own, PAGE))
		return 8;
	gophership_close(own);
	return 0;
}

TEST(fork_leaves_the_parent_alone)
{
	struct gophership *gs;
	void *bufs[100];
	int status;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	for (int i = 0; i < 20; i++) {
		void *buf = gophership_acquire(gs, PAGE);
		pid_t pid;

		ASSERT_NE(NULL, buf);
		memset(buf, 0x11, PAGE);
		pid = fork();
		if (!pid)
			_exit(child(gs, buf));
		/* At the same time. */
		for (int k = 0; k < 100; k++) {
			bufs[k] = gophership_acquire(gs, PAGE);
			memset(bufs[k], 0x22, PAGE);
		}
		EXPECT_EQ(100, gophership_release_bulk(gs, bufs, 100));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("step %d", WEXITSTATUS(status));
		}
		EXPECT_TRUE(memory_is(buf, 0x11, PAGE));
		EXPECT_EQ(0, gophership_release(gs, buf));
	}
	EXPECT_EQ(0, used_of(gs));
	gophership_close(gs);
}

/* The library's descriptor, or -1. */
static int find_device(void)
{
	char path[64], target[64];

	for (int fd = 3; fd < 64; fd++) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = 0;
		if (strstr(target, "gophership"))
			return fd;
	}
	return -1;
}

static bool has_device(void)
{
	return find_device() >= 0;
}

static int child_has_device(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(has_device());
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* A child that lives on must not keep its parent's leases alive. */
TEST(a_child_holds_no_device)
{
	struct gophership *gs;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	EXPECT_TRUE(has_device());
	EXPECT_EQ(0, child_has_device());
	gophership_close(gs);
}

static atomic_bool stop;

static void *open_and_close_until_stop(void *failed)
{
	struct gophership *gs;

	while (!stop) {
		if (gophership_open(&gs, NULL))
			return failed;
		gophership_close(gs);
	}
	return NULL;
}

/* Nor one that is born while a handle comes or goes. */
TEST(fork_around_open_and_close)
{
	unsigned int holders = 0;
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, open_and_close_until_stop, &stop));
	for (int i = 0; i < 300; i++)
		holders += !!child_has_device();
	stop = true;
	pthread_join(thread, &result);
	EXPECT_EQ(0, holders);
	EXPECT_EQ(NULL, result);
}

static atomic_uint handler_served, handler_refused, handler_failed;

/* What the handler holds from one signal to another: it leaves the cache changed. */
static void *handler_bufs[8];

static void handler_acquire(void **buf)
{
	errno = 0;
	*buf = gophership_acquire(shared, PAGE);
	if (!*buf) {
		handler_refused++;
		handler_failed += errno != EAGAIN;
		return;
	}
	handler_failed += !!atomic_exchange((_Atomic uintptr_t *)*buf, 2);
}

static void handler_release(void **buf)
{
	handler_failed += atomic_exchange((_Atomic uintptr_t *)*buf, 0) != 2;
	handler_failed += !!gophership_release(shared, *buf);
	*buf = NULL;
}

static void handler(int signal)
{
	void **buf = &handler_bufs[handler_served++ * 5 % ARRAY_SIZE(handler_bufs)];
	int error = errno;

	(void)signal;
	if (*buf)
		handler_release(buf);
	else
		handler_acquire(buf);
	errno = error;
}

/* The handler comes at any instruction of the library. */
static void handle_signals_on_top(struct __test_metadata *_metadata)
{
	struct itimerval timer = { { 0, 53 }, { 0, 53 } };
	unsigned int wrong = 0;
	void *bufs[70];

	ASSERT_EQ(0, gophership_open(&shared, NULL));
	gophership_release(shared, gophership_acquire(shared, PAGE));
	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; handler_served < 20000; i++) {
		unsigned int nr = i % 50 ? 1 : 70;

		for (unsigned int k = 0; k < nr; k++)
			bufs[k] = gophership_acquire(shared, PAGE);
		for (unsigned int k = 0; k < nr; k++)
			wrong += !!atomic_exchange((_Atomic uintptr_t *)bufs[k], 1);
		for (unsigned int k = 0; k < nr; k++)
			wrong += atomic_exchange((_Atomic uintptr_t *)bufs[k], 0) != 1;
		for (unsigned int k = 0; k < nr; k++)
			wrong += !!gophership_release(shared, bufs[k]);
		if (i % 10000 == 0)
			gophership_trim(shared);
	}
	timer = (struct itimerval) { { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &timer, NULL);
	/* Under Valgrind one may still be on its way. */
	signal(SIGALRM, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(handler_bufs); i++)
		if (handler_bufs[i])
			handler_release(&handler_bufs[i]);
	TH_LOG("%u handlers were refused", handler_refused);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, handler_failed);
	EXPECT_LT(0, handler_refused);
	EXPECT_EQ(0, used_of(shared));
	gophership_close(shared);
}

TEST(signal_handler_on_top)
{
	handle_signals_on_top(_metadata);
}

TEST(debug_signal_handler_on_top)
{
	setenv("GOPHERSHIP_DEBUG", "1", 1);
	handle_signals_on_top(_metadata);
}

static void *use_until_stop(void *unused)
{
	(void)unused;
	while (!stop)
		gophership_release(shared, gophership_acquire(shared, PAGE));
	return NULL;
}

static int result_while_cancelled;

static void *open_while_cancelled(void *unused)
{
	/* Not on a stack that ends early: the address sanitizer would not clear it. */
	static const struct gophership_options options = { .size = sizeof(options),
							   .flags = GOPHERSHIP_KEEPER };

	pthread_cancel(pthread_self());
	result_while_cancelled = gophership_open(&shared, &options);
	pthread_testcancel();
	return unused;
}

static void *release_twice_while_cancelled(void *buf)
{
	pthread_cancel(pthread_self());
	result_while_cancelled = gophership_release(shared, buf);
	result_while_cancelled = gophership_release(shared, buf);
	pthread_testcancel();
	return NULL;
}

static void *close_while_cancelled(void *unused)
{
	pthread_cancel(pthread_self());
	gophership_close(shared);
	result_while_cancelled = 0;
	pthread_testcancel();
	return unused;
}

/* What @function leaves as the result before it comes to an end. */
static int cancelled(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	void *result;

	result_while_cancelled = -ECANCELED;
	if (pthread_create(&thread, NULL, function, argument) || pthread_join(thread, &result))
		return -EAGAIN;
	return result == PTHREAD_CANCELED ? result_while_cancelled : -EINTR;
}

/* A thread is cancelled between the calls of the library, and not in one. */
TEST(cancelled_threads_finish_their_calls)
{
	ASSERT_EQ(0, cancelled(open_while_cancelled, NULL));
	EXPECT_EQ(0, gophership_release(shared, gophership_acquire(shared, PAGE)));
	EXPECT_EQ(0, cancelled(close_while_cancelled, NULL));
	EXPECT_FALSE(has_device());
}

TEST(cancelled_threads_fork)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, gophership_open(&shared, NULL));
	pthread_cancel(pthread_self());
	pid = fork();
	/* A child that ended in fork() would say 0. */
	if (!pid)
		_exit(33);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(33, WEXITSTATUS(status));
	gophership_close(shared);
}

TEST(debug_cancelled_threads_finish_their_calls)
{
	int null = open("/dev/null", O_WRONLY), errors = dup(STDERR_FILENO);
	int released, closed;

	setenv("GOPHERSHIP_DEBUG", "1", 1);
	ASSERT_EQ(0, gophership_open(&shared, NULL));
	dup2(null, STDERR_FILENO);
	released = cancelled(release_twice_while_cancelled, gophership_acquire(shared, PAGE));
	/* Nobody holds the lock, and what is left is reported to the end. */
	gophership_acquire(shared, PAGE);
	closed = cancelled(close_while_cancelled, NULL);
	dup2(errors, STDERR_FILENO);
	EXPECT_EQ(-EALREADY, released);
	EXPECT_EQ(0, closed);
	EXPECT_FALSE(has_device());
}

/* Whatever another thread was at in the parent, nobody is in the child. */
TEST(debug_fork_while_another_thread_is_inside)
{
	pthread_t thread;
	int status;

	setenv("GOPHERSHIP_DEBUG", "1", 1);
	ASSERT_EQ(0, gophership_open(&shared, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, use_until_stop, NULL));
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(200);
			_exit(gophership_acquire(shared, PAGE) || errno != ESTALE);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
	stop = true;
	pthread_join(thread, NULL);
	gophership_close(shared);
}

#if defined(BARE) && defined(__x86_64__)
#define TRAP_FLAG	0x100

static pthread_key_t late_key;
static unsigned int steps;

/* After each instruction, until the library is in the thread's way. */
static void step_handler(int signal, siginfo_t *info, void *context)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
	void *buf = gophership_acquire(shared, PAGE);

	(void)signal;
	(void)info;
	steps++;
	if (buf)
		gophership_release(shared, buf);
	*flags = buf ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
}

/* The library's own destructor was here before. */
static void use_late(void *unused)
{
	(void)unused;
	/* The main thread gets the cache that this one had. */
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	gophership_release(shared, gophership_acquire(shared, PAGE));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
}

static void *end_step_by_step(void *unused)
{
	gophership_release(shared, gophership_acquire(shared, PAGE));
	pthread_setspecific(late_key, &late_key);
	raise(SIGTRAP);
	return unused;
}

/* The handler comes at each instruction of a thread that ends. */
TEST(signal_handler_on_top_of_thread_exit)
{
	struct sigaction action = { .sa_sigaction = step_handler, .sa_flags = SA_SIGINFO };
	pthread_t thread;
	void *buf;

	ASSERT_EQ(0, gophership_open(&shared, NULL));
	ASSERT_EQ(0, pthread_key_create(&late_key, use_late));
	ASSERT_EQ(0, sigaction(SIGTRAP, &action, NULL));
	pthread_barrier_init(&barrier, NULL, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_step_by_step, NULL));
	pthread_barrier_wait(&barrier);
	buf = gophership_acquire(shared, PAGE);
	EXPECT_EQ(1, stats_of(shared).threads);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	/* Each has its own. */
	EXPECT_EQ(2, stats_of(shared).threads);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	EXPECT_LT(10, steps);
	EXPECT_EQ(1, stats_of(shared).threads);
	EXPECT_EQ(0, gophership_release(shared, buf));
	gophership_close(shared);
}
#endif

static bool shrinks_to(struct gophership *gs, uint64_t bytes)
{
	for (int ms = 0; ms < 60000; ms += 20) {
		if (stats_of(gs).leased_bytes <= bytes)
			return true;
		usleep(20000);
	}
	return false;
}

static void leave_many_idle(struct gophership *gs)
{
	void *bufs[2000];

	gophership_release_bulk(gs, bufs, gophership_acquire_bulk(gs, 2 * PAGE, 2000, bufs));
}

TEST(keeper_gives_back_after_idle_time)
{
	struct gophership *gs = open_with((struct gophership_options) {
			.flags = GOPHERSHIP_KEEPER, .idle_ms = 300 });

	ASSERT_NE(NULL, gs);
	leave_many_idle(gs);
	EXPECT_TRUE(shrinks_to(gs, 0));
	/* On a busy machine it may have begun before the last one lay idle. */
	EXPECT_LE(2000, stats_of(gs).given_back);
	EXPECT_NE(NULL, gophership_acquire(gs, PAGE));
	gophership_close(gs);
}

TEST(idle_never_keeps_everything)
{
	struct gophership *gs = open_with((struct gophership_options) {
			.flags = GOPHERSHIP_KEEPER, .idle_ms = GOPHERSHIP_IDLE_NEVER });

	ASSERT_NE(NULL, gs);
	leave_many_idle(gs);
	usleep(700000);
	EXPECT_LE(2000 * 2 * PAGE, stats_of(gs).leased_bytes);
	gophership_close(gs);
}

/* Without a keeper it takes calls, and here and there one off the fast path. */
TEST(calls_give_back_after_idle_time)
{
	struct gophership *gs = open_with((struct gophership_options) { .idle_ms = 300 });

	ASSERT_NE(NULL, gs);
	leave_many_idle(gs);
	/* The time is looked at every 262144 acquires. */
	for (int i = 0; i < 10; i++) {
		usleep(100000);
		for (int k = 0; k < 263000; k++)
			gophership_release(gs, gophership_acquire(gs, PAGE));
	}
	EXPECT_LT(0, stats_of(gs).given_back);
	/* But for what this thread, which is not idle, keeps for itself. */
	EXPECT_GT(3 << 20, stats_of(gs).classes[1].leased * 2 * PAGE);
	gophership_close(gs);
}

#ifdef STANDIN
TEST(pressure_is_heeded)
{
	struct gophership *gs;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	leave_many_idle(gs);
	gophership_standin_pressure();
	for (int i = 0; i < 2048; i++)
		gophership_release(gs, gophership_acquire(gs, PAGE));
	EXPECT_EQ(1, stats_of(gs).pressure);
	EXPECT_GE(64 * PAGE, stats_of(gs).leased_bytes);
	gophership_close(gs);
}

/* Whatever goes wrong in the course of it is nothing to the caller. */
TEST(errno_is_left_alone_by_release)
{
	struct gophership *gs;
	void *buf;

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	leave_many_idle(gs);
	gophership_release(gs, gophership_acquire(gs, PAGE));
	/* It cannot be asked for anything any more. */
	ASSERT_LE(0, dup2(open("/dev/null", O_RDWR), find_device()));
	gophership_standin_pressure();
	for (int i = 0; i < 2000; i++) {
		buf = gophership_acquire(gs, PAGE);
		errno = 77;
		if (gophership_release(gs, buf) || errno != 77)
			break;
		if (stats_of(gs).pressure)
			break;
	}
	EXPECT_EQ(77, errno);
	EXPECT_EQ(1, stats_of(gs).pressure);
	gophership_close(gs);
}

/* By who makes no other calls than these, too; and each acquire is counted once. */
TEST(pressure_is_heeded_by_bulk_calls)
{
	struct gophership *gs;
	void *bufs[48];

	ASSERT_EQ(0, gophership_open(&gs, NULL));
	leave_many_idle(gs);
	for (int i = 0; i < 100; i++) {
		/* When there is no more need to lease any. */
		if (i == 1)
			gophership_standin_pressure();
		ASSERT_EQ(48, gophership_acquire_bulk(gs, PAGE, 48, bufs));
		ASSERT_EQ(48, gophership_release_bulk(gs, bufs, 48));
	}
	EXPECT_EQ(2000 + 100 * 48, stats_of(gs).acquires);
	EXPECT_EQ(1, stats_of(gs).pressure);
	EXPECT_GE(64 * PAGE, stats_of(gs).leased_bytes);
	gophership_close(gs);
}
#endif

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
