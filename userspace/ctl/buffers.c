// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buffers.h"
#include "limits.h"
#include "quantity.h"

void buffers_advise_limit(struct device *device, uint64_t size, int error)
{
	struct limits limits;

	if (limits_find(&limits, device) != STATUS_OK)
		return;
	if (limits_blame(&limits, device, error)) {
		advise("The limit is %s: %s.", quantity_bytes(limits.lowest).text,
		       limits_title(&limits));
		advise("%s", limits_remedy(&limits));
	} else {
		advise("The machine, or the memory cgroup, has no memory for it now.");
	}
	if (size > device->info.page_size)
		advise("Or borrow less: fewer or smaller buffers.");
}

static enum status complain_borrow(struct device *device, uint64_t size, int error)
{
	if (error == EINTR)
		return STATUS_SIGNAL;
	complain("cannot borrow a buffer of %s from %s: %s", quantity_bytes(size).text,
		 device->path, strerror(error));
	if (error == EDQUOT || error == ENOMEM)
		buffers_advise_limit(device, size, error);
	return STATUS_DEVICE;
}

static enum status open_library(struct buffers *buffers, const struct device *device,
				uint32_t capacity, unsigned int nr)
{
	/* Not one more than it has use for; mapped, so that no I/O stops for a fault. */
	struct gophership_options options = {
		.size = sizeof(options),
		.flags = GOPHERSHIP_PREFAULT,
		.device = device->path,
		.ceiling = (uint64_t)nr * capacity,
	};
	int ret = gophership_open(&buffers->gs, &options);

	if (!ret)
		return STATUS_OK;
	complain("cannot use %s: %s", device->path, strerror(-ret));
	return STATUS_DEVICE;
}

static enum status acquire(struct buffers *buffers, struct device *device,
			   uint32_t capacity, unsigned int nr)
{
	void **data = calloc(nr, sizeof(*data));
	unsigned int i;
	int error;

	buffers->list = calloc(nr, sizeof(*buffers->list));
	if (!data || !buffers->list) {
		free(data);
		free(buffers->list);
		complain("out of memory");
		return STATUS_FAILED;
	}
	buffers->nr = gophership_acquire_bulk(buffers->gs, capacity, nr, data);
	error = errno;
	for (i = 0; i < buffers->nr; i++)
		buffers->list[i] = (struct buffer) { .data = data[i], .capacity = capacity };
	free(data);
	if (buffers->nr)
		return STATUS_OK;
	free(buffers->list);
	return complain_borrow(device, capacity, error);
}

enum status buffers_borrow(struct buffers *buffers, struct device *device,
			   uint32_t capacity, unsigned int nr)
{
	enum status status;

	status = open_library(buffers, device, capacity, nr);
	if (status != STATUS_OK)
		return status;
	status = acquire(buffers, device, capacity, nr);
	if (status != STATUS_OK)
		gophership_close(buffers->gs);
	return status;
}

enum status buffers_give_back(struct buffers *buffers, uint64_t *retired)
{
	struct gophership_lib_stats stats = { .size = sizeof(stats) };
	enum status status = STATUS_OK;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < buffers->nr && !ret; i++)
		ret = gophership_release(buffers->gs, buffers->list[i].data);
	/* Closing would do; but only what is given back now is counted. */
	gophership_trim(buffers->gs);
	if (!ret)
		ret = gophership_stats(buffers->gs, &stats);
	if (ret) {
		complain("the buffers are not what they were: %s", strerror(-ret));
		status = STATUS_DEVICE;
	}
	*retired = stats.retired;
	gophership_close(buffers->gs);
	free(buffers->list);
	return status;
}
