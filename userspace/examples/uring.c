// SPDX-License-Identifier: GPL-2.0
/*
 * Copies a file with io_uring and a registered bank: the kernel looks up and pins
 * its pages once, not for each read and write.
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

static struct gophership *open_pool(void)
{
	struct gophership *gs;
	int error = gophership_open(&gs, NULL);

	if (error)
		errx(1, "cannot open /dev/gophership: %s", strerror(-error));
	return gs;
}

/*
 * NR buffers, side by side, that stay ours: not those of gophership_acquire(), which go
 * back to the kernel when they idle, and come again with other pages. One that is
 * registered would then be read into in vain: the bytes would be in the old pages.
 */
static struct gophership_bank *open_bank(struct gophership *gs)
{
	struct gophership_bank *bank;
	int error = gophership_bank_open(gs, SIZE, NR, 0, &bank);
	unsigned int i;

	if (error)
		errx(1, "cannot have a bank of %d buffers: %s", NR, strerror(-error));
	for (i = 0; i < NR; i++)
		parts[i].buf = gophership_bank_acquire(bank);
	return bank;
}

/* One registered buffer, of which each read and write takes a part. */
static void register_bank(const struct gophership_bank *bank)
{
	struct iovec whole;
	int error;

	gophership_bank_iovec(bank, &whole);
	error = io_uring_register_buffers(&ring, &whole, 1);
	registered = !error;
	if (registered)
		fprintf(stderr, "a bank of %zu bytes is registered: fixed reads and writes\n",
			whole.iov_len);
	else if (error == -EOPNOTSUPP)
		warnx("this kernel registers no buffers of a device (Linux 6.5 is the first that "
		      "does); going on with ordinary reads and writes");
	else
		warnx("the kernel does not register the bank: %s%s; going on with ordinary reads "
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
	struct gophership_bank *bank;
	struct gophership *gs;
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
	bank = open_bank(gs);
	register_bank(bank);
	do {
		done = copy_some(in, out, offset);
		offset += done;
	} while (done);
	if (registered)
		io_uring_unregister_buffers(&ring);
	io_uring_queue_exit(&ring);
	gophership_bank_close(bank);
	gophership_close(gs);
	if (close(out))
		err(1, "%s", argv[2]);
	fprintf(stderr, "%lld bytes copied\n", (long long)offset);
	return 0;
}
