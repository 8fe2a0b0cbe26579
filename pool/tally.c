// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the holders of buffers now, summed up by pool and call site.
 *
 * A descriptor remembers the call site of its acquire anyway. So nothing is counted until a
 * reader asks: the sums are made from the registry then, a few descriptors at a time.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pool/tally.h"

static int compare(const struct gophership_holder *a, const struct gophership_holder *b)
{
	int order = strcmp(a->pool, b->pool);

	if (order)
		return order;
	return a->call_site < b->call_site ? -1 : a->call_site > b->call_site;
}

static int compare_nodes(struct rb_node *node, const struct rb_node *other)
{
	return compare(rb_entry(node, struct gophership_holder, node),
		       rb_entry(other, struct gophership_holder, node));
}

static int compare_key(const void *key, const struct rb_node *node)
{
	return compare(key, rb_entry(node, struct gophership_holder, node));
}

/* The sum that @key belongs to, made if there is none; NULL without memory. */
static struct gophership_holder *find_or_make(struct gophership_tally *tally,
					      struct gophership_holder *key)
{
	struct gophership_holder *holder;
	struct rb_node *node;

	node = rb_find(key, &tally->holders, compare_key);
	if (!node && tally->nr == GOPHERSHIP_TALLY_MAX) {
		key->pool[0] = '\0';
		key->call_site = 0;
		node = rb_find(key, &tally->holders, compare_key);
	}
	if (node)
		return rb_entry(node, struct gophership_holder, node);
	holder = kmemdup(key, sizeof(*key), GFP_KERNEL);
	if (!holder)
		return NULL;
	rb_find_add(&holder->node, &tally->holders, compare_nodes);
	tally->nr++;
	return holder;
}

static int add(struct gophership_tally *tally, const struct gophership_leased *leased)
{
	struct gophership_holder key = { .call_site = leased->acquired_by }, *holder;

	strscpy(key.pool, leased->pool, sizeof(key.pool));
	holder = find_or_make(tally, &key);
	if (!holder)
		return -ENOMEM;
	holder->bufs++;
	holder->bytes += leased->size;
	return 0;
}

static int add_all(struct gophership_tally *tally, struct gophership_leased *leased)
{
	unsigned int nr, i;
	unsigned long key = 0;
	bool more = true;
	int ret = 0;

	while (more && !ret) {
		nr = gophership_registry_leased(&key, leased, &more);
		for (i = 0; i < nr && !ret; i++)
			ret = add(tally, &leased[i]);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	return ret;
}

/**
 * gophership_tally_take() - sum up what is on loan to drivers now
 * @tally: filled in, on an error, too: to be given to gophership_tally_free()
 *
 * What the device lends to programs, and the banks of ports, are not in it.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EINTR if a fatal signal came.
 */
int gophership_tally_take(struct gophership_tally *tally)
{
	struct gophership_leased *leased;
	int ret;

	tally->holders = RB_ROOT;
	tally->nr = 0;
	leased = kmalloc_array(GOPHERSHIP_LOOK_AT, sizeof(*leased), GFP_KERNEL);
	if (!leased)
		return -ENOMEM;
	ret = add_all(tally, leased);
	kfree(leased);
	return ret;
}

void gophership_tally_free(struct gophership_tally *tally)
{
	struct gophership_holder *holder, *next;

	rbtree_postorder_for_each_entry_safe(holder, next, &tally->holders, node)
		kfree(holder);
	tally->holders = RB_ROOT;
	tally->nr = 0;
}
