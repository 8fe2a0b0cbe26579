// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ports: buffers that the program and a driver pass back and forth.
 *
 * Barriers. The letters are those of the kernel's device/types.h, which is the other
 * end of each.
 * (A) An entry is published: fields, then seq with release. Its reader loads seq with
 *     acquire, then the fields.
 * (B) A sleeper and its waker, each way: the waker publishes, full barrier, reads
 *     wake_at; the sleeper stores wake_at, full barrier, looks at the entry.
 *
 * The library notes in its own memory which buffers the program holds. The kernel has its
 * own notes, and neither side believes the other's. The kernel would skip an entry for a
 * buffer that the program does not hold. An entry from the kernel for a buffer that the
 * program holds would hand that buffer out twice.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "port_file.h"

#define CACHE_LINE		64
/* The size of each structure as it was first published. */
#define OPTIONS_SIZE_VER0	sizeof(struct gophership_port_options)
#define COUNTERS_SIZE_VER0	sizeof(struct gophership_port_counters)

/* What a program may say of a message. */
#define FLAGS_OF_SENDERS	(GOPHERSHIP_MESSAGE_MORE | GOPHERSHIP_MESSAGE_BATCH)

/**
 * struct gophership_port - a port
 * @file: the port's file and its maps
 * @submitted: the next position of the submit ring; the submitter's, other threads peek
 * @announced: the position up to which wake_at of the driver was looked at; the submitter's
 * @kicks: KICK calls; as @submitted
 * @kick_owed: there was no driver to kick: the next call of either side kicks again
 * @received: the next position of the deliver ring; the receiver's, other threads peek
 * @armed: the position that the kernel was told of last; the receiver's
 * @skipped: entries of the kernel that were not valid; as @received
 * @held: [index]: the program holds the buffer. Set by the receiver, cleared by the
 *	submitter, which has the buffer from the receiver
 */
struct gophership_port {
	struct port_file file;
	_Atomic uint64_t submitted __attribute__((aligned(CACHE_LINE)));
	uint32_t announced;
	_Atomic uint32_t kick_owed;
	_Atomic uint64_t kicks;
	_Atomic uint64_t received __attribute__((aligned(CACHE_LINE)));
	uint32_t armed;
	_Atomic uint64_t skipped;
	_Atomic uint8_t held[] __attribute__((aligned(CACHE_LINE)));
};

/* Of (B): between us and the kernel, of which no sanitizer knows. */
static inline void full_barrier(void)
{
#ifdef __SANITIZE_THREAD__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	atomic_thread_fence(memory_order_seq_cst);
#ifdef __SANITIZE_THREAD__
#pragma GCC diagnostic pop
#endif
}

static struct gophership_entry *submit_entry(const struct gophership_port *port, uint32_t position)
{
	struct gophership_entry *entries;

	entries = (void *)((char *)port->file.submit + GOPHERSHIP_PORT_ENTRIES_OFFSET);
	return &entries[position & port->file.mask];
}

static const struct gophership_entry *deliver_entry(const struct gophership_port *port,
						    uint32_t position)
{
	const struct gophership_entry *entries;

	entries = (const void *)((const char *)port->file.deliver +
				 GOPHERSHIP_PORT_ENTRIES_OFFSET);
	return &entries[position & port->file.mask];
}

/*
 * Submitting
 */

static void kick(struct gophership_port *port)
{
	int error = errno;

	/* Gone, or to be killed: that shows elsewhere. */
	poke(port->kick_owed, device_port_kick(port->file.fd) == -ENOTCONN);
	atomic_fetch_add_explicit(&port->kicks, 1, memory_order_relaxed);
	errno = error;
}

/* Is @event one of the positions from @old up to, and without, @new? */
static bool passed(uint32_t event, uint32_t old, uint32_t new)
{
	return new - event - 1 < new - old;
}

/* Wake the driver if it waits for what was submitted, up to @position. */
static void announce(struct gophership_port *port, uint32_t position)
{
	uint32_t old = port->announced, wake_at;

	port->announced = position;
	/* (B) pairs with want_kick() of device/exchange.c. */
	full_barrier();
	wake_at = __atomic_load_n(&port->file.deliver->wake_at, __ATOMIC_RELAXED);
	if (passed(wake_at, old, position) || unlikely(peek(port->kick_owed)))
		kick(port);
}

static void write_entry(struct gophership_port *port, uint32_t position, size_t index,
			uint32_t offset, const struct gophership_message *message)
{
	struct gophership_entry *entry = submit_entry(port, position);

	entry->index = index;
	entry->offset = offset;
	entry->len = message->len;
	entry->flags = message->flags & FLAGS_OF_SENDERS;
	entry->tag = message->tag;
	/* (A) pairs with gophership_ring_ready() of device/ring.h. */
	__atomic_store_n(&entry->seq, position + 1, __ATOMIC_RELEASE);
}

/* False, and nothing is done, for a message that is not valid. */
static bool submit_one(struct gophership_port *port, uint32_t position,
		       const struct gophership_message *message)
{
	size_t capacity = (size_t)1 << port->file.shift;
	size_t index = port_file_index(&port->file, message->data);
	size_t offset;

	if (unlikely(index >= port->file.count || !peek(port->held[index])))
		return false;
	/* The bank begins on a page, not on a multiple of the capacity. */
	offset = ((uintptr_t)message->data - (uintptr_t)port->file.bank) & (capacity - 1);
	if (unlikely(message->len > capacity - offset))
		return false;
	/* What was received can be submitted as it is. */
	if (unlikely(message->flags & ~(FLAGS_OF_SENDERS | GOPHERSHIP_MESSAGE_LOST)))
		return false;
	poke(port->held[index], 0);
	write_entry(port, position, index, offset, message);
	return true;
}

unsigned int gophership_port_submit(struct gophership_port *port,
				    const struct gophership_message *messages, unsigned int nr)
{
	uint64_t position;
	unsigned int done = 0;

	if (unlikely(!port || peek(port->file.stale)))
		return 0;
	position = peek(port->submitted);
	while (done < nr && submit_one(port, position + done, &messages[done]))
		done++;
	position += done;
	poke(port->submitted, position);
	/* With BATCH another one follows, but not if it was refused. */
	if (!nr || done < nr || !(messages[nr - 1].flags & GOPHERSHIP_MESSAGE_BATCH))
		announce(port, position);
	return done;
}

/*
 * Receiving
 */

/* Is there something to receive? */
static bool ready(const struct gophership_port *port)
{
	uint32_t position = peek(port->received);

	/* (A) pairs with gophership_ring_publish() of device/ring.h. */
	return __atomic_load_n(&deliver_entry(port, position)->seq, __ATOMIC_ACQUIRE) ==
	       position + 1;
}

/*
 * Have the kernel wake this thread when the next entry comes: in gophership_port_wait(), or
 * in a poll() of the program's own. Returns true if one has come meanwhile.
 */
static bool arm(struct gophership_port *port)
{
	struct gophership_submit_map *map = port->file.submit;
	uint32_t position = peek(port->received);

	if (port->armed == position)
		return false;
	port->armed = position;
	__atomic_store_n(&map->consumed, position, __ATOMIC_RELAXED);
	__atomic_store_n(&map->wake_at, position, __ATOMIC_RELAXED);
	/* (B) pairs with published() and flush() of device/exchange.c. */
	full_barrier();
	return ready(port);
}

/* Take an entry of the kernel; false if it is not valid. */
static bool read_entry(struct gophership_port *port, const struct gophership_entry *entry,
		       struct gophership_message *message)
{
	size_t capacity = (size_t)1 << port->file.shift;
	uint32_t index = entry->index, offset = entry->offset, len = entry->len;

	if (unlikely(index >= port->file.count || offset > capacity || len > capacity - offset))
		return false;
	if (unlikely(peek(port->held[index])))
		return false;
	poke(port->held[index], 1);
	*message = (struct gophership_message) {
		.data = port_file_buffer(&port->file, index) + offset,
		.len = len,
		/* BATCH was for the way here. Submitted again it would leave a KICK out. */
		.flags = entry->flags & ~GOPHERSHIP_MESSAGE_BATCH,
		.tag = entry->tag,
	};
	return true;
}

unsigned int gophership_port_receive(struct gophership_port *port,
				     struct gophership_message *messages, unsigned int nr)
{
	unsigned int done = 0;
	uint64_t position;

	if (unlikely(!port || peek(port->file.stale)))
		return 0;
	while (done < nr && (ready(port) || arm(port))) {
		position = peek(port->received);
		if (likely(read_entry(port, deliver_entry(port, position), &messages[done])))
			done++;
		else
			poke(port->skipped, peek(port->skipped) + 1);
		poke(port->received, position + 1);
	}
	return done;
}

static bool gone(const struct gophership_port *port)
{
	return __atomic_load_n(&port->file.deliver->gone, __ATOMIC_ACQUIRE);
}

/* Sleeps until something is delivered, or the driver is gone. Returns an error of poll(). */
static int sleep_until(struct gophership_port *port, int timeout_ms)
{
	int error = errno;
	int cancel, ret;

	/* To poll is where a cancelled thread would end. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = device_port_poll(port->file.fd, timeout_ms);
	pthread_setcancelstate(cancel, NULL);
	errno = error;
	return ret < 0 ? ret : 0;
}

int gophership_port_wait(struct gophership_port *port, int timeout_ms)
{
	bool was_gone;
	int ret = 0;

	if (!port)
		return -EINVAL;
	if (peek(port->file.stale))
		return -ESTALE;
	if (ready(port) || arm(port))
		return 1;
	if (peek(port->kick_owed))
		kick(port);
	if (!gone(port))
		ret = sleep_until(port, timeout_ms);
	/* In this order: buffers that were delivered before the driver went are received. */
	was_gone = gone(port);
	if (ready(port))
		return 1;
	return was_gone ? -EPIPE : ret;
}

/*
 * Opening and closing
 */

static int read_options(struct gophership_port_options *to,
			const struct gophership_port_options *from)
{
	if (!from || from->size < OPTIONS_SIZE_VER0 || from->size > sizeof(*to))
		return -EINVAL;
	*to = *from;
	if (to->flags & ~GOPHERSHIP_PORT_SUBMIT_ALL)
		return -EINVAL;
	return to->count && to->count <= GOPHERSHIP_PORT_COUNT_MAX ? 0 : -EINVAL;
}

static struct gophership_port *allocate(uint32_t count)
{
	size_t size = sizeof(struct gophership_port) + count;
	struct gophership_port *port;

	size = (size + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
	port = aligned_alloc(CACHE_LINE, size);
	if (port)
		memset(port, 0, size);
	return port;
}

/* Without a word to the driver. */
static void submit_all(struct gophership_port *port)
{
	struct gophership_message message = { .flags = GOPHERSHIP_MESSAGE_BATCH };
	uint32_t i;

	for (i = 0; i < port->file.count; i++) {
		message.data = port_file_buffer(&port->file, i);
		gophership_port_submit(port, &message, 1);
	}
}

static int start(struct gophership_port *port, const struct gophership_port_options *options)
{
	uint32_t i;

	for (i = 0; i < port->file.count; i++)
		poke(port->held[i], 1);
	/* Before there is a driver: it may have data at once, and would lose it. */
	if (options->flags & GOPHERSHIP_PORT_SUBMIT_ALL)
		submit_all(port);
	if (!options->endpoint) {
		gophership_port_submit(port, NULL, 0);
		return 0;
	}
	/* What was submitted before needs no KICK: gophership_port_begin() of the kernel. */
	port->announced = peek(port->submitted);
	return device_port_attach(port->file.fd, options->endpoint);
}

static int open_port(struct gophership *gs, const struct gophership_port_options *options,
		     struct gophership_port **opened)
{
	struct gophership_port *port = allocate(options->count);
	int ret;

	if (!port)
		return -ENOMEM;
	ret = port_file_open(&port->file, gs, options->buf_size, options->count, true);
	if (!ret) {
		ret = start(port, options);
		if (ret)
			port_file_close(&port->file);
	}
	if (ret)
		free(port);
	else
		*opened = port;
	return ret;
}

int gophership_port_open(struct gophership *gs, const struct gophership_port_options *options,
			 struct gophership_port **port)
{
	struct gophership_port_options filled;
	int error = errno;
	int cancel, ret;

	if (!port)
		return -EINVAL;
	*port = NULL;
	ret = read_options(&filled, options);
	if (ret)
		return ret;
	/* To open is where a cancelled thread would end. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = open_port(gs, &filled, port);
	pthread_setcancelstate(cancel, NULL);
	errno = error;
	return ret;
}

void gophership_port_close(struct gophership_port *port)
{
	int error = errno;
	int cancel;

	if (!port)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	port_file_close(&port->file);
	pthread_setcancelstate(cancel, NULL);
	free(port);
	errno = error;
}

/*
 * What it is
 */

int gophership_port_fd(const struct gophership_port *port)
{
	if (!port)
		return -EINVAL;
	return peek(port->file.stale) ? -ESTALE : port->file.fd;
}

int gophership_port_export(const struct gophership_port *port)
{
	return port ? port_file_export(&port->file) : -EINVAL;
}

void *gophership_port_buffer(const struct gophership_port *port, unsigned int index)
{
	if (!port || index >= port->file.count)
		return NULL;
	return port_file_buffer(&port->file, index);
}

size_t gophership_port_capacity(const struct gophership_port *port)
{
	return port ? (size_t)1 << port->file.shift : 0;
}

static uint32_t held(const struct gophership_port *port)
{
	uint32_t nr = 0, i;

	for (i = 0; i < port->file.count; i++)
		nr += peek(port->held[i]);
	return nr;
}

int gophership_port_stats(const struct gophership_port *port,
			  struct gophership_port_counters *counters)
{
	const struct gophership_deliver_map *map;
	struct gophership_port_counters now;
	size_t size;

	if (!port || counters->size < COUNTERS_SIZE_VER0)
		return -EINVAL;
	if (peek(port->file.stale))
		return -ESTALE;
	map = port->file.deliver;
	size = counters->size < sizeof(now) ? counters->size : sizeof(now);
	now = (struct gophership_port_counters) {
		.size = sizeof(now),
		.count = port->file.count,
		.held = held(port),
		.gone = gone(port),
		.submitted = peek(port->submitted),
		.received = peek(port->received),
		.kicks = peek(port->kicks),
		.starved = __atomic_load_n(&map->starved, __ATOMIC_RELAXED),
		.lost = __atomic_load_n(&map->lost, __ATOMIC_RELAXED),
		.bad = __atomic_load_n(&map->bad, __ATOMIC_RELAXED),
		.skipped = peek(port->skipped),
	};
	memcpy(counters, &now, size);
	return 0;
}
