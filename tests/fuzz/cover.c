// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "cover.h"

#define KCOV_INIT	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_WORDS	(64UL << 10)
/* More than the module's code has. */
#define COVER_BYTES	(1UL << 20)

static atomic_uchar *covered;	/* of all processes, a byte for each of .text */
static unsigned long *kcov;	/* of this process: their number, and addresses */
static unsigned long text;	/* where the module's code is */

void cover_init(void)
{
	FILE *file = fopen("/sys/module/gophership/sections/.text", "re");

	if (!file || fscanf(file, "%lx", &text) != 1)
		text = 0;
	if (file)
		fclose(file);
	covered = mmap(NULL, COVER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
}

void cover_start(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);

	kcov = NULL;
	if (fd < 0 || covered == MAP_FAILED || ioctl(fd, KCOV_INIT, KCOV_WORDS))
		return;
	kcov = mmap(NULL, KCOV_WORDS * sizeof(*kcov), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (kcov == MAP_FAILED || ioctl(fd, KCOV_ENABLE, 0))
		kcov = NULL;
	/* The descriptor stays: with it the tracing would end. */
}

void cover_collect(void)
{
	unsigned long nr, i, at;

	if (!kcov)
		return;
	nr = __atomic_load_n(kcov, __ATOMIC_RELAXED);
	for (i = 1; i <= nr && i < KCOV_WORDS; i++) {
		at = kcov[i] - text;
		if (at < COVER_BYTES)
			atomic_store_explicit(&covered[at], 1, memory_order_relaxed);
	}
	__atomic_store_n(kcov, 0, __ATOMIC_RELAXED);
}

void cover_print(void)
{
	for (unsigned long at = 0; covered != MAP_FAILED && at < COVER_BYTES; at++)
		if (covered[at])
			printf("pc %lx\n", at);
}
