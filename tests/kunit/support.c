// SPDX-License-Identifier: GPL-2.0
/*
 * The pool's KUnit tests: what the suites share.
 */
#include <linux/kmsg_dump.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/random.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/umh.h>

#include "support.h"

/* KUnit runs one case at a time. */
static struct gophership_pool_stats at_start;
static int warned_at_start;

int gk_init(struct kunit *test)
{
	if (num_online_cpus() < GK_CPUS) {
		kunit_err(test, "these tests need %d CPUs", GK_CPUS);
		return -ENODEV;
	}
	gophership_pool_stats(GK_MACHINE, &at_start);
	warned_at_start = test_taint(TAINT_WARN);
	return 0;
}

void gk_exit(struct kunit *test)
{
	struct gophership_pool_stats now;
	unsigned int row;

	gophership_pool_stats(GK_MACHINE, &now);
	for (row = 0; row < GK_ROWS; row++)
		KUNIT_EXPECT_EQ_MSG(test, now.class[row].leased, at_start.class[row].leased,
				    "class %u: buffers on loan after the case", row);
	KUNIT_EXPECT_EQ(test, now.waiters, 0);
	KUNIT_EXPECT_EQ_MSG(test, test_taint(TAINT_WARN), warned_at_start,
			    "the kernel gave a warning");
}

struct gophership_class_stats gk_stats(struct gophership_pool *pool, unsigned int row)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(pool, &stats);
	return stats.class[row];
}

u64 gk_foreign(void)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(GK_MACHINE, &stats);
	return stats.foreign;
}

u64 gk_doubled(void)
{
	struct gophership_pool_stats stats;

	gophership_pool_stats(GK_MACHINE, &stats);
	return stats.doubled;
}

/*
 * Threads
 */

struct gk_crew {
	void (*fn)(unsigned int id, void *arg);
	void *arg;
	struct completion start;
	struct completion done;
	atomic_t running;
};

struct gk_member {
	struct gk_crew *crew;
	unsigned int id;
	struct task_struct *task;
};

static int gk_member_main(void *data)
{
	struct gk_member *member = data;
	struct gk_crew *crew = member->crew;

	wait_for_completion(&crew->start);
	if (crew->fn)
		crew->fn(member->id, crew->arg);
	if (atomic_dec_and_test(&crew->running))
		complete(&crew->done);
	return 0;
}

void gk_run(struct kunit *test, unsigned int nr, void (*fn)(unsigned int id, void *arg), void *arg)
{
	struct gk_crew crew = { .fn = fn, .arg = arg, .running = ATOMIC_INIT(1) };
	struct gk_member *members;
	struct task_struct *task;
	unsigned int i;

	members = kunit_kcalloc(test, nr, sizeof(*members), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, members);
	init_completion(&crew.start);
	init_completion(&crew.done);
	for (i = 0; i < nr; i++) {
		members[i].crew = &crew;
		members[i].id = i;
		task = kthread_create(gk_member_main, &members[i], "gophership/%u", i);
		if (IS_ERR(task))
			break;
		get_task_struct(task);
		members[i].task = task;
		kthread_bind(task, i % GK_CPUS);
		atomic_inc(&crew.running);
		wake_up_process(task);
	}
	if (i < nr)
		crew.fn = NULL;
	complete_all(&crew.start);
	if (atomic_dec_and_test(&crew.running))
		complete(&crew.done);
	wait_for_completion(&crew.done);
	/* They use @crew up to their end. */
	while (i--) {
		kthread_stop(members[i].task);
		put_task_struct(members[i].task);
	}
	kunit_kfree(test, members);
	KUNIT_ASSERT_NOT_NULL_MSG(test, crew.fn, "could not start the threads");
}

/*
 * The ledger
 */

struct gk_mark {
	u64 key;
	unsigned long held;
};

void gk_ledger_init(struct gk_ledger *ledger)
{
	*ledger = (struct gk_ledger){ .key = get_random_u64() };
}

static u64 gk_key(struct gk_ledger *ledger, struct gophership_buf *buf)
{
	return ledger->key ^ (unsigned long)buf;
}

static u64 *gk_last_word(struct gophership_buf *buf)
{
	return buf->data + buf->capacity - sizeof(u64);
}

/* Notes in the ledger that @buf was handed out for @size bytes. */
void gk_note(struct gk_ledger *ledger, struct gophership_buf *buf, size_t size)
{
	struct gk_mark *mark = buf->data;

	atomic_inc(&ledger->taken);
	if (buf->len || buf->capacity < size || !PAGE_ALIGNED(buf->data))
		atomic_inc(&ledger->unclean);
	if (mark->key == gk_key(ledger, buf)) {
		if (xchg(&mark->held, 1))
			atomic_inc(&ledger->twice);
	} else {
		/* Never seen before, or poisoned since. */
		mark->held = 1;
		mark->key = gk_key(ledger, buf);
	}
	*gk_last_word(buf) = mark->key;
	buf->len = size;
}

/* Notes that @buf is about to be given back. */
void gk_forget(struct gk_ledger *ledger, struct gophership_buf *buf)
{
	struct gk_mark *mark = buf->data;

	if (mark->key != gk_key(ledger, buf) || *gk_last_word(buf) != mark->key)
		atomic_inc(&ledger->damaged);
	if (!xchg(&mark->held, 0))
		atomic_inc(&ledger->twice);
}

struct gophership_buf *gk_take(struct gk_ledger *ledger, size_t size, gfp_t gfp)
{
	struct gophership_buf *buf = gophership_buf_acquire(size, gfp);

	if (buf)
		gk_note(ledger, buf, size);
	return buf;
}

void gk_give(struct gk_ledger *ledger, struct gophership_buf *buf)
{
	gk_forget(ledger, buf);
	if (gophership_buf_release(buf))
		atomic_inc(&ledger->refused);
}

void gk_ledger_expect_clean(struct kunit *test, struct gk_ledger *ledger)
{
	KUNIT_EXPECT_GT(test, atomic_read(&ledger->taken), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&ledger->twice), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&ledger->unclean), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&ledger->damaged), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&ledger->refused), 0);
}

/*
 * Everything a pool has
 */

struct gophership_buf *gk_acquire(struct gophership_pool *pool, size_t size, gfp_t gfp)
{
	return pool ? gophership_pool_acquire(pool, size, gfp) : gophership_buf_acquire(size, gfp);
}

static int compare_pointers(const void *a, const void *b)
{
	const unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static unsigned int count_repeats(void **pointers, unsigned int nr)
{
	unsigned int i, repeats = 0;

	sort(pointers, nr, sizeof(*pointers), compare_pointers, NULL);
	for (i = 1; i < nr; i++)
		repeats += pointers[i] == pointers[i - 1];
	return repeats;
}

void gk_expect_unique(struct kunit *test, struct gophership_buf **bufs, unsigned int nr)
{
	void **payloads = kvmalloc_array(nr, sizeof(*payloads), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, payloads);
	for (i = 0; i < nr; i++)
		payloads[i] = bufs[i]->data;
	KUNIT_EXPECT_EQ_MSG(test, count_repeats((void **)bufs, nr), 0, "a buffer twice");
	KUNIT_EXPECT_EQ_MSG(test, count_repeats(payloads, nr), 0, "a payload twice");
	kvfree(payloads);
}

struct gk_hoard {
	struct gophership_pool *pool;
	size_t size;
	unsigned int most;
	unsigned int nr;
	struct gophership_buf **bufs;
};

/* Until this CPU has to ask for more memory: it had no other buffer left. */
static int gk_hoard_here(void *arg)
{
	struct gk_hoard *hoard = arg;
	unsigned int class = get_order(hoard->size), few = hoard->nr + 4;
	u64 misses = gk_stats(hoard->pool, class).misses;
	struct gophership_buf *buf;

	while (hoard->nr < hoard->most) {
		buf = gk_acquire(hoard->pool, hoard->size, GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		hoard->bufs[hoard->nr++] = buf;
		if (hoard->nr >= few && gk_stats(hoard->pool, class).misses != misses)
			break;
	}
	return 0;
}

void gk_expect_sound(struct kunit *test, struct gophership_pool *pool, size_t size)
{
	struct gk_hoard hoard = { .pool = pool, .size = size };
	unsigned int cpu;

	hoard.most = gk_stats(pool, get_order(size)).cached + 64 * GK_CPUS;
	hoard.bufs = kvcalloc(hoard.most, sizeof(*hoard.bufs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hoard.bufs);
	for (cpu = 0; cpu < GK_CPUS; cpu++)
		KUNIT_EXPECT_EQ(test, smp_call_on_cpu(cpu, gk_hoard_here, &hoard, false), 0);
	KUNIT_EXPECT_GE(test, hoard.nr, 4 * GK_CPUS);
	gk_expect_unique(test, hoard.bufs, hoard.nr);
	while (hoard.nr--)
		KUNIT_EXPECT_EQ(test, gophership_buf_release(hoard.bufs[hoard.nr]), 0);
	kvfree(hoard.bufs);
}

/*
 * The kernel's log, and what user space can do for us
 */

u64 gk_log_mark(void)
{
	struct kmsg_dump_iter iter;

	kmsg_dump_rewind(&iter);
	return iter.next_seq;
}

unsigned int gk_log_count(u64 mark, const char *one, const char *other)
{
	struct kmsg_dump_iter iter;
	unsigned int found = 0;
	static char line[512];
	size_t length;

	kmsg_dump_rewind(&iter);
	iter.cur_seq = max(iter.cur_seq, mark);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &length)) {
		line[length] = '\0';
		found += strstr(line, one) && strstr(line, other);
	}
	return found;
}

bool gk_shell(const char *command)
{
	static const char * const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	const char * const arguments[] = { "/bin/sh", "-c", command, NULL };

	return call_usermodehelper(arguments[0], (char **)arguments, (char **)environment,
				   UMH_WAIT_PROC) == 0;
}

void gk_skip_without_shell(struct kunit *test)
{
	if (!gk_shell("true"))
		kunit_skip(test, "there is no user space");
}

bool gk_loaded_with(const char *name, const char *value)
{
	char command[100];

	snprintf(command, sizeof(command), "grep -qx %s /sys/module/gophership/parameters/%s",
		 value, name);
	return gk_shell(command);
}

MODULE_DESCRIPTION("KUnit tests of the GopherShip buffer pool");
MODULE_LICENSE("GPL");
