/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the interface for other kernel modules.
 */
#ifndef GOPHERSHIP_BUF_H
#define GOPHERSHIP_BUF_H

#include <linux/gfp.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "gophership_pool.h"

/**
 * DOC: Overview
 *
 * A pool of page-aligned, directly mapped buffers of 4 KiB to 64 KiB (on
 * 4 KiB pages) for the whole machine. Acquire and release work in every
 * context: process, softirq, hardirq and NMI, on PREEMPT_RT too. In the steady
 * state neither touches an allocator, a lock, an atomic instruction or a cache
 * line that another CPU writes.
 *
 * Every release is checked. A pointer that is not a leased buffer of this pool
 * is refused with an error, one rate-limited line in the log that names the
 * call sites, a counter and a tracepoint; it is never followed.
 *
 * Requests are rounded up to a size class of 1, 2, 4, 8 or 16 pages. Larger
 * requests are served from the page allocator, up to its largest order, and go
 * back to it at release.
 *
 * A module may use the pool of the machine (gophership_buf_acquire()) or one
 * of its own (gophership_pool_create()) with a private reserve and a report of
 * what was never released. gophership_buf_release() finds the pool by itself.
 *
 * All functions may be called by any number of callers at once; only
 * gophership_pool_destroy() wants its pool for itself. A buffer may be handed on, and
 * be released in another context, by another task and on another CPU than acquired it.
 *
 * All functions are exported to modules with a GPL-compatible licence. A module
 * that imports them is built with ``ccflags-y += -I`` and the directory of this
 * header, and with ``KBUILD_EXTRA_SYMBOLS=`` and the Module.symvers of gophership for
 * the same kernel ("make install-driver" puts them into PREFIX/include/gophership and
 * PREFIX/lib/gophership/RELEASE), and is loaded after gophership.
 */

/**
 * DOC: Contexts
 *
 * A *hit* (the CPU's own magazine has a buffer) and a release that fits into the
 * magazine work in any context and under any lock. A *miss* looks in the pool's other
 * stores, and asks the page and slab allocators with the flags of the request where that
 * is safe. Elsewhere acquire returns a buffer that is cached, or one of the pool's reserve,
 * or NULL ("cached only"):
 *
 * ======================================== =========== =================== ==========
 * context                                  GFP_KERNEL  GFP_NOWAIT          GFP_ATOMIC
 * ======================================== =========== =================== ==========
 * process, preemptible                     asks        asks                asks
 * preemption or soft interrupts off, soft  (a mistake) asks, does not wake asks
 * interrupt; hard interrupts on                        kswapd
 * hard interrupts off, hard interrupt      (a mistake) cached only         asks
 * the same two on PREEMPT_RT               (a mistake) cached only         cached only
 * NMI                                      cached only cached only         cached only
 * a tracer within the pool, or within an   cached only cached only         cached only
 * allocator that the pool has called
 * ======================================== =========== =================== ==========
 *
 * "GFP_KERNEL" is any with __GFP_DIRECT_RECLAIM, "GFP_ATOMIC" any with __GFP_HIGH, and
 * "GFP_NOWAIT" all others. With GFP_ATOMIC the caller says that it holds no lock that
 * an allocator may want (its own ones, a run queue's, a wait queue's): an interrupt's
 * handler knows that, and a tracer does not. So a tracer uses GFP_NOWAIT, and may be
 * called with any lock of the kernel held, those of the allocators, the scheduler and
 * the pool included.
 *
 * Direct reclaim, and with it sleeping, happens only if the request's flags have
 * __GFP_DIRECT_RECLAIM (GFP_KERNEL, GFP_NOIO, GFP_NOFS). memalloc_noio_save(),
 * memalloc_nofs_save() and memalloc_noreclaim_save() apply to every allocation of a
 * request, as the allocators themselves honour them.
 *
 * A release never sleeps. It gives memory back, and asks for a magazine's, only with
 * interrupts on; otherwise that happens later.
 */

/**
 * DOC: What is in a buffer
 *
 * After acquire @len is 0 and @capacity is at least the size that was asked for.
 * The payload is **undefined**: the bytes of the last borrower, poison, or zeroes. It
 * is all zeroes (@capacity bytes) if the request had __GFP_ZERO. A driver that shows a
 * buffer to a program asks for __GFP_ZERO, or writes all of what it shows.
 *
 * On a kernel that was booted with init_on_alloc=1 or init_on_free=1 idle buffers are
 * zeroes as well (not with poison=1, nor in pools with GOPHERSHIP_POOL_NO_INIT): each
 * release clears its buffer. What is written to it afterwards, by mistake, stays.
 *
 * @cookie is undefined after acquire, too.
 *
 * The payload is physically contiguous, from any zone of the direct mapping. For a device
 * have a pool that is bound to it: its buffers are mapped for life (gophership_dma.h). A
 * buffer of another pool is mapped with dma_map_single(), and unmapped before the release.
 * Requests for __GFP_DMA or __GFP_DMA32 are refused (NULL).
 */

/**
 * DOC: Buffers that a program sees
 *
 * gophership_buf_release() ignores references to the pages. It is called in contexts
 * and at speeds where it cannot look at them. The next borrower writes to the
 * same pages. If a program had the buffer mapped, then something else may still hold
 * a page of it after the mapping is gone: a pipe (vmsplice), direct I/O, io_uring, a
 * socket (MSG_ZEROCOPY), a debugger. By way of that the program reads, or overwrites,
 * what the next borrower writes.
 *
 * So a driver does one of three things when it is done with a buffer that it has mapped to
 * a program, or whose pages it has given to code that takes references:
 *
 * - It uses a pool with GOPHERSHIP_POOL_CHECK_REFS, and releases as usual. A buffer that is
 *   still referenced, or still mapped, then leaves the pool for good.
 * - It calls gophership_buf_retire() instead of gophership_buf_release(). The buffer is not
 *   reused then.
 * - It knows that there is no reference, because it never gave one away.
 *
 * In each case the driver first sees to it that no new reference appears: no more
 * faults are served from the buffer, and it is unmapped (unmap_mapping_range()).
 *
 * Map with vm_insert_page() or by setting vmf->page in a fault handler: such mappings
 * hold references. remap_pfn_range() and vmf_insert_pfn() hold none and are not seen
 * by the check; the driver must remove them itself before the release.
 */

struct gophership_head;

/**
 * struct gophership_buf - a buffer on loan
 * @data:	first byte; page-aligned, an address of the direct mapping
 *		(virt_to_page() works), kept for the life of the descriptor
 * @len:	bytes in use; 0 after acquire; the holder's to write
 * @capacity:	bytes there are at @data; at least what was asked for
 * @cookie:	a word for the holder, an index or a pointer; undefined after acquire
 *		(and not for the eyes of programs: it may be an address of the
 *		kernel); the holder's to write
 *
 * One cache line. The holder may write @len, @cookie and the payload and nothing
 * else; from gophership_buf_release() or gophership_buf_retire() on, nothing at all.
 */
struct gophership_buf {
	void *data;
	u32 len;
	u32 capacity;
	union {
		unsigned long cookie;
		/* private: while it is not leased: call site of the last release */
		unsigned long released_by;
	};
	/* private: see pool/types.h */
	unsigned long seal;	/* secret - address - state */
	struct gophership_head __percpu *heads;	/* where a release goes */
	unsigned long acquired_by;	/* call site of the last acquire */
	union {
		struct {
			union {
				struct llist_node node;		/* inbox */
				struct gophership_buf **home;	/* slot of the reserve */
				unsigned long index;		/* in the bank of a port */
			};
			u32 writer;	/* context that wrote last, 0: unknown */
			u16 inbox_state;	/* GOPHERSHIP_INBOX_*: who uses @node */
			u16 nid;	/* memory node of the payload */
		};
		struct rcu_head rcu;	/* on the way out, no other user is left */
	};
} __aligned(64);

/*
 * Private: @writer of a buffer whose pool is bound to a device, instead of a context: the
 * descriptor is a struct gophership_mapped_buf. From birth to death, but while the RCU head
 * lies upon it: see free_mapped_rcu() in pool/free.c.
 */
#define GOPHERSHIP_WRITER_DEVICE	U32_MAX

/**
 * gophership_buf_acquire() - borrow a buffer from the pool of the machine
 * @size: bytes that it must hold; 0 means one page
 * @gfp: what the allocators may do on a miss: GFP_KERNEL, GFP_ATOMIC, ... __GFP_ZERO
 *	clears the payload. __GFP_DMA, __GFP_DMA32 and (but in a pool with
 *	GOPHERSHIP_POOL_ACCOUNT) __GFP_ACCOUNT get NULL. Other bits that say where or
 *	what kind of memory (__GFP_HIGHMEM, __GFP_MOVABLE, ...) and __GFP_NOFAIL have no
 *	effect. Failures are not logged.
 *
 * Context: any, if @gfp suits it; NMI included. See "Contexts".
 * Return: a buffer with @len 0 and at least @size bytes, whose content is undefined
 * but with __GFP_ZERO; NULL if there is none to be had (also for a @size above the page
 * allocator's largest order). Never an error pointer.
 */
struct gophership_buf *gophership_buf_acquire(size_t size, gfp_t gfp);

/**
 * gophership_buf_must_acquire() - borrow a buffer, however long it takes
 * @size: bytes that it must hold; 0 means one page
 *
 * The promise of forward progress: without memory the buffer comes from the
 * reserve of the pool (module parameter reserve), and if that is used up, the
 * caller sleeps until a buffer that is large enough is released. So it must not wait for
 * a buffer that only itself could release. While it sleeps, releases of all buffers of
 * the pool that would do take the slow path; those of smaller classes do not.
 *
 * It takes no flags. A caller on the way of writeback or I/O sets the scope of its
 * task: between memalloc_noio_save() and memalloc_noio_restore() (or the same of nofs)
 * no allocation of this function starts I/O (or enters a file system). Without a
 * scope it allocates as GFP_KERNEL does.
 *
 * Context: process; may sleep, not interruptible.
 * Return: a buffer as gophership_buf_acquire() returns it; NULL only if @size is above
 * GOPHERSHIP_MAX_POOLED.
 */
struct gophership_buf *gophership_buf_must_acquire(size_t size);

/**
 * gophership_buf_release() - give a buffer back to the pool it came from
 * @buf: any value at all; NULL is nothing to do
 *
 * Cannot fail for a leased buffer, and needs no memory. Any other value is refused with
 * a rate-limited line in the log, a counter and the tracepoint
 * gophership:gophership_reject; the memory it points to is not changed.
 *
 * Two CPUs that release one buffer at the same moment may both be told 0. The
 * buffer is in the pool once all the same, and the second release is reported
 * when its entry comes up.
 *
 * References to the pages are ignored, but in pools with GOPHERSHIP_POOL_CHECK_REFS:
 * see "Buffers that a program sees".
 *
 * Context: any, NMI included, and under any lock of the kernel: memory for a magazine
 * is asked for, and memory given back, only with interrupts on; otherwise later.
 * Return: 0; -EINVAL if @buf is no buffer of any pool; -EALREADY if it is one that
 * is not leased.
 */
int gophership_buf_release(struct gophership_buf *buf);

/**
 * gophership_buf_retire() - end a lease, and let go of the pages for good
 * @buf: any value at all, judged and reported as by gophership_buf_release(); NULL is
 *	nothing to do
 *
 * For a payload that something else may still refer to: the pool drops its own
 * reference, so the pages go with the last one, and are not borrowed again. A buffer that
 * is not referenced is freed, too. A buffer of a reserve goes back to the reserve, and waits
 * there for the last reference.
 *
 * Context: any, NMI included; as gophership_buf_release().
 * Return: as gophership_buf_release().
 */
int gophership_buf_retire(struct gophership_buf *buf);

/**
 * gophership_buf_acquire_bulk() - borrow many from the pool of the machine
 * @size: bytes that each must hold; 0 means one page
 * @gfp: as for gophership_buf_acquire()
 * @nr: how many
 * @bufs: room for @nr pointers
 *
 * Context: any, as gophership_buf_acquire().
 * Return: how many there were, from the start of @bufs: less than @nr without
 * memory. The caller keeps these, or gives them back. Further entries are undefined.
 */
unsigned int gophership_buf_acquire_bulk(size_t size, gfp_t gfp, unsigned int nr,
					 struct gophership_buf **bufs);

/**
 * gophership_buf_release_bulk() - give many buffers back
 * @bufs: @nr values, of any pools and sizes; checked one by one as by
 *	gophership_buf_release()
 * @nr: how many
 *
 * A value that is refused is reported and does not stop the others. NULL is skipped.
 * @bufs is not changed.
 *
 * Context: any, NMI included; as gophership_buf_release().
 * Return: how many were taken back.
 */
unsigned int gophership_buf_release_bulk(struct gophership_buf **bufs, unsigned int nr);

#endif /* GOPHERSHIP_BUF_H */
