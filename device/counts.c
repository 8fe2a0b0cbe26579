// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: what is counted of all contexts together, those that are closed
 * included. Per CPU: a page fault touches no line that other contexts write.
 */
#include <linux/cpumask.h>

#include "device/counts.h"

DEFINE_PER_CPU(u64 [GOPHERSHIP_NR_COUNTS], gophership_counts);

/* How often @what has happened since the module was loaded. Context: any. */
u64 gophership_counted(enum gophership_count what)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(gophership_counts, cpu)[what]);
	return sum;
}
