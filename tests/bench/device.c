// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's case "device": what a lease costs a program, against a mapping
 * of its own and a memfd of the same size. For a guest whose clock counts
 * instructions; prints rows for tests/bench/table.
 *
 * An operation is a buffer that was had, written to (one byte, so its page is
 * there) and given back; ours leaves its window mapped. "untouched" is a lease of
 * ours that nobody looks at: the two ioctls alone.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/gophership.h>

#define MANY	64
#define SIZE	4096
#define ROUNDS	31

static unsigned int system_calls;

/* Count a system call; what it returns must not be negative. */
static long called(long result, const char *what)
{
	system_calls++;
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static char *mapped(void *address)
{
	called(address == MAP_FAILED ? -1 : 0, "mmap");
	return address;
}

static int device;
static struct gophership_class_info window;	/* of the smallest class */
static char *memory;				/* where it is mapped */

static void acquire(struct gophership_lease *leases, unsigned int nr)
{
	struct gophership_acquire acquire = {
		.size = sizeof(acquire), .min_size = SIZE, .count = nr,
		.leases = (uintptr_t)leases,
	};

	called(ioctl(device, GOPHERSHIP_IOC_ACQUIRE, &acquire), "GOPHERSHIP_IOC_ACQUIRE");
	if (acquire.granted != nr)
		errx(1, "%u leases of %u", acquire.granted, nr);
}

static void release(const struct gophership_lease *leases, unsigned int nr)
{
	struct gophership_release release = { .size = sizeof(release), .count = nr };
	uint64_t handles[MANY];
	unsigned int i;

	for (i = 0; i < nr; i++)
		handles[i] = leases[i].handle;
	release.handles = (uintptr_t)handles;
	called(ioctl(device, GOPHERSHIP_IOC_RELEASE, &release), "GOPHERSHIP_IOC_RELEASE");
}

static void open_device(void)
{
	struct gophership_info info = { .size = sizeof(info) };

	device = called(open("/dev/gophership", O_RDWR | O_CLOEXEC), "/dev/gophership");
	called(ioctl(device, GOPHERSHIP_IOC_INFO, &info), "GOPHERSHIP_IOC_INFO");
	window = info.classes[0];
	memory = mapped(mmap(NULL, window.length, PROT_READ | PROT_WRITE, MAP_SHARED, device,
			     window.offset));
}

static void lease_mapped(unsigned int nr)
{
	struct gophership_lease leases[MANY];
	unsigned int i;

	acquire(leases, nr);
	for (i = 0; i < nr; i++)
		memory[leases[i].offset - window.offset] = 1;
	release(leases, nr);
}

/* ioctl alone: what a program pays that keeps its pages to itself. */
static void lease_untouched(unsigned int nr)
{
	struct gophership_lease leases[MANY];

	acquire(leases, nr);
	release(leases, nr);
}

static void map_anonymous(unsigned int nr)
{
	char *pages = mapped(mmap(NULL, nr * SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	unsigned int i;

	for (i = 0; i < nr; i++)
		pages[i * SIZE] = 1;
	called(munmap(pages, nr * SIZE), "munmap");
}

/* One mapping each, as whoever wants to give them back one by one. */
static void map_anonymous_each(unsigned int nr)
{
	while (nr--)
		map_anonymous(1);
}

static void map_memfd(unsigned int nr)
{
	int fd = called(memfd_create("bench", MFD_CLOEXEC), "memfd_create");
	unsigned int i;
	char *pages;

	called(ftruncate(fd, nr * SIZE), "ftruncate");
	pages = mapped(mmap(NULL, nr * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	for (i = 0; i < nr; i++)
		pages[i * SIZE] = 1;
	called(munmap(pages, nr * SIZE), "munmap");
	called(close(fd), "close");
}

/* A memfd that stays mapped; what is given back is punched out of it. */
static void punch_memfd(unsigned int nr)
{
	static char *pages;
	static int fd;
	unsigned int i;

	if (!pages) {
		fd = called(memfd_create("bench", MFD_CLOEXEC), "memfd_create");
		called(ftruncate(fd, MANY * SIZE), "ftruncate");
		pages = mapped(mmap(NULL, MANY * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	}
	for (i = 0; i < nr; i++)
		pages[i * SIZE] = 1;
	called(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, nr * SIZE),
	       "fallocate");
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

struct figure {
	double instructions;	/* per buffer, the median */
	double calls;
};

static struct figure measure(void (*run)(unsigned int nr), unsigned int nr)
{
	double rounds[ROUNDS];
	struct figure figure;
	unsigned int i;
	uint64_t start;

	run(nr);
	run(nr);
	for (i = 0; i < ROUNDS; i++) {
		system_calls = 0;
		start = now();
		run(nr);
		rounds[i] = (double)(now() - start) / nr;
	}
	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	figure.instructions = rounds[ROUNDS / 2];
	figure.calls = (double)system_calls / nr;
	return figure;
}

static void row(const char *name, unsigned int nr, const char *peer, double ours, double theirs,
		const char *unit)
{
	printf("bench case=%s-%u peer=%s cpus=1 ours=%.3f theirs=%.3f unit=%s\n", name, nr, peer,
	       ours, theirs, unit);
}

static const struct {
	const char *name;
	void (*run)(unsigned int nr);
} peers[] = {
	{ "untouched", lease_untouched },
	{ "mmap", map_anonymous },
	{ "mmap-each", map_anonymous_each },
	{ "memfd", map_memfd },
	{ "memfd-punched", punch_memfd },
};

static void compare_all(unsigned int nr)
{
	struct figure ours = measure(lease_mapped, nr), theirs;
	unsigned int i;

	for (i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		theirs = measure(peers[i].run, nr);
		row("device", nr, peers[i].name, ours.instructions, theirs.instructions,
		    "instructions");
		row("device-calls", nr, peers[i].name, ours.calls, theirs.calls, "calls");
	}
}

int main(void)
{
	open_device();
	compare_all(1);
	compare_all(MANY);
	return 0;
}
