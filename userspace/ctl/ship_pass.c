// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "interrupt.h"
#include "ship_pass.h"

static uint32_t align_down(uint32_t bytes)
{
	return bytes & ~(SHIP_ALIGNMENT - 1);
}

/* No overflow: a chunk is at most a buffer, whose size is so aligned. */
static uint32_t align_up(uint32_t bytes)
{
	return align_down(bytes + SHIP_ALIGNMENT - 1);
}

uint64_t pass_nr_chunks(const struct pass *pass)
{
	return pass->size / pass->chunk_size + !!(pass->size % pass->chunk_size);
}

void pass_start(const struct pass *pass, struct chunk *chunk, struct buffer *buffer,
		uint64_t index)
{
	uint64_t offset = index * pass->chunk_size;
	uint64_t left = pass->size - offset;

	*chunk = (struct chunk) {
		.buffer = buffer,
		.index = index,
		.offset = offset,
		.length = left < pass->chunk_size ? left : pass->chunk_size,
		.phase = CHUNK_READ,
	};
}

static struct ship_file *file_of(const struct pass *pass, const struct chunk *chunk)
{
	return chunk->phase == CHUNK_WRITE ? pass->out : pass->in;
}

void pass_io(const struct pass *pass, struct chunk *chunk, struct chunk_io *io)
{
	struct ship_file *file = file_of(pass, chunk);

	chunk->direct = file->direct;
	io->write = chunk->phase == CHUNK_WRITE;
	io->fd = file->fd;
	io->data = (char *)chunk->buffer->data + chunk->done;
	io->offset = chunk->offset + chunk->done;
	/* O_DIRECT takes whole blocks only. Past the end a read stops short... */
	io->length = chunk->direct ? align_up(chunk->length) : chunk->length;
	io->length -= chunk->done;
	/* ... and what a write is longer than the file is cut off in the end. */
}

/* The first failure counts. */
static void fail(struct pass *pass, const struct failure *failure)
{
	if (!atomic_exchange(&pass->failed, true))
		pass->failure = *failure;
}

void pass_fail_engine(struct pass *pass, int error)
{
	fail(pass, &(struct failure){ .kind = FAILURE_ENGINE, .error = error });
}

static void fail_file(struct pass *pass, const struct chunk *chunk, enum failure_kind kind,
		      int error, uint32_t reached)
{
	fail(pass, &(struct failure){
		.kind = kind,
		.error = error,
		.culprit = file_of(pass, chunk),
		.offset = chunk->offset + reached,
	});
}

static bool is_zero(const struct chunk *chunk)
{
	const char *data = chunk->buffer->data;

	return !data[0] && !memcmp(data, data + 1, chunk->length - 1);
}

static void finish(struct pass *pass, struct chunk *chunk)
{
	chunk->phase = CHUNK_DONE;
	pass->done += chunk->length;
}

static void finish_read(struct pass *pass, struct chunk *chunk)
{
	/* What a write takes with the last block. */
	memset((char *)chunk->buffer->data + chunk->length, 0,
	       chunk->buffer->capacity - chunk->length);
	if (!pass->out || (pass->keep_holes && is_zero(chunk))) {
		finish(pass, chunk);
		return;
	}
	chunk->phase = CHUNK_WRITE;
	chunk->done = 0;
}

static bool read_result(struct pass *pass, struct chunk *chunk, uint32_t bytes)
{
	uint32_t end = chunk->done + bytes;

	if (end >= chunk->length) {
		finish_read(pass, chunk);
		return true;
	}
	/*
	 * A short read may be the end of the file or not; the next one tells.
	 * With O_DIRECT it begins on a block, so it may bring known bytes again.
	 */
	if (end <= chunk->reached) {
		fail_file(pass, chunk, FAILURE_END, 0, chunk->reached);
		return false;
	}
	chunk->reached = end;
	chunk->done = chunk->direct ? align_down(end) : end;
	return true;
}

static bool write_result(struct pass *pass, struct chunk *chunk, uint32_t bytes)
{
	uint32_t end = chunk->done + bytes;

	if (end >= chunk->length) {
		finish(pass, chunk);
		return true;
	}
	if (!chunk->direct && !bytes) {
		fail_file(pass, chunk, FAILURE_STUCK, 0, chunk->done);
		return false;
	}
	/* Less than a block was taken: no way to go on with whole ones. */
	if (chunk->direct && align_down(end) == chunk->done)
		ship_file_indirect(pass->out);
	chunk->done = chunk->direct ? align_down(end) : end;
	return true;
}

/* Not now, says the kernel. */
static bool put_off(struct pass *pass, struct chunk *chunk, int error)
{
	chunk->not_before = backoff_next(&chunk->backoff);
	if (chunk->not_before >= 0)
		return true;
	fail_file(pass, chunk, FAILURE_BUSY, error, chunk->done);
	return false;
}

static bool error_result(struct pass *pass, struct chunk *chunk, int error)
{
	if (error == EINTR || error == EAGAIN)
		return put_off(pass, chunk, error);
	if (error == EINVAL && chunk->direct) {
		ship_file_indirect(file_of(pass, chunk));
		return true;
	}
	fail_file(pass, chunk, FAILURE_IO, error, chunk->done);
	return false;
}

bool pass_result(struct pass *pass, struct chunk *chunk, int64_t result)
{
	chunk->not_before = 0;
	if (result < 0)
		return error_result(pass, chunk, -result);
	chunk->backoff.refusals = 0;
	return chunk->phase == CHUNK_WRITE ? write_result(pass, chunk, result) :
					     read_result(pass, chunk, result);
}

void pass_hash(struct pass *pass, struct chunk *chunk)
{
	XXH64_update(pass->hash, chunk->buffer->data, chunk->length);
	chunk->hashed = true;
}

bool pass_over(const struct pass *pass)
{
	return pass->failed || interrupt_pending();
}
