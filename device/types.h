/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the device's structures, and what protects them.
 *
 * One open of /dev/gophership is one context: a trust domain that has buffers
 * of the user pool on loan, shows them in its windows and names them by
 * handles. device/ioctl.c talks to user space, device/lease.c has the loans of a
 * context, device/window.c maps and unmaps, device/account.c charges,
 * device/idle.c and device/pinned.c have the buffers that are not on loan.
 *
 * Lock order, outermost first
 * ---------------------------
 *   mmap_lock or a VMA's lock	faults and mmap
 *   context->lock		leases: for writing; faults: for reading
 *   page table locks		faults
 *   xa_lock of context->loans	slots
 *
 *   contexts_lock		open, close, debugfs; outside of context->lock
 *   pinned_lock		by itself: never held while a loan is freed
 *   a list_lru's lock		by itself: nothing is called with it held
 *
 *   a device's lock		the kernel's, in probe() and remove() of drivers
 *   node->lock			a command on an endpoint's node, and the endpoint's end
 *   endpoint->lock		held over the driver's attach()
 *   port->lock			held over the driver's callbacks
 *   cpu_hotplug_lock		the kernel's: a driver makes and destroys streams in the two;
 *				callbacks of streams and ports run within
 *   bank_dma.lock		a bank is mapped, and that ends; then the lock of pool/dma.c
 *   ports_lock			the endpoints' lists of ports: nothing is called with it held
 *
 *   nodes_lock			names of endpoints; outside of misc_mtx, the kernel's
 *   all_ports_lock		the list of all ports; inside of cpu_hotplug_lock. port->lock
 *				is only tried within
 *
 *   a dma-buf's dma_resv lock	the kernel's, where importers map and unmap
 *   dmabuf->lock		innermost: nothing is allocated within
 *
 * Nothing touches user memory or allocates under context->lock, except
 * that a page fault may allocate page tables under its read side. User memory is not touched
 * under the locks of endpoints and ports, either, so none of them is outside of mmap_lock.
 * Reclaim may come wherever memory is allocated: the shrinkers (pool/reclaim.c,
 * device/idle.c) take none of these locks but that of a list_lru. Nothing that any context
 * may call (take, deliver, records of streams) takes a lock.
 *
 * Barriers
 * --------
 * A letter stands at both ends, as far as both are the kernel's. tests/litmus has a file for
 * each pair, which also names the lines. Of (A), (B), (D) and (F) the program has one end.
 *
 *   (A) An entry is published: fields, then seq with release. Its reader loads seq with
 *       acquire, then the fields. In the deliver ring the owner of the buffer is stored
 *       before seq, too: a program that has seen the entry can submit the buffer at once
 *   (B) A sleeper and its waker, each way. The waker publishes, full barrier, reads wake_at.
 *       The sleeper stores wake_at, full barrier, looks at the entry. So the waker sees
 *       wake_at, or the sleeper sees the entry
 *   (C) A buffer comes back while the program goes. The driver's side stores the owner, full
 *       barrier, reads the port's flags. The closer sets CLOSED, full barrier, reads the
 *       owners. So one of the two frees the buffer
 *   (D) A loss is counted, then the bit LOST; a delivery that takes the bit, then its entry
 *   (E) A delivery with BATCH reserves its position, then reads the bit DEFERRED; a flush
 *       clears the bit, then reads the position
 *   (F) "gone" in the deliver map, then the bit GONE; poll
 *   (G) The lists of what lies idle, then "ready"; the shrinker
 *   (H) All of one attach, then no attach is under way; the next attach
 *   (I) A dma-buf of a bank goes, then the port's flags and owners are read; a buffer comes
 *       back, then it is read whether there are dma-bufs
 *   (J) A poll waits, then looks; a delivery or a look in vain is stored, then whether a poll
 *       waits
 *   (K) jiffies, then when pressure was told last; that time, then jiffies
 *   (L) A loss of a stream is counted, then a buffer is looked for; the program submits, then
 *       the flush that its KICK causes looks for losses
 */
#ifndef GOPHERSHIP_DEVICE_TYPES_H
#define GOPHERSHIP_DEVICE_TYPES_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/siphash.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "device/account.h"
#include "gophership_buf.h"

/**
 * struct gophership_loan - a buffer of the device: lent, idle or still pinned
 * @idle: where it lies when it is not lent: in a list of device/idle.c, which
 *	protects it, or of device/pinned.c
 * @buf: the buffer; constant
 * @account: the account that pays while it is pinned after its lease; constant then
 * @since: when it became idle, in jiffies; constant while it is
 * @handle: what user space names the loan by; 0 while the buffer is on its way
 *	in or out: such a loan can be neither faulted in nor released. Protected
 *	by the context's lock
 * @slot: index in the context's table of @class; constant while it is there
 * @class: size class; constant
 * @faulted: a page of it was mapped at least once. Set under the read side of
 *	the context's lock, read after the write side was held
 * @exported: a dma-buf shows it: it cannot be released. Protected by the context's lock
 */
struct gophership_loan {
	struct list_head idle;
	struct gophership_buf *buf;
	struct gophership_account *account;
	unsigned long since;
	u64 handle;
	u32 slot;
	u8 class;
	bool faulted;
	bool exported;
};

/**
 * struct gophership_context - what one open file of the device owns
 * @refs: the file's, and one of each dma-buf of its leases, which may outlive the file
 * @lock: see the fields
 * @loans: the tables of slots, per class. An entry is added at any time,
 *	becomes live (gets a handle) and is erased under @lock for writing. A
 *	loan that was found under @lock is there until @lock is dropped.
 * @entry: in the list of all contexts; protected by contexts_lock
 * @inode: its mapping is the file's mapping: the windows' address space.
 *	Private to the context, so that unmapping here touches no other context
 * @account: what the loans are charged to; constant
 * @key: the secret of the handles; constant
 * @id: for gophership_buf.writer; never the same for two contexts, except
 *	that 0 is no context in particular; constant
 * @first: where @generation began; constant
 * @generation: that of the youngest handle; protected by @lock
 * @closed: the file is closed: loans that a dma-buf still shows are not in @loans any more;
 *	protected by @lock
 * @nr_loans: live loans; protected by @lock
 * @acquires: leases granted; protected by @lock
 * @releases: leases given back; protected by @lock
 * @cleared: buffers zeroed at a lease; protected by @lock
 * @retired: buffers whose pages were in use at release, or damaged; protected by @lock
 * @faults: page faults served
 * @foreign: handles refused as none of ours
 * @doubled: handles refused as released before
 */
struct gophership_context {
	refcount_t refs;
	struct rw_semaphore lock;
	struct xarray loans[GOPHERSHIP_NR_CLASSES];
	struct list_head entry;
	struct inode *inode;
	struct gophership_account *account;
	siphash_key_t key;
	u32 id;
	bool closed;
	u64 first;
	u64 generation;
	u64 nr_loans;
	u64 acquires;
	u64 releases;
	u64 cleared;
	u64 retired;
	atomic64_t faults;
	atomic64_t foreign;
	atomic64_t doubled;
};

#endif /* GOPHERSHIP_DEVICE_TYPES_H */
