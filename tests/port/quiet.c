// SPDX-License-Identifier: GPL-2.0
/*
 * quiet N: N buffers each way through pulse, where the kernel kills for any system
 * call but the last. Prints TAP.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../seccomp.h"
#include "device.h"
#include "port.h"

#define PULSE	"/dev/gophership-pulse"
/* For each so many buffers, in a guest whose machine is busy. */
#define SECONDS	240
#define BUFFERS	100000
/* A status: the kernel has no seccomp. */
#define NO_FILTER	3

/* In a child. With @break_it, one system call. */
static int shuttle(long nr, int break_it)
{
	struct gophership_entry entry;
	struct port port;
	long done = 0;
	unsigned int i;

	if (port_open(device_open(), 4096, 64, &port) || port_attach(&port, PULSE))
		return 2;
	for (i = 0; i < 64; i++) {
		/* No fault later: that is no system call, but is not meant either. */
		__atomic_store_n(port_buffer(&port, i), 1, __ATOMIC_RELAXED);
		port_write(&port, i, 0, 8, 0, i);
	}
	/* If nothing comes any more, the status says so. */
	alarm(SECONDS * (1 + nr / BUFFERS));
	if (forbid_system_calls())
		return NO_FILTER;
	if (break_it)
		getppid();
	while (done < nr) {
		if (!port_receive(&port, &entry))
			continue;
		if (entry.index != entry.tag)
			syscall(__NR_exit_group, 4);
		port_write(&port, entry.index, 0, 8, 0, entry.tag);
		done++;
	}
	syscall(__NR_exit_group, 0);
	return 0;
}

static int status_of(long nr, int break_it)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(shuttle(nr, break_it));
	waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	long nr = argc > 1 ? atol(argv[1]) : 1000000;
	int status = status_of(1, 1);

	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER) {
		puts("ok - buffers there and back without a system call # SKIP no seccomp");
		return 0;
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) {
		printf("not ok - the filter does not kill: status %#x\n", status);
		return 1;
	}
	status = status_of(nr, 0);
	printf("%sok - %ld buffers there and back without a system call: status %#x\n",
	       status ? "not " : "", nr, status);
	return !!status;
}
