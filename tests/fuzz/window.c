// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded: anonymous memory of a program becomes memory of the device, so that
 * programs which torment mappings torment the windows of /dev/gophership.
 *
 * Only in children of the program that was started: what that one maps is for
 * all of them, and windows are not inherited. The mappings overlap, and are
 * shared where private ones were asked for: who looks at his data is in the
 * wrong place. WINDOW_COUNT is a file of eight bytes, in which they are counted.
 */
#include <fcntl.h>
#include <linux/gophership.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPACITY	65536U
#define LEASES		64U
#define WINDOW		(5ULL << 36)	/* of that class */

static pid_t first, owner;
static int device = -1;
static atomic_ulong *count;
static atomic_uint turn;

static void *kernel_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("WINDOW_COUNT");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	first = getpid();
	if (fd < 0)
		return;
	count = kernel_mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
}

/* A process has a context of its own; the slots from 0 on are leased. */
static int context(void)
{
	struct gophership_lease leases[LEASES];
	struct gophership_acquire acquire = {
		.size = sizeof(acquire), .min_size = CAPACITY, .count = LEASES,
		.leases = (uintptr_t)leases,
	};

	if (owner == getpid())
		return device;
	owner = getpid();
	device = open("/dev/gophership", O_RDWR | O_CLOEXEC);
	if (device >= 0)
		ioctl(device, GOPHERSHIP_IOC_ACQUIRE, &acquire);
	return device;
}

static void *map(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	unsigned long page;
	void *window;

	if (!count || first == getpid() || !(flags & MAP_ANONYMOUS) || !length ||
	    length > LEASES * CAPACITY / 2 || protection & PROT_EXEC ||
	    flags & (MAP_STACK | MAP_GROWSDOWN | MAP_HUGETLB) || context() < 0)
		return kernel_mmap(at, length, protection, flags, fd, offset);
	page = atomic_fetch_add(&turn, 7) % (LEASES * CAPACITY / 2 / 4096);
	flags = (flags & ~(MAP_ANONYMOUS | MAP_TYPE)) | MAP_SHARED;
	window = kernel_mmap(at, length, protection, flags, device, WINDOW + page * 4096);
	if (window != MAP_FAILED)
		atomic_fetch_add(count, 1);
	return window;
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	return map(at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	return map(at, length, protection, flags, fd, offset);
}
