// SPDX-License-Identifier: GPL-2.0
/* A stream: the program reads the records where the kernel wrote them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <gophership_records.h>

#include "channel.h"
#include "device.h"
#include "port.h"

#define BUFFERS	64

static struct port port;

static void open_stream(unsigned int size)
{
	unsigned int i;
	int ret = port_open(device_open(), size, BUFFERS, &port);

	if (ret)
		bail("port: %s", strerror(-ret));
	for (i = 0; i < BUFFERS; i++)
		port_write(&port, i, 0, 0, 0, 0);
	/* The port of the program before this one may not be gone yet. */
	for (i = 0; i < 1000; i++) {
		ret = port_attach(&port, "/dev/gophership-writers");
		if (ret != -EBUSY)
			break;
		usleep(10000);
	}
	if (ret)
		bail("attach: %s", strerror(-ret));
}

static void write_stream(unsigned int len, unsigned int nr)
{
	writers_write("gophership", len, nr);
}

static unsigned int read_block(const void *data, size_t size, unsigned int len)
{
	struct gophership_stream_reader reader;
	struct gophership_record record;
	unsigned int nr = 0;
	int ret = gophership_stream_begin(&reader, data, size);

	if (ret)
		bail("%s", gophership_stream_reason(ret));
	while ((ret = gophership_stream_next(&reader, &record)) > 0)
		nr += record_is_good(record.data, record.len, len);
	if (ret || reader.block.lost)
		bail("%s, lost %llu", gophership_stream_reason(ret),
		     (unsigned long long)reader.block.lost);
	return nr;
}

static unsigned int read_stream(unsigned int len)
{
	struct gophership_entry entry;
	unsigned int nr = 0;

	while (port_receive(&port, &entry)) {
		if (entry.len)
			nr += read_block(port_buffer(&port, entry.index), entry.len, len);
		port_submit(&port, entry.index, 0, 0, 0, 0);
	}
	return nr;
}

const struct channel stream_channel = { "gophership", open_stream, write_stream, read_stream };
