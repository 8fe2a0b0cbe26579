/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * GopherShip buffer pool: the interface for user space.
 *
 * One open of /dev/gophership is one context, and a context is one trust
 * domain. It leases buffers (ACQUIRE), maps them (mmap of a class's window,
 * MAP_SHARED) and gives them back (RELEASE). A process that has the file descriptor
 * has the context.
 *
 * Rules for every structure:
 *  - size is sizeof the structure as the program was compiled with it. Smaller
 *    than the first version: EINVAL. Larger than what the kernel knows: the
 *    bytes it does not know must be zero, else E2BIG.
 *  - flags and every field called reserved must be zero unless a value is named
 *    here: EINVAL.
 *  - pointers are carried as __u64, so the layout is the same for 32-bit
 *    programs. A bad pointer is EFAULT.
 *  - a command that is not listed here is ENOTTY.
 *
 * A futex in a buffer works between the threads of a process
 * (FUTEX_PRIVATE_FLAG). One that processes share is EFAULT, as the pages belong
 * to no file that could name it; so is a PTHREAD_PROCESS_SHARED or robust mutex.
 * Such a lock belongs beside the buffers, in a memfd.
 */
#ifndef _UAPI_LINUX_GOPHERSHIP_H
#define _UAPI_LINUX_GOPHERSHIP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The most size classes an INFO or STATS ever tells of. */
#define GOPHERSHIP_CLASSES_MAX	8
/* The most leases of one ACQUIRE and handles of one RELEASE. */
#define GOPHERSHIP_BATCH_MAX	4096

/*
 * Bits of gophership_info.features.
 * MEMCG: leased payloads are charged to the memory cgroup of the task that
 * leases them (unless the kernel was started with cgroup.memory=nokmem), and stay so
 * while they lie idle: then they are lent in that cgroup alone, and its reclaim
 * takes them.
 */
#define GOPHERSHIP_FEATURE_MEMCG	(1ULL << 0)
/* PRESSURE: there is a page that tells of memory pressure. */
#define GOPHERSHIP_FEATURE_PRESSURE	(1ULL << 1)

/**
 * struct gophership_class_info - a size class and its window
 * @capacity: bytes of one buffer: a power of two times the page size
 * @slots: buffers of this class that the context can hold at once
 * @offset: where the class's window begins; the offset for mmap, in bytes
 * @length: bytes of the window: @slots * @capacity
 */
struct gophership_class_info {
	__u32 capacity;
	__u32 slots;
	__u64 offset;
	__u64 length;
};

/**
 * struct gophership_info - GOPHERSHIP_IOC_INFO: what the device can do
 * @size: in: sizeof the structure; out: the size that the kernel knows
 * @flags: 0
 * @features: out: GOPHERSHIP_FEATURE_* bits
 * @page_size: out: bytes of a page; mappings begin and end on pages
 * @nr_classes: out: entries of @classes in use, in ascending capacity
 * @batch_max: out: largest count of ACQUIRE and RELEASE
 * @reserved: 0
 * @quota: out: bytes that one context can have on lease
 * @machine_limit: out: bytes that all contexts together can have on lease
 * @classes: out: the size classes
 * @pressure_offset: out: with FEATURE_PRESSURE, the offset for mmap of a page
 *	that begins with struct gophership_pressure
 *
 * Errors: EFAULT, EINVAL, E2BIG.
 */
struct gophership_info {
	__u32 size;
	__u32 flags;
	__u64 features;
	__u32 page_size;
	__u32 nr_classes;
	__u32 batch_max;
	__u32 reserved;
	__u64 quota;
	__u64 machine_limit;
	struct gophership_class_info classes[GOPHERSHIP_CLASSES_MAX];
	__u64 pressure_offset;
};

/**
 * struct gophership_pressure - what the pressure page says
 * @size: bytes of the structure that the kernel fills
 * @events: changes when the kernel looks for memory to reclaim while less than
 *	1/16 of memory, and less than 1 GiB, is available (MemAvailable), at most
 *	ten times a second; wraps
 *
 * The page is the same for the whole machine: one page, MAP_SHARED, PROT_READ
 * and nothing else (EACCES), not inherited over fork. A program that has idle buffers
 * on lease should give them back when @events has changed.
 */
struct gophership_pressure {
	__u32 size;
	__u32 events;
};

/**
 * struct gophership_lease - one leased buffer
 * @handle: names the lease in RELEASE; never 0; opaque
 * @offset: where the buffer lies in the context's file, in bytes: what to give
 *	to mmap, or to subtract the window's offset from
 * @capacity: bytes of the buffer
 * @reserved: 0
 */
struct gophership_lease {
	__u64 handle;
	__u64 offset;
	__u32 capacity;
	__u32 reserved;
};

/**
 * struct gophership_acquire - GOPHERSHIP_IOC_ACQUIRE: lease buffers
 * @size: in: sizeof the structure
 * @flags: 0
 * @min_size: in: bytes that each buffer must hold, 0 (one page) to the largest
 *	class's capacity, else EINVAL
 * @count: in: buffers wanted, 1 to GOPHERSHIP_BATCH_MAX, else EINVAL
 * @granted: out: buffers leased; the first @granted entries of @leases are
 *	valid. May be less than @count: the call fails only if it could lease
 *	none at all.
 * @leases: in: address of @count entries of struct gophership_lease
 *
 * A buffer never shows bytes of another context: it is zero unless the last
 * one to write it was this context, which then may find its own bytes.
 *
 * Errors:
 *  EBADF: the file is not open for writing.
 *  EFAULT: a bad pointer. What was leased and could not be reported has been
 *	taken back.
 *  EINVAL: as above. E2BIG: as above.
 *  EDQUOT: the context's quota, its table of slots, or the user's
 *	RLIMIT_MEMLOCK (without CAP_IPC_LOCK) is used up.
 *  ENOMEM: the machine-wide limit is reached, the memory cgroup is at its
 *	limit, or there is no memory. (A call that was granted some before gives a few
 *	of them back, so that the caller's next page fault finds memory.)
 *  EINTR: a fatal signal came before the first lease.
 */
struct gophership_acquire {
	__u32 size;
	__u32 flags;
	__u64 min_size;
	__u32 count;
	__u32 granted;
	__u64 leases;
};

/**
 * struct gophership_release - GOPHERSHIP_IOC_RELEASE: give buffers back
 * @size: in: sizeof the structure
 * @flags: 0
 * @count: in: handles, 1 to GOPHERSHIP_BATCH_MAX, else EINVAL
 * @done: out: handles released, counted from the first; with an error, the
 *	index of the handle that it is about
 * @handles: in: address of @count handles, each a __u64
 *
 * The handles are taken in order, and the first bad one ends the call. A
 * buffer given back is unmapped everywhere: touching it is SIGBUS. Where its
 * pages are pinned (O_DIRECT or io_uring in flight, vmsplice), they are not
 * reused before the last pin has gone, and are paid for until then: by the quota,
 * RLIMIT_MEMLOCK and the machine's limit, even if the context is closed before.
 *
 * Errors:
 *  EBADF: the file is not open for writing.
 *  EFAULT: a bad pointer. The handles before the first one that cannot be read
 *	have been released; @done counts them.
 *  EINVAL, E2BIG: as above.
 *  EINVAL: a handle that this context never gave out, or so old that the
 *	context has leased 2^24 buffers since.
 *  EALREADY: a handle that was released before.
 */
struct gophership_release {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 done;
	__u64 handles;
};

/**
 * struct gophership_class_counters - counters of one size class of a pool
 * @capacity: bytes of a buffer; 0: the row of requests above the largest class
 * @reserved: 0
 * @acquires: buffers handed out
 * @hits: of those, served from the CPU's own magazine; in the pool behind the
 *	device, from what lay idle
 * @misses: requests that went to the page allocator
 * @releases: buffers taken back
 * @shrunk: idle buffers given back to the page allocator
 * @cached: buffers idle in the pool now; behind the device, of all cgroups
 * @leased: buffers on loan now
 */
struct gophership_class_counters {
	__u32 capacity;
	__u32 reserved;
	__u64 acquires;
	__u64 hits;
	__u64 misses;
	__u64 releases;
	__u64 shrunk;
	__u64 cached;
	__u64 leased;
};

/* Values of gophership_stats.pool */
#define GOPHERSHIP_POOL_USER	0	/* the pool behind the device */
#define GOPHERSHIP_POOL_KERNEL	1	/* the pool that drivers share */

/**
 * struct gophership_stats - GOPHERSHIP_IOC_STATS: counters
 * @size: in: sizeof the structure; out: the size that the kernel knows
 * @flags: 0
 * @pool: in: GOPHERSHIP_POOL_*: the pool to tell of; else EINVAL
 * @nr_classes: out: entries of @classes in use (the last one is the row of the
 *	requests above the largest class)
 * @leased: out: this context's leases now, in buffers
 * @leased_bytes: out: bytes that the context pays for: on lease, or given back and
 *	still pinned
 * @acquires: out: leases this context was granted
 * @releases: out: leases it gave back
 * @foreign: out: handles refused with EINVAL
 * @doubled: out: handles refused with EALREADY
 * @cleared: out: buffers zeroed before this context got them
 * @retired: out: buffers given back while their pages were pinned, so not reused at
 *	once, or after the machine reported an error in their memory, so never
 * @faults: out: page faults served
 * @contexts: out: contexts open on the machine
 * @machine_bytes: out: bytes that the machine's limit counts: as @leased_bytes, of
 *	all contexts, and of those that were closed with pinned buffers
 * @pool_foreign: out: kernel releases refused, machine-wide: no buffer of ours
 * @pool_doubled: out: kernel releases refused, machine-wide: released before
 * @pool_poisoned: out: writes after release that poison=1 found
 * @classes: out: the pool's counters per size class
 *
 * Errors: EFAULT, EINVAL, E2BIG.
 */
struct gophership_stats {
	__u32 size;
	__u32 flags;
	__u32 pool;
	__u32 nr_classes;
	__u64 leased;
	__u64 leased_bytes;
	__u64 acquires;
	__u64 releases;
	__u64 foreign;
	__u64 doubled;
	__u64 cleared;
	__u64 retired;
	__u64 faults;
	__u64 contexts;
	__u64 machine_bytes;
	__u64 pool_foreign;
	__u64 pool_doubled;
	__u64 pool_poisoned;
	struct gophership_class_counters classes[GOPHERSHIP_CLASSES_MAX];
};

#define GOPHERSHIP_IOC_MAGIC	'G'
#define GOPHERSHIP_IOC_INFO	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x50, struct gophership_info)
#define GOPHERSHIP_IOC_ACQUIRE	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x51, struct gophership_acquire)
#define GOPHERSHIP_IOC_RELEASE	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x52, struct gophership_release)
#define GOPHERSHIP_IOC_STATS	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x53, struct gophership_stats)

#endif /* _UAPI_LINUX_GOPHERSHIP_H */
