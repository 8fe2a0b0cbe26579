/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers, borrowed by way of libgophership.
 */
#ifndef BUFFERS_H
#define BUFFERS_H

#include <stdint.h>

#include <gophership.h>

#include "device.h"

/**
 * struct buffer - a borrowed buffer
 * @data: first byte
 * @capacity: bytes there are
 */
struct buffer {
	void *data;
	uint32_t capacity;
};

/**
 * struct buffers - borrowed together
 * @gs: where they are from
 * @list: the buffers
 * @nr: how many
 */
struct buffers {
	struct gophership *gs;
	struct buffer *list;
	unsigned int nr;
};

/*
 * Borrows up to nr buffers of that capacity, at least one. Complains by itself,
 * as the functions of device.h do.
 */
enum status buffers_borrow(struct buffers *buffers, struct device *device,
			   uint32_t capacity, unsigned int nr);
/* Which limit was hit, EDQUOT or ENOMEM, for buffers of @size bytes; how it is raised. */
void buffers_advise_limit(struct device *device, uint64_t size, int error);
/* Gives them back. *retired: those whose pages were still in use. */
enum status buffers_give_back(struct buffers *buffers, uint64_t *retired);

#endif /* BUFFERS_H */
