// SPDX-License-Identifier: GPL-2.0
/*
 * Copies a file with io_uring and a registered window: the kernel looks up and
 * pins its pages once, not for each read and write.
 *
 *	cc uring.c $(pkg-config --cflags --libs gophership liburing)
 *	./a.out FILE COPY
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gophership.h>
#include <liburing.h>

#define NR	8
#define SIZE	65536

/* What is on its way in one buffer. */
struct part {
	char *buf;
	off_t offset;
	size_t length;
};

static struct part parts[NR];
static struct io_uring ring;
static bool registered;

/* A ceiling of NR buffers makes windows of that length. */
static struct gophership *open_pool(void)
{
	const struct gophership_options options = {
		.size = sizeof(options),
		.ceiling = NR * SIZE,
	};
	struct gophership *gs;
	int error = gophership_open(&gs, &options);

	if (error)
		errx(1, "cannot open /dev/gophership: %s", strerror(-error));
	return gs;
}

/*
 * Borrow all of the window, which begins with the lowest of them. Not less: what
 * is not on lease cannot be pinned, and io_uring says EFAULT.
 */
static struct iovec borrow_window(struct gophership *gs)
{
	struct iovec window = { .iov_len = NR * SIZE };
	void *bufs[NR];
	unsigned int i;

	if (gophership_acquire_bulk(gs, SIZE, NR, bufs) < NR)
		err(1, "cannot borrow %d buffers", NR);
	window.iov_base = bufs[0];
	for (i = 0; i < NR; i++) {
		parts[i].buf = bufs[i];
		if (bufs[i] < window.iov_base)
			window.iov_base = bufs[i];
	}
	return window;
}

/*
 * One registered buffer, of which each read and write takes a part. Its pages
 * stay ours until it is unregistered. A buffer that was released before would be
 * no danger, but lost to the pool: the kernel frees it when the last pin goes.
 */
static void register_window(const struct iovec *window)
{
	int error = io_uring_register_buffers(&ring, window, 1);

	registered = !error;
	if (registered)
		fprintf(stderr, "a window of %zu bytes is registered: fixed reads and writes\n",
			window->iov_len);
	else if (error == -EOPNOTSUPP)
		warnx("this kernel registers no buffers of a device (Linux 6.5 is the first that "
		      "does); going on with ordinary reads and writes");
	else
		warnx("the kernel does not register the window: %s%s; going on with ordinary reads "
		      "and writes", strerror(-error),
		      error == -ENOMEM ? " (see ulimit -l)" : "");
}

static void queue_read(int fd, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct part *part = &parts[i];

	if (registered)
		io_uring_prep_read_fixed(sqe, fd, part->buf, SIZE, part->offset, 0);
	else
		io_uring_prep_read(sqe, fd, part->buf, SIZE, part->offset);
	io_uring_sqe_set_data(sqe, part);
}

static void queue_write(int fd, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct part *part = &parts[i];

	if (registered)
		io_uring_prep_write_fixed(sqe, fd, part->buf, part->length,
					  part->offset, 0);
	else
		io_uring_prep_write(sqe, fd, part->buf, part->length, part->offset);
	io_uring_sqe_set_data(sqe, part);
}

/* Wait for what is queued. A part's length becomes what was done of it. */
static void carry_out(unsigned int nr)
{
	struct io_uring_cqe *cqe;
	struct part *part;
	int error;

	error = io_uring_submit_and_wait(&ring, nr);
	if (error < 0)
		errx(1, "io_uring: %s", strerror(-error));
	while (nr--) {
		error = io_uring_wait_cqe(&ring, &cqe);
		if (!error && cqe->res < 0)
			error = cqe->res;
		if (error)
			errx(1, "io_uring: %s", strerror(-error));
		part = io_uring_cqe_get_data(cqe);
		part->length = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
}

/* Up to NR buffers full from @offset on; the bytes that there were. */
static size_t copy_some(int in, int out, off_t offset)
{
	size_t lengths[NR], done = 0;
	unsigned int i, nr;

	for (i = 0; i < NR; i++) {
		parts[i].offset = offset + (off_t)i * SIZE;
		queue_read(in, i);
	}
	carry_out(NR);
	/* What comes after a short read is read again. */
	for (nr = 0; nr < NR && parts[nr].length; nr++) {
		lengths[nr] = parts[nr].length;
		done += lengths[nr];
		queue_write(out, nr);
		if (lengths[nr] < SIZE) {
			nr++;
			break;
		}
	}
	carry_out(nr);
	for (i = 0; i < nr; i++)
		if (parts[i].length != lengths[i])
			errx(1, "a short write");
	return done;
}

int main(int argc, char **argv)
{
	struct gophership *gs;
	struct iovec window;
	off_t offset = 0;
	int in, out, error;
	size_t done;

	if (argc != 3)
		errx(2, "usage: %s FILE COPY", argv[0]);
	in = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (in < 0)
		err(1, "%s", argv[1]);
	out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out < 0)
		err(1, "%s", argv[2]);
	gs = open_pool();
	error = io_uring_queue_init(NR, &ring, 0);
	if (error)
		errx(1, "this kernel offers no io_uring: %s", strerror(-error));
	window = borrow_window(gs);
	register_window(&window);
	do {
		done = copy_some(in, out, offset);
		offset += done;
	} while (done);
	if (registered)
		io_uring_unregister_buffers(&ring);
	io_uring_queue_exit(&ring);
	gophership_close(gs);
	if (close(out))
		err(1, "%s", argv[2]);
	fprintf(stderr, "%lld bytes copied\n", (long long)offset);
	return 0;
}
