// SPDX-License-Identifier: GPL-2.0
/*
 * The proof that a port makes no system call: many buffers each way where the kernel
 * kills for any but the one that ends the process. Of 64 and of 32 bits. Driver: pulse,
 * whose task polls.
 */
#include <sys/syscall.h>

#include "../seccomp.h"
#include "fixture.h"

#define ENDPOINT	"pulse"
#define COUNT		64
#define MESSAGES	100000
#define PAIRS		1000000

/* Without BATCH: a driver that polls asks for no KICK. */
static int shuttle(bool call_the_kernel)
{
	const struct gophership_port_options options = {
		.size = sizeof(options),
		.count = COUNT,
		.endpoint = ENDPOINT,
	};
	struct gophership_message messages[COUNT];
	struct gophership_port *port;
	struct gophership *gs;
	unsigned int i, nr;
	long done;

	if (gophership_open(&gs, NULL) || gophership_port_open(gs, &options, &port))
		return 1;
	for (i = 0; i < COUNT; i++)
		messages[i] = (struct gophership_message) {
			.data = gophership_port_buffer(port, i),
			.len = 8,
			.tag = i,
		};
	if (forbid_system_calls())
		return 2;
	if (call_the_kernel)
		getppid();
	if (gophership_port_submit(port, messages, COUNT) != COUNT)
		return 3;
	for (done = 0; done < MESSAGES; done += nr) {
		nr = gophership_port_receive(port, messages, COUNT);
		for (i = 0; i < nr; i++) {
			if (*(uint64_t *)messages[i].data != messages[i].tag)
				return 4;
			messages[i].tag += COUNT;
		}
		/* To submit none is to look whether the driver waits. */
		if (nr && gophership_port_submit(port, messages, nr) != nr)
			return 5;
	}
	return 0;
}

static int recycle(bool call_the_kernel)
{
	struct gophership_bank *bank;
	struct gophership *gs;
	long i;

	if (gophership_open(&gs, NULL) || gophership_bank_open(gs, PAGE, COUNT, 0, &bank))
		return 1;
	if (forbid_system_calls())
		return 2;
	if (call_the_kernel)
		getppid();
	for (i = 0; i < PAIRS; i++)
		if (gophership_bank_release(bank, gophership_bank_acquire(bank)))
			return 3;
	return 0;
}

static int status_of(int (*function)(bool), bool call_the_kernel)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(function(call_the_kernel));
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

TEST_SIGNAL(the_filter_kills, SIGSYS)
{
	int status = status_of(shuttle, true);

	ASSERT_TRUE(WIFSIGNALED(status));
	raise(WTERMSIG(status));
}

TEST(a_hundred_thousand_each_way)
{
	EXPECT_EQ(0, status_of(shuttle, false));
}

TEST(a_million_of_a_bank)
{
	EXPECT_EQ(0, status_of(recycle, false));
}

TEST_HARNESS_MAIN
