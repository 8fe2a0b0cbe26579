// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the device's files of /sys/kernel/debug/gophership: what is
 * lent to which process, and the ports.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/seq_file.h>

#include "device/context.h"
#include "device/debugfs.h"
#include "device/idle.h"
#include "device/port.h"

/* See pool/debugfs.h. */
void gophership_debugfs_lent_row(unsigned int class, struct gophership_class_stats *row)
{
	struct gophership_class_counters counters = { .hits = row->hits, .cached = row->cached };

	gophership_idle_stats(class, &counters);
	row->hits = counters.hits;
	row->cached = counters.cached;
}

/* The process that opened the device, by its number (0: it is gone) and its name. */
static void print_opener(struct seq_file *seq, const struct gophership_account *account)
{
	bool there = pid_has_task(account->opener, PIDTYPE_TGID);

	seq_printf(seq, "%d ", there ? pid_nr(account->opener) : 0);
	/* The name may be any bytes, or none. A column is one word, without escape sequences. */
	seq_escape(seq, account->comm[0] ? account->comm : "-", " \t\n\v\f\r\033\\");
}

/* For both files: the list is locked for a page of text at a time. */
static void *list_next(struct seq_file *seq, void *item, loff_t *pos)
{
	return seq_list_next(item, seq->private, pos);
}

/*
 * contexts: a row for each open of the device
 */

static void *contexts_start(struct seq_file *seq, loff_t *pos)
{
	seq->private = gophership_contexts_lock();
	return seq_list_start_head(seq->private, *pos);
}

static void contexts_stop(struct seq_file *seq, void *item)
{
	gophership_contexts_unlock();
}

static int contexts_show(struct seq_file *seq, void *item)
{
	struct gophership_context *context;
	struct gophership_stats stats;

	if (item == seq->private) {
		seq_puts(seq, "pid comm context leased charged acquires releases ");
		seq_puts(seq, "faults cleared retired\n");
		return 0;
	}
	context = list_entry(item, struct gophership_context, entry);
	gophership_context_peek(context, &stats);
	print_opener(seq, context->account);
	seq_printf(seq, " %u %llu %llu %llu %llu %llu %llu %llu\n", context->id, stats.leased,
		   stats.leased_bytes, stats.acquires, stats.releases, stats.faults,
		   stats.cleared, stats.retired);
	return 0;
}

static const struct seq_operations contexts_sops = {
	.start = contexts_start,
	.next = list_next,
	.stop = contexts_stop,
	.show = contexts_show,
};
DEFINE_SEQ_ATTRIBUTE(contexts);

/*
 * ports: a row for each port
 */

static void *ports_start(struct seq_file *seq, loff_t *pos)
{
	seq->private = gophership_ports_lock();
	return seq_list_start_head(seq->private, *pos);
}

static void ports_stop(struct seq_file *seq, void *item)
{
	gophership_ports_unlock();
}

static int ports_show(struct seq_file *seq, void *item)
{
	struct gophership_port_state state;
	struct gophership_port *port;

	if (item == seq->private) {
		seq_puts(seq, "pid comm driver buffers capacity program at_driver bytes ");
		seq_puts(seq, "starved lost bad\n");
		return 0;
	}
	port = list_entry(item, struct gophership_port, everywhere);
	gophership_port_state(port, &state);
	print_opener(seq, port->account);
	seq_printf(seq, " %s %u %u %u %u %llu %u %u %u\n", state.driver, port->bank.count,
		   port->bank.capacity, state.program_bufs, state.driver_bufs, state.bytes,
		   state.starved, state.lost, state.bad);
	return 0;
}

static const struct seq_operations ports_sops = {
	.start = ports_start,
	.next = list_next,
	.stop = ports_stop,
	.show = ports_show,
};
DEFINE_SEQ_ATTRIBUTE(ports);

/**
 * gophership_dev_debugfs_init() - make the device's files
 * @directory: from gophership_debugfs_init(), which removes them with it
 *
 * Context: process; the lists of contexts and ports are there, if empty.
 */
void gophership_dev_debugfs_init(struct dentry *directory)
{
	debugfs_create_file("contexts", 0400, directory, NULL, &contexts_fops);
	debugfs_create_file("ports", 0400, directory, NULL, &ports_fops);
}
