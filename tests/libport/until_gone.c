// SPDX-License-Identifier: GPL-2.0
/*
 * until_gone ENDPOINT: sleeps in gophership_port_wait() until the driver is gone. Prints
 * "ready", and in the end what there was, and what is left to do with the port.
 */
#include <err.h>
#include <gophership.h>
#include <stdio.h>
#include <string.h>

#define COUNT	8

int main(int argc, char **argv)
{
	const struct gophership_port_options options = {
		.size = sizeof(options),
		.count = COUNT,
		.endpoint = argc > 1 ? argv[1] : NULL,
	};
	struct gophership_message messages[COUNT];
	struct gophership_port *port;
	unsigned int got = 0;
	struct gophership *gs;
	int ret;

	ret = gophership_open(&gs, NULL);
	if (!ret)
		ret = gophership_port_open(gs, &options, &port);
	if (ret)
		errx(1, "%s", strerror(-ret));
	for (unsigned int i = 0; i < COUNT; i++)
		messages[i] = (struct gophership_message) {
			.data = gophership_port_buffer(port, i),
		};
	gophership_port_submit(port, messages, COUNT);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	while ((ret = gophership_port_wait(port, -1)) == 1)
		got += gophership_port_receive(port, messages, COUNT);
	printf("wait %d after %u buffers, submitted %u more\n", ret, got,
	       gophership_port_submit(port, messages, 1));
	gophership_port_close(port);
	gophership_close(gs);
	return 0;
}
