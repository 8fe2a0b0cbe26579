// SPDX-License-Identifier: GPL-2.0
/*
 * Follows a driver's stream: prints its records as they come.
 *
 *	cc follow.c $(pkg-config --cflags --libs gophership)
 *	./a.out /dev/gophership-logtap
 */
#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gophership.h>

/* A record may have any bytes, and a terminal obeys some of them. */
static void print_data(const unsigned char *data, uint32_t len)
{
	for (; len; len--, data++) {
		if (isprint(*data))
			putchar(*data);
		else
			printf("\\x%02x", *data);
	}
}

static void print_block(const struct gophership_message *message)
{
	struct gophership_stream_reader reader;
	struct gophership_record record;
	int ret = gophership_stream_begin(&reader, message->data, message->len);

	if (ret)
		errx(1, "%s", gophership_stream_reason(ret));
	if (reader.block.lost)
		printf("CPU %" PRIu32 " lost %" PRIu64 "\n", reader.block.cpu,
		       (uint64_t)reader.block.lost);
	while ((ret = gophership_stream_next(&reader, &record)) > 0) {
		printf("CPU %" PRIu32 " #%" PRIu64 ": ", record.cpu, record.sequence);
		print_data(record.data, record.len);
		putchar('\n');
	}
	if (ret)
		warnx("%s", gophership_stream_reason(ret));
}

int main(int argc, char **argv)
{
	struct gophership_port_options options = {
		.size = sizeof(options),
		.flags = GOPHERSHIP_PORT_SUBMIT_ALL,
		.count = 64,
		.buf_size = 4096,
	};
	struct gophership_message message;
	struct gophership_port *port;
	struct gophership *gs;
	int ret;

	if (argc != 2)
		errx(2, "usage: %s ENDPOINT", argv[0]);
	options.endpoint = argv[1];
	ret = gophership_open(&gs, NULL);
	if (ret)
		errx(1, "cannot open /dev/gophership: %s", strerror(-ret));
	ret = gophership_port_open(gs, &options, &port);
	if (ret)
		errx(1, "cannot open a port at %s: %s", argv[1], strerror(-ret));
	/* Until the driver goes, or Ctrl-C: the kernel gives back what is not closed. */
	while (gophership_port_wait(port, -1) == 1) {
		while (gophership_port_receive(port, &message, 1)) {
			print_block(&message);
			gophership_port_submit(port, &message, 1);
		}
		fflush(stdout);
	}
	gophership_port_close(port);
	gophership_close(gs);
	return 0;
}
