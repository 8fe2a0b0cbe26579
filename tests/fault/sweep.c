// SPDX-License-Identifier: GPL-2.0
/*
 * sweep: fail the n-th allocation or user copy inside a call, for n = 1, 2, ...
 * until nothing more fails; after each, nothing is lost and the next call works.
 *
 * The kernel counts in /proc/thread-self/fail-nth: only what has a module in its
 * stack, or, for what memory management does with our mappings, everything. The
 * guest's script has switched the injection on.
 *
 *   sweep                          every case below; prints TAP
 *   sweep N write FILE TEXT        one write, and
 *   sweep N load MODULE PARAMETERS one load of a module, with the N-th failing:
 *                                  prints "injected" or "over", and what it said
 *   sweep --everywhere N ...       the same, with everything counted
 *
 * A case is one call. The test knows what the call may say when a part of it
 * fails, and that afterwards every counter of the machine is what it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"

#define MANY		40
#define FAR_AWAY	((void *)0x200000000000)
/* No call of ours allocates that often: the sweep does not end. */
#define TOO_MANY	5000

static int nth_fd;
/* Not subject to any fault: sees the machine's counters. */
static int witness;

/* What a case works with: made anew for each n. */
struct work {
	int fd;
	unsigned int nr;
	struct gophership_lease leases[MANY];
	unsigned char *map;
};

struct sweep_case {
	const char *name;
	/* Without faults; false: could not prepare. */
	bool (*prepare)(struct work *work);
	/* With faults. 0 or -errno. */
	int (*call)(struct work *work);
	/* Without faults: is all as it must be, whatever the call said? */
	bool (*check)(struct work *work, int ret);
	/* What the call may say. */
	int errors[2];
	/* Fail what has no module in its stack, too. */
	bool everywhere;
};

/* Modules are loaded from here on, on x86-64 without KASLR, and nothing else. */
#define MODULES		"0xffffffffa0000000"

static void set_stack(const char *start)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	char path[64];
	int fd;

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/require-start", kinds[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, start, strlen(start)) < 0) {
			perror(path);
			exit(2);
		}
		close(fd);
	}
}

static void fail_after(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	/* While a count runs, to write the new one may fail. */
	while (pwrite(nth_fd, text, length, 0) != length)
		;
}

/* Whether the fault was injected; stops the counting. */
static bool was_injected(void)
{
	char text[16] = "";

	/* With a count of 1 left the reading of it fails. */
	if (pread(nth_fd, text, sizeof(text) - 1, 0) < 0)
		return false;
	return atoi(text) == 0;
}

static __u64 machine_leased(const struct gophership_stats *stats)
{
	__u64 leased = 0;

	for (unsigned int i = 0; i < stats->nr_classes; i++)
		leased += stats->classes[i].leased;
	return leased;
}

/* Leases of the machine, open contexts, bytes. */
static bool machine_is_empty(const char *name, unsigned int n)
{
	struct gophership_stats stats;

	if (device_stats(witness, &stats)) {
		printf("# %s, n = %u: STATS: %s\n", name, n, strerror(errno));
		return false;
	}
	if (!machine_leased(&stats) && !stats.machine_bytes && stats.contexts == 1)
		return true;
	printf("# %s, n = %u: %llu buffers, %llu bytes, %llu contexts are left\n", name, n,
	       machine_leased(&stats), stats.machine_bytes, stats.contexts);
	return false;
}

static bool may_say(const struct sweep_case *c, int ret)
{
	if (!ret)
		return true;
	for (unsigned int i = 0; i < sizeof(c->errors) / sizeof(*c->errors); i++)
		if (c->errors[i] && ret == -c->errors[i])
			return true;
	return false;
}

static bool finish(struct work *work)
{
	if (work->map && work->map != MAP_FAILED)
		munmap(work->map, 65536);
	return work->fd < 0 || !close(work->fd);
}

/* One n: 1 injected and all is well, 0 nothing was left to fail, -1 bad. */
static int step(const struct sweep_case *c, unsigned int n)
{
	static struct work work;
	bool injected, good;
	int ret;

	memset(&work, 0, sizeof(work));
	work.fd = -1;
	if (c->prepare && !c->prepare(&work)) {
		printf("# %s, n = %u: could not prepare\n", c->name, n);
		return -1;
	}
	fail_after(n);
	ret = c->call(&work);
	injected = was_injected();
	fail_after(0);

	good = may_say(c, ret);
	if (!good)
		printf("# %s, n = %u: said %d (%s)\n", c->name, n, ret, strerror(-ret));
	if (!injected && ret) {
		printf("# %s, n = %u: %s without a fault\n", c->name, n, strerror(-ret));
		good = false;
	}
	if (c->check && !c->check(&work, ret)) {
		printf("# %s, n = %u: wrong state after %d\n", c->name, n, ret);
		good = false;
	}
	if (!finish(&work) || !machine_is_empty(c->name, n))
		good = false;
	return good ? injected : -1;
}

/*
 * The cases
 */

static bool opened(struct work *work)
{
	work->fd = device_open();
	return work->fd >= 0;
}

static bool leased(struct work *work, __u64 size, unsigned int nr)
{
	if (!opened(work))
		return false;
	work->nr = nr;
	return device_acquire(work->fd, size, nr, work->leases) == (int)nr;
}

static bool leased_one(struct work *work)
{
	return leased(work, 1, 1);
}

static bool leased_many(struct work *work)
{
	return leased(work, 1, MANY);
}

static bool leased_big(struct work *work)
{
	return leased(work, 65536, 1);
}

static bool mapped(struct work *work)
{
	if (!leased_big(work))
		return false;
	work->map = device_map_lease(work->fd, work->leases);
	return work->map != MAP_FAILED;
}

/* Where no page table is yet. */
static bool mapped_far_away(struct work *work)
{
	if (!leased_big(work))
		return false;
	work->map = mmap(FAR_AWAY, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
			 work->fd, work->leases[0].offset);
	return work->map != MAP_FAILED;
}

static bool touched(struct work *work)
{
	return mapped(work) && !memory_fill_signal(work->map, 0x5a, 65536);
}

static bool touched_many(struct work *work)
{
	if (!leased(work, 1, 16))
		return false;
	work->map = device_map(work->fd, work->leases[0].offset, 65536);
	return work->map != MAP_FAILED && !memory_fill_signal(work->map, 0x5a, 65536);
}

static int call_open(struct work *work)
{
	work->fd = device_open();
	return work->fd < 0 ? work->fd : 0;
}

static bool check_open(struct work *work, int ret)
{
	struct gophership_lease lease;

	if (ret)
		return work->fd < 0 && (work->fd = device_open()) >= 0;
	return !device_acquire_one(work->fd, 1, &lease);
}

static int call_info(struct work *work)
{
	struct gophership_info info;

	return device_info(work->fd, &info);
}

static int call_stats(struct work *work)
{
	struct gophership_stats stats;

	return device_stats(work->fd, &stats);
}

static bool check_usable(struct work *work, int ret)
{
	struct gophership_lease lease;

	(void)ret;
	return device_leased(work->fd) == 0 && !device_acquire_one(work->fd, 1, &lease) &&
	       !device_release_one(work->fd, lease.handle);
}

static int acquire(struct work *work, __u64 size, unsigned int nr)
{
	int ret = device_acquire(work->fd, size, nr, work->leases);

	work->nr = ret < 0 ? 0 : ret;
	return ret < 0 ? ret : 0;
}

static int call_acquire_one(struct work *work)
{
	return acquire(work, 1, 1);
}

static int call_acquire_big(struct work *work)
{
	return acquire(work, 65536, 1);
}

static int call_acquire_some(struct work *work)
{
	return acquire(work, 16384, 16);
}

static int call_acquire_many(struct work *work)
{
	return acquire(work, 1, MANY);
}

/* The caller has what the call said that it has, and can give it back. */
static bool check_acquired(struct work *work, int ret)
{
	(void)ret;
	if (device_leased(work->fd) != (long)work->nr)
		return false;
	return !work->nr || !device_release_leases(work->fd, work->leases, work->nr);
}

static int release(struct work *work)
{
	__u64 handles[MANY];
	__u32 done;

	for (unsigned int i = 0; i < work->nr; i++)
		handles[i] = work->leases[i].handle;
	return device_release(work->fd, handles, work->nr, &done);
}

/* What the call did not take is leased, and the rest is not. */
static bool check_released(struct work *work, int ret)
{
	long left = device_leased(work->fd), found = 0;

	if (!ret)
		return left == 0;
	for (unsigned int i = 0; i < work->nr; i++)
		found += !device_release_one(work->fd, work->leases[i].handle);
	return found == left && device_leased(work->fd) == 0;
}

/* And nothing of them is mapped any more. */
static bool check_released_mapped(struct work *work, int ret)
{
	return check_released(work, ret) && memory_read_signal(work->map) == SIGBUS;
}

static int call_mmap(struct work *work)
{
	work->map = device_map_lease(work->fd, work->leases);
	return work->map == MAP_FAILED ? -errno : 0;
}

static int call_populate(struct work *work)
{
	work->map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, work->fd,
			 work->leases[0].offset);
	return work->map == MAP_FAILED ? -errno : 0;
}

static int call_touch(struct work *work)
{
	/* A page fault that fails for want of memory is tried again, unseen. */
	for (unsigned int i = 0; i < 65536; i += 4096)
		*(volatile unsigned char *)(work->map + i) = 0x77;
	return 0;
}

static bool check_mapped(struct work *work, int ret)
{
	(void)ret;
	if (!work->map || work->map == MAP_FAILED)
		work->map = device_map(work->fd, work->leases[0].offset, 65536);
	return work->map != MAP_FAILED && !memory_fill_signal(work->map, 0x11, 4096) &&
	       memory_is(work->map, 0x11, 4096);
}

static int call_move(struct work *work)
{
	void *to = mremap(work->map, 65536, 65536, MREMAP_MAYMOVE | MREMAP_FIXED, FAR_AWAY);

	if (to == MAP_FAILED)
		return -errno;
	work->map = to;
	return 0;
}

static int call_split(struct work *work)
{
	return mprotect(work->map + 4096, 8192, PROT_READ) ? -errno : 0;
}

static bool check_split(struct work *work, int ret)
{
	(void)ret;
	return memory_is(work->map, 0x5a, 65536) && !memory_fill_signal(work->map, 0x33, 4096);
}

static int call_fork(struct work *work)
{
	pid_t child = fork();

	(void)work;
	if (child < 0)
		return -errno;
	if (!child)
		_exit(0);
	/* The child inherits no count. */
	return waitpid(child, NULL, 0) == child ? 0 : -errno;
}

static const struct sweep_case cases[] = {
	{ "open", NULL, call_open, check_open, { ENOMEM }, false },
	{ "INFO", opened, call_info, check_usable, { EFAULT }, false },
	{ "STATS", opened, call_stats, check_usable, { EFAULT }, false },
	{ "ACQUIRE one", opened, call_acquire_one, check_acquired, { ENOMEM, EFAULT }, false },
	{ "ACQUIRE 64 KiB", opened, call_acquire_big, check_acquired, { ENOMEM, EFAULT }, false },
	{ "ACQUIRE 16", opened, call_acquire_some, check_acquired, { ENOMEM, EFAULT }, false },
	{ "ACQUIRE 40", opened, call_acquire_many, check_acquired, { ENOMEM, EFAULT }, false },
	{ "RELEASE one", leased_one, release, check_released, { EFAULT }, false },
	{ "RELEASE 40", leased_many, release, check_released, { EFAULT }, false },
	{ "RELEASE mapped", touched_many, release, check_released_mapped, { EFAULT }, false },
	{ "mmap", leased_big, call_mmap, check_mapped, { ENOMEM }, true },
	{ "mmap populated", leased_big, call_populate, check_mapped, { ENOMEM }, true },
	{ "page faults", mapped_far_away, call_touch, check_mapped, { 0 }, true },
	{ "mremap", touched, call_move, check_mapped, { ENOMEM }, true },
	{ "mprotect", touched, call_split, check_split, { ENOMEM }, true },
	{ "fork", touched, call_fork, check_mapped, { ENOMEM, EAGAIN }, true },
};

/*
 * Idle buffers hide what allocates: the caches are emptied, now and then, by
 * who may. (The shrinker; a trim by the device would do it only under need.)
 */
static void empty_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (write(fd, "2", 1) != 1)
		perror("drop_caches");
	close(fd);
}

static bool sweep(unsigned int number, const struct sweep_case *c)
{
	unsigned int n, injected = 0;
	bool good = true;
	int ret;

	set_stack(c->everywhere ? "0" : MODULES);
	for (n = 1; n < TOO_MANY; n++) {
		/* Else the last one's buffers are there to be had. */
		if (c->check == check_acquired)
			empty_caches();
		ret = step(c, n);
		good &= ret >= 0;
		if (ret <= 0)
			break;
		injected++;
	}
	/* A case in which nothing can fail shows nothing. */
	good &= n < TOO_MANY && injected;
	printf("%s %u - %s: %u faults\n", good ? "ok" : "not ok", number, c->name, injected);
	return good;
}

/* What the kernel does at one write, or at the load of a module. */
static int run_once(unsigned int n, const char *what, const char *file, const char *text)
{
	bool write_it = !strcmp(what, "write");
	int fd = open(file, (write_it ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	long ret;
	int error;

	if (fd < 0) {
		perror(file);
		return 2;
	}
	fail_after(n);
	ret = write_it ? write(fd, text, strlen(text)) : syscall(SYS_finit_module, fd, text, 0);
	error = ret < 0 ? errno : 0;
	printf("%s %s\n", was_injected() ? "injected" : "over", error ? strerror(error) : "done");
	fail_after(0);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int failed = 0, nr = sizeof(cases) / sizeof(*cases);

	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0) {
		perror("fail-nth");
		return 2;
	}
	setlinebuf(stdout);
	if (argc == 6 && !strcmp(argv[1], "--everywhere")) {
		set_stack("0");
		return run_once(atoi(argv[2]), argv[3], argv[4], argv[5]);
	}
	if (argc == 5) {
		set_stack(MODULES);
		return run_once(atoi(argv[1]), argv[2], argv[3], argv[4]);
	}
	witness = device_open();
	if (witness < 0) {
		perror(DEVICE);
		return 2;
	}
	for (unsigned int i = 0; i < nr; i++)
		failed += !sweep(i + 1, &cases[i]);
	return failed > 0;
}
