// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A memfd in place of a port: a test maps it, as the library does, and plays the
 * driver. Limits and the kernel's own checks are the kernel's alone.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device_port.h"
#include "standin.h"

#define PAGE		4096ULL
#define LARGEST		65536
#define ENDPOINT	"standin"

static _Atomic unsigned int kicks;
static _Atomic bool has_driver;
static _Atomic unsigned int ready;

unsigned int gophership_standin_kicks(void)
{
	return kicks;
}

unsigned int gophership_standin_ready(void)
{
	return ready;
}

void gophership_standin_driver(bool there)
{
	has_driver = there;
}

/* The end of the file has the description of the port. */
static void find_setup(int port, struct gophership_port_setup *setup)
{
	off_t end = lseek(port, 0, SEEK_END);

	if (pread(port, setup, sizeof(*setup), end - PAGE) != sizeof(*setup))
		memset(setup, 0, sizeof(*setup));
}

static uint32_t entries_of(uint32_t count)
{
	uint32_t entries = 1;

	while (entries < count)
		entries *= 2;
	return entries;
}

int device_port_setup(int fd, uint32_t buf_size, uint32_t count,
		      struct gophership_port_setup *setup)
{
	uint64_t ring;

	(void)fd;
	if (buf_size > LARGEST || !count || count > GOPHERSHIP_PORT_COUNT_MAX)
		return -EINVAL;
	*setup = (struct gophership_port_setup) { .size = sizeof(*setup), .count = count };
	for (setup->capacity = PAGE; setup->capacity < buf_size; setup->capacity *= 2)
		;
	setup->entries = entries_of(count);
	ring = GOPHERSHIP_PORT_ENTRIES_OFFSET + setup->entries * sizeof(struct gophership_entry);
	ring = (ring + PAGE - 1) / PAGE * PAGE;
	setup->bank_length = (uint64_t)count * setup->capacity;
	setup->deliver_offset = setup->bank_length;
	setup->deliver_length = ring;
	setup->submit_offset = setup->deliver_offset + ring;
	setup->submit_length = ring;
	setup->fd = memfd_create("gophership-port", MFD_CLOEXEC);
	if (setup->fd < 0)
		return -errno;
	if (ftruncate(setup->fd, setup->submit_offset + ring + PAGE) ||
	    pwrite(setup->fd, setup, sizeof(*setup), setup->submit_offset + ring) < 0) {
		close(setup->fd);
		return -ENOMEM;
	}
	return 0;
}

void device_port_close(int port)
{
	close(port);
}

int device_port_map(int port, uint64_t offset, uint64_t length, int protection, void **map)
{
	*map = mmap(NULL, length, protection, MAP_SHARED, port, offset);
	if (*map == MAP_FAILED)
		return -errno;
	/* As the device's mappings are. */
	madvise(*map, length, MADV_DONTFORK);
	return 0;
}

int device_port_kick(int port)
{
	(void)port;
	kicks++;
	return has_driver ? 0 : -ENOTCONN;
}

static uint32_t word_at(int port, uint64_t offset)
{
	uint32_t word = 0;

	return pread(port, &word, sizeof(word), offset) == sizeof(word) ? word : 0;
}

static unsigned int count_ready(int port)
{
	struct gophership_port_setup setup;
	uint64_t entries;
	uint32_t i = 0;

	find_setup(port, &setup);
	entries = setup.submit_offset + GOPHERSHIP_PORT_ENTRIES_OFFSET;
	while (i < setup.count &&
	       word_at(port, entries + i * sizeof(struct gophership_entry)) == i + 1)
		i++;
	return i;
}

int device_port_attach(int port, const char *endpoint)
{
	if (strcmp(endpoint, ENDPOINT))
		return -ENOENT;
	ready = count_ready(port);
	has_driver = true;
	return 0;
}

/* What the kernel's port_poll() looks at. */
static int events_of(int port, const struct gophership_port_setup *setup)
{
	uint32_t consumed, seq;

	consumed = word_at(port, setup->submit_offset +
				 offsetof(struct gophership_submit_map, consumed));
	seq = word_at(port, setup->deliver_offset + GOPHERSHIP_PORT_ENTRIES_OFFSET +
			    (consumed & (setup->entries - 1)) * sizeof(struct gophership_entry));
	if (seq == consumed + 1)
		return POLLIN;
	return word_at(port, setup->deliver_offset +
			     offsetof(struct gophership_deliver_map, gone)) ? POLLHUP : 0;
}

int device_port_export(int port)
{
	(void)port;
	return -EOPNOTSUPP;
}

int device_port_poll(int port, int timeout_ms)
{
	const struct timespec millisecond = { .tv_nsec = 1000000 };
	struct gophership_port_setup setup;
	int events;

	find_setup(port, &setup);
	for (;;) {
		events = events_of(port, &setup);
		if (events || !timeout_ms)
			return events;
		if (nanosleep(&millisecond, NULL))
			return -errno;
		if (timeout_ms > 0)
			timeout_ms--;
	}
}
