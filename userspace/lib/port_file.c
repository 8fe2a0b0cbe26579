// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Files of ports: made, mapped and closed; and what fork() does to them.
 *
 * The child of a fork has no mapping of a port. It closes its copy of the file, so
 * that the driver learns of its parent's death, and every call returns an error.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "pool.h"
#include "port_file.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static struct port_file *files;		/* protected by files_lock */
static bool knows_fork;			/* protected by files_lock */

/*
 * fork()
 */

static void before_fork(void)
{
	pthread_mutex_lock(&files_lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&files_lock);
}

static void after_fork_in_child(void)
{
	struct port_file *file;
	int cancel;

	/* To close is where a cancelled thread would end. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	for (file = files; file; file = file->next) {
		poke(file->stale, 1);
		device_port_close(file->fd);
		file->fd = -1;
	}
	pthread_setcancelstate(cancel, NULL);
	files = NULL;
	pthread_mutex_unlock(&files_lock);
}

static int know_fork(void)
{
	int ret;

	if (knows_fork)
		return 0;
	ret = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	knows_fork = !ret;
	return ret;
}

/* Not at the first open: a fork that has begun by then would not call us. */
static void __attribute__((constructor)) know_fork_early(void)
{
	pthread_mutex_lock(&files_lock);
	know_fork();
	pthread_mutex_unlock(&files_lock);
}

/*
 * Maps
 */

/* Is it a port as we know it? */
static bool setup_fits(const struct gophership_port_setup *setup, uint32_t count)
{
	uint64_t ring = GOPHERSHIP_PORT_ENTRIES_OFFSET +
			(uint64_t)setup->entries * sizeof(struct gophership_entry);

	return setup->capacity && !(setup->capacity & (setup->capacity - 1)) &&
	       setup->bank_length == (uint64_t)count * setup->capacity &&
	       setup->entries >= count && !(setup->entries & (setup->entries - 1)) &&
	       setup->deliver_length >= ring && setup->submit_length >= ring &&
	       setup->deliver_length == setup->submit_length;
}

/* So that the first touch is no page fault. */
static int populate(void *map, size_t length)
{
	/* EINVAL: not known to this kernel, or to Valgrind. Then the first touch is a fault. */
	if (madvise(map, length, MADV_POPULATE_WRITE) && errno != EINVAL)
		return -errno;
	return 0;
}

static int map_bank(struct port_file *file, const struct gophership_port_setup *setup)
{
	void *map;
	int ret;

	ret = device_port_map(file->fd, setup->bank_offset, setup->bank_length,
			      PROT_READ | PROT_WRITE, &map);
	if (ret)
		return ret;
	file->bank = map;
	file->length = setup->bank_length;
	return populate(map, file->length);
}

static int map_rings(struct port_file *file, const struct gophership_port_setup *setup)
{
	void *map;
	int ret;

	file->ring_length = setup->deliver_length;
	ret = device_port_map(file->fd, setup->deliver_offset, file->ring_length, PROT_READ, &map);
	if (ret)
		return ret;
	file->deliver = map;
	ret = device_port_map(file->fd, setup->submit_offset, file->ring_length,
			      PROT_READ | PROT_WRITE, &map);
	if (ret)
		return ret;
	file->submit = map;
	return populate(map, file->ring_length);
}

/* Unmap the parts that are mapped. */
static void unmap(struct port_file *file)
{
	if (file->bank)
		munmap(file->bank, file->length);
	if (file->deliver)
		munmap((void *)file->deliver, file->ring_length);
	if (file->submit)
		munmap(file->submit, file->ring_length);
}

/*
 * Open and close
 */

static int map(struct port_file *file, const struct gophership_port_setup *setup, bool rings)
{
	int ret = setup_fits(setup, file->count) ? 0 : -EPROTO;

	if (!ret)
		ret = map_bank(file, setup);
	if (!ret && rings)
		ret = map_rings(file, setup);
	if (ret)
		unmap(file);
	return ret;
}

/*
 * Under the lock, since before the file is there: a child that is forked in between
 * would have it, and not know.
 */
static int open_locked(struct port_file *file, int device, uint32_t buf_size, bool rings)
{
	struct gophership_port_setup setup;
	int ret;

	ret = know_fork();
	if (!ret)
		ret = device_port_setup(device, buf_size, file->count, &setup);
	if (ret)
		return ret == -ENOTTY ? -EOPNOTSUPP : ret;
	file->fd = setup.fd;
	file->mask = setup.entries - 1;
	ret = map(file, &setup, rings);
	if (ret) {
		device_port_close(file->fd);
		return ret;
	}
	file->shift = __builtin_ctz(setup.capacity);
	file->next = files;
	files = file;
	return 0;
}

/**
 * port_file_open() - make a port
 * @file: to be filled in, zero
 * @gs: the handle; its context pays
 * @buf_size: bytes that a buffer must hold
 * @count: buffers
 * @rings: map the rings, too
 *
 * Return: 0, or an error as gophership_port_open() tells them.
 */
int port_file_open(struct port_file *file, const struct gophership *gs, uint32_t buf_size,
		   uint32_t count, bool rings)
{
	int ret;

	if (!gs)
		return -EINVAL;
	if (peek(gs->stale))
		return -ESTALE;
	file->count = count;
	pthread_mutex_lock(&files_lock);
	ret = open_locked(file, gs->fd, buf_size, rings);
	pthread_mutex_unlock(&files_lock);
	return ret;
}

void port_file_close(struct port_file *file)
{
	struct port_file **link;

	/* Something of the child's own may be mapped where the maps were. */
	if (peek(file->stale))
		return;
	pthread_mutex_lock(&files_lock);
	for (link = &files; *link; link = &(*link)->next)
		if (*link == file) {
			*link = file->next;
			break;
		}
	unmap(file);
	device_port_close(file->fd);
	pthread_mutex_unlock(&files_lock);
}

int port_file_export(const struct port_file *file)
{
	int error = errno, fd;

	if (peek(file->stale))
		return -ESTALE;
	fd = device_port_export(file->fd);
	errno = error;
	return fd;
}
