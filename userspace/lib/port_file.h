/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of a port and its maps: the common part of ports and banks.
 */
#ifndef PORT_FILE_H
#define PORT_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device_port.h"

struct gophership;

/**
 * struct port_file - a port's file, mapped
 * @fd: the file; -1 in a child of fork()
 * @stale: the process is a child of the one that opened it
 * @count: buffers; constant
 * @shift: log2 of a buffer's capacity; constant
 * @mask: entries of a ring less 1; constant
 * @bank: the buffers; constant
 * @length: bytes of them; constant
 * @deliver: what the kernel writes, or NULL: the rings are not mapped; constant
 * @submit: what the program writes; constant with @deliver
 * @ring_length: bytes of each of these two; constant
 * @next: all files of the process; protected by the lock of port_file.c
 */
struct port_file {
	int fd;
	_Atomic uint32_t stale;
	uint32_t count;
	uint32_t shift;
	uint32_t mask;
	char *bank;
	size_t length;
	const struct gophership_deliver_map *deliver;
	struct gophership_submit_map *submit;
	size_t ring_length;
	struct port_file *next;
};

int port_file_open(struct port_file *file, const struct gophership *gs, uint32_t buf_size,
		   uint32_t count, bool rings);
void port_file_close(struct port_file *file);

/* The index of the buffer that @data lies in; count or more: in none. */
static inline size_t port_file_index(const struct port_file *file, const void *data)
{
	return (size_t)((uintptr_t)data - (uintptr_t)file->bank) >> file->shift;
}

static inline char *port_file_buffer(const struct port_file *file, size_t index)
{
	return file->bank + (index << file->shift);
}

/* A dma-buf of the bank: its descriptor, or -errno. errno stays. */
int port_file_export(const struct port_file *file);

#endif /* PORT_FILE_H */
