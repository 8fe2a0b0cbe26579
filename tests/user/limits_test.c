// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: a context's quota, the machine's, a user's RLIMIT_MEMLOCK and memlock_max_mb.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "limits_fixture.h"

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
		EXPECT_EQ(0, device_status_of(child));
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

/* Lease all that @memlock leaves, by as many opens as it takes; 0 if that is @wanted. */
static int use_many_opens(rlim_t memlock, size_t wanted)
{
	size_t all = 0;

	if (become_nobody(memlock))
		return 1;
	for (int i = 0; i < 4; i++) {
		size_t bytes;
		int fd = device_open();

		if (fd < 0)
			return 2;
		/* Each is refused at its quota, or at what is the user's. */
		if (lease_until_error(fd, LARGE, &bytes) != -EDQUOT)
			return 3;
		all += bytes;
	}
	return all == wanted ? 0 : 4;
}

TEST_F(limits, many_opens_of_a_user_are_bounded)
{
	static const struct {
		const char *mb;
		rlim_t memlock;
		size_t wanted;
	} cases[] = {
		{ "6", RLIM_INFINITY, 6 * MB },
		{ "1", RLIM_INFINITY, 1 * MB },
		/* The lower one holds. */
		{ "6", 2 * MB, 2 * MB },
		{ "3", 5 * MB, 3 * MB },
		{ "0", 5 * MB, 5 * MB },
	};
	struct gophership_info info;
	pid_t child;
	size_t bytes;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_TRUE(device_set_parameter("memlock_max_mb", cases[i].mb));
		EXPECT_EQ(0, device_info(self->fd, &info));
		EXPECT_EQ(strtoull(cases[i].mb, NULL, 0) * MB, info.memlock_max);
		child = fork();
		if (!child)
			_exit(use_many_opens(cases[i].memlock, cases[i].wanted));
		EXPECT_EQ(0, device_status_of(child)) {
			TH_LOG("memlock_max_mb=%s", cases[i].mb);
		}
	}
	/* Not of root. */
	ASSERT_TRUE(device_set_parameter("memlock_max_mb", "1"));
	EXPECT_EQ(-EDQUOT, lease_until_error(self->fd, LARGE, &bytes));
	EXPECT_EQ(4 * MB, bytes);
	EXPECT_TRUE(device_set_parameter("memlock_max_mb", "0"));
}

TEST_F(limits, memlock_max_that_is_none_changes_nothing)
{
	static const char *const wrong[] = { "-1", "999999", "4294967296", "1x", "\n" };
	struct gophership_info info;

	ASSERT_TRUE(device_set_parameter("memlock_max_mb", "2"));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_FALSE(device_set_parameter("memlock_max_mb", wrong[i])) {
			TH_LOG("memlock_max_mb=%s", wrong[i]);
		}
		EXPECT_EQ(0, device_info(self->fd, &info));
		EXPECT_EQ(2 * MB, info.memlock_max);
	}
	EXPECT_TRUE(device_set_parameter("memlock_max_mb", "0"));
}

/* Whether the windows of @fd are as long as a quota of @quota bytes wants, and not longer. */
static bool windows_fit(int fd, size_t quota)
{
	struct gophership_info info;

	if (device_info(fd, &info) || info.quota != quota)
		return false;
	for (__u32 i = 0; i < info.nr_classes; i++) {
		const struct gophership_class_info *window = &info.classes[i];
		void *last;

		if (window->length != quota)
			return false;
		last = mmap(NULL, window->capacity, PROT_READ, MAP_SHARED, fd,
			    window->offset + quota - window->capacity);
		if (last == MAP_FAILED)
			return false;
		munmap(last, window->capacity);
		if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, window->offset + quota) !=
		    MAP_FAILED)
			return false;
	}
	return true;
}

TEST_F(limits, quota_that_changes_is_for_later_opens)
{
	static const char *const wrong[] = { "0", "-1", "1025", "1x" };
	size_t bytes;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_FALSE(device_set_parameter("quota_mb", wrong[i]));
	EXPECT_TRUE(device_set_parameter("quota_mb", "1"));
	fd = device_open();
	EXPECT_TRUE(windows_fit(fd, 1 * MB));
	EXPECT_EQ(-EDQUOT, lease_until_error(fd, LARGE, &bytes));
	EXPECT_EQ(1 * MB, bytes);
	close(fd);

	EXPECT_TRUE(device_set_parameter("quota_mb", "6"));
	fd = device_open();
	EXPECT_TRUE(windows_fit(fd, 6 * MB));
	EXPECT_EQ(-EDQUOT, lease_until_error(fd, LARGE, &bytes));
	EXPECT_EQ(6 * MB, bytes);

	/* That of what was open before is what it was. */
	EXPECT_TRUE(windows_fit(self->fd, 4 * MB));
	EXPECT_EQ(-EDQUOT, lease_until_error(self->fd, LARGE, &bytes));
	EXPECT_EQ(4 * MB, bytes);
	close(fd);
	EXPECT_TRUE(device_set_parameter("quota_mb", "4"));
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
	EXPECT_EQ(0, device_status_of(child));
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
	EXPECT_EQ(0, device_status_of(child));
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
	EXPECT_EQ(0, device_status_of(child));
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
	EXPECT_EQ(0, device_status_of(child));
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
		EXPECT_EQ(1000 + SIGKILL, device_status_of(child));
		EXPECT_EQ(0, device_machine_bytes(self->fd));
		close(ends[0]);
		close(ends[1]);
	}
}

TEST_HARNESS_MAIN
