// SPDX-License-Identifier: GPL-2.0
/*
 * model: which thread goes on. Threads are coroutines; here are the choice at each step,
 * locks, and RCU. A part of model.c.
 */

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
		       offset == offsetof(struct gophership_buf, inbox_state);
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
