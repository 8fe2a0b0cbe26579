// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"
#include "victim.h"

#define PAGE		4096UL
#define MANY		48U
#define RING		16U

static struct victims *victims;
static unsigned int place;
static uint64_t number;
static bool reader;		/* some of its buffers may hold what it read */
static int device, in, out;
static off_t slot;
static __thread unsigned int thread;
static __thread uint64_t mark;
static __thread int pipes[2];

static void enter(enum call call)
{
	atomic_store_explicit(&victims->in[place][thread], call, memory_order_relaxed);
}

/* The value of @expression, which is noted to be @call while it lasts. */
#define IN(call, expression) ({			\
	enter(call);				\
	__typeof__(expression) _ret = (expression);	\
	enter(CALL_NONE);			\
	_ret;					\
})

static bool may_be_there(uint64_t word)
{
	return !word || word == mark || (reader && word == MARK_READ);
}

static void check_new(const struct buffer *buffer)
{
	const uint64_t *words = (const uint64_t *)buffer->data;

	atomic_fetch_add(&victims->loans, 1);
	atomic_store_explicit(&victims->alive[place], true, memory_order_relaxed);
	for (size_t i = 0; i < buffer->lease.capacity / sizeof(*words); i++)
		if (!may_be_there(words[i])) {
			atomic_fetch_add(&victims->foreign, 1);
			return;
		}
}

static void check_all(const void *data, size_t size, uint64_t word)
{
	const uint64_t *words = data;

	if (words[0] != word || memcmp(words, words + 1, size - sizeof(*words)))
		atomic_fetch_add(&victims->changed, 1);
}

static void fill(const struct buffer *buffer)
{
	uint64_t *words = (uint64_t *)buffer->data;

	for (size_t i = 0; i < buffer->lease.capacity / sizeof(*words); i++)
		words[i] = mark;
}

static int get(int fd, size_t size, struct buffer *buffer)
{
	if (IN(CALL_ACQUIRE, device_acquire_one(fd, size, &buffer->lease)))
		return -1;
	buffer->data = IN(CALL_MMAP, device_map_lease(fd, &buffer->lease));
	if (buffer->data == MAP_FAILED)
		return -1;
	enter(CALL_TOUCH);
	check_new(buffer);
	fill(buffer);
	enter(CALL_NONE);
	return 0;
}

static void give(int fd, const struct buffer *buffer)
{
	if (IN(CALL_RELEASE, device_release_one(fd, buffer->lease.handle)))
		_exit(3);
	IN(CALL_MUNMAP, munmap(buffer->data, buffer->lease.capacity));
	atomic_fetch_add(&victims->releases, 1);
}

static void drain_pipe(void)
{
	uint64_t words[PAGE / sizeof(uint64_t)];
	ssize_t got;

	while ((got = read(pipes[0], words, sizeof(words))) > 0)
		check_all(words, got, mark);
}

static void splice_it(const struct buffer *buffer)
{
	struct iovec all = { buffer->data, buffer->lease.capacity };

	if (IN(CALL_SPLICE, vmsplice(pipes[1], &all, 1, SPLICE_F_NONBLOCK)) > 0)
		atomic_fetch_add(&victims->splices, 1);
}

static void write_it(const struct buffer *buffer)
{
	if (IN(CALL_DIRECT, pwrite(out, buffer->data, buffer->lease.capacity, slot)) > 0)
		atomic_fetch_add(&victims->writes, 1);
}

static void read_it(const struct buffer *buffer)
{
	ssize_t size = buffer->lease.capacity;

	if (IN(CALL_DIRECT, pread(in, buffer->data, size, 0)) != size)
		return;
	check_all(buffer->data, size, MARK_READ);
	fill(buffer);
	atomic_fetch_add(&victims->reads, 1);
}

/* One buffer after the other, and some left over. */
static void lead_lives(void)
{
	struct buffer buffer;

	for (unsigned int round = thread;; round++) {
		if (get(device, PAGE << (round % NR_CLASSES), &buffer))
			continue;
		switch (round % 4) {
		case 0:
			splice_it(&buffer);
			break;
		case 1:
			write_it(&buffer);
			break;
		case 2:
			if (reader)
				read_it(&buffer);
			break;
		}
		check_all(buffer.data, buffer.lease.capacity, mark);
		if (round % 5 == 0)
			IN(CALL_MUNMAP, munmap(buffer.data, buffer.lease.capacity));
		else
			give(device, &buffer);
		if (round % 8 == 0)
			drain_pipe();
	}
}

/* Many in one call, most of them never touched. */
static void lease_batches(void)
{
	struct gophership_lease leases[MANY];
	__u64 handles[MANY];
	__u32 done;
	int nr, i;

	for (unsigned int round = 0;; round++) {
		nr = IN(CALL_ACQUIRE_MANY, device_acquire(device, PAGE << (round % 3), MANY,
							  leases));
		for (i = 0; i < nr; i++)
			handles[i] = leases[i].handle;
		if (nr > 0 && IN(CALL_RELEASE_MANY, device_release(device, handles, nr, &done)))
			_exit(4);
		if (nr > 0 && IN(CALL_RELEASE, device_release_one(device, handles[0])) != -EALREADY)
			_exit(4);
	}
}

/* Whole windows, in which others lease and release. */
static void map_windows(void)
{
	struct gophership_info info;
	unsigned char *at, *moved;
	size_t length;

	if (IN(CALL_INFO, device_info(device, &info)))
		_exit(5);
	for (unsigned int round = 0;; round++) {
		const struct gophership_class_info *class = &info.classes[round % NR_CLASSES];

		length = 16 * class->capacity;
		at = IN(CALL_POPULATE, mmap(NULL, length, PROT_READ, MAP_SHARED | MAP_POPULATE,
					    device, class->offset));
		if (at == MAP_FAILED)
			continue;
		IN(CALL_TOUCH, memory_read_signal(at));
		moved = IN(CALL_MREMAP, mremap(at, length, length, MREMAP_MAYMOVE |
					       MREMAP_DONTUNMAP));
		if (moved != MAP_FAILED) {
			IN(CALL_TOUCH, memory_read_signal(moved + class->capacity));
			IN(CALL_MUNMAP, munmap(moved, length));
		}
		IN(CALL_MUNMAP, munmap(at, length));
	}
}

/* Contexts that end by themselves, with leases and mappings. */
static void open_contexts(void)
{
	struct gophership_stats stats;
	struct buffer buffer;
	int fd;

	for (unsigned int round = 0;; round++) {
		IN(CALL_STATS, device_stats(device, &stats));
		fd = IN(CALL_OPEN, device_open());
		if (fd < 0)
			continue;
		/* One like the last one, but with none of its bytes. */
		mark = MARK_ALSO(number, round);
		if (!get(fd, PAGE << (round % NR_CLASSES), &buffer)) {
			if (round % 2)
				splice_it(&buffer);
			IN(CALL_MUNMAP, munmap(buffer.data, buffer.lease.capacity));
		}
		IN(CALL_CLOSE, close(fd));
		drain_pipe();
	}
}

/* A child that has the descriptor, and leases and maps for itself. */
static void be_child(pid_t parent)
{
	struct buffer buffer;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (int i = 0; i < 3; i++)
		if (!buffer_acquire(device, PAGE << i, &buffer)) {
			check_new(&buffer);
			fill(&buffer);
		}
	_exit(0);
}

static void have_children(void)
{
	pid_t parent = getpid(), child;

	for (;;) {
		child = IN(CALL_FORK, fork());
		if (!child)
			be_child(parent);
		atomic_fetch_add(&victims->children, 1);
		if (child > 0)
			waitpid(child, NULL, 0);
		usleep(1000);
	}
}

/* Pins its pages before it returns, which a ring of io_uring need not. */
static long submit(aio_context_t ring, struct iocb *request)
{
	struct io_event over[RING];

	while (syscall(SYS_io_submit, ring, 1, &request) != 1)
		if (syscall(SYS_io_getevents, ring, 1, RING, over, NULL) < 1)
			_exit(6);
	return syscall(SYS_io_getevents, ring, 0, RING, over, NULL);
}

/* I/O that is under way while its buffer goes, or the whole context. */
static void submit_io(void)
{
	struct iocb request = { 0 };
	aio_context_t ring = 0;
	struct buffer buffer;
	int fd;

	if (syscall(SYS_io_setup, RING, &ring))
		_exit(6);
	for (unsigned int round = 0;; round++) {
		fd = round % 4 ? device : device_open();
		if (fd < 0 || get(fd, PAGE << (round % NR_CLASSES), &buffer))
			_exit(6);
		request.aio_buf = (uintptr_t)buffer.data;
		request.aio_nbytes = buffer.lease.capacity;
		request.aio_offset = slot;
		if (reader && round % 2) {
			request.aio_fildes = in;
			request.aio_lio_opcode = IOCB_CMD_PREAD;
		} else {
			request.aio_fildes = out;
			request.aio_lio_opcode = IOCB_CMD_PWRITE;
		}
		if (!IN(CALL_SUBMIT, submit(ring, &request)))
			atomic_fetch_add(&victims->in_flight, 1);
		if (fd == device) {
			give(fd, &buffer);
			continue;
		}
		IN(CALL_MUNMAP, munmap(buffer.data, buffer.lease.capacity));
		IN(CALL_CLOSE, close(fd));
	}
}

static void *run(void *argument)
{
	static void (*const jobs[THREADS])(void) = {
		lead_lives, submit_io, map_windows, lease_batches, open_contexts, have_children,
	};

	thread = (uintptr_t)argument;
	mark = MARK(number);
	if (pipe2(pipes, O_NONBLOCK | O_CLOEXEC))
		_exit(2);
	jobs[thread]();
	return NULL;
}

void victim_live(struct victims *shared, unsigned int my_place, uint64_t my_number,
		 const struct victim_files *files)
{
	pthread_t id;

	victims = shared;
	place = my_place;
	number = my_number;
	reader = number % 2;
	slot = number % SLOTS * SLOT_SIZE;
	in = open(files->in, O_RDONLY | O_DIRECT | O_CLOEXEC);
	out = open(files->out, O_WRONLY | O_DIRECT | O_CLOEXEC);
	device = IN(CALL_OPEN, device_open());
	if (device < 0 || in < 0 || out < 0)
		_exit(2);
	for (uintptr_t i = 1; i < THREADS; i++)
		if (pthread_create(&id, NULL, run, (void *)i))
			_exit(2);
	run(NULL);
}
