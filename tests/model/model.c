// SPDX-License-Identifier: GPL-2.0
/*
 * model: the pool's own sources, with every order of steps that a few CPUs can
 * bring about.
 *
 *   model [--bound N] [SCENARIO]...
 *
 * A scenario is a few threads, one on each CPU, that do what callers may not:
 * release one buffer twice at the same moment, while others trim, destroy, or
 * take from where it lies. They run as coroutines. Before each step that
 * others can see, the model may go on with another thread; it tries all orders
 * that switch away from a thread which could go on at most N times (Musuvathi
 * and Qadeer, "Iterative context bounding", PLDI 2007; default: what the
 * scenario says). Grace periods end as late, and as early, as their rules allow.
 *
 * In each: nobody gets what another has; a descriptor is freed once, not after a
 * release that put it into the pool again, and written to by nobody after that;
 * what is handed out has the size that was asked for; and in the end nothing is
 * lost. Prints TAP, and the order that went wrong.
 */
#include <setjmp.h>
#include <ucontext.h>

#include "kernel.h"

/* One translation unit, so that its variables can be put back as one. */
#include "../../pool/seal.c"
#include "../../pool/list.c"
#include "../../pool/registry.c"
#include "../../pool/nesting.c"
#include "../../pool/cached.c"
#undef pr_fmt
#include "../../pool/free.c"
#include "../../pool/magazine.c"
#include "../../pool/depot.c"
#include "../../pool/head.c"
#include "../../pool/reserve.c"
#include "../../pool/stock.c"
#include "../../pool/refill.c"
#include "../../pool/retire.c"
#include "../../pool/acquire.c"
#include "../../pool/release.c"
#include "../../pool/idle.c"
#include "../../pool/must.c"
#include "../../pool/pool.c"
#undef pr_fmt
#include "../../gophership_buf.c"

#include "scheduler.c"
#include "memory.c"
#include "scenarios.c"

/*
 * All orders
 */

extern char __data_start[], _end[];

static void thread_main(void)
{
	int next;

	threads[current].fn();
	threads[current].done = true;
	if (in_region(&threads[current]))
		run->wrong = run->wrong ?: "preemption stays off";
	next = choose("end", 0);
	if (next < 0)
		leave();
	go_on_with(next);
	abort();
}

static struct gophership_buf *lease_shared(unsigned int row)
{
	if (row == GOPHERSHIP_CLASS_RESERVE)
		return gophership_reserve_take(pool, 1);
	this_cpu_inc(pool->heads[row].slow_acquires);
	return gophership_payload_alloc(pool, row, row ? GOPHERSHIP_NR_CLASSES : 0, GFP_NOWAIT);
}

static void prepare(const struct scenario *scenario)
{
	const struct gophership_pool_params params = {
		.name = "model", .flags = scenario->flags,
		.reserve = scenario->row == GOPHERSHIP_CLASS_RESERVE,
	};

	gophership_bounds.secret = 0x5a5a5a5a5a5a5a5a;
	gophership_bounds.hot_secret = gophership_bounds.secret;
	gophership_bounds.span = ~0UL;
	if (gophership_cached_init() || gophership_magazines_init() || gophership_pools_init())
		abort();
	before_pool = allocations();
	pool = gophership_pool_create(&params);
	heads = pool->heads;
	if (scenario->stock) {
		pool->stock = kvcalloc(GOPHERSHIP_NR_CLASSES, sizeof(*pool->stock), GFP_KERNEL);
		pool->stock_slots = scenario->stock;
	}
	shared = lease_shared(scenario->row);
	/* Every CPU has a magazine: the hot path is the one to be seen. */
	for (current = 0; current < THREADS; current++) {
		threads[current].cpu = current;
		gophership_head_equip(pool, 0, GFP_NOWAIT);
	}
	current = -1;
	stale = scenario->stale;
	slots = scenario->slots;
	pinned = scenario->flags & GOPHERSHIP_POOL_CHECK_REFS;
	if (stale) {
		WRITE_ONCE(shared->len, 1);
		gophership_depot_list(this_cpu_ptr(heads)->depot, shared);
	}
	for (unsigned int i = 0; i < RCU_THREAD; i++)
		threads[i].fn = scenario->threads[i];
	threads[RCU_THREAD].fn = rcu_main;
}

/* After all threads: one more, which finds what is left. */
static void sum_up(void)
{
	for (unsigned int i = 0; i < MODEL_BUFS; i++)
		if (alive[i] && !bufs[i].data && !is_retiring(&bufs[i]))
			model_fail("a release has given a buffer without payload back", NULL);
	/* The free of one may be left to the unlinking of another. */
	for (unsigned int round = 0; round < 4; round++) {
		if (pool)
			gophership_stock_drain(pool);
		if (pool)
			gophership_pool_trim(pool);
		gophership_pool_trim_all(gophership_orphans);
		rcu_barrier();
	}
	for (unsigned int i = 0; i < MODEL_BUFS; i++)
		if (alive[i] && raw_cpu_ptr(bufs[i].heads)->pool != gophership_kernel_pool)
			model_fail("a buffer is lost", NULL);
	if (!pool && allocations() != before_pool)
		model_fail("memory of a pool is lost", NULL);
}

static void start_thread(unsigned int i)
{
	run->begun[i] = false;
	getcontext(&run->first[i]);
	run->first[i].uc_stack.ss_sp = run->stack[i];
	run->first[i].uc_stack.ss_size = STACK;
	run->first[i].uc_link = NULL;
	makecontext(&run->first[i], thread_main, 0);
}

static void run_threads(void)
{
	int next;

	for (unsigned int i = 0; i < THREADS; i++)
		if (threads[i].fn && !threads[i].done)
			start_thread(i);
	next = choose("begin", 0);
	if (next < 0)
		return;
	if (!_setjmp(run->main))
		enter(next);
	current = -1;
}

static void one_run(const struct scenario *scenario)
{
	size_t size = _end - __data_start;

	memcpy(__data_start, run->image, size);
	run->nr = 0;
	run->wrong = NULL;
	prepare(scenario);
	run_threads();
	if (!run->wrong && !all_ended())
		run->wrong = "a thread never ends";
	run->runs++;
	if (run->wrong)
		return;
	/* In order, with nobody to switch to. */
	threads[0] = (struct thread){ .fn = sum_up };
	for (unsigned int i = 1; i < RCU_THREAD; i++)
		threads[i].fn = NULL;
	threads[RCU_THREAD] = (struct thread){ .fn = rcu_main, .cpu = RCU_THREAD };
	run_threads();
}

/* The next order to try: false if there is none. */
static bool next_order(void)
{
	while (run->nr) {
		struct step *step = &run->steps[run->nr - 1];

		if (step->choice + 1 < step->options) {
			step->choice++;
			run->replayed = run->nr;
			return true;
		}
		run->nr--;
	}
	return false;
}

static void tell_order(void)
{
	int thread = -1;

	for (unsigned int i = 0; i < run->nr; i++) {
		struct step *step = &run->steps[i];

		if (step->thread == thread)
			continue;
		printf("#   %s goes on%s%s at line %d\n",
		       step->thread == RCU_THREAD ? "RCU" :
		       (char[]){ 'C', 'P', 'U', ' ', '0' + step->thread, 0 },
		       thread < 0 ? "" : "; the other stopped in ",
		       thread < 0 ? "" : step->function, step->line);
		thread = step->thread;
	}
}

static bool try_all(unsigned int number, const struct scenario *scenario, unsigned int bound)
{
	run->bound = bound ?: scenario->bound;
	run->replayed = 0;
	run->runs = 0;
	do {
		one_run(scenario);
		if (run->wrong) {
			printf("not ok %u - %s: %s, in order %lu\n", number, scenario->name,
			       run->wrong, run->runs);
			tell_order();
			return false;
		}
	} while (next_order());
	printf("ok %u - %s: %lu orders\n", number, scenario->name, run->runs);
	return true;
}

int main(int argc, char **argv)
{
	size_t size = _end - __data_start;
	unsigned int bound = 0, failed = 0;
	int first = 1;

	if (argc > 2 && !strcmp(argv[1], "--bound")) {
		bound = atoi(argv[2]);
		first = 3;
	}
	setlinebuf(stdout);
	run = calloc(1, sizeof(*run));
	for (unsigned int i = 0; i < THREADS; i++)
		run->stack[i] = aligned_alloc(64, STACK);
	run->image = malloc(size);
	memcpy(run->image, __data_start, size);
	for (unsigned int i = 0; i < ARRAY_SIZE(scenarios); i++)
		if (argc == first || !strcmp(scenarios[i].name, argv[first]))
			failed += !try_all(i + 1, &scenarios[i], bound);
	return failed > 0;
}
