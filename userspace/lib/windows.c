// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The windows of a handle, mapped in one range, so that a pointer is judged by
 * one comparison.
 *
 * The range is reserved and then covered, window by window. After
 * mlockall(MCL_FUTURE) the kernel takes each new mapping for locked memory, and
 * refuses one that is longer than what RLIMIT_MEMLOCK has left. (It does not count a
 * mapping of the device once that is made.) Then no range is reserved, and the windows
 * are mapped in pieces that are short enough.
 */
#include <errno.h>
#include <sys/mman.h>

#include "pool.h"

/* Places to try if something else is mapped there. */
#define PLACES	16

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

static char *window_base(const struct gophership *gs, const struct window *window)
{
	return gs->base + ((size_t)window->first_chunk << gs->chunk_shift);
}

static int cover(struct gophership *gs)
{
	unsigned int class;
	int ret = 0;

	for (class = 0; class < gs->nr_classes && !ret; class++) {
		const struct window *window = &gs->windows[class];

		ret = device_map(gs->fd, window_base(gs, window), window->length, window->offset,
				 PROT_READ | PROT_WRITE, MAP_FIXED);
	}
	if (ret)
		windows_unmap(gs);
	return ret;
}

/**
 * struct range - a range that is covered from its start on
 * @base: where it begins
 * @done: bytes that are mapped
 * @piece: bytes to map at once; gets less where that much is refused
 */
struct range {
	char *base;
	size_t done;
	size_t piece;
};

/* The next @length bytes. -EEXIST: something else is there. */
static int cover_next(const struct gophership *gs, struct range *range, size_t length,
		      uint64_t offset, int protection)
{
	while (length) {
		size_t piece = length < range->piece ? length : range->piece;
		int ret = device_map(gs->fd, range->base + range->done, piece, offset, protection,
				     MAP_FIXED_NOREPLACE);

		if (!ret) {
			range->done += piece;
			offset += piece;
			length -= piece;
			continue;
		}
		if (ret != -EAGAIN || range->piece <= gs->chunk_bytes)
			return ret;
		range->piece = (range->piece / 2 + gs->chunk_bytes - 1) & -gs->chunk_bytes;
	}
	return 0;
}

static int cover_all(const struct gophership *gs, struct range *range)
{
	unsigned int class;
	int ret = 0;

	for (class = 0; class < gs->nr_classes && !ret; class++) {
		const struct window *window = &gs->windows[class];
		size_t whole = (window->length + gs->chunk_bytes - 1) & -gs->chunk_bytes;

		ret = cover_next(gs, range, window->length, window->offset,
				 PROT_READ | PROT_WRITE);
		/* The rest of its last chunk: reserved, so that nothing else is mapped there. */
		if (!ret)
			ret = cover_next(gs, range, whole - window->length, window->offset,
					 PROT_NONE);
	}
	return ret;
}

/* An address where the kernel maps things, which it does downwards. 0: none is left. */
static uintptr_t some_address(const struct gophership *gs)
{
	size_t length = (size_t)1 << gs->page_shift;
	void *page = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 0;
	munmap(page, length);
	return (uintptr_t)page;
}

static int map_in_pieces(struct gophership *gs)
{
	uintptr_t place = some_address(gs) & -gs->chunk_bytes;
	struct range range = { .piece = gs->window_bytes };
	int ret = -ENOMEM;
	unsigned int i;

	for (i = 0; i < PLACES && place > gs->window_bytes; i++) {
		place -= gs->window_bytes;
		range.base = (char *)place;
		range.done = 0;
		ret = cover_all(gs, &range);
		if (!ret) {
			gs->base = range.base;
			return 0;
		}
		if (range.done)
			munmap(range.base, range.done);
		if (ret != -EEXIST)
			return ret;
	}
	return -ENOMEM;
}

/**
 * windows_map() - map the windows
 * @gs: the handle, with windows whose sizes are known; gets its base
 *
 * Return: 0; -EAGAIN after mlockall(MCL_FUTURE) where RLIMIT_MEMLOCK does not
 * even leave the bytes of a chunk; another -errno.
 */
int windows_map(struct gophership *gs)
{
	gs->base = mmap(NULL, gs->window_bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (gs->base == MAP_FAILED)
		return errno == EAGAIN ? map_in_pieces(gs) : -ENOMEM;
	/* A child inherits neither the range nor the windows. */
	madvise(gs->base, gs->window_bytes, MADV_DONTFORK);
	return cover(gs);
}

void windows_unmap(struct gophership *gs)
{
	munmap(gs->base, gs->window_bytes);
}
