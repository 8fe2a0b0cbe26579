// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver "scribe" writes to its stream, received and judged: each record whole, in
 * its CPU's order, and none missing but those that are counted. Prints TAP.
 *
 *   listen TEST [ARGUMENT]...     see the table at the end
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/gophership_stream.h>

#include "../driver/scribe/scribe.h"
#include "device.h"
#include "port.h"

#define ENDPOINT	"/dev/gophership-scribe"
#define PARAMETERS	"/sys/module/gophership_scribe/parameters/"
#define PATIENCE	60	/* seconds, for a guest whose machine is busy */
#define BUFFERS_MAX	256

/**
 * struct reader - what has come
 * @sequence: by CPU, of the next record
 * @time: by CPU, of the youngest block
 * @newest: by writer and CPU, its youngest number
 * @received: by writer
 * @told: records that blocks said were lost
 * @totals: what the driver says there is; after @has_totals
 * @keep: buffers are not given back
 * @kept: those
 */
static struct reader {
	struct port port;
	__u32 buffers;
	__u64 sequence[SCRIBE_CPUS];
	__u64 time[SCRIBE_CPUS];
	__u64 newest[SCRIBE_WRITERS][SCRIBE_CPUS];
	__u64 received[SCRIBE_WRITERS];
	__u64 blocks, records, told;
	struct scribe_totals totals;
	int has_totals;
	int keep;
	__u32 kept[BUFFERS_MAX];
	__u32 nr_kept;
} reader;

static __attribute__((noreturn, format(printf, 1, 2))) void bail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("# ");
	vprintf(format, arguments);
	printf("\nnot ok - stream: a check\n");
	va_end(arguments);
	exit(1);
}

static int parameter(const char *name, const char *value)
{
	char path[128];
	int fd, good, error;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return 0;
	good = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	error = errno;
	close(fd);
	errno = error;
	return good;
}

static void command(const char *what)
{
	if (!parameter("command", what))
		bail("command %s: %s", what, strerror(errno));
}

/*
 * Judge
 */

static void judge_record(__u32 cpu, const void *data, __u32 len)
{
	const struct scribe_record *record = data;
	const __u8 *bytes = (const __u8 *)(record + 1);
	__u32 i;

	if (len < sizeof(*record) || len != sizeof(*record) + record->len)
		bail("a record of %u bytes", len);
	if (record->writer == SCRIBE_TOTALS && record->len == sizeof(reader.totals)) {
		memcpy(&reader.totals, bytes, record->len);
		reader.has_totals = 1;
		return;
	}
	if (record->writer >= SCRIBE_WRITERS)
		bail("a record of writer %u", record->writer);
	if (record->number <= reader.newest[record->writer][cpu])
		bail("writer %u on CPU %u: %llu after %llu", record->writer, cpu, record->number,
		     reader.newest[record->writer][cpu]);
	reader.newest[record->writer][cpu] = record->number;
	reader.received[record->writer]++;
	for (i = 0; i < record->len; i++)
		if (bytes[i] != scribe_byte(record->number, i))
			bail("byte %u of %u is damaged", i, record->len);
}

static void judge_block(const unsigned char *data, __u32 len)
{
	const struct gophership_stream_block *block = (const void *)data;
	const struct gophership_stream_record *head;
	__u32 at = sizeof(*block), records = 0, before;

	if (len < sizeof(*block) || block->magic != GOPHERSHIP_STREAM_MAGIC ||
	    block->version != GOPHERSHIP_STREAM_VERSION || block->header_size != sizeof(*block) ||
	    block->length != len || len % GOPHERSHIP_STREAM_ALIGN || block->reserved)
		bail("a message of %u bytes is no block", len);
	if (block->cpu >= SCRIBE_CPUS)
		bail("CPU %u", block->cpu);
	if (block->sequence != reader.sequence[block->cpu] + block->lost)
		bail("CPU %u: sequence %llu after %llu with %llu lost", block->cpu,
		     block->sequence, reader.sequence[block->cpu], block->lost);
	if (block->time < reader.time[block->cpu])
		bail("CPU %u: the time goes back by %llu ns", block->cpu,
		     reader.time[block->cpu] - block->time);
	reader.time[block->cpu] = block->time;
	before = block->flags & GOPHERSHIP_STREAM_TIMES ? sizeof(__u64) : 0;
	while (at < len) {
		head = (const void *)(data + at);
		at += sizeof(*head);
		if (before && *(const __u64 *)(data + at) < block->time)
			bail("a record is older than its block by %llu ns",
			     block->time - *(const __u64 *)(data + at));
		at += before;
		if (at > len || head->len > len - at)
			bail("a record of %u bytes is outside of its block", head->len);
		if (!(head->flags & GOPHERSHIP_STREAM_DISCARDED)) {
			judge_record(block->cpu, data + at, head->len);
			records++;
		}
		at += (head->len + GOPHERSHIP_STREAM_ALIGN - 1) / GOPHERSHIP_STREAM_ALIGN *
		      GOPHERSHIP_STREAM_ALIGN;
	}
	if (at != len || records != block->records)
		bail("%u records, where there are to be %u", records, block->records);
	reader.sequence[block->cpu] = block->sequence + records;
	reader.blocks++;
	reader.records += records;
	reader.told += block->lost;
}

static void give(__u32 index)
{
	int ret = port_submit(&reader.port, index, 0, 0, 0, 0);

	if (ret && ret != -EPIPE)
		bail("kick: %s", strerror(-ret));
}

/* All that has come. Returns how many blocks it is. */
static int receive_some(void)
{
	struct gophership_entry entry;
	int nr = 0;

	while (port_receive(&reader.port, &entry)) {
		if (entry.offset || entry.index >= reader.buffers)
			bail("entry %u at %u", entry.index, entry.offset);
		if (entry.len) {
			judge_block(port_buffer(&reader.port, entry.index), entry.len);
			nr++;
		}
		if (reader.keep)
			reader.kept[reader.nr_kept++] = entry.index;
		else
			give(entry.index);
	}
	return nr;
}

static void give_kept(void)
{
	reader.keep = 0;
	while (reader.nr_kept)
		give(reader.kept[--reader.nr_kept]);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* For so long. */
static void receive_for(double seconds)
{
	double end = now() + seconds;

	while (now() < end) {
		receive_some();
		port_wait(&reader.port, 20);
	}
}

/* Until there is a block, at most so long. */
static int receive_one(double seconds)
{
	double end = now() + seconds;
	int nr;

	for (nr = receive_some(); !nr && now() < end; nr = receive_some())
		port_wait(&reader.port, 20);
	return nr;
}

static __u64 sum(const __u64 *values, unsigned int nr)
{
	__u64 all = 0;

	while (nr--)
		all += *values++;
	return all;
}

static __u64 all_lost(void)
{
	return sum(reader.totals.lost, SCRIBE_WRITERS + 1);
}

static int balanced(void)
{
	const struct scribe_totals *totals = &reader.totals;
	unsigned int i;

	for (i = 0; i < SCRIBE_WRITERS; i++)
		if (reader.received[i] != totals->numbers[i] - totals->lost[i])
			return 0;
	return reader.has_totals && reader.told == all_lost();
}

/* Stop the writers, and receive until what there is has come. */
static int settle(void)
{
	double end = now() + PATIENCE;

	command("stop");
	give_kept();
	/* It is a record, which wants a buffer. */
	while (!parameter("command", "totals")) {
		if (errno != ENOBUFS || now() > end)
			bail("totals: %s", strerror(errno));
		receive_some();
	}
	while (!balanced() && now() < end) {
		port_kick(&reader.port);
		receive_some();
		port_wait(&reader.port, 20);
	}
	printf("# %llu blocks, %llu records, %llu lost, %llu told\n", reader.blocks, reader.records,
	       all_lost(), reader.told);
	return balanced() && reader.port.deliver->lost == all_lost();
}

static void begin(__u32 buffers, const char *flush_us, const char *times)
{
	unsigned int i;
	int ret;

	if (!parameter("flush_us", flush_us) || !parameter("times", times))
		bail("there is no driver");
	ret = port_open(device_open(), 4096, buffers, &reader.port);
	if (ret)
		bail("port: %s", strerror(-ret));
	reader.buffers = buffers;
	for (i = 0; i < buffers; i++)
		port_write(&reader.port, i, 0, 0, 0, 0);
	ret = port_attach(&reader.port, ENDPOINT);
	if (ret)
		bail("attach: %s", strerror(-ret));
}

/*
 * Tests
 */

/* Every length, from nothing to all that fits, in both ways. */
static int test_sizes(char **arguments)
{
	char lengths[32];
	__u32 first;

	begin(BUFFERS_MAX, "0", arguments[0]);
	for (first = 0; first < 4096; first += 64) {
		snprintf(lengths, sizeof(lengths), "sizes %u %u", first, first + 63);
		command(lengths);
		receive_some();
	}
	return settle() && !all_lost() && reader.records > 8000;
}

/* Did each kind of context write? */
static int all_kinds(void)
{
	unsigned int kind, cpu;
	int good = 1;

	for (kind = 0; kind < SCRIBE_COMMAND; kind++) {
		__u64 nr = 0;

		for (cpu = 0; cpu < SCRIBE_CPUS; cpu++)
			nr += reader.received[cpu * SCRIBE_KINDS + kind];
		printf("# context %u: %llu records\n", kind, nr);
		good &= nr > 0;
	}
	return good;
}

static int test_contexts(char **arguments)
{
	begin(64, "1000", arguments[1]);
	command("start");
	receive_for(atof(arguments[0]));
	return settle() && all_kinds();
}

/* The same, until there is a file. */
static int test_until(char **arguments)
{
	begin(64, "1000", arguments[1]);
	command("start");
	if (!receive_one(PATIENCE))
		bail("nothing comes");
	puts("ready");
	fflush(stdout);
	while (access(arguments[0], F_OK))
		receive_for(0.05);
	return settle() && all_kinds();
}

/* The program receives, and gives nothing back until much is lost; and once more. */
static int test_lag(char **arguments)
{
	int round;

	(void)arguments;
	begin(16, "1000", "0");
	command("start");
	for (round = 1; round <= 3; round++) {
		double end = now() + PATIENCE;

		reader.keep = 1;
		while (reader.port.deliver->lost < round * 500U && now() < end)
			receive_for(0.05);
		if (reader.port.deliver->lost < round * 500U)
			bail("nothing is lost");
		give_kept();
		receive_for(0.2);
	}
	return settle() && all_lost() >= 1500;
}

/* A block goes by itself after flush_us, and then nothing more comes. */
static int test_flush(char **arguments)
{
	int i;

	(void)arguments;
	begin(64, "2000", "1");
	for (i = 0; i < 20; i++) {
		command("one");
		if (!receive_one(PATIENCE))
			bail("record %d does not come", i);
	}
	return settle() && reader.blocks >= 20;
}

/* Without flush_us blocks are filled; a kick has them come. */
static int test_kick(char **arguments)
{
	int round, i;

	(void)arguments;
	begin(64, "0", "0");
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 20; i++)
			command("one");
		while (reader.records < 20U * (round + 1)) {
			port_kick(&reader.port);
			if (!receive_one(PATIENCE))
				bail("round %d does not come", round);
		}
	}
	/* Two CPUs, a flush that was still under way: but no block for each record. */
	return reader.blocks <= 10 * 5 && settle();
}

/* Blocks are filled while a record is open: more than can wait, and more than there are. */
static int test_within(char **arguments)
{
	static const char * const commands[] = { "within 0", "within 1", "within 20", "within 40",
		"within 100", "within 400", "within 1000" };
	unsigned int i;

	begin(atoi(arguments[0]), "0", "1");
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		command(commands[i]);
		receive_some();
	}
	return settle() && all_lost() > 300;
}

static int set_online(const char *value)
{
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);
	int good = fd >= 0 && write(fd, value, 1) == 1;

	close(fd);
	return good;
}

/* Commands run on the CPU of the program that gives them. */
static void run_on(unsigned int first, unsigned int last)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (; first <= last; first++)
		CPU_SET(first, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		bail("affinity: %s", strerror(errno));
}

/* What a CPU had in a block comes when it goes, without a flush. */
static int test_left(char **arguments)
{
	int round, came;

	(void)arguments;
	begin(64, "0", "0");
	/* Flushes that were under way are over then. */
	for (round = 0; round < 3; round++) {
		command("one");
		port_kick(&reader.port);
		if (!receive_one(PATIENCE))
			bail("record %d does not come", round);
	}
	run_on(1, 1);
	command("one");
	run_on(0, 1);
	if (!set_online("0"))
		bail("CPU 1 does not go");
	came = receive_one(10);
	return set_online("1") && came && settle();
}

/* The driver goes while it writes; the kernel's log has the numbers. */
static int test_gone(char **arguments)
{
	int ret;

	(void)arguments;
	begin(64, "1000", "0");
	command("start");
	if (!receive_one(PATIENCE))
		bail("nothing comes");
	puts("ready");
	fflush(stdout);
	do {
		receive_some();
		ret = port_wait(&reader.port, PATIENCE * 1000);
	} while (ret == 1);
	receive_some();
	printf("gone: %llu records, %u of them lost\n",
	       reader.records + reader.port.deliver->lost, reader.port.deliver->lost);
	return ret == -EPIPE;
}

static const struct {
	const char *name;
	int nr_arguments;
	int (*run)(char **arguments);
	const char *about;
} tests[] = {
	{ "sizes", 1, test_sizes, "records of every length" },
	{ "contexts", 2, test_contexts, "all contexts write at once" },
	{ "until", 2, test_until, "all contexts write until there is a file" },
	{ "lag", 0, test_lag, "a reader that lags learns how much it has lost" },
	{ "flush", 0, test_flush, "a block goes after flush_us" },
	{ "kick", 0, test_kick, "a block goes with a kick" },
	{ "within", 1, test_within, "blocks fill up while a record is open" },
	{ "left", 0, test_left, "what a CPU had comes when it goes" },
	{ "gone", 0, test_gone, "the driver goes while it writes" },
};

int main(int argc, char **argv)
{
	unsigned int i;
	int good;

	for (i = 0; argc > 1 && i < sizeof(tests) / sizeof(*tests); i++) {
		if (strcmp(tests[i].name, argv[1]) || argc - 2 < tests[i].nr_arguments)
			continue;
		good = tests[i].run(argv + 2);
		printf("%sok - stream: %s (%s)\n", good ? "" : "not ", tests[i].about,
		       argc > 2 ? argv[argc - 1] : tests[i].name);
		return !good;
	}
	return 2;
}
