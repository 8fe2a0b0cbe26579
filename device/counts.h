/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: what is counted of all contexts together.
 */
#ifndef GOPHERSHIP_DEVICE_COUNTS_H
#define GOPHERSHIP_DEVICE_COUNTS_H

#include <linux/percpu.h>
#include <linux/types.h>

enum gophership_count {
	GOPHERSHIP_COUNT_CLEARED,	/* buffers zeroed at a lease */
	GOPHERSHIP_COUNT_RETIRED,	/* not used again at once when they were given back */
	GOPHERSHIP_COUNT_FAULTS,	/* page faults served */
	GOPHERSHIP_NR_COUNTS
};

/* A CPU's share of each; by this_cpu operations, read by all CPUs. */
DECLARE_PER_CPU(u64 [GOPHERSHIP_NR_COUNTS], gophership_counts);

/* @nr more of @what. Context: any but NMI. */
static inline void gophership_count(enum gophership_count what, unsigned int nr)
{
	this_cpu_add(gophership_counts[what], nr);
}

u64 gophership_counted(enum gophership_count what);

#endif /* GOPHERSHIP_DEVICE_COUNTS_H */
