// SPDX-License-Identifier: GPL-2.0
/*
 * A tracer that takes its buffers from the pool and gives them back, in whatever
 * context an event of the kernel comes, while tasks on every CPU keep the pool busy.
 *
 * A command is a line written to /sys/kernel/debug/gophership_tracer/run:
 *
 *   on EVENT    listen to that tracepoint, from now on
 *   off         no longer, and account for every buffer: EIO if one is missing, or
 *               was in two hands; the kernel's log says what
 *
 * It fails with ENOENT if this kernel has no such event. "stats" tells what happened.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>

#include "gophership_buf.h"

/* What the tracer holds at a time: records that nobody has read yet. */
#define RECORDS		256
/* A task's round: more than the magazines of a CPU hold. */
#define ROUND		600
/* An event within the handling of an event within ... is no more traced. */
#define DEPTH_MAX	3

struct counts {
	unsigned long events;
	unsigned long served;
	unsigned long refused;
	int depth;
};

static DEFINE_PER_CPU(struct counts, counts);
static struct gophership_buf *records[RECORDS];
static atomic_t next_record;
static atomic_t mistakes;

static struct gophership_pool *pool;
static struct tracepoint *event;
static struct task_struct **tasks;	/* one a CPU */
static DEFINE_MUTEX(lock);		/* the three above */

/* The first word of the payload is the holder's mark: nobody gets what another has. */
static struct gophership_buf *take(size_t size, gfp_t gfp)
{
	struct gophership_buf *buf = gophership_pool_acquire(pool, size, gfp);

	if (buf && (buf->len || buf->capacity < size))
		atomic_inc(&mistakes);
	if (buf && xchg((unsigned long *)buf->data, (unsigned long)buf) == (unsigned long)buf)
		atomic_inc(&mistakes);
	return buf;
}

static void give(struct gophership_buf *buf)
{
	if (!buf)
		return;
	if (xchg((unsigned long *)buf->data, 0) != (unsigned long)buf)
		atomic_inc(&mistakes);
	if (gophership_buf_release(buf))
		atomic_inc(&mistakes);
}

static struct gophership_buf *put_in_record(struct gophership_buf *buf)
{
	unsigned int i = (unsigned int)atomic_inc_return(&next_record) % RECORDS;

	return xchg(&records[i], buf);
}

/* Most events want a page; the others any class, or none. */
static size_t size_of(unsigned long nr)
{
	return nr % 8 ? 1 : PAGE_SIZE << (nr / 8 % (GOPHERSHIP_NR_CLASSES + 1));
}

static void trace(struct counts *here)
{
	struct gophership_buf *buf;

	buf = take(size_of(here->events), GFP_NOWAIT);
	if (buf)
		here->served++;
	else
		here->refused++;
	/* An old record makes room, also where there is no new one. */
	if (buf || here->events % 4 == 0)
		give(put_in_record(buf));
	/* And a mistake, in a context where it cannot be told at once. */
	if (here->events % 64 == 0 && gophership_buf_release((void *)&records[0]) != -EINVAL)
		atomic_inc(&mistakes);
}

/* Whatever the event tells is in further arguments. */
static void probe(void *unused)
{
	struct counts *here;

	preempt_disable_notrace();
	here = this_cpu_ptr(&counts);
	if (++here->depth <= DEPTH_MAX) {
		here->events++;
		trace(here);
	}
	here->depth--;
	preempt_enable_notrace();
}

/* A driver at work: everything that the pool does off the hot path. */
static int work(void *unused)
{
	struct gophership_buf **bufs = kvcalloc(ROUND, sizeof(*bufs), GFP_KERNEL);
	unsigned int i, class = 0;

	while (bufs && !kthread_should_stop()) {
		for (i = 0; i < ROUND >> class; i++)
			bufs[i] = take(PAGE_SIZE << class, GFP_KERNEL | __GFP_NORETRY);
		/* What the tracer gives back, too. */
		give(put_in_record(take(PAGE_SIZE << GOPHERSHIP_NR_CLASSES, GFP_KERNEL |
					__GFP_NORETRY)));
		while (i--)
			give(bufs[i]);
		class = (class + 1) % GOPHERSHIP_NR_CLASSES;
		if (!class)
			gophership_pool_trim(pool);
		usleep_range(50, 100);
	}
	kvfree(bufs);
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static void stop_tasks(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		if (tasks[cpu])
			kthread_stop(tasks[cpu]);
	kfree(tasks);
	tasks = NULL;
}

static int start_tasks(void)
{
	struct task_struct *task;
	unsigned int cpu;

	tasks = kcalloc(nr_cpu_ids, sizeof(*tasks), GFP_KERNEL);
	if (!tasks)
		return -ENOMEM;
	for_each_online_cpu(cpu) {
		task = kthread_create_on_cpu(work, NULL, cpu, "tracer/%u");
		if (IS_ERR(task)) {
			stop_tasks();
			return PTR_ERR(task);
		}
		tasks[cpu] = task;
		wake_up_process(task);
	}
	return 0;
}

/* The name that is sought, and what was found. */
struct search {
	const char *name;
	struct tracepoint *found;
};

static void compare(struct tracepoint *candidate, void *search)
{
	struct search *s = search;

	if (!strcmp(candidate->name, s->name))
		s->found = candidate;
}

static int begin(const char *name)
{
	const struct gophership_pool_params params = { .name = "tracer" };
	struct search search = { .name = name };
	unsigned int cpu;
	int ret;

	if (event)
		return -EBUSY;
	for_each_kernel_tracepoint(compare, &search);
	if (!search.found)
		return -ENOENT;
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&counts, cpu), 0, sizeof(struct counts));
	atomic_set(&mistakes, 0);
	pool = gophership_pool_create(&params);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	ret = start_tasks();
	if (!ret)
		ret = tracepoint_probe_register(search.found, probe, NULL);
	if (ret) {
		if (tasks)
			stop_tasks();
		gophership_pool_destroy(pool);
		return ret;
	}
	event = search.found;
	return 0;
}

static int end(void)
{
	unsigned int i, leaked;

	if (!event)
		return -EINVAL;
	tracepoint_probe_unregister(event, probe, NULL);
	tracepoint_synchronize_unregister();
	stop_tasks();
	for (i = 0; i < RECORDS; i++)
		give(xchg(&records[i], NULL));
	leaked = gophership_pool_destroy(pool);
	pr_info("%s: %d mistakes, %u buffers missing\n", event->name, atomic_read(&mistakes),
		leaked);
	event = NULL;
	return leaked || atomic_read(&mistakes) ? -EIO : 0;
}

static ssize_t run_write(struct file *file, const char __user *user, size_t size, loff_t *offset)
{
	char line[64], command[16], name[48] = "";
	int ret = -EINVAL;

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, user, size))
		return -EFAULT;
	line[size] = '\0';
	if (sscanf(line, "%15s %47s", command, name) < 1)
		return -EINVAL;
	mutex_lock(&lock);
	if (!strcmp(command, "on"))
		ret = begin(name);
	else if (!strcmp(command, "off"))
		ret = end();
	mutex_unlock(&lock);
	return ret ?: size;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.write = run_write,
};

static int stats_show(struct seq_file *file, void *unused)
{
	unsigned long events = 0, served = 0, refused = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct counts *c = per_cpu_ptr(&counts, cpu);

		events += READ_ONCE(c->events);
		served += READ_ONCE(c->served);
		refused += READ_ONCE(c->refused);
	}
	seq_printf(file, "events=%lu served=%lu refused=%lu\n", events, served, refused);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static struct dentry *directory;

static int __init tracer_init(void)
{
	directory = debugfs_create_dir("gophership_tracer", NULL);
	debugfs_create_file("run", 0200, directory, NULL, &run_fops);
	debugfs_create_file("stats", 0400, directory, NULL, &stats_fops);
	return 0;
}
module_init(tracer_init);

static void __exit tracer_exit(void)
{
	debugfs_remove(directory);
	mutex_lock(&lock);
	end();
	mutex_unlock(&lock);
}
module_exit(tracer_exit);

MODULE_DESCRIPTION("A tracer that takes its buffers from GopherShip's pool");
MODULE_LICENSE("GPL");
