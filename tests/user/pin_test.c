// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that somebody else has a reference to when their buffer is released:
 * they are handed on to nobody, and what is in flight ends as it began.
 */
#include <fcntl.h>
#include <liburing.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "device.h"
#include "harness.h"
#include "memory.h"

#define PAGE	4096UL
#define LARGE	(16 * PAGE)
#define MANY	48

/* Another context, with all that it has on lease. */
struct others {
	int fd;
	struct buffer buffers[MANY];
};

FIXTURE(pin)
{
	int fd;
	int pipe[2];
	struct others others;
};

FIXTURE_SETUP(pin)
{
	cpu_set_t one;

	/* On one processor a pool gives back what it took last. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	self->fd = device_open();
	self->others.fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->others.fd);
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(pin)
{
	close(self->fd);
	close(self->others.fd);
	close(self->pipe[0]);
	close(self->pipe[1]);
}

static int acquire_filled(int fd, size_t size, int byte, struct buffer *buffer)
{
	int ret = buffer_acquire(fd, size, buffer);

	if (!ret)
		memset(buffer->data, byte, size);
	return ret;
}

static int splice_in(int pipe, void *data, size_t length)
{
	struct iovec iov = { .iov_base = data, .iov_len = length };
	ssize_t done = vmsplice(pipe, &iov, 1, 0);

	return done < 0 ? -errno : done;
}

/* Is the pipe's content @length times @byte? It is read. */
static bool pipe_holds(int pipe, int byte, size_t length)
{
	unsigned char bytes[LARGE];
	size_t done = 0;

	while (done < length) {
		ssize_t got = read(pipe, bytes + done, length - done);

		if (got <= 0)
			return false;
		done += got;
	}
	return memory_is(bytes, byte, length);
}

/*
 * The other context leases many buffers and fills them with 0x22. Returns how
 * many have bytes of others, or the frame @pinned (or are not there).
 */
static int others_take_over(struct others *others, size_t size, unsigned long pinned)
{
	int wrong = 0;

	for (int i = 0; i < MANY; i++) {
		struct buffer *buffer = &others->buffers[i];

		if (buffer_acquire(others->fd, size, buffer)) {
			wrong += 1000;
			buffer->data = NULL;
			continue;
		}
		/* The second is what it wrote itself the last time. */
		wrong += !memory_is(buffer->data, 0, size) && !memory_is(buffer->data, 0x22, size);
		wrong += memory_frame(buffer->data) == pinned;
		memset(buffer->data, 0x22, size);
	}
	return wrong;
}

/* How many of the other context's buffers are not what it wrote? */
static int others_disturbed(struct others *others, size_t size)
{
	int wrong = 0;

	for (int i = 0; i < MANY; i++)
		wrong += !memory_is(others->buffers[i].data, 0x22, size);
	return wrong;
}

static void others_give_back(struct others *others)
{
	for (int i = 0; i < MANY; i++)
		buffer_release(others->fd, &others->buffers[i]);
}

/* What the others look at is worth something only if memory does change hands. */
TEST_F(pin, without_a_pin_the_memory_is_handed_on)
{
	struct buffer buffer;
	unsigned long frame;

	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		long retired = device_retired(self->fd);

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		EXPECT_EQ(retired, device_retired(self->fd));
		EXPECT_EQ(1, others_take_over(&self->others, size, frame));
		others_give_back(&self->others);
	}
}

TEST_F(pin, vmsplice_keeps_what_was_spliced)
{
	struct buffer buffer;
	unsigned long frame;

	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		long retired = device_retired(self->fd);

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		/* The last page: a pin anywhere counts for the whole buffer. */
		ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data + size - PAGE, PAGE));
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		EXPECT_EQ(retired + 1, device_retired(self->fd));
		EXPECT_EQ(0, others_take_over(&self->others, size, frame));
		EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
		others_give_back(&self->others);
	}
	EXPECT_EQ(0, device_leased(self->fd));
}

static void go_on(int signal)
{
	(void)signal;
}

/*
 * A page on which the machine reports an error (this one only seems to) is
 * nobody's any more, wherever in the buffer it is.
 */
TEST_F(pin, failed_memory_is_not_handed_on)
{
	struct buffer buffer;
	unsigned long frame;

	/* The error is reported to who asks for it, too. */
	ASSERT_NE(SIG_ERR, signal(SIGBUS, go_on));
	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		long retired = device_retired(self->fd);

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		/* Parts of a large buffer the kernel marks, and has no way to handle. */
		if (madvise(buffer.data + size - PAGE, PAGE, MADV_HWPOISON) && errno == EINVAL)
			SKIP(return, "this kernel knows no failing memory");
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		EXPECT_EQ(retired + 1, device_retired(self->fd));
		EXPECT_EQ(0, others_take_over(&self->others, size, frame));
		others_give_back(&self->others);
	}
}

/* The same while it lies idle in the pool. */
TEST_F(pin, memory_that_failed_idle_is_not_handed_on)
{
	struct buffer buffer;
	unsigned long frame;
	int offline = open("/sys/devices/system/memory/hard_offline_page", O_WRONLY);

	if (offline < 0)
		SKIP(return, "this kernel knows no failing memory");
	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		char address[32];

		ASSERT_EQ(0, acquire_filled(self->fd, size, 0x5a, &buffer));
		frame = memory_frame(buffer.data);
		ASSERT_NE(0, frame);
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		snprintf(address, sizeof(address), "%#lx", (frame + size / PAGE - 1) * PAGE);
		/* It is marked, and then they find that they can do nothing (EBUSY). */
		if (write(offline, address, strlen(address)) < 0)
			EXPECT_EQ(EBUSY, errno);
		EXPECT_EQ(0, others_take_over(&self->others, size, frame));
		others_give_back(&self->others);
	}
	close(offline);
}

TEST_F(pin, vmsplice_and_munmap)
{
	struct buffer buffer;
	unsigned long frame;

	ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &buffer));
	frame = memory_frame(buffer.data);
	ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data, PAGE));
	ASSERT_EQ(0, munmap(buffer.data, PAGE));
	ASSERT_EQ(0, device_release_one(self->fd, buffer.lease.handle));
	EXPECT_EQ(1, device_retired(self->fd));
	EXPECT_EQ(0, others_take_over(&self->others, PAGE, frame));
	EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
}

TEST_F(pin, one_that_ended_before_release_retires_nothing)
{
	struct buffer buffer;

	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
	ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data + PAGE, PAGE));
	EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
	ASSERT_EQ(0, buffer_release(self->fd, &buffer));
	EXPECT_EQ(0, device_retired(self->fd));
}

/* Among many that are released by one call, the pinned ones are retired. */
TEST_F(pin, some_of_a_batch)
{
	struct gophership_lease leases[MANY];
	struct buffer buffers[MANY];
	unsigned long frames[3];

	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &buffers[i]));
		leases[i] = buffers[i].lease;
		if (i % 16 == 7) {
			frames[i / 16] = memory_frame(buffers[i].data);
			ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffers[i].data, PAGE));
		}
	}
	ASSERT_EQ(0, device_release_leases(self->fd, leases, MANY));
	EXPECT_EQ(3, device_retired(self->fd));
	EXPECT_EQ(0, others_take_over(&self->others, PAGE, frames[0]));
	for (int i = 0; i < MANY; i++) {
		unsigned long frame = memory_frame(self->others.buffers[i].data);

		EXPECT_TRUE(frame != frames[1] && frame != frames[2]);
	}
	EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, 3 * PAGE));
}

/* The owner is killed; a pipe that lives on has its page. */
TEST_F(pin, of_a_killed_process)
{
	for (int round = 0; round < 10; round++) {
		int to_parent[2];
		unsigned long frame = 0;
		pid_t child;

		ASSERT_EQ(0, pipe(to_parent));
		child = fork();
		if (!child) {
			struct buffer buffer;
			int fd = device_open();

			if (acquire_filled(fd, LARGE, 0x5a, &buffer) ||
			    splice_in(self->pipe[1], buffer.data + 3 * PAGE, PAGE) != PAGE)
				_exit(1);
			frame = memory_frame(buffer.data);
			if (write(to_parent[1], &frame, sizeof(frame)) == sizeof(frame))
				pause();
			_exit(2);
		}
		ASSERT_EQ(sizeof(frame), read(to_parent[0], &frame, sizeof(frame)));
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		EXPECT_EQ(0, others_take_over(&self->others, LARGE, frame));
		EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
		others_give_back(&self->others);
		close(to_parent[0]);
		close(to_parent[1]);
	}
}

/*
 * The bytes that the machine's limit counts, when they have come down to @wanted, as
 * they do once a second when pins have gone, or after a while.
 */
static long long wait_for_machine_bytes(int fd, long long wanted)
{
	for (int tries = 0; tries < 300 && device_machine_bytes(fd) > wanted; tries++)
		usleep(100000);
	return device_machine_bytes(fd);
}

/* KiB that are missing since there were so many, when grace periods had their time. */
static long missing_since(long before, long allowed)
{
	long missing = LONG_MAX;

	for (int tries = 0; tries < 600 && missing > allowed; tries++) {
		usleep(tries ? 100000 : 0);
		missing = before - memory_info("MemAvailable");
	}
	return missing;
}

/* When the last reference goes, so does the memory: 25 MiB would be missing. */
TEST_F(pin, retired_pages_are_freed_with_the_pin)
{
	long before = memory_info("MemAvailable");
	struct buffer buffer;

	for (int round = 0; round < 400; round++) {
		ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
		ASSERT_EQ(PAGE, splice_in(self->pipe[1], buffer.data, PAGE));
		ASSERT_EQ(0, buffer_release(self->fd, &buffer));
		ASSERT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));
	}
	EXPECT_EQ(400, device_retired(self->fd));
	EXPECT_GE(8 * 1024, missing_since(before, 8 * 1024));
}

struct splicer {
	int pipe[2];
	unsigned char *data;
	atomic_ulong spliced;
	unsigned long wrong;
	atomic_bool stop;
};

/* Splice until the buffer is gone; what got into the pipe stays 0x5a. */
static void *splice_until_gone(void *argument)
{
	struct splicer *splicer = argument;

	while (!splicer->stop && splice_in(splicer->pipe[1], splicer->data, PAGE) == PAGE) {
		splicer->spliced++;
		for (int i = 0; i < 3; i++)
			sched_yield();
		splicer->wrong += !pipe_holds(splicer->pipe[0], 0x5a, PAGE);
	}
	return NULL;
}

/* The reference is taken at the very moment of the release, on another CPU. */
TEST_F_TIMEOUT(pin, taken_while_the_buffer_is_released, 600)
{
	struct splicer splicer;
	int dirty = 0;

	for (int round = 0; round < 150; round++) {
		struct buffer mine, theirs;
		pthread_t thread;
		cpu_set_t second;

		splicer = (struct splicer){ .pipe = { self->pipe[0], self->pipe[1] } };
		ASSERT_EQ(0, acquire_filled(self->fd, PAGE, 0x5a, &mine));
		splicer.data = mine.data;
		ASSERT_EQ(0, pthread_create(&thread, NULL, splice_until_gone, &splicer));
		CPU_ZERO(&second);
		CPU_SET(1, &second);
		pthread_setaffinity_np(thread, sizeof(second), &second);
		while (splicer.spliced < 1 + (unsigned long)round % 3)
			sched_yield();
		ASSERT_EQ(0, device_release_one(self->fd, mine.lease.handle));
		ASSERT_EQ(0, buffer_acquire(self->others.fd, PAGE, &theirs));
		/* The second is what they wrote themselves, an earlier time. */
		dirty += !memory_is(theirs.data, 0, PAGE) && !memory_is(theirs.data, 0x22, PAGE);
		memset(theirs.data, 0x22, PAGE);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(0, splicer.wrong);
		dirty += !memory_is(theirs.data, 0x22, PAGE);
		ASSERT_EQ(0, buffer_release(self->others.fd, &theirs));
		munmap(mine.data, PAGE);
	}
	EXPECT_EQ(0, dirty);
}

static int run_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret;

	ret = io_uring_submit_and_wait(ring, 1);
	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	ret = io_uring_wait_cqe(ring, &cqe);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

/* A registered buffer of io_uring's is written to and read by the kernel. */
TEST_F(pin, io_uring_registered_buffer)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	struct buffer buffer;
	unsigned long frame;
	struct iovec iov;
	int ret;

	ret = io_uring_queue_init(4, &ring, 0);
	if (ret)
		SKIP(return, "no io_uring: %s", strerror(-ret));
	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
	frame = memory_frame(buffer.data);
	iov = (struct iovec){ .iov_base = buffer.data, .iov_len = LARGE };
	ret = io_uring_register_buffers(&ring, &iov, 1);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "this kernel registers no mappings of files (before 6.5)");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, device_release_one(self->fd, buffer.lease.handle));
	EXPECT_EQ(1, device_retired(self->fd));
	EXPECT_EQ(SIGBUS, memory_read_signal(buffer.data));
	EXPECT_EQ(0, others_take_over(&self->others, LARGE, frame));

	/* Its old bytes can still be sent ... */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write_fixed(sqe, self->pipe[1], buffer.data + PAGE, PAGE, 0, 0);
	ASSERT_EQ(PAGE, run_one(&ring));
	EXPECT_TRUE(pipe_holds(self->pipe[0], 0x5a, PAGE));

	/* ... and new ones be received, and nobody else sees either. */
	ASSERT_EQ(5, write(self->pipe[1], "later", 5));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read_fixed(sqe, self->pipe[0], buffer.data + PAGE, 5, 0, 0);
	ASSERT_EQ(5, run_one(&ring));
	EXPECT_EQ(0, others_disturbed(&self->others, LARGE));
	io_uring_queue_exit(&ring);
	EXPECT_EQ(0, others_disturbed(&self->others, LARGE));
}

TEST_F(pin, io_uring_reads_into_a_buffer)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	struct buffer buffer;
	int ret;

	ret = io_uring_queue_init(4, &ring, 0);
	if (ret)
		SKIP(return, "no io_uring: %s", strerror(-ret));
	ASSERT_EQ(0, buffer_acquire(self->fd, LARGE, &buffer));
	ASSERT_EQ(5, write(self->pipe[1], "hello", 5));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, self->pipe[0], buffer.data + 7 * PAGE - 2, 5, 0);
	ASSERT_EQ(5, run_one(&ring));
	EXPECT_EQ(0, memcmp(buffer.data + 7 * PAGE - 2, "hello", 5));
	io_uring_queue_exit(&ring);
}

static void fill_by_place(unsigned char *data, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i += sizeof(unsigned int)) {
		unsigned int word = (seed + i) * 2654435761u;

		memcpy(data + i, &word, sizeof(word));
	}
}

TEST_F(pin, direct_io_to_and_from_buffers)
{
	int file = open("/mnt/direct", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	struct buffer out, in;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, buffer_acquire(self->fd, LARGE, &out));
	for (size_t size = PAGE; size <= LARGE; size *= 2) {
		unsigned int at = size;

		fill_by_place(out.data, size, at);
		ASSERT_EQ((ssize_t)size, pwrite(file, out.data, size, at));
		/* Not touched before: the read itself faults it in. */
		ASSERT_EQ(0, buffer_acquire(self->fd, size, &in));
		ASSERT_EQ((ssize_t)size, pread(file, in.data, size, at));
		EXPECT_EQ(0, memcmp(in.data, out.data, size));
		ASSERT_EQ(0, buffer_release(self->fd, &in));
	}
	/* Nothing was in flight any more when they were released. */
	EXPECT_EQ(0, device_retired(self->fd));

	ASSERT_EQ(0, device_release_one(self->fd, out.lease.handle));
	EXPECT_EQ(-1, pread(file, out.data, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pwrite(file, out.data, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	close(file);
	unlink("/mnt/direct");
}

/*
 * A block device of which the test decides when a read is answered: the
 * kernel's network block device, with the server in this process.
 */
#define HELD_AT	0x100000	/* reads of this place wait */

struct disk {
	int device;
	int sockets[2];
	pthread_t kernel, server;
	atomic_bool arrived, answer;
};

static void *disk_kernel_side(void *argument)
{
	struct disk *disk = argument;

	ioctl(disk->device, NBD_DO_IT);
	return NULL;
}

static bool read_fully(int fd, void *to, size_t size)
{
	return recv(fd, to, size, MSG_WAITALL) == (ssize_t)size;
}

static void *disk_serve(void *argument)
{
	static unsigned char bytes[1 << 20];
	struct disk *disk = argument;
	struct nbd_request request;
	struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC) };
	int socket = disk->sockets[1];

	memset(bytes, 0x77, sizeof(bytes));
	while (read_fully(socket, &request, sizeof(request))) {
		size_t length = be32toh(request.len);

		if (be32toh(request.type) != NBD_CMD_READ || length > sizeof(bytes))
			break;
		if (be64toh(request.from) == HELD_AT) {
			disk->arrived = true;
			while (!disk->answer)
				usleep(1000);
		}
		memcpy(reply.handle, request.handle, sizeof(reply.handle));
		if (write(socket, &reply, sizeof(reply)) != sizeof(reply) ||
		    send(socket, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
			break;
	}
	/* The kernel's side ends with the connection. */
	shutdown(socket, SHUT_RDWR);
	return NULL;
}

static int disk_start(struct disk *disk)
{
	*disk = (struct disk){ .device = open("/dev/nbd0", O_RDWR | O_DIRECT) };
	if (disk->device < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, disk->sockets))
		return -errno;
	if (ioctl(disk->device, NBD_SET_BLKSIZE, 4096UL) ||
	    ioctl(disk->device, NBD_SET_SIZE_BLOCKS, 1024UL) ||
	    ioctl(disk->device, NBD_SET_SOCK, disk->sockets[0]))
		return -errno;
	if (pthread_create(&disk->server, NULL, disk_serve, disk) ||
	    pthread_create(&disk->kernel, NULL, disk_kernel_side, disk))
		return -EAGAIN;
	return 0;
}

/* The kernel connects in its own time, and the disk has a size from then on. */
static bool disk_is_there(struct disk *disk)
{
	uint64_t size = 0;

	for (int tries = 0; tries < 6000; tries++) {
		if (!ioctl(disk->device, BLKGETSIZE64, &size) && size)
			return true;
		usleep(10000);
	}
	return false;
}

static void disk_stop(struct disk *disk)
{
	ioctl(disk->device, NBD_DISCONNECT);
	pthread_join(disk->server, NULL);
	pthread_join(disk->kernel, NULL);
	ioctl(disk->device, NBD_CLEAR_SOCK);
	close(disk->device);
}

/* Submit a direct read and wait until the disk has it. */
static int start_read(struct disk *disk, aio_context_t aio, void *data, size_t size)
{
	struct iocb control = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = disk->device,
		.aio_buf = (uintptr_t)data,
		.aio_nbytes = size,
		.aio_offset = HELD_AT,
	};
	struct iocb *list[1] = { &control };

	if (syscall(SYS_io_submit, aio, 1, list) != 1)
		return -errno;
	for (int tries = 0; !disk->arrived; tries++) {
		if (tries == 60000)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return 0;
}

TEST_F(pin, direct_read_in_flight)
{
	struct disk disk;
	struct buffer buffer;
	struct io_event event;
	aio_context_t aio = 0;
	unsigned long frame;

	ASSERT_EQ(0, disk_start(&disk));
	ASSERT_TRUE(disk_is_there(&disk));
	ASSERT_EQ(0, syscall(SYS_io_setup, 4, &aio));
	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
	frame = memory_frame(buffer.data);
	ASSERT_NE(0, frame);
	ASSERT_EQ(0, start_read(&disk, aio, buffer.data, LARGE));

	ASSERT_EQ(0, device_release_one(self->fd, buffer.lease.handle));
	EXPECT_EQ(1, device_retired(self->fd));
	EXPECT_EQ(SIGBUS, memory_read_signal(buffer.data));
	EXPECT_EQ(0, others_take_over(&self->others, LARGE, frame));

	/* Now the disk writes into the page. */
	disk.answer = true;
	ASSERT_EQ(1, syscall(SYS_io_getevents, aio, 1, 1, &event, NULL));
	EXPECT_EQ((long long)LARGE, event.res);
	EXPECT_EQ(0, others_disturbed(&self->others, LARGE));
	syscall(SYS_io_destroy, aio);
	disk_stop(&disk);
	EXPECT_EQ(0, others_disturbed(&self->others, LARGE));
}

/* The same, but the context ends instead of one lease. */
TEST_F(pin, direct_read_in_flight_when_the_context_ends)
{
	struct disk disk;
	struct buffer buffer;
	struct io_event event;
	aio_context_t aio = 0;
	unsigned long frame;

	ASSERT_EQ(0, disk_start(&disk));
	ASSERT_TRUE(disk_is_there(&disk));
	ASSERT_EQ(0, syscall(SYS_io_setup, 4, &aio));
	ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0x5a, &buffer));
	frame = memory_frame(buffer.data);
	ASSERT_EQ(0, start_read(&disk, aio, buffer.data, LARGE));
	ASSERT_EQ(0, munmap(buffer.data, LARGE));
	close(self->fd);
	/* It is paid for as long as the disk may write into it. */
	EXPECT_EQ((long long)LARGE, wait_for_machine_bytes(self->others.fd, LARGE));
	EXPECT_EQ(0, others_take_over(&self->others, LARGE, frame));
	others_give_back(&self->others);
	EXPECT_EQ((long long)LARGE, device_machine_bytes(self->others.fd));
	EXPECT_EQ(0, others_take_over(&self->others, LARGE, 0));
	disk.answer = true;
	ASSERT_EQ(1, syscall(SYS_io_getevents, aio, 1, 1, &event, NULL));
	EXPECT_EQ((long long)LARGE, event.res);
	EXPECT_EQ(0, others_disturbed(&self->others, LARGE));
	syscall(SYS_io_destroy, aio);
	disk_stop(&disk);
	others_give_back(&self->others);
	EXPECT_EQ(0, wait_for_machine_bytes(self->others.fd, 0));
}

TEST_HARNESS_MAIN
