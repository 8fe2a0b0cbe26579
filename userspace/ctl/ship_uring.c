// SPDX-License-Identifier: GPL-2.0
/*
 * The engine for kernels with io_uring: one thread, an I/O in flight for each
 * buffer.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "ship_engine.h"

#define MOST_BUFFERS	1024

/* Seconds to wait for what the kernel has, after the ring failed. */
#define MOST_SECONDS	30

/**
 * struct shipment - a pass and its ring
 * @pass: what to do
 * @ring: the ring
 * @fixed: the buffers are registered, so the kernel need not pin them for each
 *	I/O (before 6.5 it registers no buffers of device files)
 * @chunks: one for each buffer
 * @unused: stack of the chunks that wait for work
 * @nr_unused: entries there
 * @order: [index % nr_buffers]: chunks that are not hashed, NULL until they
 *	have been read. There are never more of them than buffers.
 * @delayed: chunks whose next I/O has to wait a little
 * @nr_delayed: entries there
 * @backoff: times that the ring did not take what was queued
 * @next: the first chunk that was not started
 * @hashed: the first chunk that is not hashed
 * @in_flight: I/Os that were queued and have not ended
 */
struct shipment {
	struct pass *pass;
	struct io_uring ring;
	bool fixed;
	struct chunk *chunks;
	struct chunk **unused;
	unsigned int nr_unused;
	struct chunk **order;
	struct chunk **delayed;
	unsigned int nr_delayed;
	struct backoff backoff;
	uint64_t next;
	uint64_t hashed;
	unsigned int in_flight;
};

static void queue_io(struct shipment *shipment, struct chunk *chunk)
{
	/* Never NULL: the ring has an entry for each buffer. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&shipment->ring);
	unsigned int number = chunk->buffer - shipment->pass->buffers;
	struct chunk_io io;

	pass_io(shipment->pass, chunk, &io);
	if (io.write && shipment->fixed)
		io_uring_prep_write_fixed(sqe, io.fd, io.data, io.length, io.offset, number);
	else if (io.write)
		io_uring_prep_write(sqe, io.fd, io.data, io.length, io.offset);
	else if (shipment->fixed)
		io_uring_prep_read_fixed(sqe, io.fd, io.data, io.length, io.offset, number);
	else
		io_uring_prep_read(sqe, io.fd, io.data, io.length, io.offset);
	io_uring_sqe_set_data(sqe, chunk);
	shipment->in_flight++;
}

static void start_chunks(struct shipment *shipment)
{
	struct pass *pass = shipment->pass;
	struct chunk *chunk;

	while (shipment->nr_unused && shipment->next < pass_nr_chunks(pass) && !pass_over(pass)) {
		chunk = shipment->unused[--shipment->nr_unused];
		pass_start(pass, chunk, chunk->buffer, shipment->next++);
		queue_io(shipment, chunk);
	}
}

/* Queue the I/O of delayed chunks whose time has come. */
static void queue_delayed(struct shipment *shipment)
{
	double now = progress_clock();
	unsigned int i = 0;

	while (i < shipment->nr_delayed && !pass_over(shipment->pass)) {
		struct chunk *chunk = shipment->delayed[i];

		if (chunk->not_before > now) {
			i++;
			continue;
		}
		shipment->delayed[i] = shipment->delayed[--shipment->nr_delayed];
		queue_io(shipment, chunk);
	}
}

/* Until one of them may be tried again. */
static void sleep_delayed(const struct shipment *shipment)
{
	double first = shipment->delayed[0]->not_before;
	unsigned int i;

	for (i = 1; i < shipment->nr_delayed; i++)
		if (shipment->delayed[i]->not_before < first)
			first = shipment->delayed[i]->not_before;
	backoff_sleep(first);
}

static void put_if_done(struct shipment *shipment, struct chunk *chunk)
{
	if (chunk->hashed && chunk->phase == CHUNK_DONE)
		shipment->unused[shipment->nr_unused++] = chunk;
}

static void handle_result(struct shipment *shipment, struct chunk *chunk, int result)
{
	enum chunk_phase phase = chunk->phase;

	shipment->in_flight--;
	if (!pass_result(shipment->pass, chunk, result))
		return;
	if (phase == CHUNK_READ && chunk->phase != CHUNK_READ)
		shipment->order[chunk->index % shipment->pass->nr_buffers] = chunk;
	if (chunk->not_before > 0)
		shipment->delayed[shipment->nr_delayed++] = chunk;
	else if (chunk->phase != CHUNK_DONE && !pass_over(shipment->pass))
		queue_io(shipment, chunk);
	put_if_done(shipment, chunk);
}

static void reap(struct shipment *shipment)
{
	struct io_uring_cqe *cqe;
	struct chunk *chunk;
	int result;

	while (!io_uring_peek_cqe(&shipment->ring, &cqe)) {
		chunk = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		io_uring_cqe_seen(&shipment->ring, cqe);
		handle_result(shipment, chunk, result);
	}
}

static void hash(struct shipment *shipment)
{
	unsigned int nr = shipment->pass->nr_buffers;
	struct chunk *chunk;

	for (;;) {
		chunk = shipment->order[shipment->hashed % nr];
		if (!chunk)
			return;
		shipment->order[shipment->hashed % nr] = NULL;
		shipment->hashed++;
		pass_hash(shipment->pass, chunk);
		put_if_done(shipment, chunk);
	}
}

/* Not now, says the ring. */
static bool put_off(struct shipment *shipment)
{
	double again = backoff_next(&shipment->backoff);

	if (again < 0)
		return false;
	backoff_sleep(again);
	return true;
}

/* True if something may have ended; false if the ring has failed. */
static bool submit_and_wait(struct shipment *shipment)
{
	int result = io_uring_submit_and_wait(&shipment->ring, 1);

	/* A signal, and each one only once. */
	if (result == -EINTR)
		return true;
	if ((result == -EAGAIN || result == -EBUSY) && put_off(shipment))
		return true;
	if (result < 0) {
		pass_fail_engine(shipment->pass, -result);
		return false;
	}
	shipment->backoff.refusals = 0;
	return true;
}

/*
 * The ring takes nothing more, but what the kernel has got comes to its end, and
 * that can be seen without a call into the ring.
 */
static void drain(struct shipment *shipment)
{
	unsigned int unsent = io_uring_sq_ready(&shipment->ring);
	double until = progress_clock() + MOST_SECONDS;

	while (shipment->in_flight > unsent && progress_clock() < until) {
		unsigned int ended = io_uring_cq_ready(&shipment->ring);

		io_uring_cq_advance(&shipment->ring, ended);
		shipment->in_flight -= ended;
		if (!ended)
			backoff_sleep(progress_clock() + 0.01);
	}
	shipment->pass->in_flight = shipment->in_flight > unsent;
}

static void ship_chunks(struct shipment *shipment)
{
	for (;;) {
		queue_delayed(shipment);
		start_chunks(shipment);
		/* The disk shall be busy while we hash. */
		io_uring_submit(&shipment->ring);
		hash(shipment);
		/* That may have set chunks free. */
		start_chunks(shipment);
		if (!shipment->in_flight) {
			if (!shipment->nr_delayed || pass_over(shipment->pass))
				return;
			sleep_delayed(shipment);
			continue;
		}
		if (!submit_and_wait(shipment)) {
			drain(shipment);
			return;
		}
		reap(shipment);
		progress_update(&shipment->pass->progress, shipment->pass->done);
	}
}

static bool prepare(struct shipment *shipment)
{
	unsigned int i, nr = shipment->pass->nr_buffers;
	struct iovec *iovecs = calloc(nr, sizeof(*iovecs));

	shipment->chunks = calloc(nr, sizeof(*shipment->chunks));
	shipment->unused = calloc(nr, sizeof(struct chunk *));
	shipment->order = calloc(nr, sizeof(struct chunk *));
	shipment->delayed = calloc(nr, sizeof(struct chunk *));
	if (!iovecs || !shipment->chunks || !shipment->unused || !shipment->order ||
	    !shipment->delayed) {
		free(iovecs);
		return false;
	}
	for (i = 0; i < nr; i++) {
		shipment->chunks[i].buffer = &shipment->pass->buffers[i];
		shipment->unused[shipment->nr_unused++] = &shipment->chunks[i];
		iovecs[i].iov_base = shipment->pass->buffers[i].data;
		iovecs[i].iov_len = shipment->pass->buffers[i].capacity;
	}
	shipment->fixed = !io_uring_register_buffers(&shipment->ring, iovecs, nr);
	free(iovecs);
	return true;
}

/*
 * Should the ring itself fail, and the kernel not come to an end with what it
 * has, I/O is in flight on the return. It does no harm: the module gives pages to
 * nobody else while they are pinned.
 */
static void run(struct pass *pass)
{
	struct shipment shipment = { .pass = pass };
	int result = io_uring_queue_init(pass->nr_buffers, &shipment.ring, 0);

	if (result) {
		pass_fail_engine(pass, -result);
		return;
	}
	if (prepare(&shipment))
		ship_chunks(&shipment);
	else
		pass_fail_engine(pass, ENOMEM);
	pass->fixed = shipment.fixed;
	/* Unregistering waits; the end of a ring alone would not. */
	if (shipment.fixed)
		io_uring_unregister_buffers(&shipment.ring);
	io_uring_queue_exit(&shipment.ring);
	free(shipment.chunks);
	free(shipment.unused);
	free(shipment.order);
	free(shipment.delayed);
}

static int probe(void)
{
	struct io_uring_probe *operations;
	struct io_uring ring;
	int result = io_uring_queue_init(1, &ring, 0);

	if (result)
		return -result;
	operations = io_uring_get_probe_ring(&ring);
	result = operations && io_uring_opcode_supported(operations, IORING_OP_READ) &&
		 io_uring_opcode_supported(operations, IORING_OP_WRITE) ? 0 : EOPNOTSUPP;
	io_uring_free_probe(operations);
	io_uring_queue_exit(&ring);
	return result;
}

const struct engine engine_uring = {
	.name = "uring",
	.most_buffers = MOST_BUFFERS,
	.probe = probe,
	.run = run,
};
