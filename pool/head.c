// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the slow side of a CPU's head.
 *
 * Unless it says otherwise (or only peeks), a function here is called on the
 * head's CPU with preemption off and the head owned by the caller. (The heads
 * of a CPU that is offline belong to the CPU that flushes them.)
 */
#include <linux/minmax.h>
#include <linux/slab.h>

#include "pool/depot.h"
#include "pool/head.h"
#include "pool/magazine.h"
#include "pool/poison.h"
#include "pool/reject.h"

/* Entries of the loaded magazine in use. */
static unsigned int loaded_nr(const struct gophership_head *head)
{
	return head->loaded ? head->top - head->loaded->slot : 0;
}

static void set_loaded_nr(struct gophership_head *head, unsigned int nr)
{
	WRITE_ONCE(head->top, head->loaded->slot + nr);
}

/*
 * How far the hot path may fill the magazine. A waiter raises the count, then sets the limit
 * to NULL. With a barrier on both sides this CPU sees the count, or the limit is NULL after
 * both.
 */
static void set_limit(struct gophership_head *head)
{
	struct gophership_magazine *mag = head->loaded;

	/* The rows beyond the classes have none, either. */
	if (!mag || head->pool->flags & GOPHERSHIP_POOL_CLAIMS) {
		WRITE_ONCE(head->limit, NULL);
		return;
	}
	WRITE_ONCE(head->limit, mag->slot + mag->capacity);
	smp_mb(); /* (C) pairs with (C) in gophership_waiters_raise() */
	if (unlikely(atomic_read(&head->pool->waiters[head->class])))
		WRITE_ONCE(head->limit, NULL);
}

/*
 * A task waits for a buffer of @class or a larger one. Soon every release of these
 * takes the slow path, sees the waiter and puts the buffer where the waiter can get it.
 * A release that read the limit before puts its buffer into a magazine; the waiter finds
 * it there when its timeout has passed and it flushes the magazines.
 *
 * A CPU that restores its limit at this moment sees the count: (C). Releases of classes that
 * are too small for the task stay on the hot path.
 */
void gophership_waiters_raise(struct gophership_pool *pool, unsigned int class)
{
	unsigned int i;
	int cpu;

	for (i = class; i < GOPHERSHIP_NR_CLASSES; i++)
		atomic_inc(&pool->waiters[i]);
	/* (C) pairs with (C) in set_limit(), gophership_reserve_give(), gophership_depot_list(). */
	smp_mb__after_atomic();
	for_each_possible_cpu(cpu) {
		struct gophership_head *heads = per_cpu_ptr(pool->heads, cpu);

		for (i = class; i < GOPHERSHIP_NR_CLASSES; i++)
			WRITE_ONCE(heads[i].limit, NULL);
	}
}

/*
 * The first release on a CPU finds no limit, takes the slow path and restores it for
 * the others. (Only the head's own CPU knows which magazine it has, and an interrupt
 * for each CPU would cost more than that one release.)
 */
void gophership_waiters_lower(struct gophership_pool *pool, unsigned int class)
{
	for (; class < GOPHERSHIP_NR_CLASSES; class++)
		atomic_dec(&pool->waiters[class]);
}

/* @mag may be NULL. */
static void load(struct gophership_head *head, struct gophership_magazine *mag)
{
	WRITE_ONCE(head->loaded, mag);
	WRITE_ONCE(head->top, mag ? mag->slot + mag->nr : gophership_nothing.slot);
	set_limit(head);
}

/* Before any CPU can find @head. */
void gophership_head_init(struct gophership_head *head, struct gophership_pool *pool,
			  unsigned int class)
{
	head->class = class;
	head->pool = pool;
	head->idle = 1;
	load(head, NULL);
}

static void set_spare(struct gophership_head *head, struct gophership_magazine *mag)
{
	WRITE_ONCE(head->spare, mag);
	WRITE_ONCE(head->spare_nr, mag ? mag->nr : 0);
}

/* While a head has a magazine loaded, the count lives in the head. */
static struct gophership_magazine *unload(struct gophership_head *head)
{
	struct gophership_magazine *mag = head->loaded;

	if (mag)
		mag->nr = loaded_nr(head);
	return mag;
}

static void swap_spare(struct gophership_head *head)
{
	struct gophership_magazine *mag = unload(head);

	load(head, head->spare);
	set_spare(head, mag);
}

/* Fill the loaded magazine from the inbox. */
static void drain_inbox(struct gophership_head *head)
{
	struct gophership_magazine *mag = head->loaded;

	/* Tasks that wait take from the inbox: leave it to them. */
	if (!mag || atomic_read(&head->pool->waiters[head->class]))
		return;
	set_loaded_nr(head, gophership_depot_unlist(head->depot, mag, loaded_nr(head),
						    mag->capacity));
}

/*
 * Give this CPU's head of @class an empty magazine if it has none at all: its
 * first use, or the first one after it was flushed. @gfp: of the request that needs it.
 * Context: the head not entered; preemption on, as far as the caller can do that.
 */
void gophership_head_equip(struct gophership_pool *pool, unsigned int class, gfp_t gfp)
{
	struct gophership_magazine *mag;
	struct gophership_head *head;

	if (this_cpu_read(pool->heads[class].loaded))
		return;
	if (static_branch_unlikely(&gophership_poison_key))
		return;
	mag = gophership_magazine_alloc(class, gfp);
	if (!mag)
		return;
	preempt_disable();
	head = this_cpu_ptr(pool->heads + class);
	if (gophership_head_enter(head)) {
		if (!head->loaded && gophership_magazine_charge(head->depot, mag, false)) {
			load(head, mag);
			mag = NULL;
		}
		gophership_head_leave(head);
	}
	preempt_enable();
	gophership_magazine_free(mag);
}

/**
 * gophership_head_reload() - get buffers into the loaded magazine
 * @head: a head without buffers in its loaded magazine
 *
 * Return: true if there are some now.
 */
bool gophership_head_reload(struct gophership_head *head)
{
	struct gophership_magazine *mag;

	if (loaded_nr(head))
		return true;
	if (head->spare && head->spare->nr) {
		swap_spare(head);
		return true;
	}
	unload(head);
	mag = gophership_depot_take(head->depot, head->loaded);
	if (mag) {
		load(head, mag);
		return true;
	}
	if (!head->loaded && head->spare)
		swap_spare(head);
	drain_inbox(head);
	return loaded_nr(head);
}

/**
 * gophership_head_make_room() - get room into the loaded magazine
 * @head: the head
 * @mag: an empty magazine that the head may take (then set to NULL), or NULL
 *
 * Return: false if that needs one more magazine, and there is none, or it may not be.
 */
bool gophership_head_make_room(struct gophership_head *head, struct gophership_magazine **mag)
{
	struct gophership_magazine *empty = NULL;

	if (head->loaded && loaded_nr(head) < head->loaded->capacity) {
		set_limit(head);
		return true;
	}
	if (head->spare && head->spare->nr < head->spare->capacity) {
		swap_spare(head);
		return true;
	}
	/* Both are full or missing: the spare one goes to the depot. */
	if (head->spare && head->loaded) {
		if (!gophership_depot_give(head->depot, head->spare, &empty))
			return false;
		set_spare(head, NULL);
	}
	if (!head->spare) {
		unload(head);
		set_spare(head, head->loaded);
		load(head, NULL);
	}
	if (!empty)
		empty = gophership_depot_take_empty(head->depot);
	if (!empty && *mag) {
		empty = *mag;
		*mag = NULL;
	}
	if (!empty)
		return false;
	if (!gophership_magazine_charge(head->depot, empty, false)) {
		if (gophership_depot_give_empty(head->depot, empty))
			return false;
		gophership_magazine_charge(head->depot, empty, true);
	}
	load(head, empty);
	return true;
}

/* Drop the top entry: its buffer does not confirm it. See "The seal". */
void gophership_head_drop(struct gophership_head *head)
{
	set_loaded_nr(head, loaded_nr(head) - 1);
	this_cpu_dec(head->pool->heads[head->class].slow_releases);
	gophership_reject_stale(*head->top);
}

static bool flush_magazine(struct gophership_head *head, struct gophership_magazine *mag)
{
	if (!mag)
		return true;
	if (mag->nr)
		return gophership_depot_give(head->depot, mag, NULL);
	return gophership_depot_give_empty(head->depot, mag);
}

/**
 * gophership_head_flush() - give both magazines to the depot
 * @head: a head of this CPU, or of one that is dead
 *
 * Context: preemption off; not NMI.
 * Return: false if the head was busy: this interrupt came upon its user.
 */
bool gophership_head_flush(struct gophership_head *head)
{
	if (!gophership_head_enter(head))
		return false;
	unload(head);
	flush_magazine(head, head->loaded);
	load(head, NULL);
	flush_magazine(head, head->spare);
	set_spare(head, NULL);
	gophership_head_leave(head);
	return true;
}

/*
 * Entries of the loaded magazine, for lockless readers. While the magazine is exchanged, the
 * two words may not fit each other. Then it counts as empty; or, if the new magazine lies
 * just above the old one, as fuller than it is.
 */
static unsigned int peek_loaded(const struct gophership_head *head)
{
	const struct gophership_magazine *mag = READ_ONCE(head->loaded);
	unsigned long bytes = (unsigned long)READ_ONCE(head->top) - (unsigned long)mag;

	bytes -= offsetof(struct gophership_magazine, slot);
	if (!mag || bytes > GOPHERSHIP_MAGAZINE_SIZE_MAX || READ_ONCE(head->loaded) != mag)
		return 0;
	return bytes / sizeof(struct gophership_buf *);
}

/* Buffers in the head's magazines; a peek. */
unsigned int gophership_head_cached(const struct gophership_head *head)
{
	return peek_loaded(head) + READ_ONCE(head->spare_nr);
}

/* Has it a magazine, be it an empty one? A peek. */
bool gophership_head_equipped(const struct gophership_head *head)
{
	return READ_ONCE(head->loaded) || READ_ONCE(head->spare);
}
