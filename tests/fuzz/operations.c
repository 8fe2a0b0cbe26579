// SPDX-License-Identifier: GPL-2.0
/*
 * What a worker can do, how often it does it; and what has to do with files and processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cover.h"
#include "fuzz.h"

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
	{ "export", op_export, 3 },
	{ "port", op_port, 6 },
	{ "attach", op_attach, 6 },
	{ "submit", op_submit, 10 },
	{ "port_file", op_port_file, 3 },
	{ "port_mmap", op_port_mmap, 4 },
	{ "kill", op_kill, 1 },
	{ "reclaim", op_reclaim, 1 },
};

/* FNV-1a, by words. */
static void digest(unsigned int op, int result)
{
	common->digest = (common->digest ^ op) * 0x100000001b3;
	common->digest = (common->digest ^ (unsigned int)result) * 0x100000001b3;
}

void one_op(void)
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
	ports_forget();
}

/* A child with all that its parent has, for a moment. */
static int op_fork(void)
{
	uint64_t seed = any();
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		chance_begin(seed);
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
