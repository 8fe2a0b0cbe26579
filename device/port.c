// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: ports, the driver's side.
 *
 * What runs in any context (take, deliver, flush, lost) uses atomics alone. None of
 * it computes with a number that the program wrote before that is bounded by one
 * which the kernel keeps to itself.
 *
 * What is exported is described in gophership_port.h.
 *
 * A driver has a reference to the port and none to its file. The file is closed when
 * its last mapping is gone; so when the closer frees buffers, no program maps them.
 */
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "device/port.h"
#include "gophership_context.h"

/* Entries of the program that one take skips at most. */
#define BAD_MAX		8
/* Entries that are copied to the stack at a time. */
#define CHUNK		8

#define FLAGS_OF_SENDERS	(GOPHERSHIP_MESSAGE_MORE | GOPHERSHIP_MESSAGE_BATCH)

#define STOPPED		BIT(GOPHERSHIP_PORT_STOPPED)
#define CLOSED		BIT(GOPHERSHIP_PORT_CLOSED)
#define DEFERRED	BIT(GOPHERSHIP_PORT_DEFERRED)

/* A counter of the deliver map, which the kernel alone writes. */
static void count(u32 *counter, u32 nr)
{
	atomic_add(nr, (atomic_t *)counter);
}

/*
 * Sleep and wake
 */

/* Context: any. */
static void wake(struct gophership_port *port)
{
	/* After a full barrier of the caller, which pairs with the one in poll. */
	if (waitqueue_active(&port->wait))
		irq_work_queue(&port->wake);
}

/* Also what a delivery to a program that is gone has left to do: see reap(). */
static void wake_now(struct irq_work *work)
{
	struct gophership_port *port = container_of(work, struct gophership_port, wake);

	wake_up_interruptible(&port->wait);
	if (test_bit(GOPHERSHIP_PORT_CLOSED, &port->flags))
		schedule_work(&port->reap);
}

/* The wake-ups that BATCH has left out. After the full barrier of (B). */
static void flush(struct gophership_port *port)
{
	u32 end = gophership_ring_position(&port->deliver);
	u32 size = port->deliver.mask + 1;

	if (!test_and_clear_bit(GOPHERSHIP_PORT_DEFERRED, &port->flags))
		return;
	/* How far back the first one was is not known: at most a ring. */
	if (gophership_ring_passed(READ_ONCE(port->submit_map->wake_at), end - size, end))
		wake(port);
}

/*
 * Taking
 */

/* The driver waits for the position that is next. Returns whether something came. */
static noinline bool wait_for_more(struct gophership_port *port)
{
	u32 at;

	/*
	 * Until it is the position that is next, or another context that went on and
	 * found nothing either might have its wake_at overwritten with an older one.
	 */
	do {
		at = gophership_ring_position(&port->submit);
		WRITE_ONCE(port->deliver_map->wake_at, at);
		/* (B) pairs with the program's barrier between its entry and its look. */
		smp_mb();
	} while (unlikely(gophership_ring_position(&port->submit) != at));
	if (gophership_ring_ready(&port->submit, at))
		return true;
	if (READ_ONCE(port->starved_at) == at)
		return false;
	WRITE_ONCE(port->starved_at, at);
	count(&port->deliver_map->starved, 1);
	/* Pairs with the one in poll. */
	smp_mb();
	wake(port);
	return false;
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
	buf->len = entry->len;
	WRITE_ONCE(buf->acquired_by, call_site);
	message->offset = entry->offset;
	message->len = entry->len;
	message->flags = entry->flags;
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
	 * Not before: no second delivery of the buffer may pass this one. Not later:
	 * a program that sees the entry may submit the buffer.
	 */
	WRITE_ONCE(slot->owner, GOPHERSHIP_OWNER_PROGRAM);
	gophership_ring_publish(&port->deliver, position);
}

/* The rare ends of a delivery. */
static noinline int published_rarely(struct gophership_port *port, unsigned long flags)
{
	if (flags & CLOSED) {
		irq_work_queue(&port->wake);
		return -EPIPE;
	}
	flush(port);
	return 0;
}

/* Positions @old up to @new are published, the last one with @batch or without. */
static __always_inline int published(struct gophership_port *port, u32 old, u32 new, u32 batch)
{
	unsigned long flags;

	/* (B), pairs with the program's; (C), pairs with gophership_port_close(). */
	smp_mb();
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

/* Claim what can be delivered of up to CHUNK buffers. Returns how many it is. */
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
	set_bit(GOPHERSHIP_PORT_LOST, &port->flags);
}
EXPORT_SYMBOL_GPL(gophership_port_lost);

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

/*
 * Life
 */

/* Free what is the program's, which is gone. */
static void reap(struct gophership_port *port)
{
	unsigned int class = port->bank.class;
	u32 freed, pinned;

	freed = gophership_bank_reap(&port->bank, port->account, &pinned);
	/* The charge of what is pinned has passed on to device/pinned.c. */
	atomic_long_sub((long)(freed + pinned) << class, &port->charge);
	gophership_account_uncharge(port->account, (long)freed << class);
}

static void reap_later(struct work_struct *work)
{
	reap(container_of(work, struct gophership_port, reap));
}

static void free_port(struct gophership_port *port)
{
	irq_work_sync(&port->wake);
	cancel_work_sync(&port->reap);
	reap(port);
	gophership_bank_free(&port->bank);
	vfree(port->deliver_map);
	vfree(port->submit_map);
	/* With what was abandoned, too: that is the driver's fault, not the program's. */
	gophership_account_uncharge(port->account, atomic_long_read(&port->charge));
	gophership_account_put(port->account);
	kfree(port);
}

static void port_release(struct kref *refs)
{
	free_port(container_of(refs, struct gophership_port, refs));
}

/* One reference less. Context: process, may sleep. */
void gophership_port_unref(struct gophership_port *port)
{
	kref_put(&port->refs, port_release);
}

static int alloc_memory(struct gophership_port *port, u32 count, unsigned int class)
{
	u32 entries = roundup_pow_of_two(count);

	port->deliver_map = gophership_ring_alloc(entries);
	port->submit_map = gophership_ring_alloc(entries);
	if (!port->deliver_map || !port->submit_map)
		return -ENOMEM;
	gophership_ring_init(&port->deliver, port->deliver_map, entries);
	gophership_ring_init(&port->submit, port->submit_map, entries);
	return gophership_bank_fill(&port->bank, count, class);
}

/* Pages of the bank and of both rings. */
static long pages_of(u32 count, unsigned int class)
{
	return ((long)count << class) +
	       2 * (gophership_ring_size(roundup_pow_of_two(count)) >> PAGE_SHIFT);
}

/* What is pinned no more is not in the way. */
static int charge(struct gophership_account *account, long pages)
{
	int ret = gophership_account_charge(account, pages);

	if (ret && gophership_pinned_look(UINT_MAX))
		ret = gophership_account_charge(account, pages);
	return ret;
}

/**
 * gophership_port_new() - a port without a driver
 * @account: who pays
 * @count: buffers, 1 to GOPHERSHIP_PORT_COUNT_MAX
 * @class: their size class
 *
 * Context: process, may sleep.
 * Return: the port with one reference, or an error pointer: -EDQUOT, -ENOMEM, -EINTR.
 */
struct gophership_port *gophership_port_new(struct gophership_account *account, u32 count,
					    unsigned int class)
{
	struct gophership_port *port;
	int ret;

	port = kzalloc(sizeof(*port), GFP_KERNEL_ACCOUNT);
	if (!port)
		return ERR_PTR(-ENOMEM);
	ret = charge(account, pages_of(count, class));
	if (ret) {
		kfree(port);
		return ERR_PTR(ret);
	}
	atomic_long_set(&port->charge, pages_of(count, class));
	gophership_account_get(account);
	port->account = account;
	port->starved_at = U32_MAX;
	init_waitqueue_head(&port->wait);
	init_irq_work(&port->wake, wake_now);
	INIT_WORK(&port->reap, reap_later);
	kref_init(&port->refs);
	mutex_init(&port->lock);
	INIT_LIST_HEAD(&port->entry);

	ret = alloc_memory(port, count, class);
	if (ret) {
		free_port(port);
		return ERR_PTR(ret);
	}
	return port;
}

/*
 * Give @port a driver, for @endpoint or, if that is NULL, for none. The endpoint's list
 * has it before a callback can put it. Context: process; not within a callback of the
 * port.
 */
int gophership_port_attach(struct gophership_port *port, struct gophership_endpoint *endpoint,
			   const struct gophership_port_ops *ops, void *priv)
{
	int ret = 0;

	mutex_lock(&port->lock);
	if (port->ops) {
		ret = -EBUSY;
	} else if (port->flags & (CLOSED | BIT(GOPHERSHIP_PORT_GONE))) {
		ret = -EPIPE;
	} else {
		kref_get(&port->refs);
		port->ops = ops;
		port->priv = priv;
		if (endpoint)
			gophership_endpoint_remember(endpoint, port);
	}
	mutex_unlock(&port->lock);
	return ret;
}

struct gophership_port *gophership_port_get(int fd, const struct gophership_port_ops *ops,
					    void *priv)
{
	struct file *file = gophership_port_fget(fd);
	struct gophership_port *port;
	int ret;

	if (IS_ERR(file))
		return ERR_CAST(file);
	port = file->private_data;
	ret = gophership_port_attach(port, NULL, ops, priv);
	fput(file);
	return ret ? ERR_PTR(ret) : port;
}
EXPORT_SYMBOL_GPL(gophership_port_get);

void gophership_port_put(struct gophership_port *port)
{
	/* If the caller is equal to us, it is us, and has not changed. */
	bool within = READ_ONCE(port->caller) == current;

	if (!within)
		mutex_lock(&port->lock);
	port->ops = NULL;
	set_bit(GOPHERSHIP_PORT_STOPPED, &port->flags);
	set_bit(GOPHERSHIP_PORT_GONE, &port->flags);
	gophership_endpoint_forget(port);
	gophership_bank_abandon(&port->bank);
	WRITE_ONCE(port->deliver_map->gone, 1);
	wake_up_interruptible(&port->wait);
	if (!within)
		mutex_unlock(&port->lock);
	gophership_port_unref(port);
}
EXPORT_SYMBOL_GPL(gophership_port_put);

/* Context: port->lock held; the driver's module stays meanwhile. */
static void call(struct gophership_port *port, void (*callback)(struct gophership_port *, void *))
{
	if (!callback)
		return;
	WRITE_ONCE(port->caller, current);
	callback(port, port->priv);
	WRITE_ONCE(port->caller, NULL);
}

/* Context: port->lock held; the driver's module stays meanwhile. */
static void call_closed(struct gophership_port *port)
{
	set_bit(GOPHERSHIP_PORT_STOPPED, &port->flags);
	if (!port->ops || port->told)
		return;
	port->told = true;
	call(port, port->ops->closed);
}

/*
 * Tell the driver to stop, unless it was told. Context: process, may sleep; called by
 * the driver, so that its module stays, even if it is on its way out.
 */
void gophership_port_stop(struct gophership_port *port)
{
	mutex_lock(&port->lock);
	call_closed(port);
	mutex_unlock(&port->lock);
}

/*
 * Hold the driver's module for a callback: it could go as soon as the port is put, by
 * the callback, too. False if there is no driver, or it is on its way out: then that
 * puts the port, or unregisters the endpoint, which tells it to stop.
 */
static bool hold_driver(struct gophership_port *port, struct module **owner)
{
	if (!port->ops)
		return false;
	*owner = port->ops->owner;
	return try_module_get(*owner);
}

/* The program is gone, and so is every mapping. Context: process, may sleep. */
void gophership_port_close(struct gophership_port *port)
{
	struct module *owner;

	set_bit(GOPHERSHIP_PORT_STOPPED, &port->flags);
	set_bit(GOPHERSHIP_PORT_CLOSED, &port->flags);
	/* (C) pairs with published(). */
	smp_mb__after_atomic();
	reap(port);
	mutex_lock(&port->lock);
	if (hold_driver(port, &owner)) {
		call_closed(port);
		module_put(owner);
	}
	mutex_unlock(&port->lock);
	gophership_port_unref(port);
}

/* The program has submitted. Context: process, may sleep. */
int gophership_port_kick(struct gophership_port *port)
{
	struct module *owner;
	int ret = 0;

	if (mutex_lock_killable(&port->lock))
		return -EINTR;
	if (port->told) {
		ret = -EPIPE;
	} else if (hold_driver(port, &owner)) {
		call(port, port->ops->submitted);
		module_put(owner);
	} else if (!port->ops) {
		ret = test_bit(GOPHERSHIP_PORT_GONE, &port->flags) ? -EPIPE : -ENOTCONN;
	}
	mutex_unlock(&port->lock);
	return ret;
}
