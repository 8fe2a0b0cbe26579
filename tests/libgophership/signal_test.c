// SPDX-License-Identifier: GPL-2.0
/*
 * Signal handlers on top of the library, and threads that are cancelled.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <ucontext.h>

#include "fixture.h"

static struct gophership *shared;

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

#if defined(BARE) && defined(__x86_64__)
#define TRAP_FLAG	0x100

static pthread_key_t late_key;
static pthread_barrier_t barrier;
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

TEST_HARNESS_MAIN
