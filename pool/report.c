// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: reports for the log, from any context.
 *
 * A mistake may be found under the lock of a console or a run queue, or with a head of the
 * pool busy. Such a context can neither print nor name a call site. There the report is
 * written to a record in a fixed array, and an interrupt soon after prints it. Where the task
 * can be preempted the report is printed at once.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "pool/nesting.h"
#include "pool/report.h"

/* More than the rate limit lets through. */
#define RECORDS		32

enum { RECORD_FREE, RECORD_WRITING, RECORD_WRITTEN, RECORD_READING };

/**
 * struct record - a report that waits
 * @state: RECORD_*. The context that has a report takes it from free to writing, by
 *	cmpxchg. A printer takes it from written to reading, by cmpxchg: there may be two
 *	printers on two CPUs. The same context goes on to the next state, by a store with
 *	release
 * @report: protected by @state: only the context that has set writing or reading touches it
 */
struct record {
	int state;
	struct gophership_report report;
};

static struct record records[RECORDS];

/* Reports for which there was no record; by atomics. */
static atomic_t nr_lost;

static DEFINE_RATELIMIT_STATE(reject_limit, DEFAULT_RATELIMIT_INTERVAL,
			      DEFAULT_RATELIMIT_BURST);

static void print(const struct gophership_report *report)
{
	struct gophership_site_name by, acquired_by, released_by;

	if (!__ratelimit(&reject_limit))
		return;
	gophership_site_name(report->call_site, &by);
	switch (report->kind) {
	case GOPHERSHIP_REPORT_FOREIGN:
		pr_warn("release of %p refused: not a buffer of this pool (by %s)\n",
			report->ptr, by.text);
		break;
	case GOPHERSHIP_REPORT_PORT:
		pr_warn("release of %p refused: belongs to a port (by %s; last taken by %s)\n",
			report->ptr, by.text,
			gophership_site_name(report->acquired_by, &acquired_by));
		break;
	case GOPHERSHIP_REPORT_DOUBLED:
		pr_warn("release of %p refused: not leased (by %s; last acquired by %s, released by %s)\n",
			report->ptr, by.text,
			gophership_site_name(report->acquired_by, &acquired_by),
			gophership_site_name(report->released_by, &released_by));
		break;
	case GOPHERSHIP_REPORT_STALE:
		pr_warn("buffer %p was released by two CPUs at once (last acquired by %s, released by %s)\n",
			report->ptr,
			gophership_site_name(report->acquired_by, &acquired_by),
			gophership_site_name(report->released_by, &released_by));
		break;
	case GOPHERSHIP_REPORT_POISON:
		pr_warn("buffer %p was written to after release, at byte %zu (released by %s)\n",
			report->ptr, report->offset,
			gophership_site_name(report->released_by, &released_by));
		break;
	}
}

/* Its own copy, so that the record is free while a slow console prints. */
static void print_record(struct record *record)
{
	struct gophership_report report;

	/* (F) pairs with (F), the release in write_record(). */
	if (READ_ONCE(record->state) != RECORD_WRITTEN ||
	    cmpxchg(&record->state, RECORD_WRITTEN, RECORD_READING) != RECORD_WRITTEN)
		return;
	report = record->report;
	smp_store_release(&record->state, RECORD_FREE); /* (G) pairs with (G) in write_record() */
	print(&report);
}

static void print_records(struct irq_work *unused)
{
	unsigned int i;
	int lost;

	for (i = 0; i < RECORDS; i++)
		print_record(&records[i]);
	lost = atomic_xchg(&nr_lost, 0);
	if (lost && __ratelimit(&reject_limit))
		pr_warn("%d reports of mistakes came too fast to be kept\n", lost);
}

static DEFINE_IRQ_WORK(print_work, print_records);

static bool write_record(struct record *record, const struct gophership_report *report)
{
	/* (G) pairs with (G), the release in print_record(), which has read the old one. */
	if (READ_ONCE(record->state) != RECORD_FREE ||
	    cmpxchg(&record->state, RECORD_FREE, RECORD_WRITING) != RECORD_FREE)
		return false;
	record->report = *report;
	/* (F) pairs with (F) in print_record(). */
	smp_store_release(&record->state, RECORD_WRITTEN);
	return true;
}

/* In any context. */
void gophership_report(const struct gophership_report *report)
{
	unsigned int i;

	if (preemptible() && !gophership_inside()) {
		print(report);
		return;
	}
	for (i = 0; i < RECORDS; i++)
		if (write_record(&records[i], report))
			break;
	if (i == RECORDS)
		atomic_inc(&nr_lost);
	irq_work_queue(&print_work);
}

/**
 * gophership_report_leak() - name a buffer that was leased when its pool went away
 * @pool: the pool's name
 * @leak: the buffer
 *
 * Context: process.
 */
void gophership_report_leak(const char *pool, const struct gophership_leak *leak)
{
	struct gophership_site_name name;

	pr_warn("pool %s is destroyed while buffer %p (%u bytes) is leased: acquired by %s\n",
		pool, leak->buf, leak->size, gophership_site_name(leak->acquired_by, &name));
}

/* What was reported is in the log. No pool is left. */
void gophership_report_exit(void)
{
	irq_work_sync(&print_work);
}
