// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: what is said of a release that was refused.
 *
 * Nothing here follows a pointer: the registry says whether there is a descriptor,
 * and words of it, which may go meanwhile, are read with gophership_peek().
 *
 * The lines are warnings, not WARN(): a caller's mistake is no reason to stop
 * a machine that runs with panic_on_warn.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "gophership_pool.h"
#include "gophership_trace.h"

/* For the machine; this_cpu operations. */
struct reject_counters {
	unsigned long foreign;
	unsigned long doubled;
	unsigned long poisoned;
};

static DEFINE_PER_CPU(struct reject_counters, counters);

static DEFINE_RATELIMIT_STATE(reject_limit, DEFAULT_RATELIMIT_INTERVAL,
			      DEFAULT_RATELIMIT_BURST);

/* A word of what may be a descriptor, 0 if it is gone. */
static unsigned long peek(const unsigned long *word)
{
	unsigned long value;

	return gophership_peek(word, &value) ? value : 0;
}

/**
 * gophership_site_name() - the name of a call site, for the log
 * @call_site: as remembered, or what was found in its place
 * @name: where to write the name
 *
 * What has no symbol is not told, as it may be any word of memory: the address of
 * a module that was unloaded, or what has become of a descriptor that is gone.
 *
 * Context: any.
 * Return: the name.
 */
const char *gophership_site_name(unsigned long call_site, struct gophership_site_name *name)
{
	snprintf(name->text, sizeof(name->text), "%pS", (void *)call_site);
	if (strstarts(name->text, "0x"))
		return "unknown";
	return name->text;
}

static void say_foreign(const void *ptr, unsigned long call_site)
{
	this_cpu_inc(counters.foreign);
	trace_gophership_reject(ptr, -EINVAL, call_site);
	if (__ratelimit(&reject_limit))
		pr_warn("release of %p refused: not a buffer of this pool (by %pS)\n",
			ptr, (void *)call_site);
}

static void say_doubled(const struct gophership_buf *buf, unsigned long call_site)
{
	struct gophership_site_name acquired_by, released_by;

	this_cpu_inc(counters.doubled);
	trace_gophership_reject(buf, -EALREADY, call_site);
	if (__ratelimit(&reject_limit))
		pr_warn("release of %p refused: not leased (by %pS; last acquired by %s, released by %s)\n",
			buf, (void *)call_site,
			gophership_site_name(peek(&buf->acquired_by), &acquired_by),
			gophership_site_name(peek(&buf->released_by), &released_by));
}

/**
 * gophership_reject() - judge a value that release found not to be leased
 * @buf: any value
 * @call_site: who released it
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
	say_doubled(buf, call_site);
	return -EALREADY;
}

/*
 * An entry of a magazine or an inbox that its buffer does not confirm: two
 * CPUs released it at the same time, and neither could be told. By now it may
 * have been freed, and its memory somebody else's.
 */
void gophership_reject_stale(const struct gophership_buf *buf)
{
	struct gophership_site_name acquired_by, released_by;
	unsigned long acquire_site = 0, release_site = 0;

	if (gophership_registry_has(buf)) {
		acquire_site = peek(&buf->acquired_by);
		release_site = peek(&buf->released_by);
	}
	this_cpu_inc(counters.doubled);
	trace_gophership_reject(buf, -EALREADY, release_site);
	if (__ratelimit(&reject_limit))
		pr_warn("buffer %p was released by two CPUs at once (last acquired by %s, released by %s)\n",
			buf, gophership_site_name(acquire_site, &acquired_by),
			gophership_site_name(release_site, &released_by));
}

/* Somebody wrote to @buf, at @offset, while it was free. */
void gophership_reject_poison(const struct gophership_buf *buf, size_t offset)
{
	struct gophership_site_name released_by;

	this_cpu_inc(counters.poisoned);
	if (__ratelimit(&reject_limit))
		pr_warn("buffer %p was written to after release, at byte %zu (released by %s)\n",
			buf, offset, gophership_site_name(buf->released_by, &released_by));
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
