// SPDX-License-Identifier: GPL-2.0
/*
 * What the library does, for Valgrind, which the harness of the tests does not
 * run under; prints TAP.
 */
#include <gophership.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_SHELVES	16

static struct gophership *gs;
static void *_Atomic shelves[NR_SHELVES];
static atomic_uint failures;

static void *work(void *argument)
{
	unsigned int random = (unsigned int)(size_t)argument;
	void *bufs[40];

	for (int i = 0; i < 2000; i++) {
		size_t size = 4096 << random % 5;
		unsigned int nr = random >> 8 & 31;
		void *buf = gophership_acquire(gs, size);

		random = random * 1664525 + 1013904223;
		failures += gophership_capacity(gs, buf) != size;
		memset(buf, i, 64);
		buf = atomic_exchange(&shelves[i % NR_SHELVES], buf);
		failures += !!gophership_release(gs, buf);
		failures += gophership_acquire_bulk(gs, size, nr, bufs) != nr;
		failures += gophership_release_bulk(gs, bufs, nr) != nr;
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		failures += !!pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < NR_SHELVES; i++)
		failures += !!gophership_release(gs, atomic_exchange(&shelves[i], NULL));
}

static void run_child(void)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid) {
		failures = !!gophership_acquire(gs, 0);
		gophership_close(gs);
		_exit(failures);
	}
	waitpid(pid, &status, 0);
	failures += status;
}

int main(void)
{
	struct gophership_options options = { .size = sizeof(options),
					      .flags = GOPHERSHIP_KEEPER | GOPHERSHIP_PREFAULT };
	struct gophership_lib_stats stats = { .size = sizeof(stats) };

	/* Not twice, by a child that ends under Valgrind. */
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("1..2");
	for (int i = 1; i <= 2; i++) {
		failures += !!gophership_open(&gs, i == 1 ? NULL : &options);
		run_threads();
		run_child();
		failures += !!gophership_stats(gs, &stats);
		failures += stats.acquires != stats.releases;
		gophership_trim(gs);
		gophership_close(gs);
		printf("%s %d - memcheck\n", failures ? "not ok" : "ok", i);
	}
	return !!failures;
}
