// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: how the buffers of a port change sides, as the driver sees it.
 *
 * All of this runs in any context and uses atomics alone. A number that the program wrote
 * is checked against a bound in the kernel's memory before anything is computed with it.
 *
 * What is exported is described in gophership_port.h.
 */
#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/irq_work.h>
#include <linux/nospec.h>
#include <linux/preempt.h>
#include <linux/smp.h>

#include "device/port.h"

/* Entries of the program that one take skips at most. */
#define BAD_MAX		8
/* Entries that are copied to the stack at a time. */
#define CHUNK		8

#define FLAGS_OF_SENDERS	(GOPHERSHIP_MESSAGE_MORE | GOPHERSHIP_MESSAGE_BATCH)

#define STOPPED		BIT(GOPHERSHIP_PORT_STOPPED)
#define CLOSED		BIT(GOPHERSHIP_PORT_CLOSED)
#define DEFERRED	BIT(GOPHERSHIP_PORT_DEFERRED)
#define POLLS		BIT(GOPHERSHIP_PORT_POLLS)

/* A counter of the deliver map, which the kernel alone writes. */
static void count(u32 *counter, u32 nr)
{
	atomic_add(nr, (atomic_t *)counter);
}

/*
 * Sleep and wake
 */

/*
 * Have wake_now() called. A CPU that goes runs no irq_work any more, and an irq_work that it
 * queued would keep other CPUs from queueing it. So ports_of_cpu() does it a moment later.
 * Context: any.
 */
static noinline void kick(struct gophership_port *port)
{
	preempt_disable_notrace();
	if (likely(cpu_online(raw_smp_processor_id())))
		irq_work_queue(&port->wake);
	else
		set_bit(GOPHERSHIP_PORT_STRANDED, &port->flags);
	preempt_enable_notrace();
}

/* Context: any. */
static void wake(struct gophership_port *port)
{
	/* (J) After a full barrier of the caller: pairs with (J) in port_poll(). */
	if (waitqueue_active(&port->wait))
		kick(port);
}

/* Do the wake-ups that BATCH has left out. Context: any, after the full barrier of (B). */
static void flush(struct gophership_port *port)
{
	u32 size = port->deliver.mask + 1;
	u32 end;

	if (!test_and_clear_bit(GOPHERSHIP_PORT_DEFERRED, &port->flags))
		return;
	/*
	 * (E) pairs with (E) in published(): after the bit, or a CPU that saw the bit and left
	 * its wake-up to this call would have a position that this call does not see.
	 */
	end = gophership_ring_position(&port->deliver);
	/* How far back the first one was is not known: at most a ring. */
	if (gophership_ring_passed(READ_ONCE(port->submit_map->wake_at), end - size, end))
		wake(port);
}

/*
 * Taking
 */

/* Have the program KICK when it fills the position that is next. Returns that one. */
static u32 want_kick(struct gophership_port *port)
{
	u32 at;

	/*
	 * Repeat until this is the next position. Else an older position might overwrite the
	 * one of another context that went on and found nothing, either.
	 */
	do {
		at = gophership_ring_position(&port->submit);
		WRITE_ONCE(port->deliver_map->wake_at, at);
		/* (B) pairs with the program's, between its entry and its look. */
		smp_mb();
	} while (unlikely(gophership_ring_position(&port->submit) != at));
	return at;
}

/*
 * No KICK is wanted: the program compares with a position as far as can be from @at, which
 * is next. A position that is just past would not do: the program may have filled that one,
 * and be about to compare.
 */
static void want_no_kick(struct gophership_port *port, u32 at)
{
	WRITE_ONCE(port->deliver_map->wake_at, at + BIT(31));
}

/*
 * The driver waits for the position that is next: to be called, or, if it polls, for its
 * next look. Returns whether something came.
 */
static noinline bool wait_for_more(struct gophership_port *port)
{
	bool polls = READ_ONCE(port->flags) & POLLS;
	u32 at;

	do {
		at = polls ? gophership_ring_position(&port->submit) : want_kick(port);
		if (gophership_ring_ready(&port->submit, at))
			return true;
		if (READ_ONCE(port->starved_at) == at)
			return false;
		WRITE_ONCE(port->starved_at, at);
		/* (J) starved_at, then the waiters: pairs with (J) in port_poll(). */
		smp_mb();
	} while (unlikely(gophership_ring_position(&port->submit) != at));
	if (polls)
		want_no_kick(port, at);
	count(&port->deliver_map->starved, 1);
	wake(port);
	return false;
}

/*
 * The program has submitted entries that are left over, and it sends no KICK for them.
 * So do what a KICK does.
 */
noinline void gophership_port_again(struct gophership_port *port)
{
	set_bit(GOPHERSHIP_PORT_AGAIN, &port->flags);
	kick(port);
}
EXPORT_SYMBOL_GPL(gophership_port_again);

/*
 * @port gets a driver that polls: no KICK is due, the first one included. Context:
 * process, before that driver takes.
 */
void gophership_port_polls(struct gophership_port *port)
{
	set_bit(GOPHERSHIP_PORT_POLLS, &port->flags);
	want_no_kick(port, gophership_ring_position(&port->submit));
}

/* Take up what was submitted before the port had a driver: its KICK found none. */
void gophership_port_begin(struct gophership_port *port)
{
	if (gophership_ring_ready(&port->submit, gophership_ring_position(&port->submit)))
		gophership_port_again(port);
}

/* Has the driver found nothing to take, and is there nothing still? A peek. */
bool gophership_port_starved(const struct gophership_port *port)
{
	u32 at = gophership_ring_position(&port->submit);

	return READ_ONCE(port->starved_at) == at && !gophership_ring_ready(&port->submit, at);
}

/* The buffer of an entry that the program wrote, now the driver's; NULL: a bad one. */
static __always_inline struct gophership_buf *take_entry(struct gophership_port *port,
							 const struct gophership_entry *entry,
							 struct gophership_message *message,
							 unsigned long call_site)
{
	struct gophership_bank *bank = &port->bank;
	struct gophership_slot *slot;
	struct gophership_buf *buf;

	if (unlikely(entry->index >= bank->count || entry->flags & ~FLAGS_OF_SENDERS))
		return NULL;
	if (unlikely(entry->len > bank->capacity || entry->offset > bank->capacity - entry->len))
		return NULL;
	slot = bank->slots + array_index_nospec(entry->index, bank->count);
	if (unlikely(!gophership_slot_claim(slot, GOPHERSHIP_OWNER_PROGRAM,
					    GOPHERSHIP_OWNER_DRIVER)))
		return NULL;
	buf = slot->buf;
	/* Also where a CPU speculates: drivers use both as an index first of all. */
	message->offset = array_index_nospec(entry->offset, bank->capacity + 1);
	message->len = array_index_nospec(entry->len, bank->capacity - message->offset + 1);
	buf->len = message->len;
	WRITE_ONCE(buf->acquired_by, call_site);
	/* BATCH was for the way here. On the way back it would leave a wake-up out. */
	message->flags = entry->flags & ~GOPHERSHIP_MESSAGE_BATCH;
	message->tag = entry->tag;
	return buf;
}

struct gophership_buf *gophership_port_take(struct gophership_port *port,
					    struct gophership_message *message)
{
	struct gophership_entry entry;
	struct gophership_buf *buf;
	unsigned int tries;

	for (tries = 0; tries < BAD_MAX; tries++) {
		if (unlikely(READ_ONCE(port->flags) & STOPPED))
			return NULL;
		if (unlikely(!gophership_ring_consume(&port->submit, 1, &entry))) {
			if (wait_for_more(port))
				continue;
			return NULL;
		}
		buf = take_entry(port, &entry, message, _RET_IP_);
		if (likely(buf))
			return buf;
		count(&port->deliver_map->bad, 1);
	}
	gophership_port_again(port);
	return NULL;
}
EXPORT_SYMBOL_GPL(gophership_port_take);

unsigned int gophership_port_take_bulk(struct gophership_port *port, unsigned int nr,
				       struct gophership_buf **bufs,
				       struct gophership_message *messages)
{
	struct gophership_entry entries[CHUNK];
	unsigned int done = 0, tries = 0, got, i;

	while (done < nr && tries < BAD_MAX && !(READ_ONCE(port->flags) & STOPPED)) {
		got = gophership_ring_consume(&port->submit, min_t(u32, nr - done, CHUNK), entries);
		if (!got && (done || !wait_for_more(port)))
			break;
		tries += !got;
		for (i = 0; i < got; i++) {
			bufs[done] = take_entry(port, &entries[i], &messages[done], _RET_IP_);
			if (bufs[done]) {
				done++;
				continue;
			}
			count(&port->deliver_map->bad, 1);
			tries++;
		}
	}
	if (unlikely(tries >= BAD_MAX))
		gophership_port_again(port);
	return done;
}
EXPORT_SYMBOL_GPL(gophership_port_take_bulk);

/*
 * Delivering
 */

/* To the program with what @message says, if that lies within the buffer. */
static __always_inline int fill_entry(struct gophership_port *port, struct gophership_slot *slot,
				      const struct gophership_message *message,
				      struct gophership_entry *entry)
{
	u32 capacity = port->bank.capacity;
	u32 flags = message->flags & FLAGS_OF_SENDERS;

	/* (D) test_and_clear_bit() is a full barrier: the count comes before the entry. */
	if (unlikely(test_bit(GOPHERSHIP_PORT_LOST, &port->flags)) &&
	    test_and_clear_bit(GOPHERSHIP_PORT_LOST, &port->flags))
		flags |= GOPHERSHIP_MESSAGE_LOST;
	entry->index = slot - port->bank.slots;
	entry->offset = message->offset;
	entry->len = message->len;
	entry->flags = flags;
	entry->tag = message->tag;
	if (likely(entry->len <= capacity && entry->offset <= capacity - entry->len))
		return 0;
	entry->offset = 0;
	entry->len = 0;
	return -ERANGE;
}

/* @slot is DELIVERING, @position this call's own. */
static __always_inline void publish(struct gophership_port *port, struct gophership_slot *slot,
				    u32 position, const struct gophership_entry *entry)
{
	gophership_ring_fill(&port->deliver, position, entry);
	/*
	 * Not before the fill: no second delivery of the buffer may pass this one. Not after
	 * the publish: a program that sees the entry may submit the buffer.
	 */
	WRITE_ONCE(slot->owner, GOPHERSHIP_OWNER_PROGRAM);
	gophership_ring_publish(&port->deliver, position);
}

/* A delivery to a program that is gone, or after one with BATCH. */
static noinline int published_rarely(struct gophership_port *port, unsigned long flags)
{
	if (flags & CLOSED) {
		kick(port);
		return -EPIPE;
	}
	flush(port);
	return 0;
}

/* Positions @old up to @new are published, the last one with @batch or without. */
static __always_inline int published(struct gophership_port *port, u32 old, u32 new, u32 batch)
{
	unsigned long flags;

	/* (B) pairs with the program's, (C) with (C) in gophership_port_close(), (J) in poll. */
	smp_mb();
	/* (E) pairs with (E) in flush(): the position is reserved, then the bit is read. */
	flags = READ_ONCE(port->flags);
	if (unlikely(batch)) {
		if (!(flags & DEFERRED))
			set_bit(GOPHERSHIP_PORT_DEFERRED, &port->flags);
		flags &= ~DEFERRED;
	}
	if (unlikely(flags & (CLOSED | DEFERRED)))
		return published_rarely(port, flags);
	if (!batch && unlikely(gophership_ring_passed(READ_ONCE(port->submit_map->wake_at),
						      old, new)))
		wake(port);
	return 0;
}

int gophership_port_deliver(struct gophership_port *port, struct gophership_buf *buf,
			    const struct gophership_message *message)
{
	struct gophership_slot *slot = gophership_bank_find(&port->bank, buf);
	struct gophership_entry entry;
	u32 position;
	int ret, gone;

	if (unlikely(!slot))
		return -EINVAL;
	if (unlikely(!gophership_slot_claim(slot, GOPHERSHIP_OWNER_DRIVER,
					    GOPHERSHIP_OWNER_DELIVERING)))
		return -EALREADY;
	WRITE_ONCE(buf->released_by, _RET_IP_);
	ret = fill_entry(port, slot, message, &entry);
	position = gophership_ring_reserve(&port->deliver, 1);
	publish(port, slot, position, &entry);
	gone = published(port, position, position + 1, message->flags & GOPHERSHIP_MESSAGE_BATCH);
	return gone ?: ret;
}
EXPORT_SYMBOL_GPL(gophership_port_deliver);

/* Claim the buffers that can be delivered, of up to CHUNK. Returns how many there are. */
static unsigned int claim_some(struct gophership_port *port, unsigned int nr,
			       struct gophership_buf **bufs,
			       const struct gophership_message *messages,
			       struct gophership_slot **slots, struct gophership_entry *entries)
{
	unsigned int i, done = 0;

	for (i = 0; i < nr; i++) {
		slots[done] = gophership_bank_find(&port->bank, bufs[i]);
		if (!slots[done] || !gophership_slot_claim(slots[done], GOPHERSHIP_OWNER_DRIVER,
							   GOPHERSHIP_OWNER_DELIVERING))
			continue;
		fill_entry(port, slots[done], &messages[i], &entries[done]);
		done++;
	}
	return done;
}

unsigned int gophership_port_deliver_bulk(struct gophership_port *port, unsigned int nr,
					  struct gophership_buf **bufs,
					  const struct gophership_message *messages)
{
	struct gophership_entry entries[CHUNK];
	struct gophership_slot *slots[CHUNK];
	unsigned int done = 0, i, j, some;
	u32 position, batch;

	for (i = 0; i < nr; i += CHUNK) {
		some = claim_some(port, min_t(u32, nr - i, CHUNK), bufs + i, messages + i,
				  slots, entries);
		position = gophership_ring_reserve(&port->deliver, some);
		for (j = 0; j < some; j++)
			publish(port, slots[j], position + j, &entries[j]);
		batch = nr - i > CHUNK || messages[nr - 1].flags & GOPHERSHIP_MESSAGE_BATCH;
		published(port, position, position + some, batch);
		done += some;
	}
	return done;
}
EXPORT_SYMBOL_GPL(gophership_port_deliver_bulk);

void gophership_port_flush(struct gophership_port *port)
{
	smp_mb(); /* (B): the deliveries may have been another CPU's */
	flush(port);
}
EXPORT_SYMBOL_GPL(gophership_port_flush);

void gophership_port_lost(struct gophership_port *port, u32 nr)
{
	count(&port->deliver_map->lost, nr);
	/* (D) pairs with (D) in fill_entry(): before that clears the bit, it has the count. */
	smp_mb__after_atomic();
	if (!test_bit(GOPHERSHIP_PORT_LOST, &port->flags))
		set_bit(GOPHERSHIP_PORT_LOST, &port->flags);
}
EXPORT_SYMBOL_GPL(gophership_port_lost);

bool gophership_port_closed(const struct gophership_port *port)
{
	return test_bit(GOPHERSHIP_PORT_STOPPED, &port->flags);
}
EXPORT_SYMBOL_GPL(gophership_port_closed);

u32 gophership_port_count(const struct gophership_port *port)
{
	return port->bank.count;
}
EXPORT_SYMBOL_GPL(gophership_port_count);

u32 gophership_port_capacity(const struct gophership_port *port)
{
	return port->bank.capacity;
}
EXPORT_SYMBOL_GPL(gophership_port_capacity);
