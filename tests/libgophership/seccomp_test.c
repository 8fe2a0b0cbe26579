// SPDX-License-Identifier: GPL-2.0
/*
 * The proof that a hit makes no system call: ten million of them where the
 * kernel kills whoever makes any but the one that ends the process. Of 64 and of
 * 32 bits.
 */
#include <linux/audit.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../seccomp.h"
#include "fixture.h"

#define PAIRS	10000000

static int run_pairs(size_t size, bool call_the_kernel)
{
	struct gophership *gs;
	void *bufs[32];

	if (gophership_open(&gs, NULL))
		return 1;
	/* The first leases are the kernel's business. */
	if (gophership_release(gs, gophership_acquire(gs, size)) ||
	    gophership_acquire_bulk(gs, size, 32, bufs) != 32 ||
	    gophership_release_bulk(gs, bufs, 32) != 32)
		return 2;
	if (forbid_system_calls())
		return 3;
	if (call_the_kernel)
		getppid();
	for (long i = 0; i < PAIRS; i++)
		if (gophership_release(gs, gophership_acquire(gs, size)))
			return 4;
	for (long i = 0; i < PAIRS / 320; i++)
		if (gophership_acquire_bulk(gs, size, 32, bufs) != 32 ||
		    gophership_release_bulk(gs, bufs, 32) != 32)
			return 5;
	/* Mistakes cost none either. */
	if (gophership_release(gs, bufs[0]) != -EALREADY || gophership_release(gs, bufs) != -EINVAL)
		return 6;
	return 0;
}

static int status_of(size_t size, bool call_the_kernel)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(run_pairs(size, call_the_kernel));
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

TEST_SIGNAL(the_filter_kills, SIGSYS)
{
	int status = status_of(PAGE, true);

	ASSERT_TRUE(WIFSIGNALED(status));
	raise(WTERMSIG(status));
}

FIXTURE(seccomp)
{
	int unused;
};

FIXTURE_SETUP(seccomp)
{
}

FIXTURE_TEARDOWN(seccomp)
{
}

TEST_F_TIMEOUT(seccomp, ten_million_pairs_of_4_KiB, 900)
{
	EXPECT_EQ(0, status_of(PAGE, false));
}

TEST_F_TIMEOUT(seccomp, ten_million_pairs_of_64_KiB, 900)
{
	EXPECT_EQ(0, status_of(LARGEST, false));
}

TEST_HARNESS_MAIN
