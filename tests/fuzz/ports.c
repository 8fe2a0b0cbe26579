// SPDX-License-Identifier: GPL-2.0
/*
 * What can be done to ports and endpoints, and with the map that a program writes while
 * a driver reads it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/gophership.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define PORTS		4
/* More of them would take most of the time. */
#define COUNT_MOST	256

/* A port of this worker, with mappings that nothing else touches; submit NULL: none. */
static struct {
	int fd;
	struct gophership_port_setup setup;
	struct gophership_deliver_map *deliver;
	struct gophership_submit_map *submit;
	uint32_t position;
} ports[PORTS], *port;

/* Whether there is one. */
static bool some_port(void)
{
	port = &ports[below(PORTS)];
	return port->submit;
}

void ports_forget(void)
{
	for (unsigned int i = 0; i < PORTS; i++)
		ports[i].submit = NULL;
}

static void *map(uint64_t offset, uint64_t length, int protection)
{
	void *at = mmap(NULL, length, protection, MAP_SHARED, port->fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

static void close_port(void)
{
	if (port->deliver)
		munmap(port->deliver, port->setup.deliver_length);
	if (port->submit)
		munmap(port->submit, port->setup.submit_length);
	port->submit = NULL;
	close(port->fd);
}

int op_port(void)
{
	struct gophership_port_setup setup = {
		.size = sizeof(setup), .count = one_in(8) ? odd() : 1 + below(32),
		.buf_size = one_in(8) ? odd() : PAGE << below(5),
	};

	if (some_port())
		close_port();
	if (one_in(8))
		spoil(&setup, sizeof(setup));
	if (setup.count <= GOPHERSHIP_PORT_COUNT_MAX && setup.count > COUNT_MOST)
		setup.count = COUNT_MOST;
	if (ioctl(some_context()->fd, GOPHERSHIP_IOC_PORT, &setup))
		return -errno;
	port->setup = setup;
	port->fd = setup.fd;
	port->position = 0;
	port->deliver = map(setup.deliver_offset, setup.deliver_length, PROT_READ);
	port->submit = map(setup.submit_offset, setup.submit_length, PROT_READ | PROT_WRITE);
	if (!port->deliver || !port->submit)
		close_port();
	return setup.capacity;
}

/* To a driver: one that is called, or one that polls. */
int op_attach(void)
{
	struct gophership_attach attach = { .size = sizeof(attach) };
	struct gophership_endpoint_info info = { .size = sizeof(info) };
	int node, ret;

	attach.fd = some_port() ? port->fd : (int)odd();
	node = open(one_in(8) ? "/dev/gophership-pulse" : "/dev/gophership-echo",
		    O_RDWR | O_CLOEXEC);
	if (node < 0)
		return -errno;
	if (one_in(8)) {
		spoil(&attach, sizeof(attach));
		spoil(&info, sizeof(info));
	}
	if (one_in(16))
		attach.fd = some_context()->fd;
	if (one_in(8))
		ret = ioctl(node, GOPHERSHIP_IOC_ENDPOINT, &info);
	else if (one_in(16))
		ret = ioctl(node, odd(), odd());
	else
		ret = ioctl(node, GOPHERSHIP_IOC_ATTACH, &attach);
	ret = ret ? -errno : 0;
	close(node);
	return ret;
}

/* A field of any entry. */
static void scribble(struct gophership_entry *entry)
{
	switch (below(6)) {
	case 0:
		entry->index = one_in(2) ? odd() : below(40);
		break;
	case 1:
		entry->len = one_in(2) ? odd() : below(70000);
		break;
	case 2:
		entry->offset = one_in(2) ? odd() : below(70000);
		break;
	case 3:
		entry->flags = odd();
		break;
	case 4:
		entry->seq = one_in(2) ? odd() : port->position + below(16) - 8;
		break;
	default:
		port->submit->wake_at = odd();
		port->submit->consumed = odd();
		break;
	}
}

/* An entry at the next position: mostly one that makes sense. */
static void submit(struct gophership_entry *entries)
{
	struct gophership_entry *entry = &entries[port->position & (port->setup.entries - 1)];

	entry->index = below(port->setup.count + 1);
	entry->offset = below(64);
	entry->len = below(port->setup.capacity - 32);
	entry->flags = below(4);
	entry->tag = any();
	__atomic_store_n(&entry->seq, ++port->position, __ATOMIC_RELEASE);
}

/* What a program may and may not write, while the driver takes. */
int op_submit(void)
{
	struct gophership_entry *entries;
	unsigned int i, nr = below(64);

	if (!some_port())
		return 0;
	entries = (void *)((char *)port->submit + GOPHERSHIP_PORT_ENTRIES_OFFSET);
	for (i = 0; i < nr; i++)
		if (one_in(4))
			scribble(&entries[below(port->setup.entries)]);
		else
			submit(entries);
	/* So that a driver which stopped at an entry that was spoiled goes on. */
	if (one_in(4))
		port->position = port->deliver->wake_at;
	ioctl(port->fd, GOPHERSHIP_IOC_KICK);
	return nr;
}

int op_port_file(void)
{
	struct pollfd polled = { .events = POLLIN | POLLPRI };

	if (!some_port())
		return 0;
	polled.fd = port->fd;
	switch (below(4)) {
	case 0:
		return ioctl(port->fd, odd(), odd()) ? -errno : 0;
	case 1:
		/* What it says depends on what the driver has done so far. */
		poll(&polled, 1, 0);
		return 0;
	case 2:
		ioctl(port->fd, GOPHERSHIP_IOC_KICK);
		return 0;
	default:
		close_port();
		return 0;
	}
}

/* Once more, where all that is done to mappings is done to it. */
int op_port_mmap(void)
{
	const struct gophership_port_setup *setup;
	uint64_t offset, length;
	unsigned char *at;

	if (!some_port())
		return 0;
	setup = &port->setup;
	offset = one_in(4) ? below(setup->bank_length / PAGE + 8) * PAGE : 0;
	length = setup->bank_length;
	if (one_in(3)) {
		offset = setup->deliver_offset;
		length = setup->deliver_length;
	} else if (one_in(2)) {
		offset = setup->submit_offset;
		length = setup->submit_length;
	}
	if (one_in(4))
		length = PAGE << below(4);
	at = map(offset, length, one_in(4) ? (int)below(8) : PROT_READ | PROT_WRITE);
	if (!at)
		return -errno;
	remember(at, length, 0);
	return 0;
}
