// SPDX-License-Identifier: GPL-2.0
/*
 * model: memory, of which what is freed is used again as soon as can be, and what stands in
 * for the files of pool/ that allocate, report and kick. A part of model.c.
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
 * In place of pool/payload.c, dma.c, poison.c, kick.c, reject.c and report.c
 */

struct gophership_dma *gophership_dma_bind_pool(struct device *dev, enum dma_data_direction dir)
{
	return NULL;
}

void gophership_dma_end(struct gophership_dma *dma)
{
}

void gophership_dma_put(struct gophership_dma *dma)
{
}

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

static bool is_retiring(const struct gophership_buf *buf)
{
	unsigned long state = gophership_seal(buf, 0) - buf->seal;

	return state & GOPHERSHIP_SEAL_RETIRING_BIT || state == GOPHERSHIP_SEAL_RETIRING;
}

void gophership_payload_free(struct gophership_buf *buf)
{
	unsigned int i = buf - bufs;

	if (!alive[i])
		model_fail("a descriptor is freed twice", buf);
	if (owner[i])
		model_fail("a buffer is freed that somebody has", buf);
	if (!is_retiring(buf))
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
