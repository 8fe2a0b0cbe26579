// SPDX-License-Identifier: GPL-2.0
/*
 * exchange bytes BOUNCED: bytes go to the memory of the edu device and come back, through
 * a port of which the device reaches so many buffers by a copy. Status 0 if all is right.
 *
 * exchange hold ENDPOINT: submits all buffers, says "ready", and waits for the driver to go.
 *
 * exchange wild FILE ADDRESS: has the device, whose registers are in FILE, write to ADDRESS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "port.h"

#define EDU		"/dev/gophership-edu"
#define BUFFERS		4
#define CAPACITY	8192
#define EDU_SIZE	4096
#define PATIENCE	60000	/* milliseconds, for a guest whose machine is busy */

static int fail(const char *what, long value)
{
	printf("%s: %ld\n", what, value);
	return 1;
}

static unsigned char byte_at(size_t i, unsigned int seed)
{
	return i * 13 + (i >> 8) + seed;
}

static void fill(unsigned char *data, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = byte_at(i, seed);
}

static int receive(struct port *port, struct gophership_entry *entry)
{
	while (!port_receive(port, entry))
		if (port_wait(port, PATIENCE) != 1)
			return fail("nothing came from the device", port->received);
	return 0;
}

static int is_clean(struct port *port, unsigned int index, size_t from)
{
	const unsigned char *data = port_buffer(port, index);

	while (from < CAPACITY && data[from] == 0xee)
		from++;
	return from == CAPACITY;
}

/*
 * @len bytes from @offset of buffer 0 to the device, and back to the start of buffer 1,
 * which is submitted with no bytes @at some offset; to no other place.
 */
static int round_trip(struct port *port, size_t offset, size_t len, size_t at,
		      unsigned int seed)
{
	const unsigned char *back = port_buffer(port, 1);
	struct gophership_entry entry;
	size_t i;

	fill(port_buffer(port, 0), CAPACITY, seed);
	for (i = 1; i < BUFFERS; i++)
		memset(port_buffer(port, i), 0xee, CAPACITY);
	port_submit(port, 0, offset, len, 0, 1);
	port_submit(port, 1, at, 0, 0, 2);
	if (receive(port, &entry) || entry.index != 0 || entry.len)
		return fail("the first buffer is not back empty", entry.len);
	if (receive(port, &entry) || entry.index != 1 || entry.len != EDU_SIZE || entry.offset)
		return fail("the second buffer is not back full", entry.len);
	for (i = 0; i < len; i++)
		if (back[i] != byte_at(offset + i, seed))
			return fail("a wrong byte", i);
	for (i = 1; i < BUFFERS; i++)
		if (!is_clean(port, i, i == 1 ? EDU_SIZE : 0))
			return fail("a byte too many in buffer", i);
	return 0;
}

static int bytes(__u32 bounced)
{
	static const size_t trips[][3] = {
		{ 0, EDU_SIZE, 0 }, { 0, 64, 0 }, { 100, 3000, 64 }, { CAPACITY - 1000, 1000, 0 },
		{ 2048, EDU_SIZE, EDU_SIZE }, { 4095, 2, CAPACITY - 1 }, { 0, 64, CAPACITY },
	};
	struct port port;
	unsigned int i;
	int ret = port_open(device_open(), CAPACITY, BUFFERS, &port) ?: port_attach(&port, EDU);

	if (ret)
		return fail("no port", ret);
	if (port.deliver->bounced != bounced)
		return fail("bounced", port.deliver->bounced);
	for (i = 0; i < sizeof(trips) / sizeof(*trips); i++)
		if (round_trip(&port, trips[i][0], trips[i][1], trips[i][2], i))
			return fail("in trip", i);
	return 0;
}

static int hold(const char *endpoint)
{
	struct gophership_entry entry;
	struct port port;
	unsigned int i;
	int ret = port_open(device_open(), CAPACITY, BUFFERS, &port) ?:
		  port_attach(&port, endpoint);

	if (ret)
		return fail("no port", ret);
	for (i = 0; i < BUFFERS; i++)
		port_submit(&port, i, 0, 0, 0, i);
	puts("ready");
	fflush(stdout);
	while (ret != -EPIPE) {
		ret = port_wait(&port, PATIENCE);
		while (port_receive(&port, &entry))
			;
	}
	printf("gone %u\n", port.deliver->gone);
	return 0;
}

static void write_register(__u32 *regs, unsigned int offset, __u32 value)
{
	__atomic_store_n(&regs[offset / 4], value, __ATOMIC_RELEASE);
}

/* The IOMMU may tell of it after this program's end. */
static int wild(const char *resource, unsigned long address)
{
	int fd = open(resource, O_RDWR | O_CLOEXEC), left = PATIENCE;
	__u32 *regs;

	regs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (regs == MAP_FAILED)
		return fail("no registers", errno);
	write_register(regs, 0x80, 0x40000);	/* from its memory */
	write_register(regs, 0x88, address);
	write_register(regs, 0x90, 8);
	write_register(regs, 0x98, 3);		/* start, to RAM, no interrupt */
	for (; __atomic_load_n(&regs[0x98 / 4], __ATOMIC_RELAXED) & 1; left -= 10) {
		if (left <= 0)
			return fail("the device does not end", PATIENCE);
		usleep(10000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "bytes"))
		return bytes(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "hold"))
		return hold(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "wild"))
		return wild(argv[2], strtoul(argv[3], NULL, 0));
	return 2;
}
