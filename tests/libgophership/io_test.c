// SPDX-License-Identifier: GPL-2.0
/*
 * The buffers in the kernel's hands: O_DIRECT, io_uring, vmsplice. Wants a disk
 * at /mnt.
 */
#include <fcntl.h>
#include <liburing.h>
#include <sys/uio.h>

#include "fixture.h"
#include "memory.h"

#define FILE_PATH	"/mnt/library"

FIXTURE(io)
{
	struct gophership *gs;
	char *out;
	char *in;
	int file;
};

FIXTURE_SETUP(io)
{
	ASSERT_EQ(0, gophership_open(&self->gs, NULL));
	self->out = gophership_acquire(self->gs, LARGEST);
	self->in = gophership_acquire(self->gs, LARGEST);
	ASSERT_NE(NULL, self->out);
	ASSERT_NE(NULL, self->in);
	memset(self->out, 0x5a, LARGEST);
	memset(self->in, 0, LARGEST);
	self->file = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	ASSERT_LE(0, self->file);
}

FIXTURE_TEARDOWN(io)
{
	close(self->file);
	EXPECT_EQ(0, gophership_release(self->gs, self->out));
	EXPECT_EQ(0, gophership_release(self->gs, self->in));
	EXPECT_LE(2, gophership_trim(self->gs));
	EXPECT_EQ(0, stats_of(self->gs).leased_bytes);
	gophership_close(self->gs);
}

TEST_F(io, direct)
{
	EXPECT_EQ(LARGEST, pwrite(self->file, self->out, LARGEST, 0));
	EXPECT_EQ(LARGEST, pread(self->file, self->in, LARGEST, 0));
	EXPECT_TRUE(memory_is(self->in, 0x5a, LARGEST));
}

static int wait_for_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int result = io_uring_submit_and_wait(ring, 1);

	if (result < 0 || io_uring_peek_cqe(ring, &cqe))
		return -1;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

/* Device files can be registered since 6.5. */
TEST_F(io, uring_fixed)
{
	struct iovec iovecs[2] = { { self->out, LARGEST }, { self->in, LARGEST } };
	struct io_uring ring;
	int ret = io_uring_queue_init(2, &ring, 0);

	if (ret == -ENOSYS)
		SKIP(return, "this kernel has no io_uring");
	ASSERT_EQ(0, ret);
	ret = io_uring_register_buffers(&ring, iovecs, 2);
	if (ret == -EOPNOTSUPP) {
		io_uring_queue_exit(&ring);
		SKIP(return, "this kernel registers no buffers of devices");
	}
	ASSERT_EQ(0, ret);
	io_uring_prep_write_fixed(io_uring_get_sqe(&ring), self->file, self->out, LARGEST, 0, 0);
	EXPECT_EQ(LARGEST, wait_for_one(&ring));
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), self->file, self->in, LARGEST, 0, 1);
	EXPECT_EQ(LARGEST, wait_for_one(&ring));
	EXPECT_TRUE(memory_is(self->in, 0x5a, LARGEST));
	EXPECT_EQ(0, io_uring_unregister_buffers(&ring));
	io_uring_queue_exit(&ring);
}

#define WINDOW		8

/*
 * All buffers of a handle's window are one registered buffer; while a part of it is
 * not on lease, it is none. A write that crosses two of its buffers takes of both.
 */
TEST_F(io, uring_window)
{
	const struct gophership_options options = {
		.size = sizeof(options),
		.ceiling = WINDOW * LARGEST,
	};
	struct iovec window = { .iov_len = WINDOW * LARGEST };
	struct gophership *gs;
	struct io_uring ring;
	void *bufs[WINDOW];
	int ret = io_uring_queue_init(1, &ring, 0);

	if (ret == -ENOSYS)
		SKIP(return, "this kernel has no io_uring");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, gophership_open(&gs, &options));
	ASSERT_EQ(WINDOW / 2, gophership_acquire_bulk(gs, LARGEST, WINDOW / 2, bufs));
	qsort(bufs, WINDOW / 2, sizeof(*bufs), compare_pointers);
	window.iov_base = bufs[0];
	EXPECT_EQ(-EFAULT, io_uring_register_buffers(&ring, &window, 1));
	ASSERT_EQ(WINDOW / 2, gophership_acquire_bulk(gs, LARGEST, WINDOW / 2, bufs + WINDOW / 2));
	qsort(bufs, WINDOW, sizeof(*bufs), compare_pointers);
	for (int i = 0; i < WINDOW; i++) {
		ASSERT_EQ((char *)window.iov_base + i * LARGEST, bufs[i]);
		memset(bufs[i], i + 1, LARGEST);
	}
	ret = io_uring_register_buffers(&ring, &window, 1);
	if (ret != -EOPNOTSUPP) {
		ASSERT_EQ(0, ret);
		io_uring_prep_write_fixed(io_uring_get_sqe(&ring), self->file,
					  (char *)bufs[3] + LARGEST - PAGE, 2 * PAGE, 0, 0);
		EXPECT_EQ(2 * PAGE, wait_for_one(&ring));
		io_uring_prep_read_fixed(io_uring_get_sqe(&ring), self->file, bufs[6], 2 * PAGE, 0,
					 0);
		EXPECT_EQ(2 * PAGE, wait_for_one(&ring));
		EXPECT_TRUE(memory_is(bufs[6], 4, PAGE));
		EXPECT_TRUE(memory_is((char *)bufs[6] + PAGE, 5, PAGE));
		EXPECT_TRUE(memory_is((char *)bufs[6] + 2 * PAGE, 7, LARGEST - 2 * PAGE));
		EXPECT_EQ(0, io_uring_unregister_buffers(&ring));
	}
	io_uring_queue_exit(&ring);
	EXPECT_EQ(WINDOW, gophership_release_bulk(gs, bufs, WINDOW));
	EXPECT_EQ(WINDOW, gophership_trim(gs));
	/* Nothing is pinned any more. */
	EXPECT_EQ(0, stats_of(gs).retired);
	gophership_close(gs);
}

TEST_F(io, uring_plain)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(2, &ring, 0);

	if (ret == -ENOSYS)
		SKIP(return, "this kernel has no io_uring");
	ASSERT_EQ(0, ret);
	io_uring_prep_write(io_uring_get_sqe(&ring), self->file, self->out, LARGEST, 0);
	EXPECT_EQ(LARGEST, wait_for_one(&ring));
	io_uring_prep_read(io_uring_get_sqe(&ring), self->file, self->in, LARGEST, 0);
	EXPECT_EQ(LARGEST, wait_for_one(&ring));
	EXPECT_TRUE(memory_is(self->in, 0x5a, LARGEST));
	io_uring_queue_exit(&ring);
}

TEST_F(io, vmsplice)
{
	struct iovec iovec = { self->out, PAGE };
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(PAGE, vmsplice(ends[1], &iovec, 1, 0));
	EXPECT_EQ(PAGE, read(ends[0], self->in, PAGE));
	EXPECT_TRUE(memory_is(self->in, 0x5a, PAGE));
	close(ends[0]);
	close(ends[1]);
}

/* A page in a pipe when the library gives its buffer back: the kernel keeps it. */
TEST_F(io, what_is_in_flight_is_not_reused)
{
	void *buf = gophership_acquire(self->gs, PAGE);
	struct iovec iovec = { buf, PAGE };
	unsigned char text[PAGE];
	int ends[2];

	ASSERT_NE(NULL, buf);
	memset(buf, 0x66, PAGE);
	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(PAGE, vmsplice(ends[1], &iovec, 1, 0));
	EXPECT_EQ(0, gophership_release(self->gs, buf));
	EXPECT_LE(1, gophership_trim(self->gs));
	EXPECT_EQ(1, stats_of(self->gs).retired);
	for (int i = 0; i < 100; i++) {
		void *other = gophership_acquire(self->gs, PAGE);

		memset(other, 0x11, PAGE);
		(void)other;
	}
	EXPECT_EQ(PAGE, read(ends[0], text, PAGE));
	EXPECT_TRUE(memory_is(text, 0x66, PAGE));
	close(ends[0]);
	close(ends[1]);
	/* Those 100 are not released: by a close of its own. */
	gophership_close(self->gs);
	ASSERT_EQ(0, gophership_open(&self->gs, NULL));
	self->out = gophership_acquire(self->gs, LARGEST);
	self->in = gophership_acquire(self->gs, LARGEST);
}

TEST_HARNESS_MAIN
