// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz: everything that processes can do to the device, at random and at once.
 *
 *   fuzz SEED SECONDS|OPSo [WORKERS]     e.g. "fuzz 42 60", "fuzz 42 5000o 1"
 *
 * Workers are processes that share the descriptors of a few contexts and open
 * more of their own. The calls are mostly meant well, with one value in some
 * replaced by one that is not. The same seed makes each worker try the same;
 * with one worker, and a number of operations, a run repeats itself, and prints
 * a digest of all results.
 * One worker is an ordinary user with little RLIMIT_MEMLOCK, one is in a memory
 * cgroup with a low limit.
 *
 * What must hold, whatever they do: a buffer shows nothing but zeros and what
 * its own context wrote; and when all of them are gone, so are all leases,
 * contexts and bytes. The rest (oops, splat, hang, leak) the bench sees.
 *
 * If the kernel has KCOV, the places of the module that were reached are printed
 * as "pc OFFSET" lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cover.h"
#include "device.h"

#define PAGE		4096UL
#define WORKERS_MAX	16
#define CONTEXTS	8	/* descriptors of a worker; the first are shared */
#define SHARED		3
#define TOUCHED		4000UL	/* bytes at the start of each page */
#define MAPPINGS	24
#define HANDLES		512
#define BURST		600U
#define LAST_OPS	12
#define NOBODY		65534
#define CGROUP		"/sys/fs/cgroup/fuzz"
/* Every so many operations a worker starts anew: nothing else would end a mess. */
#define LIFE		400

struct context {
	int fd;			/* -1: none */
	uint64_t id;		/* what this context writes */
};

struct mapping {
	unsigned char *at;	/* NULL: none */
	size_t length;
	uint64_t id;		/* 0: what is there is not looked at */
};

/* Seen by all processes. */
struct common {
	atomic_ulong ids;
	atomic_ulong calls;
	atomic_ulong faults;
	atomic_ulong wrong;
	atomic_ulong forks;
	atomic_ulong kills;
	atomic_int stop;
	atomic_int pids[WORKERS_MAX];
	_Atomic uint64_t handles[HANDLES];	/* of the shared contexts, mostly */
	uint64_t digest;			/* of the only worker's results */
	struct {
		atomic_uint place;
		char name[LAST_OPS][24];
		int result[LAST_OPS];
	} last[WORKERS_MAX];
};

static struct common *common;
static struct context contexts[CONTEXTS];
static struct mapping mappings[MAPPINGS];
static uint64_t handles[HANDLES];
static unsigned int worker, workers;
static uint64_t state;
static sigjmp_buf on_fault;
static volatile sig_atomic_t touching;

/* splitmix64 (Steele, Lea, Flood, 2014) */
static uint64_t any(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned int below(unsigned int n)
{
	return any() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/* A number from where mistakes live. */
static uint64_t odd(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 7, 8, 23, 24, 31, 32, 63, 64, 4095, 4096, 4097, 65535, 65536, 65537,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1000000000, 0x5fffffffff,
		0x6000000000, 0x7fffffffffff, 0x7fffffffffffffff, 0x8000000000000000,
		0xfffffffffffff000, 0xffffffffffffffff,
	};

	switch (below(4)) {
	case 0:
		return any();
	case 1:
		return 1ULL << below(64);
	default:
		return values[below(sizeof(values) / sizeof(*values))] + (one_in(8) ? 1 : 0);
	}
}

/*
 * Memory
 */

static void fault_handler(int signal)
{
	(void)signal;
	if (!touching)
		_exit(3);
	siglongjmp(on_fault, 1);
}

/* Look at a page, then write to it; false if it cannot be reached. */
static bool touch(volatile uint64_t *word, uint64_t id, bool write)
{
	uint64_t seen;

	touching = 1;
	if (sigsetjmp(on_fault, 1)) {
		touching = 0;
		atomic_fetch_add(&common->faults, 1);
		return false;
	}
	seen = *word;
	if (write)
		*word = id;
	touching = 0;
	if (seen && seen != id && id) {
		atomic_fetch_add(&common->wrong, 1);
		printf("# worker %u: %#llx in a buffer of context %#llx\n", worker,
		       (unsigned long long)seen, (unsigned long long)id);
	}
	return true;
}

static struct context *some_context(void)
{
	return &contexts[below(CONTEXTS)];
}

static struct mapping *some_mapping(void)
{
	struct mapping *mapping = &mappings[below(MAPPINGS)];

	return mapping->at ? mapping : NULL;
}

static void forget_range(const unsigned char *at, size_t length)
{
	for (unsigned int i = 0; i < MAPPINGS; i++) {
		struct mapping *m = &mappings[i];

		if (m->at && m->at < at + length && at < m->at + m->length)
			m->at = NULL;
	}
}

static void remember(unsigned char *at, size_t length, uint64_t id)
{
	unsigned int i = below(MAPPINGS);

	if (mappings[i].at)
		munmap(mappings[i].at, mappings[i].length);
	mappings[i] = (struct mapping){ at, length, id };
}

/*
 * Operations: each returns what it got, for the record.
 */

static int op_open(void)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	struct context *context = &contexts[SHARED + below(CONTEXTS - SHARED)];

	if (context->fd >= 0)
		close(context->fd);
	context->fd = open(DEVICE, modes[below(5)] | O_CLOEXEC);
	context->id = 0x6f00000000000000 | atomic_fetch_add(&common->ids, 1);
	return context->fd;
}

static int op_close(void)
{
	struct context *context = &contexts[SHARED + below(CONTEXTS - SHARED)];
	int ret = context->fd < 0 ? 0 : close(context->fd);

	context->fd = -1;
	return ret;
}

static void spoil(void *structure, size_t size)
{
	uint64_t value = odd();
	size_t width = one_in(2) ? 4 : 8;

	memcpy((char *)structure + below((size - width) / 4 + 1) * 4, &value, width);
}

static int op_acquire(void)
{
	struct gophership_lease leases[64], *to = leases;
	struct gophership_acquire acquire = {
		.size = sizeof(acquire),
		.min_size = one_in(3) ? below(65537) : PAGE << below(5),
		.count = one_in(4) ? below(64) + 1 : 1,
	};
	struct context *context = some_context();
	struct mapping *target = one_in(8) ? some_mapping() : NULL;
	uint32_t i;
	int ret;

	/* The leases land in a buffer (where touch() does not look), or may not. */
	if (target)
		to = (struct gophership_lease *)(target->at + TOUCHED);
	acquire.leases = one_in(16) ? odd() : (uintptr_t)to;
	if (one_in(8))
		spoil(&acquire, sizeof(acquire));
	/* Never to where the worker itself has something, nor more than there is room for. */
	if (acquire.leases != (uintptr_t)to)
		acquire.leases = odd();
	if (acquire.count > (target ? 2 : 64) && acquire.leases == (uintptr_t)to)
		acquire.leases = 0;
	ret = ioctl(context->fd, GOPHERSHIP_IOC_ACQUIRE, &acquire);
	if (ret || acquire.leases != (uintptr_t)leases)
		return ret ? -errno : 0;
	for (i = 0; i < acquire.granted && i < 64; i++)
		if (one_in(2))
			handles[below(HANDLES)] = leases[i].handle;
		else
			common->handles[below(HANDLES)] = leases[i].handle;
	return acquire.granted;
}

static int op_release(void)
{
	uint64_t some[80];
	struct gophership_release release = {
		.size = sizeof(release), .count = one_in(4) ? below(80) + 1 : 1,
		.handles = (uintptr_t)some,
	};

	for (unsigned int i = 0; i < 80; i++) {
		some[i] = one_in(2) ? handles[below(HANDLES)] : common->handles[below(HANDLES)];
		if (one_in(40))
			some[i] ^= 1ULL << below(64);
	}
	if (one_in(10))
		spoil(&release, sizeof(release));
	if (one_in(30))
		release.handles = odd();
	return ioctl(some_context()->fd, GOPHERSHIP_IOC_RELEASE, &release) ? -errno :
	       (int)release.done;
}

/* More than a processor keeps for itself: the depot has to do with it. */
static int op_burst(void)
{
	static struct gophership_lease leases[BURST];
	static __u64 some[BURST];
	struct context *context = some_context();
	unsigned int class = below(5);
	int nr = device_acquire(context->fd, PAGE << class, 1 + below(BURST >> class), leases);
	uint32_t done = 0;

	/* More than that KCOV does not remember. */
	cover_collect();
	for (int i = 0; i < nr; i++)
		some[i] = leases[i].handle;
	/* All in one call, but for one that goes before. */
	if (nr > 0 && one_in(4))
		device_release_one(context->fd, some[below(nr)]);
	if (nr > 0 && device_release(context->fd, some, nr, &done))
		device_release(context->fd, some + done + 1, nr - done - 1, NULL);
	return nr;
}

static int op_info(void)
{
	unsigned char bytes[PAGE];
	struct gophership_info *info = (void *)bytes;
	struct gophership_stats *stats = (void *)bytes;

	memset(bytes, 0, sizeof(bytes));
	if (one_in(2)) {
		info->size = one_in(3) ? below(4097) : sizeof(*info);
		if (one_in(4))
			spoil(bytes, sizeof(*info) + 8);
		return ioctl(some_context()->fd, GOPHERSHIP_IOC_INFO, bytes) ? -errno : 0;
	}
	stats->size = one_in(3) ? below(4097) : sizeof(*stats);
	stats->pool = below(3);
	if (one_in(4))
		spoil(bytes, sizeof(*stats) + 8);
	return ioctl(some_context()->fd, GOPHERSHIP_IOC_STATS, bytes) ? -errno : 0;
}

/* Any command of anybody, with anything. */
static int op_ioctl(void)
{
	unsigned long command = one_in(2) ? odd() : GOPHERSHIP_IOC_INFO + below(12) - 4;

	return ioctl(some_context()->fd, command, odd()) ? -errno : 0;
}

static uint64_t some_offset(void)
{
	uint64_t class = 1 + below(6), slot = one_in(3) ? below(70000) : below(16);

	return (class << 36) + slot * (PAGE << below(5));
}

static int op_mmap(void)
{
	static const int flags[] = { MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_SHARED | MAP_POPULATE,
				     MAP_PRIVATE, MAP_SHARED_VALIDATE, MAP_SHARED | MAP_LOCKED };
	size_t length = one_in(8) ? odd() % (1UL << 30) : PAGE << below(8);
	struct context *context = some_context();
	int protection = one_in(8) ? below(8) : PROT_READ | PROT_WRITE;
	unsigned char *at;

	at = mmap(NULL, length, protection, flags[below(7)], context->fd,
		  one_in(12) ? odd() : some_offset());
	if (at == MAP_FAILED)
		return -errno;
	remember(at, (length + PAGE - 1) & ~(PAGE - 1), context->id);
	return 0;
}

/* The page that tells of memory pressure: read-only, and not ours. */
static int op_pressure(void)
{
	struct context *context = some_context();
	struct gophership_pressure *page;
	int protection = one_in(4) ? (int)below(8) : PROT_READ;

	page = mmap(NULL, one_in(8) ? PAGE << below(3) : PAGE, protection, MAP_SHARED, context->fd,
		    0);
	if (page == MAP_FAILED)
		return -errno;
	remember((unsigned char *)page, PAGE, 0);
	return 0;
}

static int op_touch(void)
{
	struct mapping *mapping = some_mapping();
	unsigned int reached = 0;
	size_t at;

	if (!mapping)
		return 0;
	for (at = 0; at < mapping->length && at < 64 * PAGE; at += PAGE)
		reached += touch((uint64_t *)(mapping->at + at) + below(TOUCHED / 8),
				 mapping->id, one_in(2));
	return reached;
}

static int op_munmap(void)
{
	struct mapping *mapping = some_mapping();
	size_t from, length;

	if (!mapping)
		return 0;
	from = one_in(2) ? 0 : below(mapping->length / PAGE) * PAGE;
	length = one_in(2) ? mapping->length - from : PAGE;
	if (munmap(mapping->at + from, length))
		return -errno;
	mapping->length = from;
	if (!from)
		mapping->at = NULL;
	return 0;
}

static int op_mremap(void)
{
	struct mapping *mapping = some_mapping();
	size_t length;
	unsigned char *to;
	int flags = one_in(3) ? MREMAP_MAYMOVE | MREMAP_DONTUNMAP : MREMAP_MAYMOVE;

	if (!mapping)
		return 0;
	length = flags & MREMAP_DONTUNMAP || one_in(3) ? mapping->length : PAGE << below(8);
	to = mremap(mapping->at, mapping->length, length, flags);
	if (to == MAP_FAILED)
		return -errno;
	if (flags & MREMAP_DONTUNMAP)
		remember(to, length, mapping->id);
	else
		*mapping = (struct mapping){ to, length, mapping->id };
	return 0;
}

/* A mapping in place of another, or of a part of it. */
static int op_replace(void)
{
	struct mapping *mapping = some_mapping();
	struct context *context = some_context();
	unsigned char *at;
	size_t length;

	if (!mapping)
		return 0;
	at = mapping->at;
	length = one_in(2) ? PAGE : mapping->length;
	/* What was there may be gone even if the new one is refused: a hole for others. */
	forget_range(at, length);
	if (mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, context->fd,
		 some_offset()) == MAP_FAILED)
		return -errno;
	remember(at, length, context->id);
	return 0;
}

static int op_advise(void)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_WILLNEED, MADV_COLD,
		MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_FREE,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WIPEONFORK, MADV_DODUMP,
		24 /* DONTNEED_LOCKED */, 25 /* COLLAPSE */, 102 /* GUARD_INSTALL */,
		103 /* GUARD_REMOVE */,
	};
	struct mapping *mapping = some_mapping();

	if (!mapping)
		return 0;
	return madvise(mapping->at, mapping->length,
		       advices[below(sizeof(advices) / sizeof(*advices))]) ? -errno : 0;
}

static int op_protect(void)
{
	struct mapping *mapping = some_mapping();
	unsigned char present[1024];

	if (!mapping)
		return 0;
	switch (below(5)) {
	case 0:
		return mlock(mapping->at, mapping->length) ? -errno : 0;
	case 1:
		return munlock(mapping->at, mapping->length) ? -errno : 0;
	case 2:
		return msync(mapping->at, mapping->length, 1 << below(3)) ? -errno : 0;
	case 3:
		return mincore(mapping->at, mapping->length % (1024 * PAGE), present) ? -errno : 0;
	default:
		return mprotect(mapping->at, one_in(2) ? PAGE : mapping->length, below(8)) ?
		       -errno : 0;
	}
}

/* Pages that leave by another door, with a reference of its own. */
static int op_pin(void)
{
	struct mapping *mapping = some_mapping();
	struct iovec mine, there;
	char bytes[256];
	int pipes[2], ret;

	if (!mapping)
		return 0;
	mine = (struct iovec){ bytes, sizeof(bytes) };
	there = (struct iovec){ mapping->at, PAGE * (below(4) + 1) };
	if (one_in(2))
		return process_vm_readv(getpid(), &mine, 1, &there, 1, 0) < 0 ? -errno : 0;
	if (pipe2(pipes, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	ret = vmsplice(pipes[1], &there, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0;
	if (one_in(2))
		op_release();
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

/* Pinned for long: a buffer that a ring of io_uring knows. */
static int op_ring(void)
{
	struct mapping *mapping = some_mapping();
	struct io_uring_params params = { 0 };
	struct iovec there;
	int ring, ret;

	if (!mapping)
		return 0;
	ring = syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		return -errno;
	there = (struct iovec){ mapping->at, PAGE * (below(16) + 1) };
	ret = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &there, 1);
	ret = ret < 0 ? -errno : ret;
	if (one_in(2))
		op_release();
	close(ring);
	return ret;
}

/* A mapping whose faults are somebody else's business, for a moment. */
static int op_userfault(void)
{
	static const uint64_t modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, UFFDIO_REGISTER_MODE_MINOR,
	};
	struct uffdio_api api = { .api = UFFD_API, .features = one_in(2) ? 1ULL << below(17) : 0 };
	struct mapping *mapping = some_mapping();
	struct uffdio_register range;
	struct uffdio_writeprotect protect;
	int fd, ret = 0;

	if (!mapping)
		return 0;
	fd = syscall(SYS_userfaultfd, O_NONBLOCK | (one_in(2) ? UFFD_USER_MODE_ONLY : 0));
	if (fd < 0)
		return -errno;
	range = (struct uffdio_register){
		.range = { (uintptr_t)mapping->at, mapping->length }, .mode = modes[below(3)],
	};
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		ret = -errno;
	protect = (struct uffdio_writeprotect){
		.range = range.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	if (!ret && ioctl(fd, UFFDIO_WRITEPROTECT, &protect))
		ret = -errno;
	if (!ret && one_in(2))
		op_release();
	/* A touch while it is armed might wait for ever: nobody answers. */
	close(fd);
	return ret;
}

/* What is idle in the pool goes. */
static int op_reclaim(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, "2", 1) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* What the file operations have none of. */
static int op_file(void)
{
	int fd = some_context()->fd, other;
	struct pollfd polled = { .fd = fd, .events = POLLIN | POLLOUT };
	char bytes[64] = "";

	switch (below(9)) {
	case 0:
		return read(fd, bytes, sizeof(bytes)) < 0 ? -errno : 0;
	case 1:
		return write(fd, bytes, sizeof(bytes)) < 0 ? -errno : 0;
	case 2:
		return pread(fd, bytes, sizeof(bytes), odd()) < 0 ? -errno : 0;
	case 3:
		return lseek(fd, odd(), below(6)) < 0 ? -errno : 0;
	case 4:
		return ftruncate(fd, odd()) ? -errno : 0;
	case 5:
		return fallocate(fd, below(128), below(1 << 20), below(1 << 20)) ? -errno : 0;
	case 6:
		return poll(&polled, 1, 0) < 0 ? -errno : 0;
	case 7:
		return fcntl(fd, F_SETFL, (int)odd()) ? -errno : 0;
	default:
		other = dup(fd);
		if (other < 0)
			return -errno;
		return close(other);
	}
}

static int op_fork(void);

static int op_kill(void)
{
	pid_t pid = common->pids[below(workers)];

	/* Its parent starts another one. */
	if (workers < 2 || pid <= 0 || pid == getpid() || !one_in(3))
		return 0;
	atomic_fetch_add(&common->kills, 1);
	return kill(pid, SIGKILL) ? -errno : 0;
}

struct op {
	const char *name;
	int (*run)(void);
	unsigned int weight;
};

static const struct op ops[] = {
	{ "acquire", op_acquire, 20 },
	{ "release", op_release, 16 },
	{ "mmap", op_mmap, 16 },
	{ "touch", op_touch, 20 },
	{ "munmap", op_munmap, 6 },
	{ "mremap", op_mremap, 5 },
	{ "replace", op_replace, 4 },
	{ "advise", op_advise, 5 },
	{ "protect", op_protect, 5 },
	{ "pin", op_pin, 6 },
	{ "ring", op_ring, 2 },
	{ "userfault", op_userfault, 2 },
	{ "pressure", op_pressure, 2 },
	{ "info", op_info, 3 },
	{ "ioctl", op_ioctl, 3 },
	{ "file", op_file, 3 },
	{ "open", op_open, 4 },
	{ "close", op_close, 2 },
	{ "fork", op_fork, 2 },
	{ "burst", op_burst, 2 },
	{ "kill", op_kill, 1 },
	{ "reclaim", op_reclaim, 1 },
};

/* FNV-1a, by words. */
static void digest(unsigned int op, int result)
{
	common->digest = (common->digest ^ op) * 0x100000001b3;
	common->digest = (common->digest ^ (unsigned int)result) * 0x100000001b3;
}

static void one_op(void)
{
	unsigned int i, total = 0, choice, place;
	int result;

	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		total += ops[i].weight;
	choice = below(total);
	for (i = 0; choice >= ops[i].weight; i++)
		choice -= ops[i].weight;
	place = atomic_fetch_add(&common->last[worker].place, 1) % LAST_OPS;
	snprintf(common->last[worker].name[place], sizeof(common->last[worker].name[place]), "%s",
		 ops[i].name);
	common->last[worker].result[place] = 1 << 30;
	result = ops[i].run();
	common->last[worker].result[place] = result;
	if (workers == 1)
		digest(i, result);
	atomic_fetch_add(&common->calls, 1);
	cover_collect();
}

/* Most mappings stay with the parent; who asked for it by MADV_DOFORK has them. */
static void forget_what_is_not_inherited(void)
{
	for (unsigned int i = 0; i < MAPPINGS; i++)
		if (mappings[i].at && msync(mappings[i].at, mappings[i].length, MS_ASYNC))
			mappings[i].at = NULL;
}

/* A child with all that its parent has, for a moment. */
static int op_fork(void)
{
	uint64_t seed = any();
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		state = seed;
		forget_what_is_not_inherited();
		cover_start();
		for (unsigned int i = below(12); i; i--) {
			unsigned int choice = below(10);

			/* Not those that fork or kill. */
			ops[choice].run();
			atomic_fetch_add(&common->calls, 1);
			cover_collect();
		}
		_exit(0);
	}
	atomic_fetch_add(&common->forks, 1);
	/* How far it comes is no matter of the seed. */
	if (one_in(4) && workers > 1) {
		usleep(below(3000));
		kill(child, SIGKILL);
	}
	return waitpid(child, NULL, 0) == child ? 0 : -errno;
}

/*
 * Workers
 */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "# %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void make_cgroup(void)
{
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		perror(CGROUP);
	write_file(CGROUP "/memory.max", "24M");
}

/* Not all workers are root with all the memory of the world. */
static void take_a_role(void)
{
	struct rlimit memlock = { 1 << 20, 1 << 20 };

	if (worker == 1)
		write_file(CGROUP "/cgroup.procs", "0");
	if (worker != 2)
		return;
	if (setrlimit(RLIMIT_MEMLOCK, &memlock) || setgid(NOBODY) || setuid(NOBODY))
		_exit(4);
}

static void work(uint64_t seed, unsigned int life, unsigned long max_ops)
{
	struct sigaction action = { .sa_handler = fault_handler, .sa_flags = SA_NODEFER };
	unsigned long i;

	state = seed ^ (worker * 0x1000003ULL) ^ ((uint64_t)life << 32);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	cover_start();
	take_a_role();
	for (i = SHARED; i < CONTEXTS; i++)
		contexts[i].fd = -1;
	for (i = 0; i < (max_ops ? max_ops : LIFE) && !common->stop; i++)
		one_op();
	_exit(0);
}

static pid_t start(unsigned int number, uint64_t seed, unsigned int life, unsigned long max_ops)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid) {
		worker = number;
		work(seed, life, max_ops);
	}
	common->pids[number] = pid;
	return pid;
}

static bool everything_came_back(int witness)
{
	struct gophership_stats stats;
	unsigned long long leased = 0;

	/* What a killed one had in flight may take a moment. */
	for (unsigned int tries = 0; tries < 3000; tries++) {
		if (device_stats(witness, &stats))
			return false;
		leased = 0;
		for (unsigned int i = 0; i < stats.nr_classes; i++)
			leased += stats.classes[i].leased;
		if (stats.contexts == 1 && !stats.machine_bytes && !leased)
			return !stats.pool_foreign && !stats.pool_doubled && !stats.pool_poisoned;
		usleep(20000);
	}
	printf("# left: %llu contexts, %llu bytes, %llu buffers\n", stats.contexts,
	       stats.machine_bytes, leased);
	return false;
}

static void tell_last(unsigned int number)
{
	unsigned int place = common->last[number].place;

	printf("# worker %u, the last first:", number);
	for (unsigned int i = 1; i <= LAST_OPS && i <= place; i++)
		printf(" %s=%d", common->last[number].name[(place - i) % LAST_OPS],
		       common->last[number].result[(place - i) % LAST_OPS]);
	printf("\n");
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* Keep the workers going until the time is over. Returns how many went wrong. */
static unsigned int watch(uint64_t seed, time_t seconds, unsigned long max_ops)
{
	unsigned int lives = 0, odd_ends = 0, alive = workers, number;
	time_t end = now() + seconds;
	int status;
	pid_t pid;

	for (number = 0; number < workers; number++)
		start(number, seed, lives++, max_ops);
	while (alive && (pid = wait(&status)) > 0) {
		for (number = 0; number < workers && common->pids[number] != pid; number++)
			;
		if (number == workers)
			continue;
		alive--;
		if (!WIFEXITED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status)) {
			printf("# worker %u ended with status %#x\n", number, status);
			tell_last(number);
			odd_ends++;
		}
		common->pids[number] = 0;
		if (max_ops || now() >= end)
			common->stop = 1;
		else
			alive += start(number, seed, lives++, 0) > 0;
	}
	return odd_ends;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	unsigned long amount = argc > 2 ? strtoul(argv[2], NULL, 0) : 0, max_ops = 0;
	unsigned int odd_ends;
	bool back;
	int witness = device_open();

	workers = argc > 3 ? atoi(argv[3]) : 4;
	if (witness < 0 || !amount || !workers || workers > WORKERS_MAX) {
		fprintf(stderr, "usage: fuzz SEED SECONDS|OPSo [WORKERS] (and %s)\n", DEVICE);
		return 2;
	}
	if (strchr(argv[2], 'o'))
		max_ops = amount;
	setlinebuf(stdout);
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (common == MAP_FAILED)
		return 2;
	common->ids = 1;
	make_cgroup();
	if (chmod(DEVICE, 0666))
		return 2;
	cover_init();
	for (unsigned int i = 0; i < SHARED; i++) {
		contexts[i].fd = open(DEVICE, O_RDWR | O_CLOEXEC);
		contexts[i].id = 0x6f00000000000000 | atomic_fetch_add(&common->ids, 1);
	}
	odd_ends = watch(seed, amount, max_ops);
	for (unsigned int i = 0; i < SHARED; i++)
		close(contexts[i].fd);
	back = everything_came_back(witness);
	cover_print();
	if (workers == 1)
		printf("# digest %016llx\n", (unsigned long long)common->digest);
	printf("# seed %#llx: %lu calls, %lu faults refused, %lu forks, %lu kills, %lu opens\n",
	       (unsigned long long)seed, common->calls, common->faults, common->forks,
	       common->kills, common->ids);
	printf("%s 1 - no byte of another context was seen\n", common->wrong ? "not ok" : "ok");
	printf("%s 2 - every buffer and context came back\n", back ? "ok" : "not ok");
	printf("%s 3 - no worker ended by itself\n", odd_ends ? "not ok" : "ok");
	return common->wrong || odd_ends || !back;
}
