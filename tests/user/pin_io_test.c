// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that I/O in flight refers to when their buffer is released: io_uring, direct I/O.
 */
#include <liburing.h>
#include <linux/aio_abi.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "pin_fixture.h"

/* How many of the other context's buffers are not what it wrote? */
static int others_disturbed(struct others *others, size_t size)
{
	int wrong = 0;

	for (int i = 0; i < MANY; i++)
		wrong += !memory_is(others->buffers[i].data, 0x22, size);
	return wrong;
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
