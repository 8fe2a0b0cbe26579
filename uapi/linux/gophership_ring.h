/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * GopherShip buffer pool: the rings of a port, for user space.
 *
 * A port is a file of its own, made by GOPHERSHIP_IOC_PORT on /dev/gophership. It
 * owns a bank of buffers, which one program and one driver pass back and forth. A
 * buffer belongs to one side at a time, at first to the program. The program
 * submits buffers and the driver takes them; the driver delivers buffers and the
 * program receives them. Neither of these is a system call: each is an entry in a
 * ring of shared memory.
 *
 * A ring has @entries entries, a power of two. Positions are counted from 0 and
 * wrap at 2^32; the entry of position p is number p & (@entries - 1), and it is
 * valid when its seq is p + 1. The writer stores seq last, with release; the reader
 * loads it first, with acquire. A ring cannot overflow, as a buffer is in one place
 * at a time.
 *
 * A program
 *  - submits by the entry of its next position in the submit map; then, after a
 *    full barrier, it compares: if the wake_at of the deliver map is one of the
 *    positions that it has just filled, the driver found nothing there, and wants
 *    a GOPHERSHIP_IOC_KICK;
 *  - receives by the entry of its next position in the deliver map;
 *  - before it sleeps in poll(), stores that position in the submit map's wake_at
 *    and consumed, and looks at the entry once more after a full barrier. poll()
 *    returns EPOLLIN if the entry at consumed is valid, EPOLLPRI while the driver
 *    has found nothing to take, EPOLLHUP when the driver is gone.
 *
 * An entry that names a buffer that is not the program's, or a place outside of the
 * buffer, or an unknown flag, is skipped by the driver's side and counted in bad;
 * the buffer stays where it is.
 */
#ifndef _UAPI_LINUX_GOPHERSHIP_RING_H
#define _UAPI_LINUX_GOPHERSHIP_RING_H

#include <linux/types.h>

/* Where the entries begin in both maps, in bytes. */
#define GOPHERSHIP_PORT_ENTRIES_OFFSET	128

/* Bits of gophership_entry.flags. MORE: the message goes on in the next entry. */
#define GOPHERSHIP_MESSAGE_MORE		(1U << 0)
/* BATCH: another entry follows at once: no wake-up for this one. */
#define GOPHERSHIP_MESSAGE_BATCH	(1U << 1)
/* LOST: the driver lost data before this entry (deliver ring only). */
#define GOPHERSHIP_MESSAGE_LOST		(1U << 2)

/**
 * struct gophership_entry - one buffer that changes sides
 * @seq: the entry's position + 1, stored last with release
 * @index: of the buffer in the bank, 0 to count - 1
 * @offset: where the payload begins in the buffer, in bytes
 * @len: bytes of payload; @offset + @len is at most the capacity
 * @flags: GOPHERSHIP_MESSAGE_* bits
 * @reserved: 0
 * @tag: the sender's own word
 */
struct gophership_entry {
	__u32 seq;
	__u32 index;
	__u32 offset;
	__u32 len;
	__u32 flags;
	__u32 reserved;
	__u64 tag;
};

/**
 * struct gophership_deliver_map - the map that the kernel writes
 * @wake_at: position of the submit ring that the driver waits for: a submission
 *	that fills it is followed by a KICK. 0 at first. Of a driver that polls: one
 *	that is far away, so that no KICK follows
 * @starved: how often the driver began to find nothing to take; wraps
 * @lost: what the driver lost for want of buffers, in its own unit; wraps
 * @bad: entries of the submit ring that were skipped; wraps
 * @gone: 1 when the driver is gone for good
 * @bounced: buffers that the driver's device reaches only by a copy that the kernel makes
 *	(swiotlb), once the driver has mapped them: for these it is no zero copy
 * @reserved: 0
 *
 * The deliver ring follows, GOPHERSHIP_PORT_ENTRIES_OFFSET bytes from the start.
 */
struct gophership_deliver_map {
	__u32 wake_at;
	__u32 starved;
	__u32 lost;
	__u32 bad;
	__u32 gone;
	__u32 bounced;
	__u32 reserved[26];
};

/**
 * struct gophership_submit_map - the map that the program writes
 * @wake_at: position of the deliver ring that the program waits for: a delivery
 *	that fills it wakes sleepers in poll()
 * @consumed: position of the deliver ring that the program receives from next; for
 *	poll() alone
 * @reserved: not read
 *
 * The submit ring follows, GOPHERSHIP_PORT_ENTRIES_OFFSET bytes from the start. The
 * kernel trusts nothing here: a wrong value costs this program messages, and does no harm
 * to others.
 */
struct gophership_submit_map {
	__u32 wake_at;
	__u32 consumed;
	__u32 reserved[30];
};

#endif /* _UAPI_LINUX_GOPHERSHIP_RING_H */
