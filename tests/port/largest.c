// SPDX-License-Identifier: GPL-2.0
/*
 * largest: a port with as many buffers as there can be. All of them go to echo and
 * come back, twice, each with its tag. Prints TAP. The module is loaded with a quota
 * that allows it.
 */
#include <poll.h>
#include <stdio.h>

#include "device.h"
#include "port.h"

#define ECHO	"/dev/gophership-echo"
#define COUNT	GOPHERSHIP_PORT_COUNT_MAX
#define PATIENCE	60000

static const char *there_and_back(struct port *port, __u64 round)
{
	static unsigned char seen[COUNT];
	struct gophership_entry entry;
	__u32 i;

	for (i = 0; i < COUNT; i++) {
		*port_buffer(port, i) = i;
		port_write(port, i, 0, 1, 0, round << 32 | i);
	}
	if (port_kick(port))
		return "KICK failed";
	for (i = 0; i < COUNT; i++) {
		while (!port_receive(port, &entry))
			if (port_wait(port, PATIENCE) != 1)
				return "nothing comes back";
		if (entry.index >= COUNT || entry.tag != (round << 32 | entry.index))
			return "another message";
		if (*port_buffer(port, entry.index) != (unsigned char)entry.index)
			return "another payload";
		if (seen[entry.index]++ != round)
			return "a buffer twice";
	}
	return NULL;
}

int main(void)
{
	int device = device_open();
	const char *wrong = NULL;
	struct port port;
	__u64 round;

	if (port_open(device, 4096, COUNT, &port) || port_attach(&port, ECHO))
		wrong = "there is no such port";
	for (round = 0; round < 2 && !wrong; round++)
		wrong = there_and_back(&port, round);
	if (!wrong && port.deliver->bad)
		wrong = "entries are bad";
	if (!wrong) {
		port_close(&port);
		if (device_machine_bytes(device))
			wrong = "bytes are left";
	}
	printf("%sok - %u buffers there and back%s%s\n", wrong ? "not " : "", COUNT,
	       wrong ? ": " : "", wrong ? wrong : "");
	return !!wrong;
}
