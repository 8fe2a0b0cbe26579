/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libgophership: page-aligned buffers that are shared with the kernel, borrowed
 * and given back without a system call.
 *
 *	struct gophership *gs;
 *	int ret = gophership_open(&gs, NULL);
 *	...
 *	char *buf = gophership_acquire(gs, 4096);
 *	...
 *	gophership_release(gs, buf);
 *	gophership_close(gs);
 *
 * Every function may be called by any number of threads at once, but for
 * gophership_close(), which wants to be alone with its handle. errno changes
 * only where a function is said to set it, and never on success.
 *
 * Signal handlers may call acquire, release, their bulk forms and capacity in a
 * thread that has used the handle before. A handler that interrupted a call of
 * the library can release; its acquire fails with EAGAIN.
 *
 * fork(): the child has neither the buffers nor the use of its parent's
 * handles: acquire fails with ESTALE there, release says -EINVAL. It may close
 * them and open its own.
 */
#ifndef GOPHERSHIP_H
#define GOPHERSHIP_H

#include <stddef.h>
#include <stdint.h>

/* What is in the buffers that a driver's stream fills; inline, and of use without a port. */
#include <gophership_records.h>

/*
 * In C++, <linux/gophership.h> has structures with the names of functions here:
 * gophership_acquire, _release and _stats. A program may include both, in any order,
 * and then says "struct gophership_stats", as it does of struct stat and stat().
 */
#ifdef __cplusplus
extern "C" {
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#endif

/* The most size classes that the library tells of. */
#define GOPHERSHIP_LIB_CLASSES	8

/* Lease and map the buffers' pages at once instead of at the first touch. */
#define GOPHERSHIP_PREFAULT		(1U << 0)
/*
 * Let no thread keep buffers for itself: every acquire takes a lock, and every
 * idle buffer is there for every thread. For tight ceilings and many threads.
 */
#define GOPHERSHIP_NO_THREAD_CACHE	(1U << 1)
/*
 * Start a thread that gives idle buffers back though the program does not call
 * the library. Without it that happens in the program's own calls only.
 */
#define GOPHERSHIP_KEEPER		(1U << 2)

/*
 * A call of these does not go through a stub that jumps to the function
 * (-fno-plt), where the compiler knows how: a jump less, each time.
 */
#ifdef __has_attribute
#if __has_attribute(__noplt__)
#define GOPHERSHIP_NO_STUB		__attribute__((__noplt__))
#endif
#endif
#ifndef GOPHERSHIP_NO_STUB
#define GOPHERSHIP_NO_STUB
#endif

/* gophership_options.idle_ms: buffers are never too long idle. */
#define GOPHERSHIP_IDLE_NEVER		UINT32_MAX

struct gophership;

/**
 * struct gophership_options - how to open
 * @size: sizeof(struct gophership_options)
 * @flags: GOPHERSHIP_PREFAULT, GOPHERSHIP_NO_THREAD_CACHE, GOPHERSHIP_KEEPER
 * @device: path of the device; NULL: /dev/gophership
 * @ceiling: bytes to have on lease from the kernel at most, buffers in use and
 *	idle ones together; 0: what the kernel allows (on 32 bits: 128 MiB)
 * @idle_ms: give buffers back that were idle for so long; 0: 10 seconds. What a
 *	thread keeps for itself goes after up to twice that if the thread makes no
 *	acquires, and does not grow old if it does
 * @reserved: 0
 * @reserve: buffers to lease at once, per size class (one page, two, four ...).
 *	They are not kept back later: memory pressure and time take them, too.
 *
 * What is all zero but for @size means the defaults.
 */
struct gophership_options {
	uint32_t size;
	uint32_t flags;
	const char *device;
	uint64_t ceiling;
	uint32_t idle_ms;
	uint32_t reserved;
	uint32_t reserve[GOPHERSHIP_LIB_CLASSES];
};

/**
 * struct gophership_lib_class - counters of a size class
 * @capacity: bytes of a buffer
 * @reserved: 0
 * @leased: buffers leased from the kernel
 * @used: of these, acquired and not released
 * @idle: of these, ready to be acquired
 */
struct gophership_lib_class {
	uint32_t capacity;
	uint32_t reserved;
	uint64_t leased;
	uint64_t used;
	uint64_t idle;
};

/**
 * struct gophership_lib_stats - counters of a handle
 * @size: in: sizeof(struct gophership_lib_stats); out: the size that is known
 * @nr_classes: entries of @classes in use
 * @ceiling: bytes that may be on lease
 * @leased_bytes: bytes that are
 * @acquires: buffers acquired
 * @releases: buffers released
 * @refills: times that a thread ran out of buffers of its own
 * @leases: buffers leased from the kernel, ever
 * @given_back: buffers given back to it
 * @system_calls: ACQUIRE and RELEASE calls into the kernel, and memory barriers
 * @foreign: releases refused with -EINVAL
 * @doubled: releases refused with -EALREADY
 * @raced: second releases found later, because two threads released at once
 * @failed: acquires that failed for want of memory
 * @pressure: memory pressure that the library reacted to
 * @threads: threads that have a cache of this handle
 * @retired: buffers that the kernel did not reuse: pages in use at give-back
 * @classes: by size class
 * @waiting: threads that wait in gophership_acquire_wait() now
 *
 * A snapshot: while other threads go on, the numbers do not fit exactly.
 */
struct gophership_lib_stats {
	uint32_t size;
	uint32_t nr_classes;
	uint64_t ceiling;
	uint64_t leased_bytes;
	uint64_t acquires;
	uint64_t releases;
	uint64_t refills;
	uint64_t leases;
	uint64_t given_back;
	uint64_t system_calls;
	uint64_t foreign;
	uint64_t doubled;
	uint64_t raced;
	uint64_t failed;
	uint64_t pressure;
	uint64_t threads;
	uint64_t retired;
	struct gophership_lib_class classes[GOPHERSHIP_LIB_CLASSES];
	uint64_t waiting;
};

/**
 * gophership_open() - open the device
 * @gs: where to put the handle
 * @options: how; NULL: the defaults
 *
 * Return: 0; -EINVAL for options that make no sense; -ENOMEM; -EAGAIN after
 * mlockall(MCL_FUTURE) if RLIMIT_MEMLOCK leaves no room for the handle's tables;
 * -EPROTO if the kernel module is another one than this library knows; what
 * open(2) says.
 */
int gophership_open(struct gophership **gs, const struct gophership_options *options);

/**
 * gophership_close() - give everything back
 * @gs: the handle, or NULL: nothing is done
 *
 * Buffers that were not released are gone, too: their memory is unmapped. I/O that is in
 * flight to or from them ends in pages that no program gets any more. No other thread may
 * be in a call with the handle, or make one later. A thread that used the handle may end
 * at the same time.
 */
void gophership_close(struct gophership *gs);

/**
 * gophership_acquire() - borrow a buffer
 * @gs: the handle
 * @size: bytes that it must hold; 0: one page
 *
 * It is page-aligned, and its content is what this process left there or zero.
 *
 * Return: the buffer, or NULL with errno: EMSGSIZE above the largest class;
 * ENOMEM at the ceiling, at the machine's limit, or without memory; EDQUOT at
 * the kernel's quota or what the user may lock; EAGAIN in a signal handler that
 * interrupted the library; ESTALE in a child of fork(); EINVAL for NULL as @gs.
 */
GOPHERSHIP_NO_STUB
void *gophership_acquire(struct gophership *gs, size_t size);

/**
 * gophership_acquire_wait() - borrow a buffer, and wait for one if there is none
 * @gs: the handle
 * @size: as for gophership_acquire()
 * @timeout_ms: milliseconds to wait at most; 0: not at all; negative: for ever
 *
 * Where gophership_acquire() fails for a limit (ENOMEM, EDQUOT), it sleeps until
 * a release of any thread makes the buffer available. Threads that wait are served in the
 * order in which they came, whatever their sizes. While any thread waits, an acquire that
 * does not wait fails. Not for signal handlers, and not a cancellation point. A thread
 * that waits while it has buffers may wait for itself.
 *
 * Return: the buffer, or NULL with errno: ETIMEDOUT; with a @timeout_ms of 0, or for
 * more than the ceiling has, ENOMEM and EDQUOT; else as gophership_acquire().
 */
void *gophership_acquire_wait(struct gophership *gs, size_t size, int timeout_ms);

/**
 * gophership_release() - give a buffer back
 * @gs: the handle
 * @buf: any pointer; NULL: nothing is done
 *
 * Return: 0; -EINVAL if it is not the address of a buffer of @gs, or @gs is NULL;
 * -EALREADY if the buffer is not acquired; -EBUSY if a dma-buf shows it. Of two threads
 * that release a buffer at the same moment both may be told 0; the buffer is free once all
 * the same.
 */
GOPHERSHIP_NO_STUB
int gophership_release(struct gophership *gs, void *buf);

/**
 * gophership_capacity() - the size of a buffer
 * @gs: the handle
 * @buf: any pointer
 *
 * Return: bytes; 0 if @buf is not the address of an acquired buffer of @gs.
 */
size_t gophership_capacity(struct gophership *gs, const void *buf);

/**
 * gophership_acquire_bulk() - borrow several buffers of one size
 * @gs: the handle
 * @size: as for gophership_acquire()
 * @nr: how many
 * @bufs: where to put them
 *
 * Return: how many there are in @bufs. If that is less than @nr, errno says
 * why, as for gophership_acquire().
 */
GOPHERSHIP_NO_STUB
unsigned int gophership_acquire_bulk(struct gophership *gs, size_t size, unsigned int nr,
				     void **bufs);

/**
 * gophership_release_bulk() - give several buffers back
 * @gs: the handle
 * @bufs: any pointers
 * @nr: how many
 *
 * Those that are not acquired buffers are passed over, and counted in
 * gophership_stats().
 *
 * Return: how many were released. NULL counts as released.
 */
GOPHERSHIP_NO_STUB
unsigned int gophership_release_bulk(struct gophership *gs, void **bufs, unsigned int nr);

/**
 * gophership_export() - show buffers to devices and other processes as a dma-buf
 * @gs: the handle
 * @bufs: acquired buffers, which the caller has during the call
 * @nr: how many, 1 to 4096
 *
 * The dma-buf has them one after the other, in this order; the program goes on seeing them
 * at their addresses. The file descriptor, which is close-on-exec, is the caller's to
 * close. While a device has the buffers, an access goes between two DMA_BUF_IOCTL_SYNC.
 *
 * gophership_release() of such a buffer is -EBUSY until the last user of the dma-buf is
 * gone, in any process or driver; then it gives the buffer to the kernel, and not to
 * the next acquire. A program that does not care closes the handle: what the dma-buf shows
 * stays there, and is paid for, until it is gone.
 *
 * Return: the file descriptor; -EINVAL for what is no buffer of @gs, or a bad @nr; -EALREADY
 * if a buffer is not acquired; -EBUSY if one is exported, or twice in @bufs; -EOPNOTSUPP if
 * the kernel has no dma-bufs; -ENOTTY if the kernel module is older; -ENOMEM; -EMFILE;
 * -ENFILE; -ESTALE in a child of fork(). Nothing is exported then.
 */
int gophership_export(struct gophership *gs, void *const *bufs, unsigned int nr);

/**
 * gophership_stats() - counters
 * @gs: the handle
 * @stats: where to; its size is set by the caller
 *
 * Return: 0; -EINVAL if size is smaller than that of the first version, or @gs is
 * NULL; -ESTALE in a child of fork().
 */
int gophership_stats(struct gophership *gs, struct gophership_lib_stats *stats);

/**
 * gophership_trim() - give idle buffers back to the kernel now
 * @gs: the handle
 *
 * What threads keep for themselves goes, too, unless they are inside a call.
 *
 * Return: how many buffers went.
 */
unsigned int gophership_trim(struct gophership *gs);

#ifdef __cplusplus
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
}
#endif

/* A program, or a program and a driver, that share a bank of buffers. */
#include <gophership_ports.h>

#endif /* GOPHERSHIP_H */
