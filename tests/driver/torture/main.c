// SPDX-License-Identifier: GPL-2.0
/*
 * What tests/driver/guest asks of the pool from inside the kernel.
 *
 * A command is a line written to /sys/kernel/debug/gophership_torture/run. It
 * is done by the task that writes it; the write fails with EIO if the pool did
 * something wrong, and the kernel's log says what. "stats" tells the counters.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "torture.h"

#define LOCKER	16

/*
 * Whoever takes a buffer marks its payload as held, so that nobody gets what
 * somebody has. (As in tests/kunit.)
 */
struct mark {
	u64 key;
	unsigned long held;
};

static u64 secret;
atomic_t torture_mistakes;
static struct gophership_buf *locker[LOCKER];

static void note(struct gophership_buf *buf, size_t size)
{
	struct mark *mark = buf->data;

	if (buf->len || buf->capacity < size)
		atomic_inc(&torture_mistakes);
	if (mark->key != (secret ^ (unsigned long)buf)) {
		mark->key = secret ^ (unsigned long)buf;
		mark->held = 1;
	} else if (xchg(&mark->held, 1)) {
		atomic_inc(&torture_mistakes);
	}
	buf->len = 1;
}

struct gophership_buf *torture_take(size_t size, gfp_t gfp)
{
	struct gophership_buf *buf = gophership_buf_acquire(size, gfp);

	if (buf)
		note(buf, size);
	return buf;
}

struct gophership_buf *torture_take_must(size_t size)
{
	struct gophership_buf *buf = gophership_buf_must_acquire(size);

	if (buf)
		note(buf, size);
	else
		atomic_inc(&torture_mistakes);
	return buf;
}

void torture_give(struct gophership_buf *buf)
{
	struct mark *mark = buf->data;

	if (mark->key != (secret ^ (unsigned long)buf) || !xchg(&mark->held, 0))
		atomic_inc(&torture_mistakes);
	if (gophership_buf_release(buf))
		atomic_inc(&torture_mistakes);
}

void torture_put_in_locker(unsigned int place, struct gophership_buf *buf)
{
	buf = xchg(&locker[place % LOCKER], buf);
	if (buf)
		torture_give(buf);
}

void torture_empty_locker(void)
{
	unsigned int i;

	for (i = 0; i < LOCKER; i++)
		torture_put_in_locker(i, NULL);
}

/* Pairs and exchanges by the task that asks, for so many milliseconds. */
static int hammer(unsigned long milliseconds, unsigned long class)
{
	unsigned long end = jiffies + msecs_to_jiffies(milliseconds);
	struct gophership_buf *buf;
	unsigned int i;
	int before = atomic_read(&torture_mistakes);

	for (i = 0; time_before(jiffies, end); i++) {
		buf = torture_take(PAGE_SIZE << class, GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		if (i % 8 == 0)
			torture_put_in_locker(i / 8, buf);
		else
			torture_give(buf);
		if (i % 128 == 0) {
			cond_resched();
			/* The machine may be about to sleep. */
			try_to_freeze();
		}
	}
	return atomic_read(&torture_mistakes) == before ? 0 : -EIO;
}

/* @nr buffers lie idle in the magazines of this CPU and the depot. */
int torture_fill(unsigned long nr, unsigned long class)
{
	struct gophership_buf **bufs = kvcalloc(nr, sizeof(*bufs), GFP_KERNEL);
	unsigned int got;

	if (!bufs)
		return -ENOMEM;
	got = gophership_buf_acquire_bulk(PAGE_SIZE << class, GFP_KERNEL, nr, bufs);
	if (gophership_buf_release_bulk(bufs, got) != nr)
		got = 0;
	kvfree(bufs);
	return got == nr ? 0 : -EIO;
}

struct fill {
	unsigned long nr;
	unsigned long class;
};

static int fill_here(void *arg)
{
	struct fill *fill_arg = arg;

	return torture_fill(fill_arg->nr, fill_arg->class);
}

static int fill_on(unsigned long cpu, unsigned long nr, unsigned long class)
{
	struct fill arg = { .nr = nr, .class = class };

	return smp_call_on_cpu(cpu, fill_here, &arg, false);
}

/*
 * Acquire and release without anything else, traced; the trace is of this task
 * (see guest). The first round fills the magazines of this CPU, so the task stays
 * on it; and it does not offer the CPU to others, whose remains (the memory map
 * of a process that ended) it would have to free.
 */
static int pairs(unsigned long nr, unsigned long class)
{
	struct gophership_buf *buf;
	unsigned long i, failed = 0;
	unsigned int round;

	migrate_disable();
	for (round = 0; round < 2; round++) {
		if (round)
			tracing_on();
		for (i = 0; i < (round ? nr : 1000); i++) {
			buf = gophership_buf_acquire(PAGE_SIZE << class, GFP_KERNEL);
			failed += !buf || gophership_buf_release(buf);
		}
	}
	tracing_off();
	migrate_enable();
	return failed ? -EIO : 0;
}

/* What the trace must see: one slab and one page allocation, and the frees. */
static int planted(void)
{
	unsigned long page;
	void *memory;

	tracing_on();
	memory = kmalloc(100, GFP_KERNEL);
	page = __get_free_page(GFP_KERNEL);
	free_page(page);
	kfree(memory);
	tracing_off();
	return memory && page ? 0 : -ENOMEM;
}

static int release_here(void *buf)
{
	return gophership_buf_release(buf);
}

/* A CPU that has given away all that it had is left with magazines without a buffer. */
static int give_away(const struct gophership_pool_params *params)
{
	struct gophership_pool *pool = gophership_pool_create(params);
	struct gophership_buf *buf;
	unsigned int cpu;
	int ret = 0;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	buf = gophership_pool_acquire(pool, GOPHERSHIP_MAX_POOLED, GFP_KERNEL);
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (buf && cpu < nr_cpu_ids)
		ret = smp_call_on_cpu(cpu, release_here, buf, false);
	else if (buf)
		ret = gophership_buf_release(buf);
	return gophership_pool_destroy(pool) || ret ? -EIO : 0;
}

/* The life of a pool: made, used and destroyed with nothing left. */
static int life(void)
{
	const struct gophership_pool_params params = { .name = "torture", .reserve = 4 };
	struct gophership_pool *pool = gophership_pool_create(&params);
	unsigned int class, wrong = 0;
	struct gophership_buf *buf;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	for (class = 0; class <= GOPHERSHIP_NR_CLASSES; class++) {
		buf = gophership_pool_acquire(pool, PAGE_SIZE << class, GFP_KERNEL);
		wrong += buf && gophership_buf_release(buf);
	}
	buf = gophership_pool_must_acquire(pool, 1);
	wrong += !buf || gophership_buf_release(buf);
	wrong += !!gophership_pool_destroy(pool);
	return wrong ? -EIO : give_away(&params);
}

/* A pool that its driver forgets, with buffers in it and one on lease. */
static int forget(void)
{
	const struct gophership_pool_params params = { .name = "forgotten", .reserve = 4 };
	struct gophership_pool *pool = gophership_pool_create(&params);
	struct gophership_buf *bufs[64];
	unsigned int i;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	for (i = 0; i < ARRAY_SIZE(bufs); i++) {
		bufs[i] = gophership_pool_acquire(pool, PAGE_SIZE, GFP_KERNEL);
		if (!bufs[i])
			return -ENOMEM;
	}
	return gophership_buf_release_bulk(bufs, i - 1) == i - 1 ? 0 : -EIO;
}

/*
 * A pool whose payloads are charged to memory cgroups, with @nr buffers of @class that
 * the task had on lease; it is there until it is destroyed by "unaccount".
 */
static struct gophership_pool *accounted;

static int lease_accounted(unsigned long nr, unsigned long class)
{
	const struct gophership_pool_params params = {
		.name = "torture-account", .flags = GOPHERSHIP_POOL_ACCOUNT,
	};
	struct gophership_buf **bufs = kvcalloc(nr, sizeof(*bufs), GFP_KERNEL);
	struct gophership_pool_stats stats;
	unsigned int got, back;

	if (!bufs)
		return -ENOMEM;
	accounted = gophership_pool_create(&params);
	if (IS_ERR(accounted)) {
		kvfree(bufs);
		return PTR_ERR(accounted);
	}
	got = gophership_pool_acquire_bulk(accounted, PAGE_SIZE << class, GFP_KERNEL, nr, bufs);
	back = gophership_buf_release_bulk(bufs, got);
	kvfree(bufs);
	gophership_pool_stats(accounted, &stats);
	pr_info("account: %llu of %u lie idle\n", stats.class[class].cached, got);
	return got == nr && back == nr ? 0 : -EIO;
}

static int destroy_accounted(void)
{
	int leaked = gophership_pool_destroy(accounted);

	accounted = NULL;
	return leaked ? -EIO : 0;
}

/*
 * Values that are no buffers, where the memory management is real
 */

static unsigned int refuse(const void *pointer)
{
	int ret = gophership_buf_release((struct gophership_buf *)pointer);

	if (ret != -EINVAL)
		pr_err("release of %p said %d\n", pointer, ret);
	return ret != -EINVAL;
}

static int foreign(void)
{
	static const unsigned long values[] = {
		1, 64, 0x1000, 0x400000, 0x80000000, 0xdead0100, 0xffffffc0,
#ifdef CONFIG_64BIT
		0x7ffffffff000, 0x800000000000, 0x0000ffffffffffc0,
		0x8000000000000000, 0xdead000000000100, 0xff00000000000000, 0xffff7fffffffffc0,
		0xffffffffff5ff000, 0xffffffffffffffc0, 0xffffffff81000000,
#endif
	};
	unsigned long step, ram = totalram_pages() << PAGE_SHIFT;
	struct gophership_buf *buf = gophership_buf_acquire(1, GFP_KERNEL), on_stack, *copy;
	void *area = vmalloc(PAGE_SIZE);
	unsigned int wrong = 0, i;

	copy = buf ? kmemdup(buf, sizeof(*buf), GFP_KERNEL) : NULL;
	if (!area || !copy)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(values); i++)
		wrong += refuse((void *)values[i]);
	wrong += refuse(area) + refuse(area + PAGE_SIZE) + refuse(area - PAGE_SIZE);
	vfree(area);
	wrong += refuse(area) + refuse(foreign) + refuse(THIS_MODULE) + refuse(current);
	on_stack = *buf;
	wrong += refuse(&on_stack) + refuse(copy) + refuse(buf->data);
	for (i = 1; i < 64; i++)
		wrong += refuse((void *)buf + i);
	/* The whole direct mapping, its holes and what is behind it. */
	for (step = 0; step < 4096; step++)
		wrong += refuse(__va(step * (ram / 1024) & ~4095UL));
	kfree(copy);
	wrong += !!gophership_buf_release(buf);
	return wrong ? -EIO : 0;
}

/*
 * Buffers until descriptors lie on both sides of the hole below 4 GiB; then
 * what is within the pool's bounds may not be mapped.
 */
#define HOLE_BUFS	262144

static int hole(void)
{
	struct gophership_buf **bufs = kvcalloc(HOLE_BUFS, sizeof(*bufs), GFP_KERNEL);
	unsigned int i, nr, low = 0, high = 0, wrong = 0;
	unsigned long physical;

	if (!bufs)
		return -ENOMEM;
	for (nr = 0; nr < HOLE_BUFS && !(low && high); nr++) {
		bufs[nr] = gophership_buf_acquire(SZ_16K, GFP_KERNEL | __GFP_NORETRY);
		if (!bufs[nr])
			break;
		physical = __pa(bufs[nr]);
		low += physical < SZ_2G;
		high += physical >= SZ_4G;
	}
	pr_info("%u descriptors below 2 GiB, %u above 4 GiB\n", low, high);
	for (physical = SZ_2G; physical < SZ_4G; physical += SZ_1M)
		wrong += refuse(__va(physical));
	for (i = 0; i < nr; i++)
		wrong += !!gophership_buf_release(bufs[i]);
	kvfree(bufs);
	gophership_pool_trim(NULL);
	return wrong || !low || !high ? -EIO : 0;
}

static int obey(const char *command, unsigned long a, unsigned long b, unsigned long c)
{
	if (!strcmp(command, "hammer"))
		return hammer(a, b);
	if (!strcmp(command, "empty"))
		return torture_empty_locker(), 0;
	if (!strcmp(command, "fill"))
		return fill_on(a, b, c);
	if (!strcmp(command, "trim"))
		return gophership_pool_trim(NULL), 0;
	if (!strcmp(command, "pairs"))
		return pairs(a, b);
	if (!strcmp(command, "planted"))
		return planted();
	if (!strcmp(command, "life"))
		return life();
	if (!strcmp(command, "account"))
		return lease_accounted(a, b);
	if (!strcmp(command, "unaccount"))
		return destroy_accounted();
	if (!strcmp(command, "forget"))
		return forget();
	if (!strcmp(command, "hog"))
		return torture_hog(a), 0;
	if (!strcmp(command, "hognode"))
		return torture_hog_node(a), 0;
	if (!strcmp(command, "stall"))
		return torture_stall(a), 0;
	if (!strcmp(command, "grab"))
		return torture_grab(a, b);
	if (!strcmp(command, "unhog"))
		return torture_unhog(), 0;
	if (!strcmp(command, "must"))
		return torture_must(a, b);
	if (!strcmp(command, "starve"))
		return torture_starve(a, b, c);
	if (!strcmp(command, "contexts"))
		return torture_contexts(a, b);
	if (!strcmp(command, "foreign"))
		return foreign();
	if (!strcmp(command, "hole"))
		return hole();
	return -EINVAL;
}

static ssize_t run_write(struct file *file, const char __user *user, size_t size, loff_t *offset)
{
	char line[64], command[16];
	unsigned long a = 0, b = 0, c = 0;
	int ret;

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, user, size))
		return -EFAULT;
	line[size] = '\0';
	if (sscanf(line, "%15s %lu %lu %lu", command, &a, &b, &c) < 1)
		return -EINVAL;
	ret = obey(command, a, b, c);
	return ret ?: size;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.write = run_write,
};

static int stats_show(struct seq_file *file, void *unused)
{
	struct gophership_pool_stats stats;
	const struct gophership_class_stats *row;
	unsigned int i;

	gophership_pool_stats(NULL, &stats);
	for (i = 0; i < ARRAY_SIZE(stats.class); i++) {
		row = &stats.class[i];
		seq_printf(file, "class=%u acquires=%llu hits=%llu misses=%llu releases=%llu shrunk=%llu cached=%llu leased=%llu\n",
			   i, row->acquires, row->hits, row->misses, row->releases, row->shrunk,
			   row->cached, row->leased);
	}
	seq_printf(file, "foreign=%llu doubled=%llu\n", stats.foreign, stats.doubled);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static struct dentry *directory;

static int __init torture_init(void)
{
	secret = get_random_u64();
	directory = debugfs_create_dir("gophership_torture", NULL);
	debugfs_create_file("run", 0200, directory, NULL, &run_fops);
	debugfs_create_file("stats", 0400, directory, NULL, &stats_fops);
	return 0;
}
module_init(torture_init);

static void __exit torture_exit(void)
{
	debugfs_remove(directory);
	torture_empty_locker();
	torture_unhog();
	destroy_accounted();
}
module_exit(torture_exit);

MODULE_DESCRIPTION("GopherShip's pool under test on a stock kernel");
MODULE_LICENSE("GPL");
