// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: a context's quota, the machine's, a user's RLIMIT_MEMLOCK, a memory
 * cgroup's. The module is loaded with quota_mb=4 user_limit_mb=10, and the
 * device is open to everybody.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "device.h"
#include "file.h"
#include "harness.h"
#include "memory.h"

#define MB	0x100000
#define LARGE	65536
#define NOBODY	65534

FIXTURE(limits)
{
	int fd;
};

FIXTURE_SETUP(limits)
{
	struct gophership_info info;

	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_info(self->fd, &info));
	ASSERT_EQ(4 * MB, info.quota);
	ASSERT_EQ(10 * MB, info.machine_limit);
}

FIXTURE_TEARDOWN(limits)
{
	close(self->fd);
}

/* Lease one after the other until it fails; the error, and how many bytes. */
static int lease_until_error(int fd, size_t size, size_t *bytes)
{
	struct gophership_lease lease;
	int ret;

	*bytes = 0;
	while (!(ret = device_acquire_one(fd, size, &lease)))
		*bytes += lease.capacity;
	return ret;
}

TEST_F(limits, quota_is_EDQUOT)
{
	size_t bytes;

	for (size_t size = 4096; size <= LARGE; size *= 2) {
		int fd = device_open();

		EXPECT_EQ(-EDQUOT, lease_until_error(fd, size, &bytes));
		EXPECT_EQ(4 * MB, bytes);
		/* Every class draws on the same quota. */
		EXPECT_EQ(-EDQUOT, lease_until_error(fd, 4096, &bytes));
		EXPECT_EQ(0, bytes);
		close(fd);
	}
}

TEST_F(limits, call_above_the_quota_is_granted_in_part)
{
	struct gophership_lease leases[100];

	EXPECT_EQ(64, device_acquire(self->fd, LARGE, 100, leases));
	EXPECT_EQ(-EDQUOT, device_acquire(self->fd, 4096, 100, leases + 64));
	ASSERT_EQ(0, device_release_leases(self->fd, leases, 2));
	EXPECT_EQ(2, device_acquire(self->fd, LARGE, 100, leases));
	EXPECT_EQ(64, device_leased(self->fd));
}

TEST_F(limits, what_is_released_can_be_leased_again)
{
	struct gophership_lease lease;

	for (int i = 0; i < 3 * 4 * MB / LARGE; i++) {
		ASSERT_EQ(0, device_acquire_one(self->fd, LARGE, &lease));
		ASSERT_EQ(0, device_release_one(self->fd, lease.handle));
	}
}

/* Bytes that were charged and not given back would end this early. */
TEST_F(limits, what_could_not_be_reported_costs_nothing)
{
	long long before = device_machine_bytes(self->fd);
	size_t bytes;

	for (int i = 0; i < 3 * 4 * MB / LARGE; i++)
		ASSERT_EQ(-EFAULT, device_acquire(self->fd, LARGE, 1, NULL));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(-EFAULT, device_acquire(self->fd, LARGE, 50, NULL));
	EXPECT_EQ(before, device_machine_bytes(self->fd));
	EXPECT_EQ(-EDQUOT, lease_until_error(self->fd, LARGE, &bytes));
	EXPECT_EQ(4 * MB, bytes);
}

/* What a context has, and what all have together. */
struct account {
	__u64 leased, leased_bytes, acquires, releases, retired, contexts, machine_bytes;
};

static struct account account_of(int fd)
{
	struct account account = { .leased = -1ULL };
	struct gophership_stats stats;

	if (!device_stats(fd, &stats))
		account = (struct account){
			stats.leased, stats.leased_bytes, stats.acquires, stats.releases,
			stats.retired, stats.contexts, stats.machine_bytes,
		};
	return account;
}

/* Whether each of many calls gets @error, one and several at once, and moves no counter. */
static bool is_refused_for_nothing(int fd, int error)
{
	struct account before = account_of(fd), after;
	struct gophership_lease leases[20];

	for (int i = 0; i < 100; i++)
		if (device_acquire(fd, LARGE, 1 + i % 20, leases) != error)
			return false;
	after = account_of(fd);
	return before.leased != -1ULL && !memcmp(&before, &after, sizeof(before));
}

TEST_F(limits, refused_calls_cost_nothing)
{
	struct gophership_lease leases[64];
	size_t bytes;

	ASSERT_EQ(64, device_acquire(self->fd, LARGE, 64, leases));
	for (int i = 0; i < 200; i++)
		ASSERT_EQ(-EDQUOT, device_acquire(self->fd, 4096 << i % 5, 1, leases));
	EXPECT_TRUE(is_refused_for_nothing(self->fd, -EDQUOT));
	EXPECT_EQ(4 * MB, account_of(self->fd).leased_bytes);
	EXPECT_EQ(64, account_of(self->fd).acquires);
	EXPECT_EQ(4 * MB, device_machine_bytes(self->fd));
	close(self->fd);
	self->fd = device_open();
	EXPECT_EQ(0, device_machine_bytes(self->fd));
	EXPECT_EQ(-EDQUOT, lease_until_error(self->fd, 4096, &bytes));
	EXPECT_EQ(4 * MB, bytes);
}

TEST_F(limits, machine_limit_is_ENOMEM)
{
	struct gophership_lease lease;
	size_t bytes;
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = device_open();
	EXPECT_EQ(-EDQUOT, lease_until_error(fds[0], LARGE, &bytes));
	EXPECT_EQ(4 * MB, bytes);
	EXPECT_EQ(-EDQUOT, lease_until_error(fds[1], LARGE, &bytes));
	EXPECT_EQ(4 * MB, bytes);
	EXPECT_EQ(-ENOMEM, lease_until_error(fds[2], LARGE, &bytes));
	EXPECT_EQ(2 * MB, bytes);
	EXPECT_EQ(-ENOMEM, device_acquire_one(self->fd, 0, &lease));
	EXPECT_TRUE(is_refused_for_nothing(self->fd, -ENOMEM));
	EXPECT_TRUE(is_refused_for_nothing(fds[2], -ENOMEM));
	EXPECT_EQ(10 * MB, device_machine_bytes(self->fd));
	/* The refusals took nothing from the contexts: one closes, all fits. */
	close(fds[0]);
	EXPECT_EQ(6 * MB, device_machine_bytes(self->fd));
	EXPECT_EQ(-EDQUOT, lease_until_error(self->fd, LARGE, &bytes));
	EXPECT_EQ(4 * MB, bytes);
	close(fds[1]);
	close(fds[2]);
}

/*
 * What follows runs as another user, in a child: it answers by its exit
 * status, the number of the step that went wrong.
 */
static int become_nobody(rlim_t memlock)
{
	struct rlimit limit = { memlock, memlock };

	return setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(NOBODY) || setuid(NOBODY);
}

static int status_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int use_memlock(void)
{
	struct gophership_lease leases[100];
	size_t bytes;
	int one, two;

	if (become_nobody(1 * MB))
		return 1;
	one = device_open();
	two = device_open();
	if (one < 0 || two < 0)
		return 2;
	if (device_acquire(one, LARGE, 10, leases) != 10)
		return 3;
	/* All the user's contexts share the limit. */
	if (lease_until_error(two, LARGE, &bytes) != -EDQUOT || bytes != 6 * LARGE)
		return 4;
	if (device_acquire(one, LARGE, 1, leases + 10) != -EDQUOT)
		return 5;
	/* A refusal by the one limit costs nothing of the others. */
	if (!is_refused_for_nothing(one, -EDQUOT) || !is_refused_for_nothing(two, -EDQUOT))
		return 9;
	/* What goes back can be leased again, by either. */
	if (device_release_leases(one, leases, 3))
		return 6;
	if (lease_until_error(two, LARGE, &bytes) != -EDQUOT || bytes != 3 * LARGE)
		return 7;
	close(two);
	if (lease_until_error(one, 4096, &bytes) != -EDQUOT || bytes != 9 * LARGE)
		return 8;
	return 0;
}

TEST_F(limits, memlock_is_EDQUOT_for_an_ordinary_user)
{
	/* Twice: what the first one had came back with its end. */
	for (int i = 0; i < 2; i++) {
		pid_t child = fork();

		if (!child)
			_exit(use_memlock());
		EXPECT_EQ(0, status_of(child));
	}
	EXPECT_EQ(0, device_machine_bytes(self->fd));
}

/* In the child: 2 MiB are left of the machine's 10, and this user may have 3. */
static int use_what_is_left(int tell, int go_on)
{
	size_t bytes;
	char byte;
	int fd;

	if (become_nobody(3 * MB))
		return 1;
	fd = device_open();
	if (fd < 0)
		return 2;
	if (lease_until_error(fd, LARGE, &bytes) != -ENOMEM || bytes != 2 * MB)
		return 3;
	if (!is_refused_for_nothing(fd, -ENOMEM))
		return 4;
	if (write(tell, "x", 1) != 1 || read(go_on, &byte, 1) != 1)
		return 5;
	/* There is room again: for as much as was never granted. */
	if (lease_until_error(fd, LARGE, &bytes) != -EDQUOT || bytes != 1 * MB)
		return 6;
	return 0;
}

TEST_F(limits, a_full_machine_costs_an_ordinary_user_nothing)
{
	int full[2], told[2], go_on[2];
	size_t bytes;
	char byte;
	pid_t child;

	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(go_on));
	for (int i = 0; i < 2; i++) {
		full[i] = open(DEVICE, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, full[i]);
		ASSERT_EQ(-EDQUOT, lease_until_error(full[i], LARGE, &bytes));
	}
	child = fork();
	if (!child) {
		/* Or it would keep the leases. */
		close(full[0]);
		close(full[1]);
		close(told[0]);
		_exit(use_what_is_left(told[1], go_on[0]));
	}
	close(told[1]);
	EXPECT_EQ(1, read(told[0], &byte, 1));
	close(full[0]);
	close(full[1]);
	EXPECT_EQ(1, write(go_on[1], "x", 1));
	EXPECT_EQ(0, status_of(child));
	EXPECT_EQ(0, device_machine_bytes(self->fd));
	close(told[0]);
	close(go_on[0]);
	close(go_on[1]);
}

static int use_no_memlock(void)
{
	struct gophership_lease lease;
	int fd;

	if (become_nobody(0))
		return 1;
	fd = device_open();
	if (fd < 0)
		return 2;
	if (device_acquire(fd, 4096, 1, &lease) != -EDQUOT)
		return 3;
	if (!is_refused_for_nothing(fd, -EDQUOT) || account_of(fd).leased_bytes)
		return 4;
	/* A bad call comes before a full one. */
	return device_acquire(fd, LARGE + 1, 1, &lease) == -EINVAL ? 0 : 5;
}

TEST_F(limits, no_memlock_at_all)
{
	pid_t child = fork();

	if (!child)
		_exit(use_no_memlock());
	EXPECT_EQ(0, status_of(child));
}

/* Take back what could not be reported: from the user's account as well. */
static int fail_to_report(void)
{
	size_t bytes;
	int fd;

	if (become_nobody(1 * MB))
		return 1;
	fd = device_open();
	if (fd < 0)
		return 2;
	for (int i = 0; i < 50; i++)
		if (device_acquire(fd, LARGE, 1 + i % 20, NULL) != -EFAULT)
			return 3;
	if (lease_until_error(fd, LARGE, &bytes) != -EDQUOT || bytes != 1 * MB)
		return 4;
	return 0;
}

TEST_F(limits, memlock_is_not_used_up_by_failures)
{
	pid_t child = fork();

	if (!child)
		_exit(fail_to_report());
	EXPECT_EQ(0, status_of(child));
}

static int keep_only_ipc_lock(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = 1 << CAP_IPC_LOCK, .permitted = 1 << CAP_IPC_LOCK },
	};

	return syscall(SYS_capset, &header, data);
}

static int use_ipc_lock(void)
{
	size_t bytes;
	int fd;

	if (prctl(PR_SET_KEEPCAPS, 1) || become_nobody(0) || keep_only_ipc_lock())
		return 1;
	fd = device_open();
	if (fd < 0)
		return 2;
	/* The quota is for everybody. */
	if (lease_until_error(fd, LARGE, &bytes) != -EDQUOT || bytes != 4 * MB)
		return 3;
	return 0;
}

TEST_F(limits, CAP_IPC_LOCK_exempts_from_memlock)
{
	pid_t child = fork();

	if (!child)
		_exit(use_ipc_lock());
	EXPECT_EQ(0, status_of(child));
}

/* Twenty processes, on a machine that may be busy. */
TEST_F_TIMEOUT(limits, killed_process_gives_its_share_back, 150)
{
	size_t bytes;

	for (int round = 0; round < 20; round++) {
		int ends[2];
		char byte;
		pid_t child;

		ASSERT_EQ(0, pipe(ends));
		child = fork();
		if (!child) {
			int fd = device_open();

			lease_until_error(fd, LARGE, &bytes);
			device_map(fd, 0, 4096);
			if (write(ends[1], "x", 1) == 1)
				pause();
			_exit(0);
		}
		ASSERT_EQ(1, read(ends[0], &byte, 1));
		EXPECT_EQ(4 * MB, device_machine_bytes(self->fd));
		kill(child, SIGKILL);
		EXPECT_EQ(1000 + SIGKILL, status_of(child));
		EXPECT_EQ(0, device_machine_bytes(self->fd));
		close(ends[0]);
		close(ends[1]);
	}
}

/* Lease @nr large buffers, put a page of each into @pipe, give them back, and close. */
static int pin_and_close(int pipe, int nr)
{
	int fd = device_open(), pinned;

	for (pinned = 0; pinned < nr; pinned++) {
		struct buffer buffer;
		struct iovec iov = { .iov_len = 4096 };

		if (buffer_acquire(fd, LARGE, &buffer))
			break;
		memset(buffer.data, 0x5a, 4096);
		iov.iov_base = buffer.data;
		if (vmsplice(pipe, &iov, 1, 0) != 4096)
			return -1;
		if (buffer_release(fd, &buffer))
			return -1;
	}
	close(fd);
	return pinned;
}

/* Ten pages out of @pipe, which must be what went in. */
static int read_ten(int pipe)
{
	static unsigned char bytes[4096];

	for (int i = 0; i < 10; i++)
		if (read(pipe, bytes, sizeof(bytes)) != sizeof(bytes) ||
		    !memory_is(bytes, 0x5a, sizeof(bytes)))
			return -1;
	return 0;
}

/* What was given back while it was pinned is paid for until the last pin goes. */
static int pin_beyond_memlock(void)
{
	int first[2], second[2], fd, tries;
	struct gophership_lease lease;
	size_t bytes;

	if (become_nobody(1 * MB) || pipe(first) || pipe(second))
		return 1;
	if (pin_and_close(first[1], 10) != 10)
		return 2;
	/* Other contexts of the same user have what is left. */
	if (pin_and_close(second[1], 10) != 6)
		return 3;
	fd = device_open();
	if (device_acquire_one(fd, 4096, &lease) != -EDQUOT)
		return 4;
	/* The first ten can be leased again, by the very next call. */
	if (read_ten(first[0]))
		return 5;
	if (lease_until_error(fd, LARGE, &bytes) != -EDQUOT || bytes != 10 * LARGE)
		return 6;
	close(fd);
	/* A pipe that is closed lets go, too; and nobody has to ask. */
	close(second[0]);
	close(second[1]);
	fd = device_open();
	for (tries = 0; tries < 300 && device_machine_bytes(fd); tries++)
		usleep(100000);
	return device_machine_bytes(fd) ? 7 : 0;
}

TEST_F(limits, what_is_pinned_is_paid_for)
{
	pid_t child = fork();

	if (!child)
		_exit(pin_beyond_memlock());
	EXPECT_EQ(0, status_of(child));
}

TEST_F(limits, what_is_pinned_counts_in_the_quota)
{
	struct gophership_lease leases[64];
	struct gophership_stats stats;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	for (int i = 0; i < 10; i++) {
		struct buffer buffer;
		struct iovec iov = { .iov_len = 4096 };

		ASSERT_EQ(0, buffer_acquire(self->fd, LARGE, &buffer));
		memset(buffer.data, 0x5a, 4096);
		iov.iov_base = buffer.data;
		ASSERT_EQ(4096, vmsplice(ends[1], &iov, 1, 0));
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
	}
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(0, stats.leased);
	EXPECT_EQ(10, stats.retired);
	EXPECT_EQ(10 * LARGE, stats.leased_bytes);
	EXPECT_EQ(10 * LARGE, stats.machine_bytes);
	EXPECT_EQ(54, device_acquire(self->fd, LARGE, 64, leases));
	EXPECT_EQ(-EDQUOT, device_acquire(self->fd, LARGE, 1, leases));
	ASSERT_EQ(0, read_ten(ends[0]));
	EXPECT_EQ(10, device_acquire(self->fd, LARGE, 64, leases));
	close(ends[0]);
	close(ends[1]);
}

#define CGROUP	"/sys/fs/cgroup/gophership-test"

static long long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long long number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%lld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

/* 0, or why there is none that the module charges. */
static int make_cgroup(int fd, const char *limit)
{
	struct gophership_info info;
	int ret = device_info(fd, &info);

	if (!ret && !(info.features & GOPHERSHIP_FEATURE_MEMCG))
		ret = -EOPNOTSUPP;
	if (!ret)
		ret = write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (ret)
		return ret;
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		return -errno;
	return write_file(CGROUP "/memory.max", limit);
}

/* What @work says in the cgroup, which ends with it. */
static int in_cgroup(int (*work)(void))
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(write_file(CGROUP "/cgroup.procs", "0") ? 100 : work());
	status = status_of(child);
	return rmdir(CGROUP) ? -errno : status;
}

/*
 * What the cgroup must at least be charged for @nr large buffers: each of the
 * two CPUs may have had 64 pages charged in advance.
 */
#define CHARGED(nr)	((nr) * LARGE - 2 * 64 * 4096)

/* Lease until the limit, and live. */
static int use_cgroup(void)
{
	struct gophership_lease leases[48];
	long long before, after;
	size_t bytes;
	int fd;

	fd = device_open();
	if (fd < 0)
		return 2;
	before = read_number(CGROUP "/memory.current");
	if (device_acquire(fd, LARGE, 16, leases) != 16)
		return 3;
	after = read_number(CGROUP "/memory.current");
	if (after - before < CHARGED(16))
		return 4;
	if (lease_until_error(fd, LARGE, &bytes) != -ENOMEM)
		return 5;
	/* 3 MiB are the limit of all, the program's own memory included. */
	if (bytes + 16 * LARGE > 3 * MB)
		return 6;
	return 0;
}

TEST_F(limits, memory_cgroup_limit_is_ENOMEM)
{
	int ret = make_cgroup(self->fd, "3M");

	if (ret)
		SKIP(return, "no memory cgroup to be had: %s", strerror(-ret));
	EXPECT_EQ(0, in_cgroup(use_cgroup));
	/* Outside the cgroup there is as much as before. */
	EXPECT_EQ(0, device_machine_bytes(self->fd));
}

/* A buffer that another cgroup paid for does not serve this one for free. */
static int reuse_in_cgroup(void)
{
	struct gophership_lease leases[16];
	long long before, after;
	int fd;

	fd = device_open();
	before = read_number(CGROUP "/memory.current");
	if (device_acquire(fd, LARGE, 16, leases) != 16)
		return 2;
	after = read_number(CGROUP "/memory.current");
	return after - before < CHARGED(16) ? 3 : 0;
}

TEST_F(limits, memory_cgroup_pays_for_cached_buffers_too)
{
	struct gophership_lease leases[48];
	int ret = make_cgroup(self->fd, "max");

	if (ret)
		SKIP(return, "no memory cgroup to be had: %s", strerror(-ret));
	ASSERT_EQ(48, device_acquire(self->fd, LARGE, 48, leases));
	ASSERT_EQ(0, device_release_leases(self->fd, leases, 48));
	EXPECT_EQ(0, in_cgroup(reuse_in_cgroup));
}

/*
 * A lease is of its own size, also if only larger buffers are left. (Of half the
 * size, so that it is a buffer that no memory is left for, and not the loan.)
 */
static int lease_half_where_large_lie(void)
{
	struct gophership_lease leases[48];
	size_t bytes = 0;
	int fds[2], nr;

	fds[0] = device_open();
	fds[1] = device_open();
	if (device_acquire(fds[0], LARGE, 48, leases) != 48)
		return 2;
	if (device_release_leases(fds[0], leases, 48))
		return 3;
	for (int i = 0; i < 2; i++) {
		while ((nr = device_acquire(fds[i], LARGE / 2, 48, leases)) > 0) {
			for (int j = 0; j < nr; j++)
				if (leases[j].capacity != LARGE / 2)
					return 4;
			bytes += nr * LARGE / 2;
		}
		/* The second one is not to end at its quota. */
		if (nr != (i ? -ENOMEM : -EDQUOT))
			return 5;
	}
	/* What lay idle was made memory of: it was 3 MiB. */
	return bytes < 6 * MB ? 6 : 0;
}

TEST_F(limits, lease_is_no_larger_than_its_slot_without_memory)
{
	int ret = make_cgroup(self->fd, "8M");

	if (ret)
		SKIP(return, "no memory cgroup to be had: %s", strerror(-ret));
	EXPECT_EQ(0, in_cgroup(lease_half_where_large_lie));
	EXPECT_EQ(0, device_machine_bytes(self->fd));
}

TEST_HARNESS_MAIN
