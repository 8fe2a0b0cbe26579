// SPDX-License-Identifier: GPL-2.0
/*
 * Attempts at more than one's share: guessed handles, every offset, another context's
 * names, another user's part. The module is loaded as for limits_test.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "hostile_fixture.h"

#define LARGE	65536
#define MB	0x100000
#define OWN	8

/*
 * Guessed handles. The layout is device/handle.c's: 19 bits of hash above
 * 24 of generation and 21 of place.
 */
#define MAC_SHIFT		45
#define GENERATION_SHIFT	21
#define MACS			(1U << (64 - MAC_SHIFT))
#define RANDOM_GUESSES		500000U

struct guesses {
	int fd;
	__u64 handle;		/* 0: random bits */
	__u32 first, nr;
	unsigned int good, stale, strange;
};

static void *guess(void *argument)
{
	struct guesses *g = argument;
	__u64 random = 0x9e3779b97f4a7c15 + g->first, handle;

	for (__u32 i = g->first; i < g->first + g->nr; i++) {
		handle = g->handle;
		if (handle)
			handle = (handle & ((1ULL << MAC_SHIFT) - 1)) | (__u64)i << MAC_SHIFT;
		else
			handle = next(&random);
		switch (device_release_one(g->fd, handle)) {
		case 0:
			g->good++;
			break;
		case -EALREADY:
			g->stale++;
			break;
		case -EINVAL:
			break;
		default:
			g->strange++;
		}
	}
	return NULL;
}

/* On two processors. */
static struct guesses guess_all(int fd, __u64 handle, __u32 nr)
{
	struct guesses first = { .fd = fd, .handle = handle, .nr = nr / 2 };
	struct guesses second = { .fd = fd, .handle = handle, .first = nr / 2, .nr = nr / 2 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, guess, &second))
		_exit(14);
	guess(&first);
	pthread_join(thread, NULL);
	first.nr += second.nr;
	first.good += second.good;
	first.stale += second.stale;
	first.strange += second.strange;
	return first;
}

/* Of all the hashes there are, one opens: not one opens the next lease's handle. */
TEST_F_TIMEOUT(hostile, handles_by_brute_force, 1800)
{
	struct gophership_stats stats;
	struct gophership_lease lease;
	struct guesses live, coming, random;

	ASSERT_EQ(0, device_acquire_one(self->fd, 0, &lease));
	coming = guess_all(self->fd, lease.handle + (1ULL << GENERATION_SHIFT), MACS);
	EXPECT_EQ(0, coming.good + coming.stale + coming.strange);
	random = guess_all(self->fd, 0, RANDOM_GUESSES);
	EXPECT_EQ(0, random.good + random.stale + random.strange);
	EXPECT_EQ(1, device_leased(self->fd));
	/* The right one is among these. After it, the same is stale. */
	live = guess_all(self->fd, lease.handle, MACS);
	EXPECT_EQ(1, live.good);
	EXPECT_EQ(0, live.stale + live.strange);
	EXPECT_EQ(0, device_leased(self->fd));
	live = guess_all(self->fd, lease.handle, MACS);
	EXPECT_EQ(1, live.stale);
	EXPECT_EQ(0, live.good + live.strange);
	ASSERT_EQ(0, device_stats(self->fd, &stats));
	EXPECT_EQ(3 * MACS + RANDOM_GUESSES - 2, stats.foreign);
	TH_LOG("%u guesses", 3 * MACS + RANDOM_GUESSES);
}

/*
 * Offsets: whatever begins and ends in one window is a mapping, whatever else
 * is none, and none reaches anything but SIGBUS.
 */
static bool lies_in_a_window(const struct gophership_info *info, __u64 offset, __u64 length)
{
	for (unsigned int i = 0; i < info->nr_classes; i++) {
		const struct gophership_class_info *class = &info->classes[i];

		if (offset >= class->offset && offset < class->offset + class->length)
			return length <= class->offset + class->length - offset;
	}
	return false;
}

static int try_offset(int fd, const struct gophership_info *info, __u64 offset, __u64 length)
{
	unsigned char *at = device_map(fd, offset, length);
	bool wanted = lies_in_a_window(info, offset, length);
	int wrong = 0;

	if (at == MAP_FAILED)
		return wanted;
	/* The page of pressure may not be written, and is mapped by nothing above. */
	if (!wanted)
		wrong++;
	for (__u64 page = 0; page < length; page += PAGE)
		wrong += memory_write_signal(at + page) != SIGBUS;
	munmap(at, length);
	return wrong;
}

TEST_F(hostile, offsets_at_every_edge)
{
	struct gophership_info info;
	int wrong = 0, tries = 0;

	ASSERT_EQ(0, device_info(self->fd, &info));
	for (unsigned int i = 0; i < info.nr_classes + 2; i++) {
		__u64 stride = (i + 1ULL) << 36;
		__u64 edges[] = {
			stride, stride + 4 * MB, stride + 4 * MB - LARGE, 0ULL - stride,
			(1ULL << 63) - stride, 1ULL << (36 + i), 1ULL << (59 - i),
		};

		for (size_t edge = 0; edge < ARRAY_SIZE(edges); edge++)
			for (long before = -3; before <= 3; before++)
				for (__u64 pages = 1; pages <= 4; pages++, tries++)
					wrong += try_offset(self->fd, &info,
							    edges[edge] + before * PAGE,
							    pages * PAGE);
	}
	EXPECT_EQ(0, wrong);
	TH_LOG("%d offsets", tries);
}

/* The last slot of each window ends where the window does. */
TEST_F(hostile, last_slots)
{
	struct gophership_lease leases[1024];
	struct gophership_info info;

	ASSERT_EQ(0, device_info(self->fd, &info));
	for (unsigned int i = 0; i < info.nr_classes; i++) {
		const struct gophership_class_info *class = &info.classes[i];
		unsigned char *at;

		ASSERT_GE(1024, class->slots);
		ASSERT_EQ(class->slots, device_acquire(self->fd, class->capacity, class->slots,
						       leases));
		at = device_map(self->fd, class->offset, class->length);
		ASSERT_NE(MAP_FAILED, at);
		EXPECT_EQ(0, memory_fill_signal(at + class->length - class->capacity, i,
						class->capacity));
		EXPECT_EQ(MAP_FAILED, device_map(self->fd, class->offset + class->length, PAGE));
		munmap(at, class->length);
		ASSERT_EQ(0, device_release_leases(self->fd, leases, class->slots));
	}
}

/*
 * Two processes, each with a context, tell each other the handles and offsets
 * of all that they have, and try what they can with the other's.
 */
struct attacker {
	_Atomic __u64 handles[OWN];
	_Atomic __u64 offsets[OWN];
	atomic_ulong attacks;
	atomic_ulong wrong;
};

static void attack(struct attacker *me, int fd, struct attacker *other, int byte)
{
	for (int i = 0; i < OWN; i++) {
		__u64 offset = other->offsets[i];
		unsigned char *at;

		if (!offset)
			continue;
		me->wrong += device_release_one(fd, other->handles[i]) != -EINVAL;
		at = device_map(fd, offset, PAGE);
		me->wrong += at == MAP_FAILED;
		/* There is what we have there ourselves, if anything. */
		if (!memory_read_signal(at))
			me->wrong += memory_seen && memory_seen != byte;
		munmap(at, PAGE);
		me->attacks++;
	}
}

static void fight(struct attacker *me, struct attacker *other, int byte)
{
	struct buffer buffers[OWN];
	double end = now() + SECONDS;
	int fd = device_open();

	for (unsigned int round = 0; now() < end; round++) {
		for (int i = 0; i < OWN; i++) {
			if (buffer_acquire(fd, PAGE << (round + i) % 3, &buffers[i])) {
				me->wrong += 1000;
				return;
			}
			me->wrong += !memory_is_zero_or(buffers[i].data, byte,
							buffers[i].lease.capacity);
			memset(buffers[i].data, byte, buffers[i].lease.capacity);
			me->handles[i] = buffers[i].lease.handle;
			me->offsets[i] = buffers[i].lease.offset;
		}
		attack(me, fd, other, byte);
		for (int i = 0; i < OWN; i++) {
			me->wrong += !memory_is(buffers[i].data, byte,
						buffers[i].lease.capacity);
			me->wrong += buffer_release(fd, &buffers[i]) != 0;
		}
	}
	close(fd);
}

TEST_F(hostile, two_contexts_attack_each_other)
{
	struct attacker *attackers = mmap(NULL, 2 * sizeof(*attackers), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;

	ASSERT_NE(MAP_FAILED, attackers);
	child = fork();
	if (!child) {
		fight(&attackers[1], &attackers[0], 0x22);
		_exit(0);
	}
	fight(&attackers[0], &attackers[1], 0x11);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	for (int i = 0; i < 2; i++) {
		unsigned long attacks = attackers[i].attacks, wrong = attackers[i].wrong;

		EXPECT_LT(0, attacks);
		EXPECT_EQ(0, wrong);
	}
	EXPECT_EQ(0, device_machine_bytes(self->fd));
}

/*
 * Users without privilege. They answer by their exit status.
 */
static int become(uid_t user)
{
	struct rlimit limit = { 1 * MB, 1 * MB };

	return setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(user) || setuid(user);
}

/* Take what there is, in many contexts, until killed. */
static void be_greedy(uid_t user, int ready)
{
	struct gophership_lease leases[64];
	int fds[16], full = 0;

	if (become(user))
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = device_open();
	for (unsigned int round = 0;; round++) {
		int ret = device_acquire(fds[round % ARRAY_SIZE(fds)], PAGE << round % NR_CLASSES,
					 64, leases);

		full += ret == -EDQUOT;
		if (full == 100 && write(ready, "x", 1) != 1)
			_exit(2);
	}
}

static int be_modest(uid_t user)
{
	struct gophership_lease leases[16];
	int fd;

	if (become(user))
		return 1;
	fd = device_open();
	for (int round = 0; round < 20; round++) {
		if (device_acquire(fd, LARGE, 16, leases) != 16)
			return 2;
		if (device_release_leases(fd, leases, 16))
			return 3;
	}
	return 0;
}

TEST_F(hostile, greedy_user_leaves_others_their_share)
{
	int ends[2], status;
	pid_t greedy, modest;
	char byte;

	ASSERT_EQ(0, pipe(ends));
	greedy = fork();
	if (!greedy)
		be_greedy(65534, ends[1]);
	ASSERT_EQ(1, read(ends[0], &byte, 1));
	EXPECT_EQ(1 * MB, device_machine_bytes(self->fd));
	for (uid_t user = 65530; user < 65534; user++) {
		modest = fork();
		if (!modest)
			_exit(be_modest(user));
		ASSERT_EQ(modest, waitpid(modest, &status, 0));
		EXPECT_EQ(0, status);
	}
	/* The same user has used up its part: it is not the process's. */
	modest = fork();
	if (!modest)
		_exit(be_modest(65534));
	ASSERT_EQ(modest, waitpid(modest, &status, 0));
	EXPECT_EQ(2, WEXITSTATUS(status));
	kill(greedy, SIGKILL);
	ASSERT_EQ(greedy, waitpid(greedy, &status, 0));
	EXPECT_EQ(0, device_machine_bytes(self->fd));
	close(ends[0]);
	close(ends[1]);
}

TEST_HARNESS_MAIN
