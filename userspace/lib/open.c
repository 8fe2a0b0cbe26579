// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Handles: opened and closed.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"

#define DEVICE_PATH	"/dev/gophership"
#define IDLE_MS		10000
/* Address space is short there, and a window needs as much as the ceiling. */
#define CEILING_32BIT	(128ULL << 20)

#define FLAGS		(GOPHERSHIP_PREFAULT | GOPHERSHIP_NO_THREAD_CACHE | GOPHERSHIP_KEEPER)
/* The size of the structure as it was first published. */
#define OPTIONS_SIZE_VER0	offsetof(struct gophership_options, reserve)

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* What the caller asks for, with the defaults filled in. */
static int read_options(struct gophership_options *to, const struct gophership_options *from)
{
	memset(to, 0, sizeof(*to));
	if (from) {
		if (from->size < OPTIONS_SIZE_VER0 || from->size > sizeof(*to))
			return -EINVAL;
		memcpy(to, from, from->size);
	}
	if (to->flags & ~FLAGS || to->reserved)
		return -EINVAL;
	if (!to->device)
		to->device = DEVICE_PATH;
	if (!to->idle_ms)
		to->idle_ms = IDLE_MS;
	/* Every call goes by the book. */
	if (debug_wanted())
		to->flags |= GOPHERSHIP_NO_THREAD_CACHE;
	return 0;
}

/* Is it a device as we know it? */
static bool info_fits(const struct gophership_info *info)
{
	unsigned int class;

	if (info->page_size != (uint64_t)sysconf(_SC_PAGESIZE) || !info->nr_classes ||
	    info->nr_classes > CLASSES_MAX)
		return false;
	for (class = 0; class < info->nr_classes; class++)
		if (info->classes[class].capacity != info->page_size << class ||
		    !info->classes[class].slots)
			return false;
	return true;
}

static uint64_t choose_ceiling(const struct gophership_info *info, uint64_t wanted)
{
	if (!wanted)
		wanted = sizeof(void *) > 4 ? UINT64_MAX : CEILING_32BIT;
	return wanted < info->quota ? wanted : info->quota;
}

/* The kernel uses the lowest slots first, so no more than the ceiling's are used. */
static void size_window(const struct gophership *gs, struct window *window,
			const struct gophership_class_info *info)
{
	uint64_t slots = gs->ceiling / info->capacity;

	window->capacity = info->capacity;
	window->slots = slots < info->slots ? slots : info->slots;
	if (!window->slots)
		window->slots = 1;
	window->offset = info->offset;
	window->length = (size_t)window->slots * info->capacity;
	window->per_chunk = gs->chunk_bytes / info->capacity;
}

/* The structure and its tables, from the sizes that @plan has. */
static struct gophership *allocate(struct gophership *plan, const struct gophership_info *info)
{
	size_t chunks = round_up(sizeof(*plan), 64), handles;
	unsigned int class;
	struct gophership *gs;

	for (class = 0; class < plan->nr_classes; class++) {
		struct window *window = &plan->windows[class];

		size_window(plan, window, &info->classes[class]);
		window->first_chunk = plan->nr_chunks;
		plan->nr_chunks += round_up(window->length, plan->chunk_bytes) >>
				   plan->chunk_shift;
	}
	plan->window_bytes = (size_t)plan->nr_chunks << plan->chunk_shift;
	handles = chunks + plan->nr_chunks * sizeof(struct chunk);
	plan->size = handles;
	for (class = 0; class < plan->nr_classes; class++)
		plan->size += plan->windows[class].slots * sizeof(uint64_t);

	gs = mmap(NULL, plan->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (gs == MAP_FAILED)
		return NULL;
	memcpy(gs, plan, sizeof(*gs));
	gs->chunks = (struct chunk *)((char *)gs + chunks);
	for (class = 0; class < gs->nr_classes; class++) {
		gs->windows[class].handles = (_Atomic uint64_t *)((char *)gs + handles);
		handles += gs->windows[class].slots * sizeof(uint64_t);
	}
	return gs;
}

static void init_chunks(struct gophership *gs)
{
	unsigned int class;
	uint32_t i;

	for (class = gs->nr_classes, i = gs->nr_chunks; i--;) {
		struct chunk *chunk = &gs->chunks[i];

		while (class == gs->nr_classes || i < gs->windows[class].first_chunk)
			class--;
		chunk->base = gs->base + ((size_t)i << gs->chunk_shift);
		chunk->absent = ~(bits_t)0;
		chunk->owner = &gs->depot;
		chunk->shift = gs->page_shift + class;
		chunk->class = class;
	}
}

/* What the program wants to have at once. */
static int lease_reserve(struct gophership *gs, const uint32_t *reserve)
{
	unsigned int class;
	int ret = 0;

	gs_lock(&gs->lock);
	for (class = 0; class < gs->nr_classes; class++) {
		uint32_t left = reserve[class];
		void *direct = NULL;

		for (; left && ret >= 0; left -= ret) {
			uint32_t want = gs->windows[class].per_chunk;

			ret = depot_lease(gs, &gs->depot, class, want < left ? want : left,
					  &direct);
			if (ret < 0)
				break;
		}
	}
	gs_unlock(&gs->lock);
	return ret < 0 ? ret : 0;
}

static void unmap(struct gophership *gs)
{
	if (gs->pressure)
		device_unmap_pressure(gs->pressure, (size_t)1 << gs->page_shift);
	windows_unmap(gs);
}

static void unmap_tables(struct gophership *gs)
{
	if (gs->exported)
		munmap(gs->exported, exported_size(gs));
	munmap(gs, gs->size);
}

static void free_handle(struct gophership *gs)
{
	pthread_mutex_destroy(&gs->lock);
	debug_free(gs);
	unmap_tables(gs);
}

/* Under the registry's lock. */
static int start(struct gophership *gs, const struct gophership_info *info)
{
	int ret;

	ret = windows_map(gs);
	if (ret)
		return ret;
	init_chunks(gs);
	cache_init(&gs->depot);
	gs->pressure = device_map_pressure(gs->fd, info);
	if (gs->pressure)
		gs->pressure_seen = __atomic_load_n(&gs->pressure->events, __ATOMIC_RELAXED);
	gs->barrier = !device_barrier_prepare();
	gs->sweep_time = reclaim_clock();
	ret = debug_init(gs);
	if (!ret)
		ret = registry_add(gs);
	if (ret)
		unmap(gs);
	return ret;
}

static void finish(struct gophership *gs)
{
	/* The kernel takes back all that is on lease. */
	registry_remove(gs);
	debug_close(gs);
	unmap(gs);
	free_handle(gs);
}

/* Under the registry's lock. */
static int open_device(int fd, struct gophership **gs, const struct gophership_options *options)
{
	struct gophership plan = { .fd = fd };
	struct gophership_info info;
	int ret;

	ret = device_info(fd, &info);
	if (ret == -ENOTTY || ret == -EINVAL || ret == -E2BIG || (!ret && !info_fits(&info)))
		return -EPROTO;
	if (ret)
		return ret;
	plan.flags = options->flags;
	plan.idle_ms = options->idle_ms;
	plan.nr_classes = info.nr_classes;
	plan.page_shift = __builtin_ctz(info.page_size);
	plan.chunk_shift = plan.page_shift + __builtin_ctz(NR_BITS);
	plan.chunk_bytes = (size_t)1 << plan.chunk_shift;
	plan.ceiling = choose_ceiling(&info, options->ceiling);
	plan.full = plan.ceiling == info.quota ? EDQUOT : ENOMEM;
	*gs = allocate(&plan, &info);
	if (!*gs)
		return errno == EAGAIN ? -EAGAIN : -ENOMEM;
	pthread_mutex_init(&(*gs)->lock, NULL);
	ret = start(*gs, &info);
	if (ret)
		free_handle(*gs);
	return ret;
}

/* A handle that fork() knows of. Under the registry's lock. */
static int open_known(struct gophership **gs, const struct gophership_options *options)
{
	int fd, ret;

	fd = device_open(options->device);
	if (fd < 0)
		return fd;
	ret = open_device(fd, gs, options);
	if (ret)
		device_close(fd);
	return ret;
}

static int open_with(struct gophership **gs, const struct gophership_options *options)
{
	struct gophership_options filled;
	struct gophership *opened;
	int ret;

	ret = read_options(&filled, options);
	if (ret)
		return ret;
	gs_lock(&registry_lock);
	ret = open_known(&opened, &filled);
	gs_unlock(&registry_lock);
	if (ret)
		return ret;
	ret = lease_reserve(opened, filled.reserve);
	if (!ret)
		ret = keeper_start(opened);
	if (ret)
		finish(opened);
	else
		*gs = opened;
	return ret;
}

int gophership_open(struct gophership **gs, const struct gophership_options *options)
{
	int error = errno;
	int cancel, ret;

	if (!gs)
		return -EINVAL;
	*gs = NULL;
	/* To open is where a cancelled thread would end, with the lock. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = open_with(gs, options);
	pthread_setcancelstate(cancel, NULL);
	errno = error;
	return ret;
}

void gophership_close(struct gophership *gs)
{
	int error = errno;
	int cancel;

	if (!gs)
		return;
	if (peek(gs->stale)) {
		/* Something of the child's own may be mapped where the windows were. */
		debug_free(gs);
		unmap_tables(gs);
		errno = error;
		return;
	}
	/* To wait and to close are where a cancelled thread would end. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	keeper_stop(gs);
	finish(gs);
	pthread_setcancelstate(cancel, NULL);
	errno = error;
}
