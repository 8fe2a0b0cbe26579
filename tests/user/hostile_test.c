// SPDX-License-Identifier: GPL-2.0
/*
 * What somebody tries who wants more than his share: memory that changes while
 * a call uses it, guessed handles, every offset, another context's names,
 * another user's part. The module is loaded as for limits_test.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE		4096UL
#define LARGE		65536
#define MB		0x100000
#define SECONDS		2
#define COUNT		48U	/* leases of one call in the arena */
#define OWN		8

FIXTURE(hostile)
{
	int fd;
};

FIXTURE_SETUP(hostile)
{
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(hostile)
{
	close(self->fd);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static __u64 next(__u64 *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

/*
 * Memory that changes
 *
 * The arguments of a call, in pages of a file, of which the call's thread uses
 * the descriptor alone. The structure lies across the first edge of a page, the
 * array across the second.
 */
struct arena {
	unsigned char *at;
	int file;
	int device;
	off_t window;		/* somewhere in the one of the smallest class */
	void (*change)(struct arena *arena, __u64 *random);
	bool kept;		/* the file's content stays what the kernel wrote */
	atomic_bool stop;
	/* What the calls said: */
	unsigned long good, refused, strange;
};

#define ARENA_PAGES	3
/* Nothing is behind it, however many leases a rewritten count asks for. */
#define GUARD_PAGES	(4096 * sizeof(struct gophership_lease) / PAGE)
#define STRUCTURE	(PAGE - 16)
#define ARRAY		(2 * PAGE - COUNT * sizeof(__u64) / 2)

static void rewrite(struct arena *arena, __u64 *random)
{
	static const __u32 values[] = {
		0, 1, 8, 24, 32, 48, 4096, 4097, 65536, 65537, 0x7fffffff, 0xffffffff,
	};
	volatile __u32 *word = (__u32 *)(arena->at + (next(random) % 4 ? STRUCTURE : ARRAY));

	word[next(random) % 10] = values[next(random) % ARRAY_SIZE(values)];
}

static void unmap(struct arena *arena, __u64 *random)
{
	unsigned char *page = arena->at + next(random) % ARENA_PAGES * PAGE;

	munmap(page, PAGE);
	if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, arena->file,
		 page - arena->at) != page)
		arena->strange++;
}

/* A part of a window comes there for a moment, in which nothing is leased. */
static void remap(struct arena *arena, __u64 *random)
{
	unsigned char *page = arena->at + next(random) % ARENA_PAGES * PAGE;

	if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, arena->device,
		 arena->window) != page)
		arena->strange++;
	if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, arena->file,
		 page - arena->at) != page)
		arena->strange++;
}

static void protect(struct arena *arena, __u64 *random)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

	mprotect(arena->at + next(random) % ARENA_PAGES * PAGE, PAGE,
		 protections[next(random) % 3]);
}

static void punch(struct arena *arena, __u64 *random)
{
	fallocate(arena->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		  next(random) % ARENA_PAGES * PAGE, PAGE);
}

static void *change_on(void *argument)
{
	struct arena *arena = argument;
	__u64 random = 88172645463325252ULL;

	while (!arena->stop)
		arena->change(arena, &random);
	return NULL;
}

static int call(struct arena *arena, unsigned long command)
{
	int ret = device_call(arena->device, command, arena->at + STRUCTURE);

	switch (ret) {
	case 0:
		arena->good++;
		break;
	case -EFAULT:
	case -EINVAL:
	case -E2BIG:
	case -EALREADY:
	case -EDQUOT:
		arena->refused++;
		break;
	default:
		arena->strange++;
	}
	return ret;
}

static void put(const struct arena *arena, const void *data, size_t size, off_t at)
{
	if (pwrite(arena->file, data, size, at) != (ssize_t)size)
		_exit(10);
}

static void fetch(const struct arena *arena, void *data, size_t size, off_t at)
{
	if (pread(arena->file, data, size, at) != (ssize_t)size)
		_exit(11);
}

/* The number of leases that it can name. */
static unsigned int acquire_in_arena(struct arena *arena, struct gophership_lease *leases)
{
	struct gophership_acquire acquire = {
		.size = sizeof(acquire), .count = COUNT, .min_size = 4096,
		.leases = (uintptr_t)arena->at + ARRAY,
	};
	long before = device_leased(arena->device);
	int ret;

	put(arena, &acquire, sizeof(acquire), STRUCTURE);
	ret = call(arena, GOPHERSHIP_IOC_ACQUIRE);
	/* All or nothing, and never more than was asked for. */
	if (!arena->kept)
		return 0;
	fetch(arena, &acquire, sizeof(acquire), STRUCTURE);
	if (ret)
		arena->strange += device_leased(arena->device) != before;
	else
		arena->strange += device_leased(arena->device) != before + (long)acquire.granted;
	if (ret || acquire.granted > COUNT)
		return 0;
	fetch(arena, leases, acquire.granted * sizeof(*leases), ARRAY);
	return acquire.granted;
}

static void release_in_arena(struct arena *arena, const struct gophership_lease *leases,
			     unsigned int nr)
{
	struct gophership_release release = {
		.size = sizeof(release), .count = nr,
		.handles = (uintptr_t)arena->at + ARRAY,
	};
	__u64 handles[COUNT] = { 0 };
	int ret;

	for (unsigned int i = 0; i < nr; i++)
		handles[i] = leases[i].handle;
	put(arena, &release, sizeof(release), STRUCTURE);
	put(arena, handles, sizeof(handles), ARRAY);
	ret = call(arena, GOPHERSHIP_IOC_RELEASE);
	if (!arena->kept)
		return;
	/* What went is gone for good, what did not is still good. */
	for (unsigned int i = 0; i < nr; i++) {
		int again = device_release_one(arena->device, handles[i]);

		arena->strange += again && again != -EALREADY;
		arena->strange += !ret && again != -EALREADY;
	}
	arena->strange += device_leased(arena->device) != 0;
}

static void run_arena(struct arena *arena)
{
	struct gophership_lease leases[COUNT];
	struct gophership_info info;
	double begin = now();
	pthread_t thread;
	unsigned int nr;

	arena->file = memfd_create("arena", MFD_CLOEXEC);
	if (ftruncate(arena->file, ARENA_PAGES * PAGE))
		_exit(12);
	arena->at = mmap(NULL, (ARENA_PAGES + GUARD_PAGES) * PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena->at == MAP_FAILED)
		_exit(13);
	arena->at = mmap(arena->at, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, arena->file, 0);
	arena->device = device_open();
	if (arena->at == MAP_FAILED || device_info(arena->device, &info))
		_exit(13);
	arena->window = info.classes[0].offset + 1000 * PAGE;
	if (pthread_create(&thread, NULL, change_on, arena))
		_exit(13);
	/* Longer where few calls fit into it: some are to work, and some to fail. */
	while (now() < begin + SECONDS ||
	       ((!arena->good || !arena->refused) && now() < begin + 10 * SECONDS)) {
		nr = acquire_in_arena(arena, leases);
		if (!arena->kept)
			nr = COUNT;
		if (nr)
			release_in_arena(arena, leases, nr);
		/* Who does not know what he has, gives it back with the descriptor. */
		if (!arena->kept && device_leased(arena->device) > 256) {
			int fd = device_open();

			dup2(fd, arena->device);
			close(fd);
		}
	}
	arena->stop = true;
	pthread_join(thread, NULL);
	munmap(arena->at, (ARENA_PAGES + GUARD_PAGES) * PAGE);
	close(arena->device);
	close(arena->file);
}

static void check_arena(struct __test_metadata *_metadata, int witness, struct arena arena)
{
	struct gophership_stats before, after;

	memset(&before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	ASSERT_EQ(0, device_stats(witness, &before));
	run_arena(&arena);
	ASSERT_EQ(0, device_stats(witness, &after));
	TH_LOG("%lu calls worked, %lu were refused", arena.good, arena.refused);
	EXPECT_EQ(0, arena.strange);
	EXPECT_LT(0, arena.good);
	EXPECT_LT(0, arena.refused);
	EXPECT_EQ(before.contexts, after.contexts);
	EXPECT_EQ(before.machine_bytes, after.machine_bytes);
	for (int class = 0; class < NR_CLASSES; class++)
		EXPECT_EQ(before.classes[class].leased, after.classes[class].leased);
}

TEST_F(hostile, arguments_that_are_rewritten)
{
	check_arena(_metadata, self->fd, (struct arena){ .change = rewrite });
}

TEST_F(hostile, arguments_that_are_unmapped)
{
	check_arena(_metadata, self->fd, (struct arena){ .change = unmap, .kept = true });
}

TEST_F(hostile, arguments_that_become_a_window)
{
	check_arena(_metadata, self->fd, (struct arena){ .change = remap, .kept = true });
}

TEST_F(hostile, arguments_that_are_protected)
{
	check_arena(_metadata, self->fd, (struct arena){ .change = protect, .kept = true });
}

TEST_F(hostile, arguments_that_are_punched_out)
{
	check_arena(_metadata, self->fd, (struct arena){ .change = punch });
}

/*
 * Guessed handles. The layout is gophership_context.c's: 19 bits of hash above
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
