// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * GOPHERSHIP_DEBUG=1: the call sites that acquired and released each buffer. With it
 * every call takes the handle's lock, and no thread has a cache.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pool.h"

/* So many leaks are named at close. */
#define MOST_NAMED	64
#define TEXT_LENGTH	160

bool debug_wanted(void)
{
	const char *value = secure_getenv("GOPHERSHIP_DEBUG");

	return value && *value && strcmp(value, "0");
}

/* 0 or -errno. */
int debug_init(struct gophership *gs)
{
	size_t slots = 0;
	struct site *sites;
	unsigned int class;

	if (!debug_wanted())
		return 0;
	for (class = 0; class < gs->nr_classes; class++)
		slots += gs->windows[class].slots;
	sites = mmap(NULL, slots * sizeof(*sites), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sites == MAP_FAILED)
		return -ENOMEM;
	for (class = 0; class < gs->nr_classes; class++) {
		gs->sites[class] = sites;
		sites += gs->windows[class].slots;
	}
	return 0;
}

static struct site *site_of(const struct gophership *gs, const void *buf)
{
	const struct chunk *chunk = chunk_of(gs, buf);
	const struct window *window;
	size_t slot;

	if (!chunk)
		return NULL;
	window = &gs->windows[chunk->class];
	slot = ((const char *)buf - gs->chunks[window->first_chunk].base) >> chunk->shift;
	return slot < window->slots ? &gs->sites[chunk->class][slot] : NULL;
}

/* A call site as text: its address, and its function and file if they are known. */
static const char *name_site(const void *site, char *text)
{
	Dl_info info;

	if (!site)
		return "(nowhere)";
	if (!dladdr(site, &info) || !info.dli_fname)
		snprintf(text, TEXT_LENGTH, "%p", site);
	else if (info.dli_sname)
		snprintf(text, TEXT_LENGTH, "%p, %s+%#zx in %s", site, info.dli_sname,
			 (size_t)((const char *)site - (const char *)info.dli_saddr),
			 info.dli_fname);
	else
		snprintf(text, TEXT_LENGTH, "%p, %s+%#zx", site, info.dli_fname,
			 (size_t)((const char *)site - (const char *)info.dli_fbase));
	return text;
}

void debug_acquired(struct gophership *gs, void *const *bufs, unsigned int nr, const void *site)
{
	unsigned int i;

	gs_lock(&gs->lock);
	for (i = 0; i < nr; i++)
		*site_of(gs, bufs[i]) = (struct site) { .acquired = site };
	gs_unlock(&gs->lock);
}

static void report(int ret, const void *buf, const struct site *known, const void *site)
{
	char again[TEXT_LENGTH], first[TEXT_LENGTH];
	int cancel;

	/* Writing is a cancellation point: the thread would end with the lock held. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (ret == -EALREADY)
		fprintf(stderr, "libgophership: double release of %p: at %s; released before at %s\n",
			buf, name_site(site, again),
			name_site(known ? known->released : NULL, first));
	else
		fprintf(stderr, "libgophership: release of %p, which is no buffer: at %s\n", buf,
			name_site(site, again));
	pthread_setcancelstate(cancel, NULL);
}

int debug_release(struct gophership *gs, void *buf, const void *site)
{
	struct chunk *chunk = chunk_of(gs, buf);
	bits_t bit = chunk ? bit_of(chunk, buf) : 0;
	struct site *known = site_of(gs, buf);
	int ret = 0;

	if (bit && is_exported(gs, chunk, bit))
		return release_verdict(gs, buf);
	/* A signal handler that interrupted the library must not wait for the lock. */
	if (this_thread_locks)
		return bit && release_remote(gs, chunk, bit) ? 0 : release_verdict(gs, buf);
	gs_lock(&gs->lock);
	if (bit && release_remote(gs, chunk, bit)) {
		known->released = site;
	} else {
		ret = release_verdict(gs, buf);
		report(ret, buf, known, site);
	}
	gs_unlock(&gs->lock);
	return ret;
}

static unsigned int name_leased(const struct gophership *gs, const struct chunk *chunk)
{
	bits_t on_loan = ~chunk_not_on_loan(chunk);
	unsigned int nr = 0;
	char text[TEXT_LENGTH];

	for (; on_loan; on_loan &= on_loan - 1) {
		const char *buf = chunk->base + ((size_t)lowest_bit(on_loan) << chunk->shift);

		if (nr++ < MOST_NAMED)
			fprintf(stderr, "libgophership: not released at close: %p of %zu bytes, acquired at %s\n",
				buf, (size_t)1 << chunk->shift,
				name_site(site_of(gs, buf)->acquired, text));
	}
	return nr;
}

void debug_close(struct gophership *gs)
{
	unsigned int nr = 0;
	uint32_t i;

	if (!gs->sites[0])
		return;
	for (i = 0; i < gs->nr_chunks; i++)
		nr += name_leased(gs, &gs->chunks[i]);
	if (nr)
		fprintf(stderr, "libgophership: %u not released at close\n", nr);
}

void debug_free(struct gophership *gs)
{
	size_t slots = 0;
	unsigned int class;

	if (!gs->sites[0])
		return;
	for (class = 0; class < gs->nr_classes; class++)
		slots += gs->windows[class].slots;
	munmap(gs->sites[0], slots * sizeof(struct site));
}
