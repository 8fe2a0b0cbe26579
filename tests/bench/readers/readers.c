// SPDX-License-Identifier: GPL-2.0
/*
 * What records cost by tests/bench/writers and by BPF: to write one, and from the write until
 * a program has looked at it. One line a figure, in nanoseconds, which are instructions
 * where the clock counts those:
 *
 *   readers SIZE			bytes of the buffers of a stream
 *
 *   producer NAME|LEN|NANOSECONDS
 *   ends NAME|LEN|NANOSECONDS
 *
 * Nothing sleeps in between: RECORDS records are written by a system call of the program,
 * which reads what there is when it returns. What that call takes for no records is
 * subtracted; what the program calls to read is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"

#define PARAMETERS	"/sys/module/gophership_writers/parameters/"
#define ROUNDS		160

static const unsigned int lengths[] = { 16, 64, 256, 1024 };
static const struct channel * const channels[] = {
	&stream_channel, &relay_channel, &relay_map_channel, &trace_channel, &ringbuf_channel,
	&perf_channel,
};

#define NR_LENGTHS	(sizeof(lengths) / sizeof(*lengths))
#define NR_CHANNELS	(sizeof(channels) / sizeof(*channels))

static int write_fd;

void bail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("readers: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(1);
}

int writers_open(const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, flags);
	if (fd < 0)
		bail("%s: %s", path, strerror(errno));
	return fd;
}

void writers_write(const char *writer, unsigned int len, unsigned int nr)
{
	char line[64];
	int size = snprintf(line, sizeof(line), "%s %u %u", writer, len, nr);

	if (pwrite(write_fd, line, size, 0) != size)
		bail("write %s: %s", line, strerror(errno));
}

/* The module measures, while the program gives the buffers back. */
static void producers_of_the_module(void)
{
	int status, fd = writers_open("run", O_WRONLY);
	char text[4096];
	pid_t child = fork();
	ssize_t size;

	if (child < 0)
		bail("fork: %s", strerror(errno));
	if (!child)
		_exit(write(fd, "1", 1) != 1);
	while (!waitpid(child, &status, WNOHANG)) {
		stream_channel.read(0);
		usleep(5000);
	}
	if (status)
		bail("the module could not measure");
	stream_channel.read(0);
	fd = writers_open("figures", O_RDONLY);
	size = read(fd, text, sizeof(text));
	close(fd);
	fwrite(text, 1, size < 0 ? 0 : size, stdout);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

/* All of ROUNDS; returns how many records were read. Without any none is looked for. */
static unsigned int rounds(const struct channel *channel, unsigned int len, unsigned int nr,
			   double *took)
{
	double begin = now();
	unsigned int i, got = 0;

	for (i = 0; i < ROUNDS; i++) {
		channel->write(len, nr);
		if (nr)
			got += channel->read(len);
	}
	*took = now() - begin;
	return got;
}

/* What is in a block that is not full stays for the next round: no more than that. */
static void from_end_to_end(const struct channel *channel, unsigned int len, unsigned int size)
{
	double empty, took;
	unsigned int got, all = ROUNDS * RECORDS;

	rounds(channel, len, RECORDS, &took);
	rounds(channel, len, 0, &empty);
	got = rounds(channel, len, RECORDS, &took);
	if (got + size / len < all || got > all + size / len)
		bail("%s: %u records of %u bytes, not %u", channel->name, got, len, all);
	printf("ends %s|%u|%.1f\n", channel->name, len, (took - empty) / all);
}

int main(int argc, char **argv)
{
	unsigned int i, j, size = argc > 1 ? atoi(argv[1]) : 4096;

	write_fd = writers_open("write", O_WRONLY);
	for (i = 0; i < NR_CHANNELS; i++)
		channels[i]->open(size);
	producers_of_the_module();
	for (i = 0; i < NR_LENGTHS; i++) {
		printf("producer BPF ringbuf|%u|%.1f\n", lengths[i], ringbuf_cost(lengths[i]));
		printf("producer perf|%u|%.1f\n", lengths[i], perf_cost(lengths[i]));
	}
	for (i = 0; i < NR_LENGTHS; i++)
		for (j = 0; j < NR_CHANNELS; j++)
			from_end_to_end(channels[j], lengths[i], size);
	return 0;
}
