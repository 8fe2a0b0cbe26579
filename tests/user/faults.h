/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults for gophershipctl: its sources are compiled with "-include faults.h", and
 * the environment says which of its I/Os fails, how, and how often.
 *
 *	FAULT='CALL OFFSET ERROR COUNT'
 *
 *	CALL	read	of a file that is open for reading: the source
 *		reread	of a file that is open for both: the copy
 *		write
 *		ring	io_uring_submit_and_wait() itself
 *	OFFSET	the first I/O that has this byte in it; for ring: calls before it
 *	ERROR	an errno; 0: the call takes nothing
 *	COUNT	so often; 0: always
 *
 * Engines get there from several threads: what changes is atomic.
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULT_IOS	4096

/* An I/O that is queued in the ring. */
struct fault_io {
	const void *data;
	int fd;
	bool write;
	uint64_t offset;
	uint32_t length;
};

static atomic_int fault_count __attribute__((unused));
static struct fault_io fault_ios[FAULT_IOS] __attribute__((unused));

/* True if this is where to fail, and not often enough yet. */
static inline bool fault_due(const char *call, uint64_t offset, uint64_t length, int *error)
{
	const char *text = getenv("FAULT");
	unsigned long long where;
	char wanted[16];
	int count;

	if (!text || sscanf(text, "%15s %llu %d %d", wanted, &where, error, &count) != 4)
		return false;
	if (strcmp(wanted, call) || where < offset || where >= offset + length)
		return false;
	return !count || atomic_fetch_add(&fault_count, 1) < count;
}

static inline bool fault_in_io(int fd, bool write, uint64_t offset, uint64_t length, int *error)
{
	bool both = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;

	return fault_due(write ? "write" : both ? "reread" : "read", offset, length, error);
}

static inline ssize_t fault_result(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static inline ssize_t fault_pread(int fd, void *data, size_t length, off_t offset)
{
	int error;

	/* Looks of a byte are not I/Os of an engine. */
	if (length > 1 && fault_in_io(fd, false, offset, length, &error))
		return fault_result(error);
	return pread(fd, data, length, offset);
}

static inline ssize_t fault_pwrite(int fd, const void *data, size_t length, off_t offset)
{
	int error;

	if (fault_in_io(fd, true, offset, length, &error))
		return fault_result(error);
	return pwrite(fd, data, length, offset);
}

/* What is queued is known by its data until it has ended. */
static inline void fault_set_data(struct io_uring_sqe *sqe, void *data)
{
	unsigned int i;

	io_uring_sqe_set_data(sqe, data);
	for (i = 0; fault_ios[i].data && fault_ios[i].data != data; i++)
		;
	fault_ios[i] = (struct fault_io){
		.data = data,
		.fd = sqe->fd,
		.write = sqe->opcode == IORING_OP_WRITE || sqe->opcode == IORING_OP_WRITE_FIXED,
		.offset = sqe->off,
		.length = sqe->len,
	};
}

static inline int fault_peek(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	int ret = io_uring_peek_cqe(ring, cqe), error;
	const struct fault_io *io = fault_ios;

	if (ret)
		return ret;
	while (io->data && io->data != io_uring_cqe_get_data(*cqe))
		io++;
	if (io->data && fault_in_io(io->fd, io->write, io->offset, io->length, &error))
		(*cqe)->res = -error;
	return 0;
}

static inline int fault_submit(struct io_uring *ring, unsigned int wait_nr)
{
	static unsigned int calls;
	int error;

	if (fault_due("ring", 0, ++calls, &error))
		return -error;
	return io_uring_submit_and_wait(ring, wait_nr);
}

#define pread(fd, data, length, offset)		fault_pread(fd, data, length, offset)
#define pwrite(fd, data, length, offset)	fault_pwrite(fd, data, length, offset)
#define io_uring_sqe_set_data(sqe, data)	fault_set_data(sqe, data)
#define io_uring_peek_cqe(ring, cqe)		fault_peek(ring, cqe)
#define io_uring_submit_and_wait(ring, nr)	fault_submit(ring, nr)

#endif /* TESTS_FAULTS_H */
