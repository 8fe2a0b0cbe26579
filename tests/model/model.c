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

#define THREADS		NR_CPUS		/* the last one is RCU's */
#define RCU_THREAD	(THREADS - 1)
#define STEPS_MAX	4000
#define CALLBACKS	64
#define COOKIES		64
#define STACK		(64UL << 10)
#define HEAP		(40UL << 10)

/*
 * What is put back before each run: all variables of the program up to here and
 * below. What must stay is behind this pointer.
 */
struct step {
	unsigned char choice, options;
	unsigned char cost;	/* switches away, before this one */
	unsigned char thread;
	int line;
	const char *function;
};

struct run {
	struct step steps[STEPS_MAX];
	unsigned int nr, replayed;
	unsigned long runs;
	unsigned int bound;
	const char *wrong;
	char *image;
	ucontext_t first[THREADS];	/* how a thread begins; later, */
	jmp_buf main, thread[THREADS];	/* which needs no system call, this */
	bool begun[THREADS];
	char *stack[THREADS];
};

static struct run *run;

struct thread {
	void (*fn)(void);
	bool started, done, interrupted;
	bool nmi;
	bool traced, tracing;		/* a tracer listens here; it is at work */
	int preempt, irqs;
	unsigned long region;		/* of code that RCU waits for; counts */
	bool (*ready)(void *arg);	/* waits for this */
	void *arg;
	int cpu;
};

struct callback {
	struct rcu_head *rcu;
	void (*func)(struct rcu_head *rcu);
	unsigned long waits_for[THREADS];	/* region + 1, 0: not for this one */
	bool begun, done;
};

char model_percpu[NR_CPUS][1 << 13];
static size_t percpu_used;
static char heap[HEAP] __aligned(64);
static size_t heap_used;
static struct gophership_buf bufs[MODEL_BUFS];
static bool alive[MODEL_BUFS];
static char owner[MODEL_BUFS];
static struct thread threads[THREADS];
static int current = -1;
static unsigned int preemptions;
static struct callback callbacks[CALLBACKS];
static unsigned int nr_callbacks;
static struct callback cookies[COOKIES];	/* grace periods that others ask about */
static unsigned int nr_cookies;

/* What the scenarios share. */
static struct gophership_pool *pool;
static struct gophership_head *heads;	/* its own, whatever becomes of it */
static struct gophership_buf *shared;
static unsigned int before_pool;	/* allocations */
static bool stale;			/* there is an entry of it on the inbox already */
static bool slots;			/* what happens to a slot of the stock matters */
static bool pinned;			/* its pages have a reference beside the pool's */

/*
 * Going on
 */

static bool in_region(const struct thread *thread)
{
	return thread->preempt || thread->irqs;
}

static bool runnable(unsigned int i)
{
	struct thread *thread = &threads[i];

	if (!thread->fn || thread->done || thread->interrupted)
		return false;
	return !thread->ready || thread->ready(thread->arg);
}

static void leave(void)
{
	_longjmp(run->main, 1);
}

static void enter(int next)
{
	current = next;
	if (run->begun[next])
		_longjmp(run->thread[next], 1);
	run->begun[next] = true;
	setcontext(&run->first[next]);
}

void model_fail(const char *what, const volatile void *address)
{
	(void)address;
	if (!run->wrong)
		run->wrong = what;
	if (current >= 0)
		leave();
}

/* Which thread goes on now? Records it, or does what was recorded. */
static int choose(const char *function, int line)
{
	int options[THREADS], nr = 0, i;
	bool can_go_on = current >= 0 && runnable(current);
	struct step *step;

	if (can_go_on)
		options[nr++] = current;
	if (!can_go_on || preemptions < run->bound)
		for (i = 0; i < THREADS; i++)
			if (i != current && runnable(i))
				options[nr++] = i;
	if (!nr)
		return -1;
	if (run->nr == STEPS_MAX) {
		run->wrong = "it does not end";
		return -1;
	}
	step = &run->steps[run->nr];
	if (run->nr >= run->replayed)
		step->choice = 0;
	step->options = nr;
	step->function = function;
	step->line = line;
	step->thread = options[step->choice];
	run->nr++;
	if (can_go_on && step->thread != current)
		preemptions++;
	return step->thread;
}

static void go_on_with(int next)
{
	if (next != current && !_setjmp(run->thread[current]))
		enter(next);
}

static bool matters(const volatile void *address)
{
	const char *at = (const char *)address;
	size_t offset;

	if (at >= (char *)bufs && at < (char *)(bufs + MODEL_BUFS)) {
		offset = (at - (char *)bufs) % sizeof(*bufs);
		return offset == offsetof(struct gophership_buf, seal) ||
		       offset == offsetof(struct gophership_buf, heads) ||
		       (stale && offset == offsetof(struct gophership_buf, len)) ||
		       offset == offsetof(struct gophership_buf, listed);
	}
	/* The first slot of the stock, where that is what it is about. */
	if (slots && at == (char *)pool->stock)
		return true;
	/* Inboxes and locks; the rest of the heap only to peek at. */
	return !address;
}

static bool all_ended(void)
{
	for (unsigned int i = 0; i < RCU_THREAD; i++)
		if (threads[i].fn && !threads[i].done)
			return false;
	return true;
}

static void maybe_switch(const char *function, int line)
{
	int next;

	if (current < 0 || threads[current].cpu != current)
		return;
	next = choose(function, line);
	if (next < 0)
		leave();
	go_on_with(next);
}

void model_point(const volatile void *address, const char *function, int line)
{
	if (matters(address))
		maybe_switch(function, line);
}

void model_check_alive(const volatile void *address)
{
	const char *at = (const char *)address;

	if (at >= (char *)bufs && at < (char *)(bufs + MODEL_BUFS) &&
	    !alive[(at - (char *)bufs) / sizeof(*bufs)])
		model_fail("a descriptor is written to after it was freed", address);
}

void model_wait(bool (*ready)(void *arg), void *arg)
{
	struct thread *thread = &threads[current];
	int next;

	thread->ready = ready;
	thread->arg = arg;
	while (!ready(arg)) {
		next = choose("wait", 0);
		/* RCU waits for work for ever; for others that is a mistake. */
		if (next < 0 && !all_ended())
			run->wrong = run->wrong ?: "everybody waits";
		if (next < 0)
			leave();
		go_on_with(next);
	}
	thread->ready = NULL;
}

static void region_change(struct thread *thread, int *count, int change)
{
	*count += change;
	if (*count < 0)
		model_fail("preemption is enabled twice", NULL);
	if (change < 0 && !in_region(thread))
		thread->region++;
}

void model_preempt(int change)
{
	if (current >= 0)
		region_change(&threads[current], &threads[current].preempt, change);
}

void model_irqs(int change)
{
	if (current >= 0)
		region_change(&threads[current], &threads[current].irqs, change);
}

bool model_irqs_disabled(void)
{
	return current >= 0 && threads[current].irqs;
}

bool model_preemptible(void)
{
	return current < 0 || !in_region(&threads[current]);
}

int model_cpu(void)
{
	return current < 0 ? 0 : threads[current].cpu;
}

static bool lock_is_free(void *lock)
{
	return !((raw_spinlock_t *)lock)->held;
}

void model_lock(raw_spinlock_t *lock)
{
	if (current >= 0) {
		maybe_switch("lock", 0);
		if (lock->held)
			model_wait(lock_is_free, lock);
	}
	lock->held = true;
}

bool model_trylock(raw_spinlock_t *lock)
{
	if (current >= 0)
		maybe_switch("trylock", 0);
	if (lock->held)
		return false;
	lock->held = true;
	return true;
}

void model_unlock(raw_spinlock_t *lock)
{
	lock->held = false;
}

static bool takes_interrupts(void *thread)
{
	return !((struct thread *)thread)->irqs && !((struct thread *)thread)->interrupted;
}

/* As an interrupt there, in one step: what it holds, nobody else touches. */
void model_on_cpu(int cpu, void (*fn)(void *arg), void *arg)
{
	struct thread *target = &threads[cpu], *self = &threads[current];

	if (cpu != current)
		model_wait(takes_interrupts, target);
	self->cpu = cpu;
	self->irqs++;
	target->interrupted = cpu != current;
	fn(arg);
	target->interrupted = false;
	self->irqs--;
	self->cpu = current;
}

/*
 * Grace periods
 */

static bool over(const struct callback *callback)
{
	for (unsigned int i = 0; i < THREADS; i++)
		if (callback->waits_for[i] == threads[i].region + 1 && in_region(&threads[i]))
			return false;
	return true;
}

static void begin(struct callback *callback)
{
	for (unsigned int i = 0; i < THREADS; i++)
		callback->waits_for[i] = in_region(&threads[i]) ? threads[i].region + 1 : 0;
}

void call_rcu(struct rcu_head *rcu, void (*func)(struct rcu_head *rcu))
{
	struct callback *callback = &callbacks[nr_callbacks++];

	if (nr_callbacks == CALLBACKS)
		model_fail("more callbacks than the model has room for", NULL);
	*callback = (struct callback){ .rcu = rcu, .func = func };
	begin(callback);
}

static struct callback *next_callback(void)
{
	for (unsigned int i = 0; i < nr_callbacks; i++)
		if (!callbacks[i].begun && over(&callbacks[i]))
			return &callbacks[i];
	return NULL;
}

static bool has_callback(void *unused)
{
	(void)unused;
	return next_callback();
}

static void rcu_main(void)
{
	struct callback *callback;

	for (;;) {
		model_wait(has_callback, NULL);
		callback = next_callback();
		callback->begun = true;
		callback->func(callback->rcu);
		callback->done = true;
	}
}

static bool is_over(void *callback)
{
	return over(callback);
}

void synchronize_rcu(void)
{
	struct callback grace = {};

	if (current < 0)
		return;
	begin(&grace);
	model_wait(is_over, &grace);
}

unsigned long get_state_synchronize_rcu(void)
{
	if (nr_cookies == COOKIES)
		model_fail("more grace periods than the model has room for", NULL);
	begin(&cookies[nr_cookies]);
	return nr_cookies++;
}

/* As early as can be. */
bool poll_state_synchronize_rcu(unsigned long cookie)
{
	return over(&cookies[cookie]);
}

static bool all_called(void *nr)
{
	for (unsigned int i = 0; i < *(unsigned int *)nr; i++)
		if (!callbacks[i].done)
			return false;
	return true;
}

void rcu_barrier(void)
{
	unsigned int nr = nr_callbacks;

	if (current >= 0)
		model_wait(all_called, &nr);
}

/*
 * Memory. What is freed is used again as soon as can be.
 */

struct chunk {
	size_t size;
	bool used;
	char bytes[] __aligned(64);
};

void *model_alloc(size_t size)
{
	struct chunk *chunk;
	size_t at, all = (sizeof(*chunk) + size + 63) & ~63UL;

	for (at = 0; at < heap_used; at += chunk->size) {
		chunk = (struct chunk *)(heap + at);
		if (!chunk->used && chunk->size == all)
			goto found;
	}
	if (heap_used + all > HEAP)
		abort();
	chunk = (struct chunk *)(heap + heap_used);
	heap_used += all;
	chunk->size = all;
found:
	chunk->used = true;
	return chunk->bytes;
}

static unsigned int allocations(void)
{
	unsigned int nr = 0;
	struct chunk *chunk;

	for (size_t at = 0; at < heap_used; at += chunk->size) {
		chunk = (struct chunk *)(heap + at);
		nr += chunk->used;
	}
	return nr;
}

void model_free(void *memory)
{
	if (memory)
		container_of(memory, struct chunk, bytes)->used = false;
}

void *__alloc_percpu(size_t size, size_t align)
{
	void *memory = model_percpu[0] + percpu_used;

	(void)align;
	percpu_used += (size + 63) & ~63UL;
	if (percpu_used > sizeof(model_percpu[0]))
		abort();
	return memory;
}

unsigned long model_buf_number(unsigned long key)
{
	return key - (unsigned long)bufs / sizeof(*bufs);
}

void *xa_find(struct xarray *xa, unsigned long *key, unsigned long max, xa_mark_t filter)
{
	unsigned long first = (unsigned long)bufs / sizeof(*bufs), i;

	(void)max;
	for (i = *key > first ? *key - first : 0; i < MODEL_BUFS; i++) {
		if (filter == XA_PRESENT ? xa->present[i] : xa->marked[filter][i]) {
			*key = first + i;
			return &bufs[i];
		}
	}
	return NULL;
}

/*
 * In place of pool/payload.c, poison.c, kick.c, reject.c and report.c
 */

struct gophership_buf *gophership_payload_alloc(struct gophership_pool *from, unsigned int class,
						unsigned int order, gfp_t gfp)
{
	unsigned int i;

	for (i = 0; i < MODEL_BUFS && alive[i]; i++)
		;
	if (i == MODEL_BUFS)
		return NULL;
	memset(&bufs[i], 0, sizeof(bufs[i]));
	alive[i] = true;
	bufs[i].data = (void *)((i + 1UL) << 20);
	bufs[i].capacity = PAGE_SIZE << order;
	bufs[i].heads = from->heads + class;
	gophership_registry_add(&bufs[i], gfp);
	if (class < GOPHERSHIP_NR_CLASSES)
		atomic_long_inc(&from->nr_bufs);
	smp_store_release(&bufs[i].seal, gophership_seal(&bufs[i], GOPHERSHIP_SEAL_LEASED));
	return &bufs[i];
}

unsigned int gophership_payload_alloc_bulk(struct gophership_pool *from, unsigned int class,
					   gfp_t gfp, unsigned int nr,
					   struct gophership_buf **some)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		some[i] = gophership_payload_alloc(from, class, gophership_class_order(class), gfp);
		if (!some[i])
			break;
	}
	return i;
}

static bool is_doomed(const struct gophership_buf *buf)
{
	unsigned long state = gophership_seal(buf, 0) - buf->seal;

	return state & GOPHERSHIP_SEAL_DOOM_BIT || state == GOPHERSHIP_SEAL_DOOMED;
}

void gophership_payload_free(struct gophership_buf *buf)
{
	unsigned int i = buf - bufs;

	if (!alive[i])
		model_fail("a descriptor is freed twice", buf);
	if (owner[i])
		model_fail("a buffer is freed that somebody has", buf);
	if (!is_doomed(buf))
		model_fail("a buffer is freed that a release gave back again", buf);
	gophership_registry_remove(buf);
	buf->seal = 0;
	alive[i] = false;
	/* The next descriptor at this address has other pages. */
	pinned = pinned && buf != shared;
}

bool model_in_nmi(void)
{
	return current >= 0 && threads[current].nmi;
}

bool gophership_payload_shared(const struct gophership_buf *buf)
{
	return buf == shared && pinned;
}

void gophership_payload_drop(struct gophership_buf *buf)
{
	if (owner[buf - bufs])
		model_fail("the payload of a buffer is freed that somebody has", buf);
	buf->data = NULL;
}

DEFINE_STATIC_KEY_FALSE(gophership_poison_key);

void gophership_poison_fill(struct gophership_buf *buf)
{
	(void)buf;
}

void gophership_poison_check(struct gophership_buf *buf)
{
	(void)buf;
}

/* Nothing of what is asked for comes in a scenario. */
void gophership_kick_age(void)
{
}

void gophership_kick_limit(void)
{
}

void gophership_kick_tell(void)
{
}

void gophership_kick_waiters(struct gophership_pool *whose, unsigned int class)
{
}

void gophership_kick_refill(struct gophership_pool *whose)
{
}

void gophership_kick_pool_init(struct gophership_pool *whose)
{
}

int gophership_reject(const struct gophership_buf *buf, unsigned long call_site)
{
	(void)call_site;
	return buf ? -EALREADY : 0;
}

void gophership_report_leak(const char *name, const struct gophership_leak *leak)
{
	(void)name;
	(void)leak;
}

void gophership_reject_stale(const struct gophership_buf *buf)
{
	(void)buf;
}

/*
 * What threads do
 */

static void have(struct gophership_buf *buf, size_t size)
{
	unsigned int i = buf - bufs;

	if (!alive[i])
		model_fail("a freed descriptor is handed out", buf);
	if (owner[i])
		model_fail("a buffer is handed out that somebody has", buf);
	if (buf->capacity != PAGE_SIZE << gophership_class(size))
		model_fail("a buffer of another class is handed out", buf);
	if (!buf->data)
		model_fail("a buffer without payload is handed out", buf);
	if (stale && READ_ONCE(buf->len))
		model_fail("a buffer is handed out with a length", buf);
	if (!buf->data)
		model_fail("a buffer is handed out without a payload", buf);
	if (gophership_payload_shared(buf))
		model_fail("a buffer is handed out that something refers to", buf);
	owner[i] = 1;
	WRITE_ONCE(buf->len, 1);
}

static struct gophership_buf *take(size_t size)
{
	struct gophership_buf *buf = gophership_pool_acquire(pool, size, GFP_NOWAIT);

	if (!buf)
		model_fail("no buffer to be had", NULL);
	have(buf, size);
	return buf;
}

static void give(struct gophership_buf *buf)
{
	if (stale && READ_ONCE(buf->len) != 1)
		model_fail("somebody else has written to a buffer", buf);
	owner[buf - bufs] = 0;
	gophership_buf_release(buf);
}

/* The tracer, upon whatever its thread is in the midst of. */
void model_event(void)
{
	struct gophership_buf *buf;
	struct thread *thread;

	if (current < 0 || !threads[current].traced || threads[current].tracing)
		return;
	thread = &threads[current];
	thread->tracing = true;
	/* It thinks that it knows where it is. */
	buf = gophership_pool_acquire(pool, 1, GFP_ATOMIC);
	if (buf) {
		have(buf, 1);
		give(buf);
	}
	thread->tracing = false;
}

/* The shared buffer is given back, by whoever comes. */
static void release_shared(void)
{
	gophership_buf_release(shared);
}

static void retire_shared(void)
{
	gophership_buf_retire(shared);
}

/* As where there is no memory for a magazine. */
static void retire_in_nmi(void)
{
	threads[current].nmi = true;
	gophership_buf_retire(shared);
	threads[current].nmi = false;
}

static void release_and_take(void)
{
	gophership_buf_release(shared);
	give(take(1));
}

/*
 * As an interrupt on top of a user of the head: past the magazine. (Nobody is at
 * work on a head of a pool whose destruction has waited for a grace period.)
 */
static void give_on_top(struct gophership_buf *buf)
{
	struct gophership_head *head;

	preempt_disable();
	head = this_cpu_ptr(buf->heads);
	owner[buf - bufs] = 0;
	head->idle = 0;
	gophership_buf_release(buf);
	head->idle = 1;
	preempt_enable();
}

static void release_on_top(void)
{
	give_on_top(shared);
}

static void release_and_pass_on(void)
{
	gophership_buf_release(shared);
	give_on_top(take(1));
}

static void take_on_top(void)
{
	struct gophership_head *head = this_cpu_ptr(heads);
	struct gophership_buf *buf;

	preempt_disable();
	head->idle = 0;
	buf = gophership_depot_take_one(head->depot);
	if (buf)
		have(buf, 1);
	head->idle = 1;
	preempt_enable();
	if (buf)
		give(buf);
}

/* As the background does it. */
static void fill_stock(void)
{
	gophership_stock_fill(pool, GFP_KERNEL);
}

/* The first slot, twice if it was taken meanwhile. */
static void release_and_fill_slot(void)
{
	gophership_buf_release(shared);
	for (unsigned int i = 0; i < 2; i++)
		if (!READ_ONCE(pool->stock[0]))
			fill_slot(pool, 0, &pool->stock[0], GFP_KERNEL);
}

static void take_from_stock(void)
{
	struct gophership_buf *buf = take_class(pool, 0, GOPHERSHIP_SEAL_LEASED);

	if (!buf)
		return;
	this_cpu_inc(buf->heads->slow_acquires);
	have(buf, 1);
	give(buf);
}

static void trim(void)
{
	gophership_pool_trim(pool);
}

static void traced_take(void)
{
	threads[current].traced = true;
	give(take(1));
}

/* With something to trim. */
static void traced_trim(void)
{
	give(take(1));
	threads[current].traced = true;
	gophership_pool_trim(pool);
}

/* As the shrinker does it. */
static void scan(void)
{
	struct gophership_doomed doomed = {};

	gophership_pool_flush(pool, 0);
	gophership_depot_trim(gophership_pool_depot(pool, 0, 0), 1, &doomed);
	gophership_doomed_free(&doomed);
}

/* Then the descriptor may live again, in another class, on that one's inbox. */
static void trim_and_reuse(void)
{
	struct gophership_buf *buf;

	gophership_pool_trim(pool);
	buf = gophership_payload_alloc(pool, 1, 1, GFP_NOWAIT);
	this_cpu_inc(pool->heads[1].slow_acquires);
	owner[buf - bufs] = 0;
	preempt_disable();
	if (gophership_claim(buf, GOPHERSHIP_SEAL_LEASED, GOPHERSHIP_SEAL_LISTED))
		gophership_depot_list(this_cpu_ptr(pool->heads + 1)->depot, buf);
	preempt_enable();
}

static void destroy(void)
{
	gophership_pool_destroy(pool);
	pool = NULL;
}

struct scenario {
	const char *name;
	unsigned int bound;
	void (*threads[RCU_THREAD])(void);
	unsigned int row;	/* of the heads: what is shared */
	unsigned int stock;	/* slots, empty at first */
	bool stale;		/* an earlier second release has left an entry of it */
	bool slots;		/* of the stock: the first one matters */
	unsigned int flags;	/* of the pool; with one that looks, what is shared is pinned */
};

static const struct scenario scenarios[] = {
	{ "one release and one acquire", 3, { release_shared, take_on_top } },
	{ "two releases", 4, { release_and_take, release_and_take } },
	{ "three releases", 2, { release_and_take, release_and_take, release_shared } },
	{ "two releases, one past the magazine", 4, { release_and_take, release_on_top } },
	{ "two releases past the magazine", 4, { release_on_top, release_on_top, take_on_top } },
	{ "two releases and a taker", 3, { release_shared, release_on_top, take_on_top } },
	{ "two releases and a trim", 3, { release_shared, release_shared, trim } },
	{ "two releases, one past the magazine, and a trim", 3,
	  { release_shared, release_on_top, trim } },
	{ "two releases and a scan", 3, { release_shared, release_shared, scan } },
	{ "two releases, one past the magazine, and a scan", 3,
	  { release_shared, release_on_top, scan } },
	{ "a stale entry and a second life", 3,
	  { release_shared, release_on_top, take_on_top, trim_and_reuse } },
	{ "two releases and a destruction", 3, { release_shared, release_shared, destroy } },
	{ "two releases, one past the magazine, and a destruction", 2,
	  { release_shared, release_on_top, destroy } },
	{ "two releases past the magazine, one of a new lease", 3,
	  { release_and_pass_on, release_on_top } },
	{ "a stale entry and a release past the magazine", 4,
	  { release_on_top, take_on_top }, .stale = true },
	{ "two releases, one past the magazine, and the stock", 2,
	  { release_shared, release_on_top, fill_stock, take_from_stock }, .stock = 1 },
	{ "two takers from the stock", 2,
	  { release_and_fill_slot, take_from_stock, take_from_stock }, .stock = 1, .slots = true },
	{ "a tracer upon one who makes a buffer", 2, { traced_take, release_on_top } },
	{ "a tracer upon one who trims", 2, { traced_trim, release_on_top } },
	{ "three releases of a large buffer", 3,
	  { release_shared, release_shared, release_shared }, GOPHERSHIP_CLASS_LARGE },
	{ "two releases of the reserve and a destruction", 3,
	  { release_shared, release_shared, destroy }, GOPHERSHIP_CLASS_RESERVE },
	{ "a retirement and a release", 3, { retire_shared, release_and_take, trim } },
	{ "a retirement and a release past the magazine", 3,
	  { retire_shared, release_on_top, take_on_top } },
	{ "a retirement without memory and a release", 3, { retire_in_nmi, release_and_take } },
	{ "two retirements and a destruction", 3, { retire_shared, retire_shared, destroy } },
	{ "two releases of what is pinned", 3, { release_and_take, release_and_take },
	  .flags = GOPHERSHIP_POOL_CHECK_REFS },
	{ "a release of what is pinned, a retirement and a destruction", 3,
	  { release_shared, retire_shared, destroy }, .flags = GOPHERSHIP_POOL_CHECK_REFS },
};

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
		if (alive[i] && !bufs[i].data && !is_doomed(&bufs[i]))
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
