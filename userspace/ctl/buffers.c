// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "quantity.h"
#include "buffers.h"

static void advise_quota(const struct device *device, uint64_t size)
{
	struct rlimit limit;

	advise("A program can have %s on lease (module parameter quota_mb).",
	       quantity_bytes(device->info.quota).text);
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		advise("Your processes together can have %s (ulimit -l); raise it, or run as root.",
		       quantity_bytes(limit.rlim_cur).text);
	if (size > device->info.page_size)
		advise("Or borrow less: fewer or smaller buffers.");
}

static enum status complain_borrow(const struct device *device, uint64_t size, int error)
{
	if (error == EINTR)
		return STATUS_SIGNAL;
	complain("cannot borrow a buffer of %s from %s: %s", quantity_bytes(size).text,
		 device->path, strerror(error));
	if (error == EDQUOT)
		advise_quota(device, size);
	else if (error == ENOMEM)
		advise("The machine's limit is %s; who has it: gophershipctl stat",
		       quantity_bytes(device->info.machine_limit).text);
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

static enum status acquire(struct buffers *buffers, const struct device *device,
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

enum status buffers_borrow(struct buffers *buffers, const struct device *device,
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
