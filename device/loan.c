// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: loans, made and unmade.
 *
 * Where they are when they are not lent is told in device/idle.c.
 */
#include <linux/list.h>
#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "device/loan.h"
#include "gophership_compat.h"
#include "pool/lent.h"
#include "pool/list.h"

/* At the end of memory, or of the cgroup's, the caller gets ENOMEM: no OOM kill. */
#define GFP_LEASE	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static struct kmem_cache *loan_cache;

/* Put the loan's own memory on @node, by which the lists know it, if that can be. */
static struct gophership_loan *loan_move(struct gophership_loan *loan, int node)
{
	struct gophership_loan *moved;

	if (!gophership_many_nodes() || page_to_nid(virt_to_page(loan)) == node)
		return loan;
	moved = kmem_cache_alloc_node(loan_cache, GFP_LEASE | __GFP_THISNODE, node);
	if (!moved)
		return loan;
	kmem_cache_free(loan_cache, loan);
	return moved;
}

static struct gophership_loan *loan_make(unsigned int class, struct list_lru *lru)
{
	struct gophership_loan *loan;
	struct gophership_buf *buf;

	loan = kmem_cache_alloc_lru(loan_cache, lru, GFP_LEASE);
	if (!loan)
		return NULL;
	buf = gophership_lend(gophership_user_pool, class, GFP_LEASE);
	if (!buf) {
		kmem_cache_free(loan_cache, loan);
		return NULL;
	}
	loan = loan_move(loan, buf->nid);
	memset(loan, 0, sizeof(*loan));
	INIT_LIST_HEAD(&loan->idle);
	loan->buf = buf;
	loan->class = class;
	return loan;
}

/**
 * gophership_loan_new() - a loan of fresh memory
 * @class: size class of the buffer
 * @lru: a list of the kind that it will be added to
 *
 * All of it is charged to one cgroup, wherever the task goes meanwhile.
 *
 * Context: process, may sleep.
 * Return: the loan, or NULL without memory.
 */
struct gophership_loan *gophership_loan_new(unsigned int class, struct list_lru *lru)
{
	struct gophership_memcg_scope scope;
	struct gophership_loan *loan;

	gophership_memcg_enter(&scope);
	loan = loan_make(class, lru);
	gophership_memcg_leave(&scope);
	return loan;
}

/**
 * gophership_loan_free() - give the memory of a loan back to the machine
 * @loan: the caller's: neither lent nor idle
 *
 * Context: process, or reclaim's.
 */
void gophership_loan_free(struct gophership_loan *loan)
{
	gophership_lent_free(loan->buf);
	kmem_cache_free(loan_cache, loan);
}

/**
 * gophership_loan_forget() - free a loan without its buffer
 * @loan: of a port whose driver never gave the buffer back and may still write to it
 *
 * The buffer goes with the module, as all that was leaked.
 *
 * Context: process.
 */
void gophership_loan_forget(struct gophership_loan *loan)
{
	kmem_cache_free(loan_cache, loan);
}

int __init gophership_loans_init(void)
{
	loan_cache = KMEM_CACHE(gophership_loan, SLAB_ACCOUNT);
	return loan_cache ? 0 : -ENOMEM;
}

/* No loan is left. */
void gophership_loans_exit(void)
{
	kmem_cache_destroy(loan_cache);
}
