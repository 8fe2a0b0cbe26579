// SPDX-License-Identifier: GPL-2.0
/*
 * Memory nodes: a lease is on those that the task's memory policy and cpuset want,
 * whatever lies idle elsewhere. Wants two nodes.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"
#include "file.h"
#include "harness.h"

#define ROOT	"/sys/fs/cgroup"
#define CGROUP	ROOT "/gophership-numa"
#define PAGE	4096UL
#define MANY	1500

static long set_policy(int mode, unsigned long nodes)
{
	return syscall(SYS_set_mempolicy, mode, &nodes, 8 * sizeof(nodes));
}

/* Where the page is, or -1. */
static int node_of(const void *page)
{
	int node;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0, page, MPOL_F_NODE | MPOL_F_ADDR))
		return -1;
	return node;
}

static bool two_nodes(void)
{
	char line[16] = "";
	FILE *file = fopen("/sys/devices/system/node/has_memory", "re");

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = 0;
	fclose(file);
	return !strcmp(line, "0-1\n");
}

/* Lease many, see where they are, give them back. Returns how many are on node 1, or -errno. */
static int lease_many(int fd)
{
	static struct gophership_lease leases[MANY];
	int nr = device_acquire(fd, PAGE, MANY, leases), on_1 = 0, ret;

	if (nr != MANY)
		return nr < 0 ? nr : -ENOMEM;
	for (int i = 0; i < nr; i++) {
		char *data = device_map_lease(fd, &leases[i]);
		int node;

		if (data == MAP_FAILED)
			return -errno;
		*data = 1;
		node = node_of(data);
		munmap(data, leases[i].capacity);
		if (node < 0)
			return -ENXIO;
		on_1 += node;
	}
	ret = device_release_leases(fd, leases, nr);
	return ret ?: on_1;
}

/*
 * Have as many of node 0 lie idle. What lies idle for too long goes, so a machine that
 * is very slow may have to do it again. Returns 0, or what went wrong.
 */
static int fill_node_0(int fd)
{
	struct gophership_stats stats;
	int ret;

	for (int i = 0; i < 10; i++) {
		ret = lease_many(fd);
		if (ret)
			return ret;
		if (device_stats(fd, &stats))
			return -EIO;
		if (stats.classes[0].cached >= MANY)
			return 0;
	}
	return -ETIME;
}

FIXTURE(numa)
{
	int fd;
};

FIXTURE_SETUP(numa)
{
	cpu_set_t one;

	if (!two_nodes())
		SKIP(return, "not two memory nodes");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(numa)
{
	close(self->fd);
}

TEST_F(numa, a_bound_task_leases_on_its_node)
{
	ASSERT_EQ(0, fill_node_0(self->fd));
	ASSERT_EQ(0, set_policy(MPOL_BIND, 1 << 1));
	EXPECT_EQ(MANY, lease_many(self->fd));
}

TEST_F(numa, a_task_that_prefers_a_node_leases_there)
{
	ASSERT_EQ(0, fill_node_0(self->fd));
	ASSERT_EQ(0, set_policy(MPOL_PREFERRED, 1 << 1));
	EXPECT_EQ(MANY, lease_many(self->fd));
}

TEST_F(numa, an_interleaved_task_leases_on_both)
{
	int on_1;

	ASSERT_EQ(0, fill_node_0(self->fd));
	ASSERT_EQ(0, set_policy(MPOL_INTERLEAVE, 1 << 0 | 1 << 1));
	on_1 = lease_many(self->fd);
	EXPECT_LT(MANY / 4, on_1);
	EXPECT_GT(MANY - MANY / 4, on_1);
}

/* What lies idle on the node that is wanted is taken, and nothing allocated. */
TEST_F(numa, what_lies_idle_on_the_node_is_taken)
{
	struct gophership_stats before, after;
	int i;

	/* What lay idle may have become too old: on a slow machine, not each time. */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, set_policy(MPOL_BIND, 1 << 1));
		ASSERT_EQ(MANY, lease_many(self->fd));
		ASSERT_EQ(0, device_stats(self->fd, &before));
		ASSERT_EQ(MANY, lease_many(self->fd));
		ASSERT_EQ(0, device_stats(self->fd, &after));
		if (after.classes[0].misses == before.classes[0].misses)
			break;
	}
	EXPECT_GT(10, i);
}

/* In a cgroup, as the lists are the cgroup's. Returns what @work says, or 200 and more. */
static int in_cgroup(int fd, int (*work)(int))
{
	pid_t child = fork();
	int status, ret;

	if (!child) {
		if (write_file(CGROUP "/cgroup.procs", "0"))
			_exit(2);
		ret = work(fd);
		if (ret)
			fprintf(stderr, "# in the cgroup: %d\n", ret);
		_exit(ret != 0);
	}
	if (waitpid(child, &status, 0) != child)
		return 200;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 300;
}

static int all_on_node_1(int fd)
{
	int ret = lease_many(fd);

	return ret == MANY ? 0 : ret ?: -ENXIO;
}

TEST_F(numa, a_cpuset_leases_on_its_nodes)
{
	if (write_file(ROOT "/cgroup.subtree_control", "+cpuset"))
		SKIP(return, "no cpusets to be had");
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	EXPECT_EQ(0, write_file(CGROUP "/cpuset.mems", "0"));
	EXPECT_EQ(0, in_cgroup(self->fd, fill_node_0));
	EXPECT_EQ(0, write_file(CGROUP "/cpuset.mems", "1"));
	EXPECT_EQ(0, in_cgroup(self->fd, all_on_node_1));
	EXPECT_EQ(0, rmdir(CGROUP));
}

TEST_HARNESS_MAIN
