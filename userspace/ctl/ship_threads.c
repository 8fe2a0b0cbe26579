// SPDX-License-Identifier: GPL-2.0
/*
 * The engine for kernels without io_uring: a thread per buffer.
 *
 * Each thread takes the next chunk, reads it, waits until the chunks before it
 * are hashed, hashes it and writes it. The thread with the earliest chunk never
 * waits, so there is always one that goes on.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "ship_engine.h"

#define MOST_THREADS	64

/* Nanoseconds between two looks at the progress. */
#define PERIOD		100000000L

/**
 * struct team - the threads of a pass
 * @pass: what they work on
 * @lock: protects @next, @hashed, @running and @buffers
 * @next: the first chunk that nobody has taken
 * @hashed: the first chunk that is not hashed
 * @running: threads that have not ended
 * @buffers: buffers that have a thread
 * @ended: a thread has ended
 * @turn: [chunk % nr_buffers]: this chunk is the next to hash. No two chunks
 *	wait at one, since a chunk that is not hashed has a thread.
 */
struct team {
	struct pass *pass;
	pthread_mutex_t lock;
	uint64_t next;
	uint64_t hashed;
	unsigned int running;
	unsigned int buffers;
	pthread_cond_t ended;
	pthread_cond_t turn[MOST_THREADS];
};

static pthread_cond_t *turn_of(struct team *team, uint64_t index)
{
	return &team->turn[index % team->pass->nr_buffers];
}

static bool take(struct team *team, struct chunk *chunk, struct buffer *buffer)
{
	bool taken = false;

	pthread_mutex_lock(&team->lock);
	if (!pass_over(team->pass) && team->next < pass_nr_chunks(team->pass)) {
		pass_start(team->pass, chunk, buffer, team->next++);
		taken = true;
	}
	pthread_mutex_unlock(&team->lock);
	return taken;
}

static int64_t do_io(const struct chunk_io *io)
{
	ssize_t result = io->write ? pwrite(io->fd, io->data, io->length, io->offset) :
				     pread(io->fd, io->data, io->length, io->offset);

	return result < 0 ? -errno : result;
}

static bool do_phase(struct pass *pass, struct chunk *chunk)
{
	enum chunk_phase phase = chunk->phase;
	struct chunk_io io;

	while (chunk->phase == phase) {
		if (pass_over(pass))
			return false;
		pass_io(pass, chunk, &io);
		if (!pass_result(pass, chunk, do_io(&io)))
			return false;
		backoff_sleep(chunk->not_before);
	}
	return true;
}

static bool hash_in_turn(struct team *team, struct chunk *chunk)
{
	pthread_mutex_lock(&team->lock);
	/* Whoever is before us hashes its chunk, or the pass is over. */
	while (team->hashed != chunk->index && !pass_over(team->pass))
		pthread_cond_wait(turn_of(team, chunk->index), &team->lock);
	pthread_mutex_unlock(&team->lock);
	if (pass_over(team->pass))
		return false;
	/* Nobody else hashes before @hashed moves on. */
	pass_hash(team->pass, chunk);
	pthread_mutex_lock(&team->lock);
	team->hashed++;
	pthread_cond_signal(turn_of(team, team->hashed));
	pthread_mutex_unlock(&team->lock);
	return true;
}

static bool ship_chunk(struct team *team, struct chunk *chunk)
{
	return do_phase(team->pass, chunk) && hash_in_turn(team, chunk) &&
	       (chunk->phase == CHUNK_DONE || do_phase(team->pass, chunk));
}

static void *work(void *argument)
{
	struct team *team = argument;
	struct buffer *buffer;
	struct chunk chunk;
	unsigned int i;

	pthread_mutex_lock(&team->lock);
	buffer = &team->pass->buffers[team->buffers++];
	pthread_mutex_unlock(&team->lock);
	while (take(team, &chunk, buffer))
		if (!ship_chunk(team, &chunk))
			break;
	pthread_mutex_lock(&team->lock);
	/* After the end of the pass nobody's turn comes. */
	for (i = 0; pass_over(team->pass) && i < team->pass->nr_buffers; i++)
		pthread_cond_signal(&team->turn[i]);
	team->running--;
	pthread_cond_signal(&team->ended);
	pthread_mutex_unlock(&team->lock);
	return NULL;
}

static unsigned int start(struct team *team, pthread_t *threads)
{
	unsigned int nr;
	int error = 0;

	pthread_mutex_lock(&team->lock);
	/* The thread that prints the progress also gets the signals. */
	interrupt_block();
	for (nr = 0; nr < team->pass->nr_buffers; nr++) {
		error = pthread_create(&threads[nr], NULL, work, team);
		if (error)
			break;
		team->running++;
	}
	interrupt_unblock();
	pthread_mutex_unlock(&team->lock);
	/* Fewer than wanted will do. */
	if (!nr)
		pass_fail_engine(team->pass, error);
	return nr;
}

static void watch(struct team *team)
{
	struct timespec until;

	pthread_mutex_lock(&team->lock);
	while (team->running) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += PERIOD;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&team->ended, &team->lock, &until);
		progress_update(&team->pass->progress, team->pass->done);
	}
	pthread_mutex_unlock(&team->lock);
}

static void run(struct pass *pass)
{
	struct team team = {
		.pass = pass,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ended = PTHREAD_COND_INITIALIZER,
	};
	pthread_t threads[MOST_THREADS];
	unsigned int i, nr;

	for (i = 0; i < pass->nr_buffers; i++)
		pthread_cond_init(&team.turn[i], NULL);
	nr = start(&team, threads);
	watch(&team);
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < pass->nr_buffers; i++)
		pthread_cond_destroy(&team.turn[i]);
}

static int probe(void)
{
	return 0;
}

const struct engine engine_threads = {
	.name = "threads",
	.most_buffers = MOST_THREADS,
	.probe = probe,
	.run = run,
};
