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

#include "gophership_ring.h"

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
/* PORT: there is GOPHERSHIP_IOC_PORT. */
#define GOPHERSHIP_FEATURE_PORT		(1ULL << 2)
/* DMABUF: GOPHERSHIP_IOC_EXPORT works: the kernel has dma-bufs. */
#define GOPHERSHIP_FEATURE_DMABUF	(1ULL << 3)
/* POOLS: STATS tells of any pool, by name. */
#define GOPHERSHIP_FEATURE_POOLS	(1ULL << 4)
/* TRIM: there is GOPHERSHIP_IOC_TRIM. */
#define GOPHERSHIP_FEATURE_TRIM		(1ULL << 5)

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
 * @memlock_max: out: bytes of locked memory up to which each user can lease, however
 *	much more RLIMIT_MEMLOCK is (without CAP_IPC_LOCK); 0: RLIMIT_MEMLOCK alone holds
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
	__u64 memlock_max;
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
 *  EDQUOT: the context's quota, its table of slots, or what the user may lock
 *	(RLIMIT_MEMLOCK and @memlock_max of INFO; without CAP_IPC_LOCK) is used up.
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
 * the user's locked memory and the machine's limit, even if the context is closed before.
 *
 * Errors:
 *  EBADF: the file is not open for writing.
 *  EFAULT: a bad pointer. The handles before the first one that cannot be read
 *	have been released; @done counts them.
 *  EINVAL, E2BIG: as above.
 *  EINVAL: a handle that this context never gave out, or so old that the
 *	context has leased 2^24 buffers since.
 *  EALREADY: a handle that was released before.
 *  EBUSY: a dma-buf shows the buffer (GOPHERSHIP_IOC_EXPORT).
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
#define GOPHERSHIP_POOL_NAMED	2	/* the one that is called gophership_stats.name */
#define GOPHERSHIP_POOL_AFTER	3	/* the next one after that name, by strcmp() */

/* Bytes of gophership_stats.name, the NUL included. */
#define GOPHERSHIP_STATS_NAME_LEN	32

/**
 * struct gophership_stats - GOPHERSHIP_IOC_STATS: counters
 * @size: in: sizeof the structure; out: the size that the kernel knows
 * @flags: 0
 * @pool: in: GOPHERSHIP_POOL_*: the pool to tell of; else EINVAL
 * @nr_classes: out: entries of @classes in use (the last one is the row of the
 *	requests above the largest class)
 * @leased: out: this context's leases now, in buffers
 * @leased_bytes: out: bytes that the context pays for: on lease, in banks and rings of
 *	its ports, or given back and still pinned
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
 *	all contexts, and of those that were closed with ports or pinned buffers
 * @pool_foreign: out: kernel releases refused, machine-wide: no buffer of ours
 * @pool_doubled: out: kernel releases refused, machine-wide: released before
 * @pool_poisoned: out: writes after release that poison=1 found
 * @classes: out: the pool's counters per size class
 * @name: in, for POOL_NAMED and POOL_AFTER: with a NUL, else EINVAL; out: the pool's
 * @machine_cleared: out: as @cleared, of all contexts since the module was loaded
 * @machine_retired: out: as @retired, of all contexts since then
 * @machine_faults: out: as @faults, of all contexts since then
 * @reserve: out: buffers that the pool's reserve holds now
 * @stock: out: buffers that its stock holds now
 * @waiters: out: tasks that wait for a buffer of the pool now
 * @reserved: out: 0
 *
 * POOL_NAMED and POOL_AFTER are there with FEATURE_POOLS, and want a @size that has
 * @name, else EINVAL. To see all pools, begin with POOL_AFTER and an empty name, and go
 * on with the name that comes back, until ENOENT. A pool that comes or goes meanwhile
 * is told of or not; no other one is left out.
 *
 * Errors: EFAULT, EINVAL, E2BIG as above.
 *  ENOENT: no pool has that name, or none comes after it.
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
	char name[GOPHERSHIP_STATS_NAME_LEN];
	__u64 machine_cleared;
	__u64 machine_retired;
	__u64 machine_faults;
	__u32 reserve;
	__u32 stock;
	__u32 waiters;
	__u32 reserved;
};

/* The most buffers of a port. */
#define GOPHERSHIP_PORT_COUNT_MAX	32768

/**
 * struct gophership_port_setup - GOPHERSHIP_IOC_PORT: make a port
 * @size: in: sizeof the structure
 * @flags: 0
 * @buf_size: in: bytes that each buffer must hold, 0 (one page) to the largest
 *	class's capacity, else EINVAL
 * @count: in: buffers, 1 to GOPHERSHIP_PORT_COUNT_MAX, else EINVAL
 * @fd: out: the port, close-on-exec
 * @capacity: out: bytes of a buffer
 * @entries: out: entries of each ring
 * @reserved: 0
 * @bank_offset: out: offset for mmap of the bank, in bytes; buffer i is at
 *	i * @capacity in it
 * @bank_length: out: bytes of the bank
 * @deliver_offset: out: offset for mmap of struct gophership_deliver_map, which
 *	cannot be mapped for writing (EACCES)
 * @deliver_length: out: bytes of that map
 * @submit_offset: out: offset for mmap of struct gophership_submit_map
 * @submit_length: out: bytes of that map
 *
 * The three are mapped by mmap() of @fd, MAP_SHARED, as a whole or in part, and are
 * not inherited over fork. The buffers are zero. They and the rings are charged to
 * the context, which may be closed before the port; the charge ends with the port.
 * Buffers that the driver holds at that time stay charged until it gives them back.
 *
 * Errors: EFAULT, EINVAL, E2BIG as above.
 *  EDQUOT: the context's quota or what the user may lock is used up, as ACQUIRE.
 *  ENOMEM: the machine-wide limit is reached, the memory cgroup is at its
 *	limit, or there is no memory.
 *  EINTR: a fatal signal came.
 *  EMFILE, ENFILE: no file is to be had.
 *  EBADF: the device is not open for writing.
 */
struct gophership_port_setup {
	__u32 size;
	__u32 flags;
	__u32 buf_size;
	__u32 count;
	__s32 fd;
	__u32 capacity;
	__u32 entries;
	__u32 reserved;
	__u64 bank_offset;
	__u64 bank_length;
	__u64 deliver_offset;
	__u64 deliver_length;
	__u64 submit_offset;
	__u64 submit_length;
};

/**
 * struct gophership_attach - GOPHERSHIP_IOC_ATTACH on an endpoint: give it a port
 * @size: in: sizeof the structure
 * @flags: 0
 * @fd: in: the port
 * @reserved: 0
 *
 * Errors: EFAULT, EINVAL, E2BIG as above.
 *  EBADF: @fd is no open file. EINVAL: it is no port, or one with smaller or fewer
 *	or more buffers than the endpoint takes (GOPHERSHIP_IOC_ENDPOINT tells).
 *  EBUSY: the port has a driver. EPIPE: it had one that is gone.
 *  ENODEV: the endpoint is gone.
 *  EIO: the driver has a mistake: it said yes and did not take the port.
 *  EINTR: a fatal signal came.
 *  Others: the driver's own.
 */
struct gophership_attach {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct gophership_endpoint_info - GOPHERSHIP_IOC_ENDPOINT: what an endpoint takes
 * @size: in: sizeof the structure; out: the size that the kernel knows
 * @flags: 0
 * @buf_size_min: out: bytes that a buffer of a port must hold
 * @count_min: out: the fewest buffers of a port
 * @count_max: out: the most buffers of a port
 * @reserved: 0
 *
 * Errors: EFAULT, EINVAL, E2BIG as above. ENODEV: the endpoint is gone.
 */
struct gophership_endpoint_info {
	__u32 size;
	__u32 flags;
	__u32 buf_size_min;
	__u32 count_min;
	__u32 count_max;
	__u32 reserved;
};

/**
 * struct gophership_export - GOPHERSHIP_IOC_EXPORT: show buffers as a dma-buf
 * @size: in: sizeof the structure
 * @flags: 0
 * @count: in: on the device: handles, 1 to GOPHERSHIP_BATCH_MAX, else EINVAL; on a port: 0,
 *	and the whole bank is meant
 * @fd: out: the dma-buf, open for reading and writing, close-on-exec
 * @handles: in: on the device: address of @count handles, each a __u64; on a port: 0
 * @length: out: bytes of the dma-buf
 *
 * The dma-buf has the buffers one after the other, in the order of the handles. Drivers
 * import it, and any process that has @fd can map it (MAP_SHARED, never executable; such a
 * mapping cannot be pinned by O_DIRECT and the like). An access of the CPU while a device
 * has the buffers goes between two DMA_BUF_IOCTL_SYNC.
 *
 * A lease is in one dma-buf at a time. Until the last user of the dma-buf is gone, RELEASE
 * of the lease is EBUSY, and what the dma-buf shows stays there and is paid for: also when
 * the context or the port is closed before. Then it goes back. The next lease of the buffer
 * finds zeroes, even in the same context: an importer may have written to it.
 *
 * Errors: EFAULT, EINVAL, E2BIG as above. All of it or nothing.
 *  EBADF: the device is not open for writing.
 *  EINVAL, EALREADY: a handle, as in RELEASE.
 *  EBUSY: a handle that is in another dma-buf, or twice in this one.
 *  ENOMEM: there is no memory.
 *  EMFILE, ENFILE: no file is to be had.
 *  EOPNOTSUPP: the kernel has no dma-bufs (see FEATURE_DMABUF).
 */
struct gophership_export {
	__u32 size;
	__u32 flags;
	__u32 count;
	__s32 fd;
	__u64 handles;
	__u64 length;
};

/**
 * struct gophership_trim - GOPHERSHIP_IOC_TRIM: give all that lies idle back
 * @size: in: sizeof the structure
 * @flags: 0
 * @bytes: out: payload that went back to the page allocator
 *
 * Idle buffers of all pools of the machine, those of the device included, but for reserves
 * and stocks. The call waits until the memory is free. Whoever acquires next waits for the
 * page allocator: this is for a machine that is about to need the memory, and for
 * measurements.
 *
 * Errors: EFAULT, EINVAL, E2BIG as above.
 *  EBADF: the file is not open for writing.
 *  EPERM: the caller has not CAP_SYS_ADMIN in the initial user namespace.
 */
struct gophership_trim {
	__u32 size;
	__u32 flags;
	__u64 bytes;
};

#define GOPHERSHIP_IOC_MAGIC	'G'
#define GOPHERSHIP_IOC_INFO	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x50, struct gophership_info)
#define GOPHERSHIP_IOC_ACQUIRE	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x51, struct gophership_acquire)
#define GOPHERSHIP_IOC_RELEASE	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x52, struct gophership_release)
#define GOPHERSHIP_IOC_STATS	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x53, struct gophership_stats)
#define GOPHERSHIP_IOC_PORT	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x54, struct gophership_port_setup)
/*
 * On a port, without an argument: tell the driver that something was submitted.
 * Errors: ENOTCONN: no driver yet. EPIPE: the driver is gone. EINTR: a fatal signal
 * came.
 */
#define GOPHERSHIP_IOC_KICK	_IO(GOPHERSHIP_IOC_MAGIC, 0x55)
#define GOPHERSHIP_IOC_ATTACH	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x56, struct gophership_attach)
#define GOPHERSHIP_IOC_ENDPOINT	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x57, struct gophership_endpoint_info)
/* On the device and on a port. */
#define GOPHERSHIP_IOC_EXPORT	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x58, struct gophership_export)
#define GOPHERSHIP_IOC_TRIM	_IOWR(GOPHERSHIP_IOC_MAGIC, 0x59, struct gophership_trim)

#endif /* _UAPI_LINUX_GOPHERSHIP_H */
