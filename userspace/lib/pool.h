/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is behind a handle, and what the library's files share.
 *
 *	thread's cache --chunks--> depot --leases--> kernel
 *
 * A cache belongs to one thread and one handle. Its chunks are its own: the
 * thread takes buffers from them and puts buffers back without a lock. The
 * depot is a cache without a thread; the handle's lock protects it.
 *
 * The worker of a cache
 * ---------------------
 * is its thread, with @state BUSY, which keeps a signal handler on top of it out. Another
 * thread may freeze the cache and work on it:
 *	1. it takes the handle's lock,
 *	2. sets the cache's @gs to NO_HANDLE,
 *	3. has a barrier run in every thread (membarrier),
 *	4. looks at @state, and leaves the cache alone if that is BUSY.
 * The cache's thread sets BUSY before it looks at @gs. So either that thread finds
 * NO_HANDLE and waits for the lock, or the freezer finds BUSY. The thread pays two plain
 * stores for that. (Dekker's algorithm with the fence on one side only, as
 * membarrier(2) describes it.)
 *
 * While threads wait for a buffer (wait.c) all caches stay frozen, and acquires and
 * releases do without them.
 *
 * Lock order
 * ----------
 * registry_lock, then gophership.lock.
 */
#ifndef POOL_H
#define POOL_H

#include <pthread.h>
#include <sys/types.h>
#include <time.h>

#include "chunk.h"
#include "device.h"

/* What the header declares, and nothing else, is seen from outside. */
#pragma GCC visibility push(default)
#include "gophership.h"
#pragma GCC visibility pop

/* A function that is called all the time: its code begins with a cache line. */
#define HOT_ENTRY	__attribute__((aligned(64)))

#define CLASSES_MAX	GOPHERSHIP_LIB_CLASSES

/* Acquires between two looks at the pressure page. */
#define LOOK_PERIOD	1024
/* Looks between two looks at the clock. */
#define CLOCK_PERIOD	256
/* cache.state: its thread is at work. */
#define BUSY		(-1)
/* cache.gs of a cache that is not open: no handle, and not what a program may pass. */
#define NO_HANDLE	((struct gophership *)-1)
/* Chunks of a class that a cache keeps though all of them is free. */
#define IDLE_CHUNKS	8

/**
 * struct cache - buffers that a thread has at hand
 * @state: BUSY: its thread is at work on it; else acquires until the next look
 *	around. Written by the thread, by plain stores; others peek
 * @gs: the handle, NO_HANDLE while it is frozen or after the handle was closed:
 *	never NULL where a thread finds it. Written under the handle's lock
 * @hot: a chunk that is current of its class, the last one handed out from
 * @current: chunks to hand out from, one for each class, and for whatever
 *	class_of() says above these: none
 * @available: other chunks with something free, by class; a list
 * @nr_idle: of these, those of which all is free
 * @acquired: acquires of the slow path, and those up to the last look around;
 *	the worker's; others peek
 * @refills: times that a current chunk was used up; as @acquired
 * @looks: looks around; the worker's
 * @home: the handle, NULL after it was closed; written under the registry's
 *	lock
 * @attached: a thread has it; protected by the handle's lock
 * @seen: @acquired and @state when the last sweep looked, and
 * @quiet: for how many sweeps they were the same; protected by the lock
 * @next: all caches of the handle; protected by the lock
 * @thread_next: all caches of the thread; the thread's
 * @ready: chunks in which other threads set remote bits. Any thread pushes; the
 *	worker takes all of it
 */
struct cache {
	/* the hot lines */
	_Atomic int32_t state;
	struct gophership *_Atomic gs;
	struct chunk *hot;
	struct chunk *current[NR_BITS];
	/* off the hot path */
	uint32_t available[CLASSES_MAX];
	uint32_t nr_idle[CLASSES_MAX];
	_Atomic uint64_t acquired;
	_Atomic uint64_t refills;
	uint32_t looks;
	uint32_t quiet;
	uint64_t seen;
	struct gophership *_Atomic home;
	bool attached;
	struct cache *next;
	struct cache *thread_next;
	/* other threads' line */
	struct chunk *_Atomic ready __attribute__((aligned(64)));
} __attribute__((aligned(64)));

/**
 * struct window - the buffers of a size class
 * @capacity: bytes of a buffer
 * @slots: buffers that the mapping has room for
 * @per_chunk: buffers of a chunk
 * @first_chunk: index of its first chunk
 * @high: chunks of it that ever were in use; protected by the lock
 * @offset: where the kernel has it
 * @length: bytes mapped
 * @handles: [slot]: the kernel's name of the lease, or of the last one there
 *	was, or 0; protected by the lock; others peek
 */
struct window {
	uint32_t capacity;
	uint32_t slots;
	uint32_t per_chunk;
	uint32_t first_chunk;
	uint32_t high;
	uint64_t offset;
	size_t length;
	_Atomic uint64_t *handles;
};

/**
 * struct site - call sites that last acquired and released a buffer (GOPHERSHIP_DEBUG)
 * @acquired: return address, protected by the handle's lock
 * @released: return address, protected by the handle's lock
 */
struct site {
	const void *acquired;
	const void *released;
};

/**
 * struct waiter - a thread in line
 * @class: size class that it wants
 * @buf: what it got
 * @error: errno of the last try
 * @served: it is out of the line
 * @called: it is served, or the first in line; else it sleeps while this is 0
 * @next: the one behind it
 *
 * On the stack of the thread; protected by the handle's lock, but for @called.
 */
struct waiter {
	unsigned int class;
	void *buf;
	int error;
	bool served;
	_Atomic uint32_t called;
	struct waiter *next;
};

/**
 * struct gophership - what a handle stands for
 * @base: where the windows begin; constant
 * @chunk_bytes: bytes of a chunk; constant
 * @chunk_shift: log2 of that; constant
 * @page_shift: log2 of the smallest capacity; constant
 * @nr_classes: constant
 * @nr_chunks: constant
 * @chunks: [nr_chunks], by address; constant
 * @stale: the process is a child of the one that opened it
 * @waiting: threads wait for a buffer; written under @lock
 * @fd: the device, -1 in a child
 * @flags: GOPHERSHIP_*; constant
 * @pressure: the kernel's page, or NULL; constant
 * @pressure_seen: what it said when it was last heeded; written under @lock
 * @pressure_time: when that was, ms; protected by @lock
 * @idle_ms: constant
 * @sweep_time: when the last sweep was, ms; written under @lock
 * @ceiling: bytes; constant
 * @full: errno at the ceiling: EDQUOT if it is the kernel's quota, or ENOMEM; constant
 * @leased_bytes: on lease; protected by @lock
 * @barrier: threads can be frozen; constant
 * @lock: see there
 * @windows: constant but for what is said there
 * @depot: the cache without a thread; protected by @lock
 * @caches: those of threads, in use or not; protected by @lock
 * @waiters: those threads, the first one first; protected by @lock
 * @told: something was released since the first of them looked; it sleeps on this
 * @exported: a word for each chunk: what dma-bufs show, or showed. NULL before the first
 *	export. Written under @lock; others look
 * @sites: [class][slot], or NULL without GOPHERSHIP_DEBUG
 * @keeper: the thread of GOPHERSHIP_KEEPER
 * @keeper_wake: ends its sleep
 * @closing: it shall end; protected by @lock
 * @next: all handles; protected by the registry's lock
 * @size: bytes of this structure with its tables; constant
 * @window_bytes: bytes of all windows; constant
 * The counters are those of struct gophership_lib_stats.
 */
struct gophership {
	/* the hot path reads these; written once */
	char *base;
	size_t chunk_bytes;
	uint32_t chunk_shift;
	uint32_t page_shift;
	uint32_t nr_classes;
	uint32_t nr_chunks;
	struct chunk *chunks;
	const struct gophership_pressure *pressure;
	_Atomic uint32_t pressure_seen;
	_Atomic uint32_t stale;
	_Atomic uint32_t waiting;
	int fd;
	uint32_t flags;
	uint32_t idle_ms;
	bool barrier;
	bool closing;
	uint64_t ceiling;
	int full;
	_Atomic bits_t *_Atomic exported;
	struct site *sites[CLASSES_MAX];
	struct window windows[CLASSES_MAX];

	pthread_mutex_t lock __attribute__((aligned(64)));
	_Atomic uint64_t leased_bytes;
	uint64_t pressure_time;
	_Atomic uint64_t sweep_time;
	struct cache *caches;
	struct waiter *waiters;
	_Atomic uint32_t told;
	uint64_t leases;
	uint64_t given_back;
	uint64_t system_calls;
	uint64_t pressure_events;
	_Atomic uint64_t foreign;
	_Atomic uint64_t doubled;
	_Atomic uint64_t raced;
	_Atomic uint64_t failed;
	pthread_t keeper;
	pthread_cond_t keeper_wake;
	struct gophership *next;
	size_t size;
	size_t window_bytes;

	struct cache depot;
};

static inline void count(_Atomic uint64_t *counter, uint64_t nr)
{
	atomic_fetch_add_explicit(counter, nr, memory_order_relaxed);
}

/* The size class for @size bytes; for more than the largest class a number too high. */
static inline unsigned int class_of(const struct gophership *gs, size_t size)
{
	size_t units = (size - !!size) >> gs->page_shift;

	/* 0 for 0 units, 1 for 1, 2 for 2 and 3 ... The page shift keeps @units << 1 in range. */
	return NR_BITS - 1 - __builtin_clzl(units << 1 | 1);
}

/* The chunk that @buf lies in, or NULL. */
static inline struct chunk *chunk_of(const struct gophership *gs, const void *buf)
{
	size_t index = (size_t)((uintptr_t)buf - (uintptr_t)gs->base) >> gs->chunk_shift;

	return likely(index < gs->nr_chunks) ? &gs->chunks[index] : NULL;
}

/*
 * The number of @buf in @chunk; NR_BITS or more if no buffer begins at @buf. The
 * rotation turns an address that is misaligned, or below the chunk, into a number beyond
 * any bound. In a chunk of fewer buffers the numbers above are always absent.
 */
static inline size_t number_of(const struct chunk *chunk, const void *buf)
{
	size_t offset = (uintptr_t)buf - (uintptr_t)chunk->base;

	return offset >> chunk->shift | offset << (NR_BITS - chunk->shift);
}

/* The bit of @buf in its chunk; 0 if no buffer begins there. */
static inline bits_t bit_of(const struct chunk *chunk, const void *buf)
{
	size_t number = number_of(chunk, buf);

	return likely(number < NR_BITS) ? (bits_t)1 << number : 0;
}

static inline uint32_t chunk_index(const struct gophership *gs, const struct chunk *chunk)
{
	return chunk - gs->chunks;
}

static inline size_t exported_size(const struct gophership *gs)
{
	return gs->nr_chunks * sizeof(*gs->exported);
}

/* Those of @bits that dma-bufs show, or showed, and that were not released since. */
static inline bits_t is_exported(const struct gophership *gs, const struct chunk *chunk,
				 bits_t bits)
{
	_Atomic bits_t *words = atomic_load_explicit(&gs->exported, memory_order_acquire);

	return words ? peek(words[chunk_index(gs, chunk)]) & bits : 0;
}

/*
 * The thread begins to work on @cache. Returns what to pass to cache_leave(); 0 or less
 * if the thread must not: it is a signal handler on top of such work; the cache is
 * frozen, closed or of another handle; or it is time to look around.
 */
static inline int32_t cache_enter(struct cache *cache, const struct gophership *gs)
{
	int32_t left = peek(cache->state);

	if (unlikely(left <= 0))
		return left;
	poke(cache->state, BUSY);
	/* For a signal handler; for the freezer the barrier is in device_barrier(). */
	atomic_signal_fence(memory_order_seq_cst);
	if (likely(atomic_load_explicit(&cache->gs, memory_order_acquire) == gs))
		return left;
	atomic_store_explicit(&cache->state, left, memory_order_release);
	return 0;
}

/* @left: acquires until the next look around */
static inline void cache_leave(struct cache *cache, int32_t left)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&cache->state, left, memory_order_release);
}

/* The cache of this thread that was used last, or one that is always busy. */
extern __thread struct cache *this_cache;

/*
 * The files, from the ground up: each calls only those above it in this list
 * (doc/floors, which tests/lint compares with the calls).
 */

/* lock.c */
extern pthread_mutex_t registry_lock;
/* This thread holds a lock of the library: a signal handler must not want it. */
extern __thread unsigned int this_thread_locks;
void gs_lock(pthread_mutex_t *lock);
void gs_unlock(pthread_mutex_t *lock);

/* windows.c: where the buffers are in memory */
int windows_map(struct gophership *gs);
void windows_unmap(struct gophership *gs);

/* line.c: threads in line for a buffer; but for line_tell() under the lock */
void line_tell(struct gophership *gs);
void line_sleep(_Atomic uint32_t *word, const struct timespec *until);
void line_call(struct waiter *waiter);
int line_error(const struct gophership *gs);
unsigned int line_count(const struct gophership *gs);
void line_join(struct gophership *gs, struct waiter *self);
void line_leave(struct gophership *gs, struct waiter *self);

/* cache.c: a cache at work; its worker calls */
extern struct chunk no_chunk;
void cache_init(struct cache *cache);
void cache_list(struct gophership *gs, struct cache *cache, struct chunk *chunk);
void cache_unlist(struct gophership *gs, struct cache *cache, struct chunk *chunk);
bool cache_refill(struct gophership *gs, struct cache *cache, unsigned int class);
void cache_harvest(struct gophership *gs, struct cache *cache);
bool cache_put(struct gophership *gs, struct cache *cache, struct chunk *chunk, bits_t bits);
void cache_push_ready(struct chunk *chunk);
void chunk_drop_raced(struct gophership *gs, struct chunk *chunk, bits_t bits);

/* verdict.c: is this pointer on loan? */
int release_verdict(struct gophership *gs, const void *buf);
bits_t release_remote(struct gophership *gs, struct chunk *chunk, bits_t bits);

/* debug.c: GOPHERSHIP_DEBUG=1 */
bool debug_wanted(void);
int debug_init(struct gophership *gs);
void debug_acquired(struct gophership *gs, void *const *bufs, unsigned int nr, const void *site);
int debug_release(struct gophership *gs, void *buf, const void *site);
void debug_close(struct gophership *gs);
void debug_free(struct gophership *gs);

/* depot.c: the depot, and the kernel behind it; but for depot_shed() under the lock */
int depot_fill(struct gophership *gs, struct cache *cache, unsigned int class, void **direct);
void depot_take_all(struct gophership *gs, struct cache *cache);
void depot_shed(struct gophership *gs, struct cache *cache, unsigned int class);
int depot_lease(struct gophership *gs, struct cache *cache, unsigned int class,
		unsigned int want, void **direct);
unsigned int depot_give_back(struct gophership *gs, unsigned int class, unsigned int age);
void depot_grow_old(struct gophership *gs);

/* reclaim.c: idle buffers go back */
bool reclaim_caches(struct gophership *gs, struct cache *own, bool quiet_only);
unsigned int reclaim_all(struct gophership *gs, struct cache *own);
void reclaim_look(struct gophership *gs, struct cache *own);
void reclaim_look_locked(struct gophership *gs, struct cache *own);
uint64_t reclaim_clock(void);

/* keeper.c: a thread that does so */
int keeper_start(struct gophership *gs);
void keeper_stop(struct gophership *gs);

/* thread.c: threads and their caches */
struct cache *thread_cache_find(struct gophership *gs);
struct cache *thread_cache(struct gophership *gs);
int32_t thread_cache_enter(struct gophership *gs, struct cache *cache);
void thread_caches_close(struct gophership *gs);
int thread_prepare(void);
void thread_forked(void);

/* registry.c: the handles of the process */
int registry_add(struct gophership *gs);
void registry_remove(struct gophership *gs);

/* acquire.c; besides what is exported: wait.c, and open.c above all */
unsigned int acquire_from(struct gophership *gs, struct cache *cache, unsigned int class,
			  unsigned int nr, void **bufs);

#endif /* POOL_H */
