// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the life of a port, and what its driver is told.
 *
 * What is exported is described in gophership_port.h.
 *
 * A driver has a reference to the port and none to its file. The file is closed when
 * its last mapping is gone; so when the closer frees buffers, no program maps them.
 */
#include <linux/export.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "device/pinned.h"
#include "device/port.h"
#include "pool/kick.h"

/* Pinned buffers that are looked at when a charge fails: any user can make it fail. */
#define LOOK_AT		1024

#define CLOSED		BIT(GOPHERSHIP_PORT_CLOSED)
#define GONE		BIT(GOPHERSHIP_PORT_GONE)

static void rouse(struct work_struct *work)
{
	wake_up_interruptible(&container_of(work, struct gophership_port, rouse)->wait);
}

/*
 * The queue on which buffers that come back after the program's end are freed. If the bank
 * is mapped for a device, the worker may have to wait for the task that maps. That one
 * allocates, so the queue that gives memory back must not wait for it. (If MAPS is set too
 * late to be seen here, the mapper sees CLOSED: both are bits of one word.)
 */
static struct workqueue_struct *reap_queue(const struct gophership_port *port)
{
	if (test_bit(GOPHERSHIP_PORT_MAPS, &port->flags))
		return system_unbound_wq;
	return gophership_reclaim_wq;
}

/*
 * Work that any context may ask for: wake the program; free buffers that were delivered to a
 * program that is gone; call a driver that gave up on bad entries. A driver may allocate, so
 * its call is no work for the queue that gives memory back.
 *
 * Runs in a hard interrupt, on PREEMPT_RT too (init_wake()), where waiters' locks sleep.
 */
static void wake_now(struct irq_work *work)
{
	struct gophership_port *port = container_of(work, struct gophership_port, wake);

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		queue_work(system_unbound_wq, &port->rouse);
	else
		wake_up_interruptible(&port->wait);
	if (test_bit(GOPHERSHIP_PORT_CLOSED, &port->flags))
		queue_work(reap_queue(port), &port->reap);
	if (test_and_clear_bit(GOPHERSHIP_PORT_AGAIN, &port->flags))
		queue_work(system_unbound_wq, &port->again);
}

/*
 * A hard irq_work on PREEMPT_RT alone. There another one runs in a thread of the CPU that
 * queued it, and no CPU can queue it again before. A task that keeps that CPU to itself would
 * stop the port. (Elsewhere lockdep complains of a hard irq_work that takes a waiter's lock.)
 */
static void init_wake(struct gophership_port *port)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		port->wake = IRQ_WORK_INIT_HARD(wake_now);
	else
		init_irq_work(&port->wake, wake_now);
}

/* Free what is the program's, which is gone, unless a dma-buf shows it. */
static void reap(struct gophership_port *port)
{
	unsigned int class = port->bank.class;
	u32 freed, pinned;

	/*
	 * (I) pairs with (I) in gophership_port_unexport(): either this call sees that the
	 * last dma-buf is gone, or that one's call sees what became the program's before.
	 */
	smp_mb();
	if (atomic_read(&port->exports))
		return;
	freed = gophership_bank_reap(&port->bank, &port->dma, port->account, &pinned);
	/* device/pinned.c goes on with the charge of the pinned buffers. */
	atomic_long_sub(gophership_class_pages(freed + pinned, class), &port->charge);
	gophership_account_uncharge(port->account, gophership_class_pages(freed, class));
}

static void reap_later(struct work_struct *work)
{
	reap(container_of(work, struct gophership_port, reap));
}

/* The program has submitted entries that the driver has not seen, and sends no KICK. */
static void kick_again(struct work_struct *work)
{
	gophership_port_kick(container_of(work, struct gophership_port, again));
}

static void name_driver(struct gophership_port *port, char *name, size_t size)
{
	/* A callback may take long, and a reader of statistics does not wait for the lock. */
	if (!mutex_trylock(&port->lock)) {
		strscpy(name, "busy", size);
		return;
	}
	if (port->ops)
		strscpy(name, module_name(port->ops->owner), size);
	else
		strscpy(name, test_bit(GOPHERSHIP_PORT_GONE, &port->flags) ? "gone" : "none", size);
	mutex_unlock(&port->lock);
}

/* Statistics of @port. Context: process, may sleep. */
void gophership_port_state(struct gophership_port *port, struct gophership_port_state *state)
{
	name_driver(port, state->driver, sizeof(state->driver));
	gophership_bank_count(&port->bank, &state->program_bufs, &state->driver_bufs);
	state->bytes = (u64)atomic_long_read(&port->charge) << PAGE_SHIFT;
	state->starved = READ_ONCE(port->deliver_map->starved);
	state->lost = READ_ONCE(port->deliver_map->lost);
	state->bad = READ_ONCE(port->deliver_map->bad);
}

/*
 * Never within @again: a callback runs there only while the program has not closed the
 * file, and the file has a reference until then.
 */
static void free_port(struct gophership_port *port)
{
	gophership_ports_remove(port);
	irq_work_sync(&port->wake);
	cancel_work_sync(&port->rouse);
	cancel_work_sync(&port->reap);
	cancel_work_sync(&port->again);
	reap(port);
	gophership_bank_dma_free(&port->dma);
	gophership_bank_free(&port->bank);
	vfree(port->deliver_map);
	vfree(port->submit_map);
	/* Also for abandoned buffers: these are the driver's fault, not the program's. */
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
	return gophership_bank_fill(&port->bank, count, class, port->account);
}

/* A dma-buf shows the bank from now on. Context: process; the caller has the file. */
void gophership_port_export(struct gophership_port *port)
{
	kref_get(&port->refs);
	atomic_inc(&port->exports);
}

/* That dma-buf is gone. Context: process, may sleep. */
void gophership_port_unexport(struct gophership_port *port)
{
	/*
	 * (I) A full barrier: pairs with (I) in reap(), and with (C) in
	 * gophership_port_close(): if this does not see that the program is gone, the
	 * closer sees that the dma-buf is.
	 */
	if (atomic_dec_and_test(&port->exports) && test_bit(GOPHERSHIP_PORT_CLOSED, &port->flags))
		reap(port);
	gophership_port_unref(port);
}

/* Pages of the bank and of both rings. */
static long pages_of(u32 count, unsigned int class)
{
	return gophership_class_pages(count, class) +
	       2 * (gophership_ring_size(roundup_pow_of_two(count)) >> PAGE_SHIFT);
}

/* Before it fails, look for buffers that are not pinned any more: their charge goes back. */
static int charge(struct gophership_account *account, long pages)
{
	int ret = gophership_account_charge(account, pages);

	if (ret && gophership_pinned_look(LOOK_AT))
		ret = gophership_account_charge(account, pages);
	return ret;
}

/**
 * gophership_port_new() - a port without a driver
 * @account: the account that pays
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
	init_wake(port);
	INIT_WORK(&port->rouse, rouse);
	INIT_WORK(&port->reap, reap_later);
	INIT_WORK(&port->again, kick_again);
	kref_init(&port->refs);
	mutex_init(&port->lock);
	INIT_LIST_HEAD(&port->entry);
	INIT_LIST_HEAD(&port->everywhere);
	gophership_bank_dma_init(&port->dma);

	ret = alloc_memory(port, count, class);
	if (ret) {
		free_port(port);
		return ERR_PTR(ret);
	}
	gophership_ports_add(port);
	return port;
}

/* For the lists of ports of all endpoints. */
static DEFINE_SPINLOCK(ports_lock);

/* @endpoint has accepted @port. Context: process; port->lock held. */
static void remember(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	lockdep_assert_held(&port->lock);
	spin_lock(&ports_lock);
	list_add_tail(&port->entry, &endpoint->ports);
	spin_unlock(&ports_lock);
}

/* @port, which is put, is on no list any more. Context: process; port->lock held. */
static void forget(struct gophership_port *port)
{
	lockdep_assert_held(&port->lock);
	spin_lock(&ports_lock);
	list_del_init(&port->entry);
	spin_unlock(&ports_lock);
}

/*
 * A port of @endpoint, with a reference, no longer on its list; NULL: none is left.
 * Context: process.
 */
struct gophership_port *gophership_port_pop(struct gophership_endpoint *endpoint)
{
	struct gophership_port *port;

	spin_lock(&ports_lock);
	port = list_first_entry_or_null(&endpoint->ports, struct gophership_port, entry);
	if (port) {
		kref_get(&port->refs);
		list_del_init(&port->entry);
	}
	spin_unlock(&ports_lock);
	return port;
}

/*
 * Give @port a driver, for @endpoint. The port is in the endpoint's list before a callback
 * can put it.
 * Context: process; not within a callback of the port.
 */
int gophership_port_attach(struct gophership_port *port, struct gophership_endpoint *endpoint,
			   const struct gophership_port_ops *ops, void *priv)
{
	int ret = 0;

	mutex_lock(&port->lock);
	if (port->ops) {
		ret = -EBUSY;
	} else if (port->flags & (CLOSED | GONE)) {
		ret = -EPIPE;
	} else {
		kref_get(&port->refs);
		port->ops = ops;
		port->priv = priv;
		if (!ops->submitted)
			gophership_port_polls(port);
		WRITE_ONCE(port->accepted, true);
		remember(endpoint, port);
	}
	mutex_unlock(&port->lock);
	return ret;
}

void gophership_port_put(struct gophership_port *port)
{
	/* If @caller is the current task, it has been so since the callback began. */
	bool within = READ_ONCE(port->caller) == current;

	/* First, or a callback that takes what a busy program submits might never end. */
	set_bit(GOPHERSHIP_PORT_STOPPED, &port->flags);
	if (!within)
		mutex_lock(&port->lock);
	port->ops = NULL;
	WRITE_ONCE(port->deliver_map->gone, 1);
	/* (F) A program that poll tells of the end sees "gone": pairs with (F) in port_poll(). */
	smp_mb__before_atomic();
	set_bit(GOPHERSHIP_PORT_GONE, &port->flags);
	/* Within a callback the endpoint must still wait for the rest of it: call(). */
	if (!within)
		forget(port);
	gophership_bank_dma_end(&port->dma);
	gophership_bank_abandon(&port->bank);
	wake_up_interruptible(&port->wait);
	if (!within)
		mutex_unlock(&port->lock);
	gophership_port_unref(port);
}
EXPORT_SYMBOL_GPL(gophership_port_put);

/* Context: port->lock held; the driver's module stays meanwhile. */
static void call(struct gophership_port *port, void (*callback)(struct gophership_port *, void *))
{
	lockdep_assert_held(&port->lock);
	if (!callback)
		return;
	WRITE_ONCE(port->caller, current);
	callback(port, port->priv);
	WRITE_ONCE(port->caller, NULL);
	/* It has put the port. */
	if (!port->ops)
		forget(port);
}

/* Context: port->lock held; the driver's module stays meanwhile. */
static void call_closed(struct gophership_port *port)
{
	lockdep_assert_held(&port->lock);
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
	/* First: as in gophership_port_put(). */
	set_bit(GOPHERSHIP_PORT_STOPPED, &port->flags);
	mutex_lock(&port->lock);
	call_closed(port);
	mutex_unlock(&port->lock);
}

/*
 * Hold the driver's module for a callback. Without that it could go as soon as the port is
 * put, also by the callback. False if there is no driver, or if its module is on its way
 * out: then the driver puts the port, or unregisters the endpoint, which tells it to stop.
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
	/* (C) pairs with (C) in published(), and with (I) in gophership_port_unexport(). */
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
