// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"

#define PAGE	4096

static void *map(int port, __u64 offset, __u64 length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, port, offset);
}

bool driver_open(struct driver *driver, int port)
{
	struct gophership_port_setup *setup = &driver->setup;

	memset(driver, 0, sizeof(*driver));
	if (pread(port, setup, sizeof(*setup), lseek(port, 0, SEEK_END) - PAGE) != sizeof(*setup))
		return false;
	driver->deliver = map(port, setup->deliver_offset, setup->deliver_length);
	driver->submit = map(port, setup->submit_offset, setup->submit_length);
	return driver->deliver != MAP_FAILED && driver->submit != MAP_FAILED;
}

void driver_close(struct driver *driver)
{
	munmap(driver->deliver, driver->setup.deliver_length);
	munmap(driver->submit, driver->setup.submit_length);
}

static struct gophership_entry *entry_of(const struct driver *driver, void *ring, __u32 position)
{
	struct gophership_entry *entries;

	entries = (void *)((char *)ring + GOPHERSHIP_PORT_ENTRIES_OFFSET);
	return &entries[position & (driver->setup.entries - 1)];
}

bool driver_take(struct driver *driver, struct gophership_entry *entry)
{
	struct gophership_entry *from = entry_of(driver, driver->submit, driver->taken);

	if (__atomic_load_n(&from->seq, __ATOMIC_ACQUIRE) != driver->taken + 1)
		return false;
	*entry = *from;
	driver->taken++;
	return true;
}

void driver_deliver(struct driver *driver, const struct gophership_entry *entry)
{
	struct gophership_entry *to = entry_of(driver, driver->deliver, driver->delivered);

	to->index = entry->index;
	to->offset = entry->offset;
	to->len = entry->len;
	to->flags = entry->flags;
	to->tag = entry->tag;
	__atomic_store_n(&to->seq, ++driver->delivered, __ATOMIC_RELEASE);
}

void driver_wake_at(struct driver *driver, __u32 position)
{
	__atomic_store_n(&driver->deliver->wake_at, position, __ATOMIC_SEQ_CST);
}

void driver_goes(struct driver *driver)
{
	__atomic_store_n(&driver->deliver->gone, 1, __ATOMIC_SEQ_CST);
}
