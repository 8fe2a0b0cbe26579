/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The speed lab's module: what its files share.
 *
 * A case is a pattern of use; a contender is a pool or allocator, ours or a
 * peer. A stretch is one timed run of a case by one contender. Stretches of all
 * contenders of a case are interleaved, round by round, so that whatever
 * disturbs the machine disturbs all of them.
 */
#ifndef GOPHERSHIP_BENCH_H
#define GOPHERSHIP_BENCH_H

#include <linux/seq_file.h>
#include <linux/types.h>

struct gophership_pool;

#define BENCH_BURST	64	/* buffers of a burst, and of a miss */
#define BENCH_BULK	32	/* buffers of a bulk call */
#define BENCH_DEEP	512	/* buffers of a burst that no CPU keeps by itself */
#define BENCH_STOCK	768	/* of those, and of what lies in a CPU's magazines then */
#define BENCH_NEST	16	/* pairs of one interrupt */
#define BENCH_SIZES	1024	/* random sizes; a power of two */
#define BENCH_CPUS	16	/* of one stretch, at most */
#define BENCH_ROUNDS	501	/* at most */
#define BENCH_CONTENDERS 28	/* there are, at most */

/* The loops that a contender may have. */
enum bench_loop_kind {
	LOOP_COST,	/* no contender, but what the others' figures contain */
	LOOP_PAIR,
	LOOP_BURST,
	LOOP_BULK,
	LOOP_MIXED,
	LOOP_MUST,
	LOOP_DEEP,
	LOOP_STOCK,	/* BENCH_STOCK buffers for each CPU, before LOOP_DEEP ... */
	LOOP_UNSTOCK,	/* ... and back, when all CPUs have them */
	LOOP_PARALLEL,	/* pairs on several CPUs at once */
	LOOP_PRODUCE,	/* on even CPUs, for the next CPU's LOOP_CONSUME */
	LOOP_CONSUME,
	LOOP_ACROSS,	/* BENCH_BURST buffers into bench_kept on CPU 0 ... */
	LOOP_BACK,	/* ... and back on CPU 1, when CPU 0 is done */
	LOOP_TAKE,	/* BENCH_BURST buffers into bench_kept */
	LOOP_GIVE,	/* and back */
	LOOP_NEST,	/* in a hard interrupt ... */
	LOOP_BELOW,	/* ... that came on top of this one */
	LOOP_DMA,	/* pairs of what a device reaches */
	NR_LOOPS
};

/* Do @n operations (a multiple of BENCH_DEEP); false if one of them failed. */
typedef bool (*bench_loop)(unsigned int n);

/* Which interrupts count, for a contender that can tell them apart. */
enum bench_nest {
	NEST_ANY,
	NEST_FREE,	/* those that came while nobody was in acquire or release */
	NEST_BUSY,	/* those that came in the midst of it */
};

/**
 * struct bench_contender - a pool or allocator
 * @name: in the results
 * @ours: is the pool
 * @bottom_halves_off: is used in softirq context, so time it as if in one
 * @one_cpu: in a case for several CPUs, run on one nevertheless
 * @chill: give the cached memory back, before a miss
 * @nest: which interrupts of irq-nested count
 * @nest_was_busy: between two calls, was an acquire not served by its CPU?
 * @loop: by kind; NULL for a case that the contender does not run in
 */
struct bench_contender {
	const char *name;
	bool ours;
	bool bottom_halves_off;
	bool one_cpu;
	void (*chill)(void);
	enum bench_nest nest;
	bool (*nest_was_busy)(void);
	bench_loop loop[NR_LOOPS];
};

/* case.c */
struct bench_case {
	const char *name;
	enum bench_loop_kind loop;
	unsigned int cpus;	/* unless the request says otherwise */
};

const struct bench_case *bench_case_find(const char *name);

/**
 * struct bench_request - what shall be run
 * @bench_case: the case
 * @rounds: stretches of each contender
 * @iterations: operations per CPU and stretch; a multiple of BENCH_DEEP
 * @cpus: CPUs at once
 */
struct bench_request {
	const struct bench_case *bench_case;
	unsigned int rounds;
	unsigned int iterations;
	unsigned int cpus;
};

/* How a stretch may differ from the ordinary. */
enum bench_manner {
	MANNER_PLAIN,
	MANNER_IRQS_OFF,	/* with interrupts off all the time: saving them is cheap */
	MANNER_COUNT_LOCKS,	/* with probes on the lock functions: not for time */
};

/* stretch.c */
s64 bench_stretch(const struct bench_request *request, const struct bench_contender *contender,
		  enum bench_manner manner);

/* nest.c */
s64 bench_nest_run(const struct bench_contender *contender, unsigned int pairs);

/* result.c */
int bench_run(const struct bench_request *request);
void bench_results_show(struct seq_file *seq);
void bench_show_nano(struct seq_file *seq, const char *name, u64 pico);

/* lock_count.c */
int bench_locks_arm(void);
void bench_locks_disarm(void);
void bench_locks_count(bool on);
u64 bench_locks_counted(void);

/* footprint.c: what the pool's structures take */
void bench_footprint_show(struct seq_file *seq);

/* scale.c: many buffers on loan, many pools */
int bench_hold(unsigned int nr);
int bench_pools(unsigned int nr);
void bench_scale_show(struct seq_file *seq);
void bench_scale_exit(void);

/* The contenders; each file makes what it needs in its init. */
extern const struct bench_contender * const bench_contenders[];
extern const unsigned int bench_nr_contenders;

extern const struct bench_contender bench_ours, bench_ours_inline, bench_ours_alone,
	bench_ours_nest_free, bench_ours_nest_busy;
extern struct gophership_pool *bench_pool;
int bench_ours_init(void);
void bench_ours_exit(void);

extern const struct bench_contender bench_kmem_cache, bench_kmem_cache_bulk,
	bench_kmem_cache_line, bench_kmalloc, bench_mempool;
int bench_slab_init(void);
void bench_slab_exit(void);

extern const struct bench_contender bench_alloc_pages, bench_alloc_pages_bulk, bench_page_frag;
void bench_pages_exit(void);

extern const struct bench_contender bench_page_pool_direct, bench_page_pool_ring;
int bench_page_pool_init(void);
void bench_page_pool_exit(void);

extern const struct bench_contender bench_mapped, bench_mapped_page_pool, bench_mapped_each;
int bench_dma_init(void);
void bench_dma_exit(void);

extern const struct bench_contender bench_objpool;
int bench_objpool_init(void);
void bench_objpool_exit(void);

extern const struct bench_contender bench_empty, bench_empty_alone, bench_calls, bench_irq,
	bench_clock, bench_lock;

#endif /* GOPHERSHIP_BENCH_H */
