/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libgophership: ports and banks. <gophership.h> includes this file.
 *
 * A port has a bank of buffers that the program and one driver pass back and forth. A buffer
 * belongs to one side at a time, at first to the program. The program submits buffers,
 * empty ones to be filled or filled ones to be consumed, and receives what the driver
 * delivers. Neither is a system call, unless the other side sleeps.
 *
 * One thread at a time submits and one receives; these may be two. A port may outlive the
 * handle that it was opened with. The child of a fork has no use of it but to close it.
 */
#ifndef GOPHERSHIP_PORTS_H
#define GOPHERSHIP_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include <gophership.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gophership_port;

/* Start with every buffer at the driver, with len 0. */
#define GOPHERSHIP_PORT_SUBMIT_ALL	(1U << 0)

/*
 * gophership_message.flags, as in <linux/gophership.h>. MORE: the message goes on in the
 * next buffer. BATCH: another one follows at once, no wake-up for this one. LOST:
 * the driver lost data before this one; ignored in what is submitted.
 */
#define GOPHERSHIP_MESSAGE_MORE		(1U << 0)
#define GOPHERSHIP_MESSAGE_BATCH	(1U << 1)
#define GOPHERSHIP_MESSAGE_LOST		(1U << 2)

/**
 * struct gophership_port_options - how to open a port
 * @size: sizeof(struct gophership_port_options)
 * @flags: GOPHERSHIP_PORT_SUBMIT_ALL
 * @count: buffers, 1 to 32768
 * @buf_size: bytes that each must hold, 0 (one page) to the largest class's capacity
 * @endpoint: where the driver waits: a path, or, without a slash, NAME for
 *	/dev/gophership-NAME. NULL: nowhere; the program hands the port's file descriptor
 *	to the driver in the driver's own way
 */
struct gophership_port_options {
	uint32_t size;
	uint32_t flags;
	uint32_t count;
	uint32_t buf_size;
	const char *endpoint;
};

/**
 * struct gophership_message - a buffer that changes sides
 * @data: where the payload begins, anywhere in a buffer of the port: what is before it in
 *	the buffer is room for headers
 * @len: bytes of payload
 * @flags: GOPHERSHIP_MESSAGE_*
 * @tag: the sender's own word
 */
struct gophership_message {
	void *data;
	uint32_t len;
	uint32_t flags;
	uint64_t tag;
};

/**
 * struct gophership_port_counters - counters of a port
 * @size: in: sizeof(struct gophership_port_counters); out: the size that is known
 * @count: buffers of the port
 * @held: of these, those that the program holds
 * @gone: 1: the driver is gone
 * @submitted: messages submitted
 * @received: messages received, those that were skipped included
 * @kicks: system calls to wake the driver
 * @starved: how often the driver began to find nothing to take; wraps at 2^32
 * @lost: what the driver lost for want of buffers, in its own unit; wraps
 * @bad: submitted messages that the kernel refused; wraps. Not by this library
 * @reserved: 0
 * @skipped: messages from the kernel that made no sense
 */
struct gophership_port_counters {
	uint32_t size;
	uint32_t count;
	uint32_t held;
	uint32_t gone;
	uint64_t submitted;
	uint64_t received;
	uint64_t kicks;
	uint32_t starved;
	uint32_t lost;
	uint32_t bad;
	uint32_t reserved;
	uint64_t skipped;
};

/**
 * gophership_port_open() - make a port, and offer it to a driver
 * @gs: the handle; what it may have on lease bounds the port, too
 * @options: how
 * @port: where to put it
 *
 * The buffers are zero, and mapped.
 *
 * Return: 0; -EINVAL for options that make no sense, or fewer, more or smaller buffers
 * than the driver takes; -ENOENT, -EACCES and others of open(2): the endpoint; -ENOTTY:
 * that is none; -EBUSY or what else the driver says; -EDQUOT and -ENOMEM as for
 * gophership_acquire(); -EAGAIN as for gophership_open(); -EOPNOTSUPP: the kernel module
 * has no ports; -ESTALE in a child of fork().
 */
int gophership_port_open(struct gophership *gs, const struct gophership_port_options *options,
			 struct gophership_port **port);

/**
 * gophership_port_close() - the program is done with a port
 * @port: the port, or NULL: nothing is done
 *
 * The driver is told, and gives back what it has. The buffers are unmapped. No other thread
 * may be in a call with the port.
 */
void gophership_port_close(struct gophership_port *port);

/**
 * gophership_port_fd() - the file of a port
 * @port: the port
 *
 * For poll(2) and the like: POLLIN when something is to be received, POLLPRI while the driver
 * finds nothing to take, POLLHUP when it is gone. POLLIN tells of what comes after a
 * gophership_port_receive() that got less than it asked for.
 *
 * Return: the file descriptor, which stays the library's; -EINVAL for NULL; -ESTALE in a
 * child of fork().
 */
int gophership_port_fd(const struct gophership_port *port);

/**
 * gophership_port_export() - show all buffers of a port as a dma-buf
 * @port: the port
 *
 * Buffer i lies at i times the capacity in it. It shows all of them, the driver's too. The
 * port goes on as before. It may be closed: the buffers stay, and are paid for, until the
 * last user of the dma-buf is gone.
 *
 * Return: the file descriptor of the dma-buf, close-on-exec, which is the caller's; -EINVAL
 * for NULL; else as gophership_export().
 */
int gophership_port_export(const struct gophership_port *port);

/**
 * gophership_port_buffer() - the address of a buffer
 * @port: the port
 * @index: 0 to count - 1
 *
 * The buffers lie side by side, the first one at index 0.
 *
 * Return: the buffer; NULL if there is no such one.
 */
void *gophership_port_buffer(const struct gophership_port *port, unsigned int index);

/**
 * gophership_port_capacity() - the size of the buffers
 * @port: the port
 *
 * Return: bytes of each; 0 for NULL.
 */
size_t gophership_port_capacity(const struct gophership_port *port);

/**
 * gophership_port_submit() - give buffers to the driver
 * @port: the port
 * @messages: the buffers, and what is in them
 * @nr: how many; 0: only wake the driver, if the last call ended with
 *	GOPHERSHIP_MESSAGE_BATCH
 *
 * They are taken in order, up to the first one whose data is in no buffer of the port, whose
 * buffer the program does not hold (submitted before and not received since), whose payload
 * goes beyond the buffer's end, or whose flags are unknown.
 *
 * Return: how many were taken; 0 for NULL, and in a child of fork().
 */
unsigned int gophership_port_submit(struct gophership_port *port,
				    const struct gophership_message *messages, unsigned int nr);

/**
 * gophership_port_receive() - take what the driver has delivered
 * @port: the port
 * @messages: where to describe it
 * @nr: how many at most
 *
 * Does not wait.
 *
 * Return: how many there were; 0 for NULL, and in a child of fork().
 */
unsigned int gophership_port_receive(struct gophership_port *port,
				     struct gophership_message *messages, unsigned int nr);

/**
 * gophership_port_wait() - sleep until something can be received
 * @port: the port
 * @timeout_ms: milliseconds to wait at most; 0: not at all; negative: for ever
 *
 * For the thread that receives. Not a cancellation point.
 *
 * Return: 1 if something can be received; 0 after that time; -EPIPE if there is nothing and
 * the driver is gone; -EINTR after a signal handler; -EINVAL for NULL; -ESTALE in a child of
 * fork().
 */
int gophership_port_wait(struct gophership_port *port, int timeout_ms);

/**
 * gophership_port_stats() - counters of a port
 * @port: the port
 * @counters: where to; its size is set by the caller
 *
 * By any thread. A snapshot, as gophership_stats().
 *
 * Return: 0; -EINVAL if size is smaller than that of the first version, or @port is NULL;
 * -ESTALE in a child of fork().
 */
int gophership_port_stats(const struct gophership_port *port,
			  struct gophership_port_counters *counters);

/*
 * Banks: a port without a driver. Buffers of one class, side by side in one mapping, which
 * stay the program's until it closes the bank: memory pressure and time take none. So a bank
 * can be registered once, as one buffer of io_uring, memory region or UMEM.
 */
struct gophership_bank;
struct iovec;

/**
 * gophership_bank_open() - make a bank
 * @gs: the handle; what it may have on lease bounds the bank, too
 * @buf_size: bytes that each buffer must hold; 0: one page
 * @count: buffers, 1 to 32768
 * @flags: 0
 * @bank: where to put it
 *
 * The buffers are zero, and mapped. A bank may outlive its handle.
 *
 * Return: 0; -EINVAL; -EDQUOT, -ENOMEM, -EAGAIN, -EOPNOTSUPP and -ESTALE as for
 * gophership_port_open().
 */
int gophership_bank_open(struct gophership *gs, size_t buf_size, unsigned int count,
			 unsigned int flags, struct gophership_bank **bank);

/**
 * gophership_bank_close() - give all of a bank back to the kernel
 * @bank: the bank, or NULL: nothing is done
 *
 * Its memory is unmapped. Transfers that are in flight end in its old pages, which no other
 * user gets before that. No other thread may be in a call with the bank.
 */
void gophership_bank_close(struct gophership_bank *bank);

/**
 * gophership_bank_acquire() - borrow a buffer
 * @bank: the bank
 *
 * By any thread, and in signal handlers; never a system call, never a lock.
 *
 * Return: the buffer, or NULL with errno: ENOMEM if all are acquired; EINVAL for NULL; ESTALE
 * in a child of fork().
 */
void *gophership_bank_acquire(struct gophership_bank *bank);

/**
 * gophership_bank_release() - give a buffer back
 * @bank: the bank
 * @buf: any pointer; NULL: nothing is done
 *
 * As gophership_bank_acquire(): by any thread.
 *
 * Return: 0; -EINVAL if it is not the address of a buffer of @bank, or @bank is NULL; -EALREADY
 * if the buffer is not acquired. Of two releases at the same moment one is told so.
 */
int gophership_bank_release(struct gophership_bank *bank, void *buf);

/**
 * gophership_bank_index() - the number of a buffer
 * @bank: the bank
 * @data: any pointer
 *
 * Return: 0 to count - 1, for any address in a buffer; -EINVAL.
 */
int gophership_bank_index(const struct gophership_bank *bank, const void *data);

/**
 * gophership_bank_capacity() - the size of the buffers
 * @bank: the bank
 *
 * Return: bytes of each; 0 for NULL.
 */
size_t gophership_bank_capacity(const struct gophership_bank *bank);

/**
 * gophership_bank_iovec() - all of a bank
 * @bank: the bank
 * @iovec: gets its address and length, from <sys/uio.h>
 */
void gophership_bank_iovec(const struct gophership_bank *bank, struct iovec *iovec);

/**
 * gophership_bank_export() - show all of a bank as a dma-buf
 * @bank: the bank
 *
 * As gophership_port_export(). Buffers are acquired and released as before: an importer
 * sees what their borrowers write.
 *
 * Return: as gophership_port_export().
 */
int gophership_bank_export(const struct gophership_bank *bank);

#ifdef __cplusplus
}
#endif

#endif /* GOPHERSHIP_PORTS_H */
