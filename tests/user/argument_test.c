// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments in memory that another thread rewrites, unmaps, protects or replaces while a
 * call uses them. The module is loaded as for limits_test.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "hostile_fixture.h"

#define COUNT	48U	/* leases of one call in the arena */

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

TEST_HARNESS_MAIN
