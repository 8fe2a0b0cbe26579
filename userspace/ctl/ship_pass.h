/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One pass over a file, in chunks of a buffer each: to copy it, or to read
 * back the copy.
 *
 * What happens to a chunk is decided here. An engine carries it out: it starts
 * chunks, does the I/O that pass_io() names, hands the result to pass_result(),
 * and hashes the chunks in the order of the file when they have been read.
 *
 *	start -> READ -> (hash, in order) -> WRITE -> DONE
 *
 * The hash may as well run while the chunk is written: neither changes it.
 */
#ifndef SHIP_PASS_H
#define SHIP_PASS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <xxhash.h>

#include "backoff.h"
#include "buffers.h"
#include "progress.h"
#include "ship_file.h"

/**
 * enum failure_kind - why a pass ended early
 * @FAILURE_NONE: it did not
 * @FAILURE_ENGINE: the engine cannot go on, @error says why
 * @FAILURE_IO: an I/O failed with @error
 * @FAILURE_BUSY: an I/O was put off with @error (EAGAIN, EINTR) again and again
 * @FAILURE_END: a file ended before its size
 * @FAILURE_STUCK: a write took nothing and told of no error
 */
enum failure_kind {
	FAILURE_NONE,
	FAILURE_ENGINE,
	FAILURE_IO,
	FAILURE_BUSY,
	FAILURE_END,
	FAILURE_STUCK,
};

/**
 * struct failure - the first thing that went wrong
 * @kind: what it is
 * @error: the errno of it, of that kind which has one; never a code of our own
 * @culprit: the file that it is about; NULL if it is the engine
 * @offset: where in that file
 */
struct failure {
	enum failure_kind kind;
	int error;
	const struct ship_file *culprit;
	uint64_t offset;
};

/**
 * struct pass - one pass
 * @in: read from here
 * @out: written to there; NULL: only read
 * @size: bytes of the file
 * @chunk_size: bytes of a chunk: the capacity of a buffer
 * @buffers: what to do it with; an engine uses as many as it has use for
 * @nr_buffers: how many there are
 * @fixed: out: io_uring did it with registered buffers
 * @keep_holes: do not write chunks of zeros
 * @hash: over the bytes in order
 * @progress: tells how far it is
 * @done: bytes that are through; several threads add to it
 * @in_flight: out: the engine failed, and the kernel still works on the buffers
 * @failed: the first failure has been noted, or is being noted
 * @failure: that one; for who waits for the engine to return
 */
struct pass {
	struct ship_file *in;
	struct ship_file *out;
	uint64_t size;
	uint32_t chunk_size;
	struct buffer *buffers;
	unsigned int nr_buffers;
	bool fixed;
	bool keep_holes;
	XXH64_state_t *hash;
	struct progress progress;
	_Atomic uint64_t done;
	bool in_flight;
	atomic_bool failed;
	struct failure failure;
};

enum chunk_phase { CHUNK_READ, CHUNK_WRITE, CHUNK_DONE };

/**
 * struct chunk - a piece of the file on its way
 * @buffer: where its bytes are
 * @index: its number in the file
 * @offset: where it begins in the file
 * @length: bytes of the file in it
 * @done: bytes that are through with the phase
 * @reached: where the last read of it ended; the next must get further
 * @backoff: times that its I/O was put off
 * @not_before: 0, or when to try again, in seconds of the monotonic clock
 * @phase: what is done with it now
 * @direct: the I/O under way was begun with O_DIRECT
 * @hashed: its part of the hash is done
 */
struct chunk {
	struct buffer *buffer;
	uint64_t index;
	uint64_t offset;
	uint32_t length;
	uint32_t done;
	uint32_t reached;
	struct backoff backoff;
	double not_before;
	enum chunk_phase phase;
	bool direct;
	bool hashed;
};

/**
 * struct chunk_io - an I/O to do
 * @write: it is a write
 * @fd: of this file
 * @data: these bytes
 * @length: so many
 * @offset: there in the file
 */
struct chunk_io {
	bool write;
	int fd;
	void *data;
	uint32_t length;
	uint64_t offset;
};

uint64_t pass_nr_chunks(const struct pass *pass);
void pass_start(const struct pass *pass, struct chunk *chunk, struct buffer *buffer,
		uint64_t index);
void pass_io(const struct pass *pass, struct chunk *chunk, struct chunk_io *io);
/*
 * result: bytes, or -errno. False if the pass has failed; it is noted there. If
 * chunk->not_before is set afterwards, its next I/O waits until then.
 */
bool pass_result(struct pass *pass, struct chunk *chunk, int64_t result);
void pass_hash(struct pass *pass, struct chunk *chunk);
/* The engine itself failed. */
void pass_fail_engine(struct pass *pass, int error);
/* No more chunks shall be started: it failed, or we were asked to stop. */
bool pass_over(const struct pass *pass);

#endif /* SHIP_PASS_H */
