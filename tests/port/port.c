// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "port.h"

int port_setup(int device, __u32 buf_size, __u32 count, struct gophership_port_setup *setup)
{
	memset(setup, 0, sizeof(*setup));
	setup->size = sizeof(*setup);
	setup->buf_size = buf_size;
	setup->count = count;
	return device_call(device, GOPHERSHIP_IOC_PORT, setup);
}

static void *map(int fd, __u64 offset, __u64 length, int protection)
{
	return mmap(NULL, length, protection, MAP_SHARED, fd, offset);
}

int port_open(int device, __u32 buf_size, __u32 count, struct port *port)
{
	const struct gophership_port_setup *setup = &port->setup;
	int ret;

	memset(port, 0, sizeof(*port));
	ret = port_setup(device, buf_size, count, &port->setup);
	if (ret < 0)
		return ret;
	port->fd = setup->fd;
	port->bank = map(port->fd, setup->bank_offset, setup->bank_length, PROT_READ | PROT_WRITE);
	port->deliver = map(port->fd, setup->deliver_offset, setup->deliver_length, PROT_READ);
	port->submit = map(port->fd, setup->submit_offset, setup->submit_length,
			   PROT_READ | PROT_WRITE);
	if (port->bank != MAP_FAILED && port->deliver != MAP_FAILED && port->submit != MAP_FAILED)
		return 0;
	port_close(port);
	return -ENOMEM;
}

void port_unmap(struct port *port)
{
	munmap(port->bank, port->setup.bank_length);
	munmap(port->deliver, port->setup.deliver_length);
	munmap(port->submit, port->setup.submit_length);
}

void port_close(struct port *port)
{
	port_unmap(port);
	close(port->fd);
}

int port_attach_fd(int fd, const char *endpoint)
{
	struct gophership_attach attach = { .size = sizeof(attach), .fd = fd };
	int node = open(endpoint, O_RDWR | O_CLOEXEC);
	int ret;

	if (node < 0)
		return -errno;
	ret = device_call(node, GOPHERSHIP_IOC_ATTACH, &attach);
	close(node);
	return ret;
}

int port_attach(const struct port *port, const char *endpoint)
{
	return port_attach_fd(port->fd, endpoint);
}

unsigned char *port_buffer(const struct port *port, __u32 index)
{
	return port->bank + (size_t)index * port->setup.capacity;
}

static struct gophership_entry *entry_of(const struct port *port, void *map_of, __u32 position)
{
	struct gophership_entry *entries;

	entries = (void *)((char *)map_of + GOPHERSHIP_PORT_ENTRIES_OFFSET);
	return &entries[position & (port->setup.entries - 1)];
}

struct gophership_entry *port_entry(const struct port *port, __u32 position)
{
	return entry_of(port, port->submit, position);
}

void port_write(struct port *port, __u32 index, __u32 offset, __u32 len, __u32 flags, __u64 tag)
{
	struct gophership_entry *entry = port_entry(port, port->submitted);

	entry->index = index;
	entry->offset = offset;
	entry->len = len;
	entry->flags = flags;
	entry->tag = tag;
	__atomic_store_n(&entry->seq, ++port->submitted, __ATOMIC_RELEASE);
}

int port_submit(struct port *port, __u32 index, __u32 offset, __u32 len, __u32 flags, __u64 tag)
{
	port_write(port, index, offset, len, flags, tag);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&port->deliver->wake_at, __ATOMIC_RELAXED) == port->submitted - 1)
		return port_kick(port);
	return 0;
}

int port_kick(const struct port *port)
{
	return ioctl(port->fd, GOPHERSHIP_IOC_KICK) ? -errno : 0;
}

bool port_tells(const struct port *port, const char *line)
{
	char path[64], want[64], text[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", port->fd);
	snprintf(want, sizeof(want), "gophership-port-%s\n", line);
	file = fopen(path, "re");
	while (file && !found && fgets(text, sizeof(text), file))
		found = !strcmp(text, want);
	if (file)
		fclose(file);
	return found;
}

bool port_receive(struct port *port, struct gophership_entry *entry)
{
	struct gophership_entry *from = entry_of(port, port->deliver, port->received);

	if (__atomic_load_n(&from->seq, __ATOMIC_ACQUIRE) != port->received + 1)
		return false;
	*entry = *from;
	port->received++;
	return true;
}

int port_events(const struct port *port)
{
	struct pollfd fd = { .fd = port->fd, .events = POLLIN | POLLPRI };

	port->submit->consumed = port->received;
	return poll(&fd, 1, 0) < 0 ? -errno : fd.revents;
}

static long milliseconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - begin->tv_sec) * 1000 + (now.tv_nsec - begin->tv_nsec) / 1000000;
}

int port_wait(struct port *port, int milliseconds)
{
	struct timespec begin;
	struct pollfd fd = { .fd = port->fd, .events = POLLIN };
	struct gophership_entry *next = entry_of(port, port->deliver, port->received);
	int ret;

	__atomic_store_n(&port->submit->consumed, port->received, __ATOMIC_RELAXED);
	__atomic_store_n(&port->submit->wake_at, port->received, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&next->seq, __ATOMIC_ACQUIRE) == port->received + 1)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	ret = poll(&fd, 1, milliseconds);
	if (ret < 0)
		return -errno;
	/* poll() looks once more when the time is up: that is no wake-up. */
	if (fd.revents & POLLIN)
		return milliseconds < 0 || milliseconds_since(&begin) < milliseconds;
	return fd.revents & POLLHUP ? -EPIPE : 0;
}
