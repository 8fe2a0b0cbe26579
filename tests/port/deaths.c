// SPDX-License-Identifier: GPL-2.0
/*
 * deaths N SEED: programs at work on a port of pulse, killed at random moments. After
 * each, every byte is given back. Prints TAP.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "port.h"

#define PULSE	"/dev/gophership-pulse"

static int victim(void)
{
	struct gophership_entry entry;
	int device = device_open();
	struct port port;
	unsigned int i;

	for (;;) {
		if (port_open(device, 4096, 64, &port) || port_attach(&port, PULSE))
			return 1;
		for (i = 0; i < 64; i++)
			port_write(&port, i, 0, 8, 0, i);
		for (i = 0; i < 5000; i++) {
			port_wait(&port, 10);
			while (port_receive(&port, &entry))
				port_submit(&port, entry.index, 0, 8, 0, entry.tag);
		}
		port_close(&port);
	}
}

static int all_given_back(int device)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		if (device_machine_bytes(device) == 0)
			return 1;
		usleep(1000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < 30);
	return 0;
}

int main(int argc, char **argv)
{
	int kills = argc > 1 ? atoi(argv[1]) : 100, i, status, device = device_open();

	srandom(argc > 2 ? atoi(argv[2]) : 1);
	for (i = 0; i < kills; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(victim());
		usleep(random() % 30000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status) || !all_given_back(device)) {
			printf("not ok - kill %d: status %d, %lld bytes are left\n", i, status,
			       device_machine_bytes(device));
			return 1;
		}
	}
	printf("ok - %d programs killed with a port, all given back\n", kills);
	return 0;
}
