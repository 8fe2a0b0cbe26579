// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: what is pinned is paid for on, and a memory cgroup pays for what it uses.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "limits_fixture.h"

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
	EXPECT_EQ(0, device_status_of(child));
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
	status = device_status_of(child);
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
