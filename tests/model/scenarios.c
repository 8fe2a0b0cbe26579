// SPDX-License-Identifier: GPL-2.0
/*
 * model: what threads do, and the scenarios. A part of model.c.
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
	struct gophership_retiring retiring = {};

	gophership_pool_flush(pool, 0);
	gophership_depot_trim(gophership_pool_depot(pool, 0, 0), 1, &retiring);
	gophership_retiring_free(&retiring);
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
	if (gophership_claim(buf, GOPHERSHIP_SEAL_LEASED, GOPHERSHIP_SEAL_INBOX))
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
