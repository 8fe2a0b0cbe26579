// SPDX-License-Identifier: GPL-2.0
/*
 * One thread reads stdin into borrowed buffers, another one writes them to
 * stdout and gives them back:
 *
 *	cc producer_consumer.c $(pkg-config --cflags --libs gophership) -lpthread
 *	./a.out <FILE >COPY
 */
#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gophership.h>

#define SIZE	65536
#define ROOM	16

/**
 * struct parcel - a buffer on its way
 * @data: the buffer, NULL for the end
 * @length: bytes that are in it
 */
struct parcel {
	char *data;
	size_t length;
};

/* From the producer to the consumer; all of it protected by the lock. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct parcel parcels[ROOM];
	unsigned long put;
	unsigned long taken;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct gophership *gs;

static void queue_put(struct parcel parcel)
{
	pthread_mutex_lock(&queue.lock);
	while (queue.put - queue.taken == ROOM)
		pthread_cond_wait(&queue.changed, &queue.lock);
	queue.parcels[queue.put++ % ROOM] = parcel;
	pthread_cond_signal(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
}

static struct parcel queue_take(void)
{
	struct parcel parcel;

	pthread_mutex_lock(&queue.lock);
	while (queue.put == queue.taken)
		pthread_cond_wait(&queue.changed, &queue.lock);
	parcel = queue.parcels[queue.taken++ % ROOM];
	pthread_cond_signal(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	return parcel;
}

static void *produce(void *unused)
{
	ssize_t length;
	char *data;

	for (;;) {
		data = gophership_acquire(gs, SIZE);
		if (!data)
			err(1, "cannot borrow a buffer");
		length = read(STDIN_FILENO, data, SIZE);
		if (length < 0)
			err(1, "cannot read stdin");
		if (!length)
			break;
		queue_put((struct parcel){ data, length });
	}
	gophership_release(gs, data);
	queue_put((struct parcel){ NULL, 0 });
	return unused;
}

static void write_all(const char *data, size_t length)
{
	ssize_t done;

	for (; length; data += done, length -= done) {
		done = write(STDOUT_FILENO, data, length);
		if (done < 0)
			err(1, "cannot write to stdout");
	}
}

static void consume(void)
{
	struct parcel parcel;

	for (;;) {
		parcel = queue_take();
		if (!parcel.data)
			return;
		write_all(parcel.data, parcel.length);
		/* What another thread borrowed can be given back here. */
		gophership_release(gs, parcel.data);
	}
}

static void report(void)
{
	struct gophership_lib_stats stats = { .size = sizeof(stats) };

	if (gophership_stats(gs, &stats))
		return;
	fprintf(stderr, "%" PRIu64 " buffers borrowed and %" PRIu64 " given back by %" PRIu64
		" system calls\n", stats.acquires, stats.releases, stats.system_calls);
}

int main(void)
{
	pthread_t producer;
	int error = gophership_open(&gs, NULL);

	if (error)
		errx(1, "cannot open /dev/gophership: %s", strerror(-error));
	error = pthread_create(&producer, NULL, produce, NULL);
	if (error)
		errx(1, "cannot make a thread: %s", strerror(error));
	consume();
	pthread_join(producer, NULL);
	report();
	gophership_close(gs);
	return 0;
}
