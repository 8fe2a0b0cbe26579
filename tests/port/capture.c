// SPDX-License-Identifier: GPL-2.0
/*
 * capture N: packets of the driver "capture", until N have come; then it leaves the
 * driver without buffers until packets are lost, and goes on. Prints TAP.
 *
 * capture forever: says "ready" with the first packet, and receives until the driver is
 * gone (status 0) or this is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "port.h"

#define CAPTURE		"/dev/capture"
#define BUFFERS		64
#define PATIENCE	60000	/* milliseconds, for a guest whose machine is busy */

/**
 * struct stream - what has come
 * @port: from where
 * @next: number of the next packet if none is lost
 * @lost: packets
 * @gaps: where they were missing
 */
struct stream {
	struct port port;
	__u64 next;
	__u64 lost;
	__u64 gaps;
};

static int all_are(const unsigned char *data, size_t len, unsigned char byte)
{
	while (len--)
		if (*data++ != byte)
			return 0;
	return 1;
}

static int next_entry(struct port *port, struct gophership_entry *entry)
{
	int ret = 1;

	while (!port_receive(port, entry)) {
		ret = port_wait(port, PATIENCE);
		if (ret != 1)
			return ret;
	}
	return 1;
}

static void give_back(struct port *port, const struct gophership_entry *entry)
{
	port_write(port, entry->index, 0, 0, 0, 0);
}

/* A packet, whole and as it was sent; 1, 0 without one in time, -EPIPE, or -1: wrong. */
static int receive_packet(struct stream *stream)
{
	__u32 len = 0, parts = 0, lost = 0, i;
	struct gophership_entry entries[4];
	struct port *port = &stream->port;
	int ret, gap;

	do {
		ret = next_entry(port, &entries[parts]);
		if (ret != 1)
			return ret;
		len += entries[parts].len;
		lost |= entries[parts].flags & GOPHERSHIP_MESSAGE_LOST;
	} while (entries[parts++].flags & GOPHERSHIP_MESSAGE_MORE && parts < 4);
	/* The driver is on its way out, and returns what it had for the next packet. */
	if (!len)
		return next_entry(port, &entries[0]);
	if (len < 64 || len > 9000 || parts != (len + 4095) / 4096)
		return -1;
	for (i = 0; i < parts; i++) {
		const struct gophership_entry *entry = &entries[i];

		if (entry->tag != entries[0].tag || entry->offset || entry->index >= BUFFERS ||
		    !all_are(port_buffer(port, entry->index), entry->len, entry->tag))
			return -1;
		give_back(port, entry);
	}
	gap = entries[0].tag > stream->next;
	if (entries[0].tag < stream->next || gap != !!lost)
		return -1;
	stream->gaps += gap;
	stream->lost += entries[0].tag - stream->next;
	stream->next = entries[0].tag + 1;
	return 1;
}

static int start(struct stream *stream)
{
	unsigned int i;

	memset(stream, 0, sizeof(*stream));
	if (port_open(device_open(), 4096, BUFFERS, &stream->port))
		return -1;
	for (i = 0; i < BUFFERS; i++)
		port_write(&stream->port, i, 0, 0, 0, 0);
	return port_attach(&stream->port, CAPTURE);
}

static int receive_packets(struct stream *stream, long nr)
{
	int ret = 1;

	while (nr-- && ret == 1)
		ret = receive_packet(stream);
	return ret;
}

static int forever(struct stream *stream)
{
	int ret = receive_packets(stream, 1);

	puts("ready");
	fflush(stdout);
	return ret == 1 && receive_packets(stream, -1) == -EPIPE ? 0 : 1;
}

static int starve(const struct stream *stream)
{
	const __u32 *lost = &stream->port.deliver->lost;
	__u32 before = __atomic_load_n(lost, __ATOMIC_RELAXED);
	int tries;

	for (tries = 0; tries < PATIENCE; tries++) {
		if (__atomic_load_n(lost, __ATOMIC_RELAXED) - before > 100)
			return 1;
		usleep(1000);
	}
	return 0;
}

/* What is lost is what the module says; the last of it may not be told yet. */
static int loss_is_exact(const struct stream *stream)
{
	return stream->gaps && stream->lost &&
	       stream->lost <= __atomic_load_n(&stream->port.deliver->lost, __ATOMIC_RELAXED);
}

static int check(int good, const char *what)
{
	printf("%sok - capture: %s\n", good ? "" : "not ", what);
	return !good;
}

int main(int argc, char **argv)
{
	struct stream stream;
	int bad = 0, ret;
	long nr;

	if (argc < 2)
		return 2;
	if (start(&stream))
		return check(0, "attach");
	if (!strcmp(argv[1], "forever"))
		return forever(&stream);
	nr = strtol(argv[1], NULL, 10);
	ret = receive_packets(&stream, nr);
	bad |= check(ret == 1, "packets come whole, in order and as they were sent");
	bad |= check(starve(&stream), "a program that stops receiving costs the driver packets");
	ret = receive_packets(&stream, nr);
	bad |= check(ret == 1 && loss_is_exact(&stream), "the packet behind a gap tells of it");
	printf("# %llu packets, %llu lost in %llu gaps\n", stream.next - stream.lost, stream.lost,
	       stream.gaps);
	port_close(&stream.port);
	return bad;
}
