// SPDX-License-Identifier: GPL-2.0
/*
 * Relay's file and tracefs' raw one, which the kernel copies from; and relay's, mapped: the
 * driver tells where its writer is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel.h"

#define RELAY	"/sys/kernel/debug/gophership_writers0"
#define TRACE	"/sys/kernel/tracing/per_cpu/cpu0/trace_pipe_raw"

/* As the module opens it. */
#define RELAY_SIZE	(64 * 4096)

static int relay_fd, trace_fd, position_fd;
static const unsigned char *relay_map;
static uint64_t relay_at;
static _Alignas(8) unsigned char bytes[64 * 1024];

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		bail("%s: %s", path, strerror(errno));
	return fd;
}

/*
 * Relay: records of one length, one behind the other
 */

static void open_relay(unsigned int size)
{
	(void)size;
	relay_fd = open_file(RELAY);
}

static void write_relay(unsigned int len, unsigned int nr)
{
	writers_write("relay", len, nr);
}

static unsigned int read_relay(unsigned int len)
{
	unsigned int nr = 0;
	ssize_t got, at;

	do {
		got = read(relay_fd, bytes, sizeof(bytes));
		for (at = 0; at + (ssize_t)len <= got; at += len)
			nr += record_is_good(bytes + at, len, len);
	} while (got == sizeof(bytes));
	return nr;
}

static void open_relay_map(unsigned int size)
{
	(void)size;
	relay_map = mmap(NULL, RELAY_SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE,
			 open_file(RELAY), 0);
	if (relay_map == MAP_FAILED)
		bail("relay's file cannot be mapped: %s", strerror(errno));
	position_fd = writers_open("relay", O_RDONLY);
}

static unsigned int read_relay_map(unsigned int len)
{
	unsigned int nr = 0;
	char text[32] = "";
	uint64_t end;

	if (pread(position_fd, text, sizeof(text) - 1, 0) <= 0)
		bail("relay's position: %s", strerror(errno));
	end = strtoull(text, NULL, 10);
	/* What was overwritten before the first look. */
	if (end - relay_at > RELAY_SIZE)
		relay_at = end;
	for (; relay_at < end; relay_at += len)
		nr += record_is_good(relay_map + relay_at % RELAY_SIZE, len, len);
	return nr;
}

const struct channel relay_channel = { "relay, read()", open_relay, write_relay, read_relay };
const struct channel relay_map_channel = { "relay, mmap()", open_relay_map, write_relay,
					   read_relay_map };

/*
 * Tracefs: a page of the ring buffer a read; Documentation/trace/ring-buffer-design.rst and
 * events/header_page, events/header_event, events/ftrace/print/format
 */

#define PAGE_HEADER	16
#define COMMIT_MASK	0xfffff
#define TYPE_PADDING	29
#define TYPE_EXTEND	30
#define TYPE_STAMP	31
/* The event's common fields and the address of its caller, before the text. */
#define PRINT_HEADER	16

static void open_trace(unsigned int size)
{
	(void)size;
	trace_fd = open_file(TRACE);
}

static void write_trace(unsigned int len, unsigned int nr)
{
	writers_write("trace_puts", len, nr);
}

/* The event at @at of the page's data: its length, where its payload begins and ends. */
static size_t event_size(const unsigned char *at, size_t *payload, size_t *size)
{
	uint32_t head, length;

	memcpy(&head, at, sizeof(head));
	memcpy(&length, at + 4, sizeof(length));
	head &= 31;
	*payload = 4;
	*size = 0;
	if (head == TYPE_EXTEND || head == TYPE_STAMP)
		return 8;
	if (head == TYPE_PADDING)
		return 4 + length;
	*size = head * 4;
	if (head)
		return 4 + *size;
	/* The length has itself in it. */
	*payload = 8;
	*size = length - 4;
	return 4 + length;
}

static unsigned int read_page(size_t got, unsigned int len)
{
	size_t at = PAGE_HEADER, end, payload, size;
	unsigned int nr = 0;
	uint64_t commit;
	const char *text;

	memcpy(&commit, bytes + 8, sizeof(commit));
	end = PAGE_HEADER + (commit & COMMIT_MASK);
	while (at + 8 <= end && end <= got) {
		const unsigned char *event = bytes + at;

		at += event_size(event, &payload, &size);
		if (size < PRINT_HEADER)
			continue;
		/* The text ends with a newline and a NUL, and padding. */
		text = (const char *)event + payload + PRINT_HEADER;
		nr += record_is_good(text, strlen(text) - 1, len);
	}
	return nr;
}

static unsigned int read_trace(unsigned int len)
{
	unsigned int nr = 0;
	ssize_t got;

	while ((got = read(trace_fd, bytes, 4096)) > 0)
		nr += read_page(got, len);
	return nr;
}

const struct channel trace_channel = { "trace_puts, read()", open_trace, write_trace, read_trace };
