// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: /sys/kernel/debug/gophership, its pools and the holders of buffers.
 *
 * Nothing is counted for these files: what they tell is there anyway, and is summed up
 * when they are read. An open file holds the module.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>

#include "pool/debugfs.h"
#include "pool/depot.h"
#include "pool/head.h"
#include "pool/list.h"
#include "pool/site.h"
#include "pool/stock.h"
#include "pool/tally.h"

static struct dentry *directory;
static gophership_debugfs_lent add_lent;

/* A pool's name may have blanks; a reader of columns wants none. */
static void print_name(struct seq_file *seq, const char *name)
{
	seq_escape(seq, name, " \t\n\\");
}

/*
 * pools: a row for each size class of each pool
 */

/* Holds gophership_pools_lock until pools_stop(): for a page of text at a time. */
static void *pools_start(struct seq_file *seq, loff_t *pos)
{
	mutex_lock(&gophership_pools_lock);
	return seq_list_start_head(&gophership_pools, *pos);
}

static void *pools_next(struct seq_file *seq, void *item, loff_t *pos)
{
	return seq_list_next(item, &gophership_pools, pos);
}

static void pools_stop(struct seq_file *seq, void *item)
{
	mutex_unlock(&gophership_pools_lock);
}

/* What lies idle on each memory node: in the depot, in magazines and inboxes. */
static void print_nodes(struct seq_file *seq, struct gophership_pool *pool, unsigned int class)
{
	const struct gophership_head *head;
	u64 *cached = seq->private;
	int cpu, node;

	if (class >= GOPHERSHIP_NR_CLASSES)
		return;
	for (node = 0; node < nr_node_ids; node++)
		cached[node] = gophership_depot_cached(gophership_pool_depot(pool, node, class));
	for_each_possible_cpu(cpu) {
		head = per_cpu_ptr(pool->heads + class, cpu);
		cached[head->node] += gophership_head_cached(head);
	}
	for_each_node_state(node, N_MEMORY)
		if (cached[node])
			seq_printf(seq, " N%d=%llu", node, cached[node]);
}

static void print_row(struct seq_file *seq, struct gophership_pool *pool, unsigned int class,
		      const struct gophership_pool_stats *stats)
{
	bool pooled = class < GOPHERSHIP_NR_CLASSES;
	struct gophership_class_stats row = stats->class[class];

	if (pooled && pool == gophership_user_pool)
		add_lent(class, &row);
	print_name(seq, pool->name);
	seq_printf(seq, " %u %llu %llu %u %u %d", row.capacity, row.leased, row.cached,
		   row.capacity == pool->reserve_size ? stats->reserve : 0,
		   pooled ? gophership_stock_cached(pool, class) : 0,
		   pooled ? atomic_read(&pool->waiters[class]) : 0);
	seq_printf(seq, " %llu %llu %llu %llu %llu", row.acquires, row.hits, row.misses,
		   row.releases, row.shrunk);
	print_nodes(seq, pool, class);
	seq_putc(seq, '\n');
}

static int pools_show(struct seq_file *seq, void *item)
{
	struct gophership_pool_stats stats;
	struct gophership_pool *pool;
	unsigned int class;

	if (item == &gophership_pools) {
		seq_puts(seq, "pool capacity leased cached reserve stock waiters ");
		seq_puts(seq, "acquires hits misses releases shrunk nodes\n");
		return 0;
	}
	pool = list_entry(item, struct gophership_pool, entry);
	if (pool == gophership_orphans)
		return 0;
	gophership_pool_stats(pool, &stats);
	for (class = 0; class < ARRAY_SIZE(stats.class); class++)
		print_row(seq, pool, class, &stats);
	return 0;
}

static const struct seq_operations pools_sops = {
	.start = pools_start,
	.next = pools_next,
	.stop = pools_stop,
	.show = pools_show,
};

/* With a word for each node: see print_nodes(). */
static int pools_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &pools_sops, nr_node_ids * sizeof(u64));
}

static const struct file_operations pools_fops = {
	.owner = THIS_MODULE,
	.open = pools_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

/*
 * leased: a row for each call site that has buffers of a pool
 */

/* The one at @pos, of which 0 is the head of the table. */
static void *leased_at(const struct gophership_tally *tally, loff_t pos)
{
	struct rb_node *node;

	if (!pos)
		return SEQ_START_TOKEN;
	for (node = rb_first(&tally->holders); node && --pos; node = rb_next(node))
		;
	return node;
}

static void *leased_start(struct seq_file *seq, loff_t *pos)
{
	return leased_at(seq->private, *pos);
}

static void *leased_next(struct seq_file *seq, void *item, loff_t *pos)
{
	const struct gophership_tally *tally = seq->private;

	++*pos;
	return item == SEQ_START_TOKEN ? rb_first(&tally->holders) : rb_next(item);
}

static void leased_stop(struct seq_file *seq, void *item)
{
}

static int leased_show(struct seq_file *seq, void *item)
{
	const struct gophership_holder *holder;
	struct gophership_site_name name;

	if (item == SEQ_START_TOKEN) {
		seq_puts(seq, "pool buffers bytes call_site\n");
		return 0;
	}
	holder = rb_entry(item, struct gophership_holder, node);
	if (!holder->pool[0]) {
		seq_printf(seq, "- %llu %llu others\n", holder->bufs, holder->bytes);
		return 0;
	}
	print_name(seq, holder->pool);
	seq_printf(seq, " %llu %llu %s\n", holder->bufs, holder->bytes,
		   gophership_site_name(holder->call_site, &name));
	return 0;
}

static const struct seq_operations leased_sops = {
	.start = leased_start,
	.next = leased_next,
	.stop = leased_stop,
	.show = leased_show,
};

/* The whole file tells of one moment, in reads of any size. */
static int leased_open(struct inode *inode, struct file *file)
{
	struct gophership_tally *tally;
	int ret;

	tally = __seq_open_private(file, &leased_sops, sizeof(*tally));
	if (!tally)
		return -ENOMEM;
	ret = gophership_tally_take(tally);
	if (!ret)
		return 0;
	gophership_tally_free(tally);
	seq_release_private(inode, file);
	return ret;
}

static int leased_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;

	gophership_tally_free(seq->private);
	return seq_release_private(inode, file);
}

static const struct file_operations leased_fops = {
	.owner = THIS_MODULE,
	.open = leased_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = leased_release,
};

/**
 * gophership_debugfs_init() - make the directory and the pool's files
 * @lent: called for the pool of the device, with gophership_pools_lock held
 *
 * A kernel without debugfs, or with a name that is taken, goes without them.
 *
 * Context: process, the pools are there.
 * Return: the directory, for further files; maybe an error pointer, which debugfs takes.
 */
struct dentry *gophership_debugfs_init(gophership_debugfs_lent lent)
{
	add_lent = lent;
	directory = debugfs_create_dir("gophership", NULL);
	debugfs_create_file("pools", 0400, directory, NULL, &pools_fops);
	debugfs_create_file("leased", 0400, directory, NULL, &leased_fops);
	return directory;
}

/* With all files that were put there. No reader is left when it returns. */
void gophership_debugfs_exit(void)
{
	debugfs_remove(directory);
}
