/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pool's KUnit tests: what the suites share.
 */
#ifndef GOPHERSHIP_KUNIT_SUPPORT_H
#define GOPHERSHIP_KUNIT_SUPPORT_H

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/processor.h>

#include "gophership_buf.h"

/* The pool of the machine, for stats and trim. */
#define GK_MACHINE	((struct gophership_pool *)NULL)
/* Rows of struct gophership_pool_stats; the last one: above the classes. */
#define GK_ROWS		(GOPHERSHIP_NR_CLASSES + 1)
#define GK_LARGE	GOPHERSHIP_NR_CLASSES
#define GK_CPUS		2

static inline u32 gk_capacity(unsigned int class)
{
	return PAGE_SIZE << class;
}

/*
 * Every suite's init and exit. A case that ends with a buffer on loan, with a
 * waiter, or with a warning of the kernel's has failed.
 */
int gk_init(struct kunit *test);
void gk_exit(struct kunit *test);

struct gophership_class_stats gk_stats(struct gophership_pool *pool, unsigned int row);
u64 gk_foreign(void);
u64 gk_doubled(void);

/* Waits until @condition, for at most ten seconds; tells if it came. */
#define gk_eventually(condition)					\
({									\
	unsigned long deadline__ = jiffies + 120 * HZ;			\
	bool came__;							\
									\
	while (!(came__ = (condition)) && time_before(jiffies, deadline__)) \
		msleep(20);						\
	came__;								\
})

/*
 * Runs fn(0, arg) ... fn(nr - 1, arg) in a thread each, number i bound to CPU
 * i % GK_CPUS; all start together; returns when all are done.
 */
void gk_run(struct kunit *test, unsigned int nr, void (*fn)(unsigned int id, void *arg), void *arg);

/*
 * Where threads of different CPUs wait for each other, spinning, so that they
 * go on within nanoseconds of each other. The n-th meeting is number n, from 1.
 */
struct gk_gate {
	atomic_t arrived;
};

/*
 * How often two CPUs shall meet. Under emulation each waits for the other as long
 * as the host's scheduler likes; User-Mode Linux runs natively.
 */
static inline unsigned int gk_rounds(unsigned int natively)
{
	return IS_ENABLED(CONFIG_UML) ? natively : natively / 16;
}

static inline void gk_meet(struct gk_gate *gate, int meeting)
{
	atomic_fetch_inc_release(&gate->arrived);
	atomic_cond_read_acquire(&gate->arrived, VAL >= meeting * GK_CPUS);
}

/*
 * A ledger knows which buffers are held, by a mark in the payload: taking what
 * is held already, or giving back what is not, is an error, and so is a
 * payload that changed meanwhile. Works in every context.
 */
struct gk_ledger {
	u64 key;
	atomic_t taken;
	atomic_t twice;		/* handed out while somebody had it */
	atomic_t unclean;	/* len not 0, too small, or not page-aligned */
	atomic_t damaged;	/* somebody else wrote to the payload */
	atomic_t refused;	/* its release failed */
};

void gk_ledger_init(struct gk_ledger *ledger);
struct gophership_buf *gk_take(struct gk_ledger *ledger, size_t size, gfp_t gfp);
void gk_note(struct gk_ledger *ledger, struct gophership_buf *buf, size_t size);
void gk_forget(struct gk_ledger *ledger, struct gophership_buf *buf);
void gk_give(struct gk_ledger *ledger, struct gophership_buf *buf);
void gk_ledger_expect_clean(struct kunit *test, struct gk_ledger *ledger);

/* Expects that no buffer and no payload is in the array twice; sorts it. */
void gk_expect_unique(struct kunit *test, struct gophership_buf **bufs, unsigned int nr);
/*
 * Takes everything that a pool has of one class, on every CPU, expects each
 * buffer once, and gives all of it back.
 */
void gk_expect_sound(struct kunit *test, struct gophership_pool *pool, size_t size);
/* From @pool, or from the pool of the machine. */
struct gophership_buf *gk_acquire(struct gophership_pool *pool, size_t size, gfp_t gfp);

/* Lines of the kernel's log since the mark that have both strings. */
u64 gk_log_mark(void);
unsigned int gk_log_count(u64 mark, const char *one, const char *other);

/*
 * Runs a command of the shell's and tells if it succeeded. (A kernel thread
 * has no file system of its own to find a path in.)
 */
bool gk_shell(const char *command);
void gk_skip_without_shell(struct kunit *test);
/* Was gophership.ko loaded with that parameter? */
bool gk_loaded_with(const char *name, const char *value);

#endif /* GOPHERSHIP_KUNIT_SUPPORT_H */
