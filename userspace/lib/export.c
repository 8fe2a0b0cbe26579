// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Buffers as dma-bufs.
 *
 * A buffer that a dma-buf shows must not be handed out again: a device may write to it, and
 * the kernel does not take it back. So an exported buffer leaves the caches. Its bit is
 * absent, as if it were not on lease, and a bit in gophership.exported says why. Therefore its
 * release comes to release_verdict(), off the hot path, and goes to the kernel, not to a
 * cache: verdict.c.
 *
 * The caller has the buffers during the call. If another thread releases one at that
 * moment, that is a mistake like any release of a buffer that is in use.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pool.h"

/* The words of @exported; under the lock. 0 or -errno. */
static int prepare(struct gophership *gs)
{
	void *words;

	if (atomic_load_explicit(&gs->exported, memory_order_relaxed))
		return 0;
	words = mmap(NULL, exported_size(gs), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (words == MAP_FAILED)
		return -ENOMEM;
	atomic_store_explicit(&gs->exported, words, memory_order_release);
	return 0;
}

/* The kernel's name of @buf, if it is acquired. 0 or -errno. */
static int find_handle(const struct gophership *gs, const void *buf, __u64 *handle)
{
	const struct chunk *chunk = chunk_of(gs, buf);
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;
	const struct window *window;
	size_t slot;

	if (!bit)
		return -EINVAL;
	window = &gs->windows[chunk->class];
	slot = ((const char *)buf - gs->chunks[window->first_chunk].base) >> chunk->shift;
	*handle = slot < window->slots ? peek(window->handles[slot]) : 0;
	if (!*handle)
		return -EINVAL;
	if (is_exported(gs, chunk, bit))
		return -EBUSY;
	return chunk_not_on_loan(chunk) & bit ? -EALREADY : 0;
}

/* From here on a release of @buf asks the kernel. */
static void mark(struct gophership *gs, const void *buf)
{
	_Atomic bits_t *words = atomic_load_explicit(&gs->exported, memory_order_relaxed);
	struct chunk *chunk = chunk_of(gs, buf);
	bits_t bit = bit_of(chunk, buf);

	atomic_fetch_or(&words[chunk_index(gs, chunk)], bit);
	/* (X) pairs with (X) in release_verdict(): there absent is exported, too. */
	atomic_store_explicit(&chunk->absent, peek(chunk->absent) | bit, memory_order_release);
}

/* Under the lock. A descriptor, or -errno. */
static int export_all(struct gophership *gs, void *const *bufs, unsigned int nr, __u64 *handles)
{
	unsigned int i;
	int ret;

	ret = prepare(gs);
	for (i = 0; i < nr && !ret; i++)
		ret = find_handle(gs, bufs[i], &handles[i]);
	if (ret)
		return ret;
	gs->system_calls++;
	ret = device_export(gs->fd, handles, nr);
	for (i = 0; i < nr && ret >= 0; i++)
		mark(gs, bufs[i]);
	return ret;
}

int gophership_export(struct gophership *gs, void *const *bufs, unsigned int nr)
{
	int error = errno;
	__u64 *handles;
	int ret;

	if (!gs || !bufs || !nr || nr > GOPHERSHIP_BATCH_MAX)
		return -EINVAL;
	if (peek(gs->stale))
		return -ESTALE;
	handles = malloc(nr * sizeof(*handles));
	if (!handles)
		return -ENOMEM;
	gs_lock(&gs->lock);
	ret = export_all(gs, bufs, nr, handles);
	gs_unlock(&gs->lock);
	free(handles);
	errno = error;
	return ret;
}
