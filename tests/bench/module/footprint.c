// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's footprint: what the pool takes beside its payloads, computed
 * from its structures as they are compiled and allocated.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/nodemask.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "bench.h"
#include "pool/types.h"

/* The pools that the module makes for itself. */
#define OWN_POOLS	3

/* A CPU has one loaded and one spare. */
#define MAGAZINES_PER_HEAD	2

struct magazine_facts {
	unsigned int capacity;
	size_t bytes;
};

/* Those of the class's magazine on this CPU; the first use has made one. */
static struct magazine_facts magazine_facts(unsigned int class)
{
	struct gophership_magazine *mag;
	struct magazine_facts facts = {};
	struct gophership_buf *buf;

	buf = gophership_pool_acquire(bench_pool, gophership_class_size(class), GFP_KERNEL);
	if (buf)
		gophership_buf_release(buf);
	preempt_disable();
	mag = this_cpu_ptr(bench_pool->heads)[class].loaded;
	if (mag) {
		facts.capacity = mag->capacity;
		facts.bytes = kmalloc_size_roundup(struct_size(mag, slot, mag->capacity));
	}
	preempt_enable();
	return facts;
}

/* A node of the registry has an entry for each descriptor of a slab page. */
static size_t registry_bytes(void)
{
	return DIV_ROUND_UP(sizeof(struct xa_node), XA_CHUNK_SIZE);
}

/* In hundredths of a byte. */
static u64 per_buffer(const struct magazine_facts *facts)
{
	u64 bytes = 100 * (sizeof(struct gophership_buf) + registry_bytes());

	if (!facts->capacity)
		return bytes;
	return bytes + div_u64(100ULL * facts->bytes, facts->capacity);
}

static size_t pool_bytes(unsigned int cpus, unsigned int nodes)
{
	return sizeof(struct gophership_pool) +
	       (size_t)cpus * GOPHERSHIP_NR_HEADS * sizeof(struct gophership_head) +
	       (size_t)nodes * GOPHERSHIP_NR_CLASSES * sizeof(struct gophership_depot);
}

/*
 * What a pool cannot do without, which is what an idle machine keeps; and what
 * the CPUs may have in their magazines besides, all classes in use.
 */
static void show_machine(struct seq_file *seq, const struct magazine_facts *facts,
			 unsigned int cpus, unsigned int nodes)
{
	u64 payload = 0, magazines = 0;
	unsigned int class;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		payload += (u64)facts[class].capacity * gophership_class_size(class);
		magazines += facts[class].bytes;
	}
	seq_printf(seq, "footprint what=machine cpus=%u nodes=%u pools=%u", cpus, nodes,
		   OWN_POOLS);
	seq_printf(seq, " idle=%zu", OWN_POOLS * pool_bytes(cpus, nodes));
	seq_printf(seq, " magazines=%llu payload=%llu\n", MAGAZINES_PER_HEAD * cpus * magazines,
		   MAGAZINES_PER_HEAD * cpus * payload);
}

void bench_footprint_show(struct seq_file *seq)
{
	struct magazine_facts facts[GOPHERSHIP_NR_CLASSES];
	unsigned int class;
	u32 rest;
	u64 whole;

	for (class = 0; class < GOPHERSHIP_NR_CLASSES; class++) {
		facts[class] = magazine_facts(class);
		whole = div_u64_rem(per_buffer(&facts[class]), 100, &rest);
		seq_printf(seq, "footprint what=buffer size=%zu descriptor=%zu registry=%zu",
			   gophership_class_size(class), sizeof(struct gophership_buf),
			   registry_bytes());
		seq_printf(seq, " magazine=%zu capacity=%u metadata=%llu.%02u\n",
			   facts[class].bytes, facts[class].capacity, whole, rest);
	}
	show_machine(seq, facts, num_possible_cpus(), nr_node_ids);
	show_machine(seq, facts, 256, 8);
}
