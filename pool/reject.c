// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: reports of refused releases.
 *
 * Nothing here follows a pointer: the registry says whether there is a descriptor,
 * and words of it, which may go meanwhile, are read with gophership_peek().
 *
 * The lines in the log (pool/report.c) are warnings, not WARN(): a caller's
 * mistake is no reason to stop a machine that runs with panic_on_warn.
 */
#include <linux/percpu.h>

#include "pool/registry.h"
#include "pool/reject.h"
#include "pool/report.h"
#include "pool/seal.h"
#include "pool/trace.h"

/* For the machine; this_cpu operations. */
struct reject_counters {
	unsigned long foreign;
	unsigned long doubled;
	unsigned long poisoned;
};

static DEFINE_PER_CPU(struct reject_counters, counters);

/* A word of what may be a descriptor, 0 if it is gone. */
static unsigned long peek(const unsigned long *word)
{
	unsigned long value;

	return gophership_peek(word, &value) ? value : 0;
}

static void say_foreign(const void *ptr, unsigned long call_site)
{
	this_cpu_inc(counters.foreign);
	trace_gophership_reject(ptr, -EINVAL, call_site);
	gophership_report(&(struct gophership_report) {
		.kind = GOPHERSHIP_REPORT_FOREIGN,
		.ptr = ptr,
		.call_site = call_site,
	});
}

static void say_port(const struct gophership_buf *buf, unsigned long call_site)
{
	this_cpu_inc(counters.foreign);
	trace_gophership_reject(buf, -EINVAL, call_site);
	gophership_report(&(struct gophership_report) {
		.kind = GOPHERSHIP_REPORT_PORT,
		.ptr = buf,
		.call_site = call_site,
		.acquired_by = peek(&buf->acquired_by),
	});
}

static void say_doubled(const struct gophership_buf *buf, unsigned long call_site)
{
	this_cpu_inc(counters.doubled);
	trace_gophership_reject(buf, -EALREADY, call_site);
	gophership_report(&(struct gophership_report) {
		.kind = GOPHERSHIP_REPORT_DOUBLED,
		.ptr = buf,
		.call_site = call_site,
		.acquired_by = peek(&buf->acquired_by),
		.released_by = peek(&buf->released_by),
	});
}

/**
 * gophership_reject() - judge a value that release found not to be leased
 * @buf: any value
 * @call_site: of the release
 *
 * Context: any.
 * Return: 0 for NULL, else -EINVAL or -EALREADY.
 */
int gophership_reject(const struct gophership_buf *buf, unsigned long call_site)
{
	if (!buf)
		return 0;
	if (!gophership_plausible(buf) || !gophership_registry_has(buf)) {
		say_foreign(buf, call_site);
		return -EINVAL;
	}
	if (gophership_sealed(buf, GOPHERSHIP_SEAL_PORT)) {
		say_port(buf, call_site);
		return -EINVAL;
	}
	say_doubled(buf, call_site);
	return -EALREADY;
}

/*
 * Report an entry of a magazine or an inbox that its buffer does not confirm: two
 * CPUs released the buffer at the same time, and neither could be told. By now it may
 * have been freed, and its memory may have another user.
 */
void gophership_reject_stale(const struct gophership_buf *buf)
{
	unsigned long acquire_site = 0, release_site = 0;

	if (gophership_registry_has(buf)) {
		acquire_site = peek(&buf->acquired_by);
		release_site = peek(&buf->released_by);
	}
	this_cpu_inc(counters.doubled);
	trace_gophership_reject(buf, -EALREADY, release_site);
	gophership_report(&(struct gophership_report) {
		.kind = GOPHERSHIP_REPORT_STALE,
		.ptr = buf,
		.acquired_by = acquire_site,
		.released_by = release_site,
	});
}

/* @buf was written to, at @offset, while it was free. */
void gophership_reject_poison(const struct gophership_buf *buf, size_t offset)
{
	this_cpu_inc(counters.poisoned);
	gophership_report(&(struct gophership_report) {
		.kind = GOPHERSHIP_REPORT_POISON,
		.ptr = buf,
		.offset = offset,
		.released_by = buf->released_by,
	});
}

/* Add up the counters of the machine. */
void gophership_reject_stats(struct gophership_pool_stats *stats)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct reject_counters *c = per_cpu_ptr(&counters, cpu);

		stats->foreign += READ_ONCE(c->foreign);
		stats->doubled += READ_ONCE(c->doubled);
		stats->poisoned += READ_ONCE(c->poisoned);
	}
}
