// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "ship_run.h"
#include "sink.h"

/* Of one registered buffer; the kernel takes no more. */
#define MOST_REGISTERED	(1ULL << 30)

static enum status complain_errno(const char *verb, const struct sink *sink)
{
	complain("cannot %s %s: %s", verb, sink->file.path, strerror(errno));
	return STATUS_FAILED;
}

/* How the writes go; what went wrong is said once, in ship's words. */
static enum status status_of(struct sink *sink)
{
	static const struct ship_run run = { .engine = &engine_uring };

	if (!sink->pass.failed)
		return STATUS_OK;
	if (!sink->told)
		ship_run_complain(&run, &sink->pass);
	sink->told = true;
	return STATUS_FAILED;
}

/*
 * Opening and closing
 */

static void start_uring(struct sink *sink)
{
	struct iovec bank = {
		.iov_base = gophership_port_buffer(sink->flow->port, 0),
		.iov_len = (size_t)sink->flow->nr_buffers * sink->flow->capacity,
	};

	if (engine_uring.probe() || io_uring_queue_init(sink->flow->nr_buffers, &sink->ring, 0))
		return;
	sink->uring = true;
	sink->fixed = bank.iov_len <= MOST_REGISTERED &&
		      !io_uring_register_buffers(&sink->ring, &bank, 1);
}

/* As in /dev/stdout. */
static bool is_stdout(const struct stat *st)
{
	struct stat out;

	return !fstat(STDOUT_FILENO, &out) && out.st_dev == st->st_dev && out.st_ino == st->st_ino;
}

/* A terminal would obey some of what a driver may send. */
static enum status refuse_terminal(struct sink *sink)
{
	complain("%s is a terminal, which would obey some bytes of the data", sink->file.path);
	advise("Show the records of a stream: gophershipctl records --follow. Else: | cat -v");
	sink_close(sink);
	return STATUS_USAGE;
}

/* Nothing is cut off yet: the driver may be another's. */
static int open_path(struct sink *sink, const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags | O_EXCL, 0666);

	sink->created = fd >= 0;
	return fd < 0 && errno == EEXIST ? open(path, flags, 0666) : fd;
}

enum status sink_open(struct sink *sink, const char *path)
{
	struct stat st;

	sink->file.path = path;
	if (!strcmp(path, "-")) {
		sink->file.path = "stdout";
		sink->is_stdout = true;
		sink->file.fd = dup(STDOUT_FILENO);
		if (sink->file.fd < 0)
			return complain_errno("write to", sink);
		return isatty(sink->file.fd) ? refuse_terminal(sink) : STATUS_OK;
	}
	sink->file.fd = open_path(sink, path);
	if (sink->file.fd < 0)
		return complain_errno("open", sink);
	if (isatty(sink->file.fd))
		return refuse_terminal(sink);
	if (fstat(sink->file.fd, &st)) {
		complain_errno("look at", sink);
		sink_close(sink);
		return STATUS_FAILED;
	}
	sink->is_stdout = is_stdout(&st);
	sink->regular = S_ISREG(st.st_mode);
	return STATUS_OK;
}

void sink_abandon(struct sink *sink)
{
	if (sink->created)
		unlink(sink->file.path);
}

static enum status begin_file(struct sink *sink, bool direct)
{
	if (ftruncate(sink->file.fd, 0))
		return complain_errno("cut", sink);
	if (direct)
		ship_file_direct(&sink->file);
	sink->direct = sink->file.direct;
	start_uring(sink);
	return STATUS_OK;
}

enum status sink_begin(struct sink *sink, bool direct)
{
	unsigned int i, nr = sink->flow->nr_buffers;

	sink->pass.out = &sink->file;
	sink->end = UINT64_MAX;
	sink->buffers = calloc(nr, sizeof(*sink->buffers));
	sink->chunks = calloc(nr, sizeof(*sink->chunks));
	if (!sink->buffers || !sink->chunks) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	for (i = 0; i < nr; i++)
		sink->chunks[i].buffer = &sink->buffers[i];
	return sink->regular ? begin_file(sink, direct) : STATUS_OK;
}

void sink_close(struct sink *sink)
{
	if (sink->uring)
		io_uring_queue_exit(&sink->ring);
	if (sink->file.fd >= 0)
		close(sink->file.fd);
	free(sink->buffers);
	free(sink->chunks);
}

/*
 * In order
 */

/* After a signal the reader of a pipe has so many seconds for each PIPE_BUF. */
#define PATIENCE	1.0

/*
 * How much to write now. After a signal no more than a pipe takes without a wait, and 0
 * if it takes nothing: the tool ends, whatever the reader does.
 */
static size_t may_write(const struct sink *sink, size_t left)
{
	struct pollfd out = { .fd = sink->file.fd, .events = POLLOUT };
	double end, now;
	int ret;

	if (!interrupt_pending())
		return left;
	now = progress_clock();
	end = now + PATIENCE;
	/* Further signals do not make it longer. */
	do {
		ret = poll(&out, 1, (end - now) * 1000);
		now = progress_clock();
	} while (ret < 0 && errno == EINTR && now < end);
	if (ret <= 0)
		return 0;
	return left < PIPE_BUF ? left : PIPE_BUF;
}

static enum status write_all(struct sink *sink, const struct gophership_message *message)
{
	const char *data = message->data;
	uint32_t left = message->len;
	ssize_t written;
	size_t now;

	while (left) {
		now = may_write(sink, left);
		if (!now) {
			complain("nobody reads %s: the last %" PRIu32 " bytes that were received, and "
				 "what came after them, are not written", sink->file.path, left);
			return STATUS_FAILED;
		}
		written = write(sink->file.fd, data, now);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return complain_errno("write to", sink);
		data += written;
		left -= written;
	}
	sink->offset += message->len;
	return STATUS_OK;
}

/*
 * At offsets
 */

static void finish(struct sink *sink, struct chunk *chunk)
{
	struct gophership_message message = {
		.data = chunk->buffer->data,
		.len = chunk->length,
	};

	sink->done(sink->priv, &message);
}

static void queue(struct sink *sink, struct chunk *chunk)
{
	/* Never NULL: the ring has an entry for each buffer. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&sink->ring);
	struct chunk_io io;

	pass_io(&sink->pass, chunk, &io);
	if (sink->fixed)
		io_uring_prep_write_fixed(sqe, io.fd, io.data, io.length, io.offset, 0);
	else
		io_uring_prep_write(sqe, io.fd, io.data, io.length, io.offset);
	io_uring_sqe_set_data(sqe, chunk);
	sink->in_flight++;
}

/* What a write has come to. Returns whether it goes on. */
static bool look_at(struct sink *sink, struct chunk *chunk, int64_t result)
{
	if (!pass_result(&sink->pass, chunk, result)) {
		/* What comes before it in the file may still be written. */
		if (chunk->offset + chunk->done < sink->end)
			sink->end = chunk->offset + chunk->done;
		return false;
	}
	backoff_sleep(chunk->not_before);
	if (chunk->phase != CHUNK_DONE)
		return true;
	finish(sink, chunk);
	return false;
}

static void write_now(struct sink *sink, struct chunk *chunk)
{
	struct chunk_io io;
	ssize_t result;

	do {
		pass_io(&sink->pass, chunk, &io);
		result = pwrite(io.fd, io.data, io.length, io.offset);
	} while (look_at(sink, chunk, result < 0 ? -errno : result));
}

static void reap(struct sink *sink)
{
	struct io_uring_cqe *cqe;
	struct chunk *chunk;
	int result;

	while (sink->in_flight && !io_uring_peek_cqe(&sink->ring, &cqe)) {
		chunk = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		io_uring_cqe_seen(&sink->ring, cqe);
		sink->in_flight--;
		if (look_at(sink, chunk, result))
			queue(sink, chunk);
	}
}

/* Up to where the file has all that was written, if no write ends any more. */
static uint64_t written_so_far(const struct sink *sink)
{
	uint64_t end = sink->end;
	unsigned int i;

	for (i = 0; i < sink->flow->nr_buffers; i++) {
		const struct chunk *chunk = &sink->chunks[i];

		if (chunk->phase == CHUNK_WRITE && chunk->offset + chunk->done < end)
			end = chunk->offset + chunk->done;
	}
	return end;
}

enum status sink_reap(struct sink *sink, bool wait)
{
	int ret;

	if (!sink->uring)
		return STATUS_OK;
	ret = io_uring_submit_and_wait(&sink->ring, wait && sink->in_flight);
	if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY) {
		pass_fail_engine(&sink->pass, -ret);
		sink->end = written_so_far(sink);
		/* No I/O does harm: its pages are nobody's before it has ended. */
		sink->in_flight = 0;
	}
	reap(sink);
	return status_of(sink);
}

static void drain(struct sink *sink)
{
	while (sink->in_flight)
		sink_reap(sink, true);
}

/*
 * O_DIRECT writes whole blocks. A payload that does not end on one is written to the end
 * of its block, and what comes after it cannot be direct any more: it begins in there.
 */
static void leave_direct(struct sink *sink)
{
	drain(sink);
	ship_file_leave_direct(&sink->file);
	note("what the driver delivers does not fill blocks of %u bytes; using the page cache from "
	     "byte %" PRIu64 " of %s on", SHIP_ALIGNMENT, sink->offset, sink->file.path);
}

static bool is_aligned(const struct sink *sink, const struct gophership_message *message)
{
	return !((sink->offset | (uintptr_t)message->data) % SHIP_ALIGNMENT);
}

/* The rest of the last block, which is cut off in the end. */
static void clear_rest(const struct gophership_message *message)
{
	uint32_t rest = -message->len % SHIP_ALIGNMENT;

	memset((char *)message->data + message->len, 0, rest);
}

static enum status write_at(struct sink *sink, const struct gophership_message *message)
{
	unsigned int index = flow_index(sink->flow, message->data);
	struct chunk *chunk = &sink->chunks[index];

	if (sink->file.direct && !is_aligned(sink, message))
		leave_direct(sink);
	if (sink->file.direct)
		clear_rest(message);
	*chunk->buffer = (struct buffer) { .data = message->data, .capacity = message->len };
	*chunk = (struct chunk) {
		.buffer = chunk->buffer,
		.offset = sink->offset,
		.length = message->len,
		.phase = CHUNK_WRITE,
	};
	sink->offset += message->len;
	if (sink->uring)
		queue(sink, chunk);
	else
		write_now(sink, chunk);
	return status_of(sink);
}

enum status sink_put(struct sink *sink, const struct gophership_message *message)
{
	enum status status;

	if (message->len && sink->regular)
		return write_at(sink, message);
	status = message->len ? write_all(sink, message) : STATUS_OK;
	if (status == STATUS_OK)
		sink->done(sink->priv, message);
	return status;
}

/* A disk, or a file behind "-"; a pipe has nothing to sync. */
static enum status sync_other(struct sink *sink)
{
	if (fsync(sink->file.fd) && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
		return complain_errno("write", sink);
	return STATUS_OK;
}

enum status sink_finish(struct sink *sink)
{
	if (!sink->regular)
		return sync_other(sink);
	drain(sink);
	/* Unregistering waits; the end of a ring alone would not. */
	if (sink->fixed)
		io_uring_unregister_buffers(&sink->ring);
	if (sink->end > sink->offset)
		sink->end = sink->offset;
	if (ftruncate(sink->file.fd, sink->end))
		return complain_errno("cut", sink);
	if (fsync(sink->file.fd))
		return complain_errno("write", sink);
	return status_of(sink);
}
