// SPDX-License-Identifier: GPL-2.0
/*
 * The speed lab's case irq-nested: a contender in a hard interrupt that came
 * upon the same contender.
 *
 * The interrupt is a real one: a high-resolution timer, pinned to the CPU on
 * which a task does pairs all the time, and due at odd moments. In it BENCH_NEST
 * pairs are timed, and nothing of the way into the interrupt. Where our pool's
 * head was free, that is the hot path; where the interrupt came in the midst of
 * an acquire or release, all of them go past the head.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/prandom.h>
#include <linux/sched.h>

#include "bench.h"
#include "compat.h"

/* Interrupts of a stretch, at most; and how far apart, in ns. */
#define INTERRUPTS	200
#define PERIOD		40000
/* Of those that come so few may be of the kind that counts. */
#define PATIENCE	(INTERRUPTS * 50)

/**
 * struct nest - a stretch of this case; the interrupt's, until it ended
 * @timer: interrupts
 * @state: of the random moments
 * @contender: whose
 * @wanted: interrupts that shall count
 * @counted: those that did
 * @came: all of them
 * @ns: what their pairs took
 * @failed: an operation did
 * @over: no more interrupts; written in one, read by the task below
 */
struct nest {
	struct hrtimer timer;
	struct rnd_state state;
	const struct bench_contender *contender;
	unsigned int wanted;
	unsigned int counted;
	unsigned int came;
	u64 ns;
	bool failed;
	bool over;
};

static bool counts(const struct bench_contender *contender, bool was_busy)
{
	return contender->nest == NEST_ANY || was_busy == (contender->nest == NEST_BUSY);
}

static enum hrtimer_restart interrupt(struct hrtimer *timer)
{
	struct nest *nest = container_of(timer, struct nest, timer);
	const struct bench_contender *contender = nest->contender;
	bool was_busy = false;
	u64 begin, end;

	/* What happened before is none of this interrupt's. */
	if (contender->nest_was_busy)
		contender->nest_was_busy();
	begin = ktime_get_ns();
	nest->failed |= !contender->loop[LOOP_NEST](BENCH_NEST);
	end = ktime_get_ns();
	if (contender->nest_was_busy)
		was_busy = contender->nest_was_busy();
	if (counts(contender, was_busy)) {
		nest->counted++;
		nest->ns += end - begin;
	}
	if (nest->failed || nest->counted == nest->wanted || ++nest->came == PATIENCE) {
		WRITE_ONCE(nest->over, true);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD + prandom_u32_state(&nest->state) % 1024));
	return HRTIMER_RESTART;
}

/**
 * bench_nest_run() - one stretch
 * @contender: whose
 * @pairs: to be done in interrupts, about
 *
 * Context: process; a thread that stays on its CPU; one at a time.
 * Return: nanoseconds, as if @pairs had been done; negative if there were too few
 * interrupts of the wanted kind, or an operation failed.
 */
s64 bench_nest_run(const struct bench_contender *contender, unsigned int pairs)
{
	static struct nest nest;
	bool ok = true;

	nest = (struct nest){
		.contender = contender,
		.wanted = clamp(pairs / BENCH_NEST, 1U, (unsigned int)INTERRUPTS),
	};
	prandom_seed_state(&nest.state, 1);
	bench_hrtimer_setup(&nest.timer, interrupt);
	hrtimer_start(&nest.timer, ns_to_ktime(PERIOD), HRTIMER_MODE_REL_PINNED_HARD);
	while (!READ_ONCE(nest.over)) {
		ok &= contender->loop[LOOP_BELOW](BENCH_BURST);
		cond_resched();
	}
	hrtimer_cancel(&nest.timer);
	if (!ok || nest.failed || nest.counted < nest.wanted)
		return -EIO;
	return div_u64(nest.ns * pairs, nest.counted * BENCH_NEST);
}
