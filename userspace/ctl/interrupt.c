// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#include "interrupt.h"

/* What ends a program by default and tells of no crash; but no real-time signals. */
static const int signals[] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2,
	SIGXCPU, SIGIO, SIGPWR,
};

#define NR_SIGNALS	(sizeof(signals) / sizeof(signals[0]))

/* Between two signals of interrupt_after(). */
#define AGAIN_US	200000

static volatile sig_atomic_t pending;

static void notice(int signal)
{
	if (!pending)
		pending = signal;
}

void interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = notice }, before;
	size_t i;

	sigemptyset(&action.sa_mask);
	for (i = 0; i < NR_SIGNALS; i++) {
		/* nohup and shells that run us in the background ignore some. */
		if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	/* These come as errors of write(), which are handled like others. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

void interrupt_leave_pipe(void)
{
	signal(SIGPIPE, SIG_DFL);
}

void interrupt_after(uint64_t seconds)
{
	struct itimerval timer = {
		.it_value.tv_sec = seconds < INT32_MAX ? seconds : INT32_MAX,
		.it_interval.tv_usec = AGAIN_US,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

int interrupt_pending(void)
{
	return pending;
}

static void mask(int how, sigset_t *before)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < NR_SIGNALS; i++)
		sigaddset(&set, signals[i]);
	pthread_sigmask(how, &set, before);
}

void interrupt_block(void)
{
	mask(SIG_BLOCK, NULL);
}

void interrupt_unblock(void)
{
	mask(SIG_UNBLOCK, NULL);
}

/* From the look at @pending on, a signal waits for ppoll(), which it ends. */
static int wait_for(struct pollfd *fds, nfds_t nr, const struct timespec *period)
{
	sigset_t before, during;
	int ready = 0;

	mask(SIG_BLOCK, &before);
	during = before;
	sigdelset(&during, SIGWINCH);
	if (!pending)
		ready = ppoll(fds, nr, period, &during);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ready;
}

void interrupt_sleep(uint64_t seconds)
{
	struct timespec period = { .tv_sec = seconds };

	wait_for(NULL, 0, &period);
}

int interrupt_poll(int fd, double seconds)
{
	struct timespec period = { .tv_sec = seconds };
	struct pollfd input = { .fd = fd, .events = POLLIN };

	period.tv_nsec = (seconds - period.tv_sec) * 1e9;
	return wait_for(&input, 1, &period) > 0 ? input.revents : 0;
}
