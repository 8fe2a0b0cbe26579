/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of fuzz share: chance, what a worker has, and what it can do.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE		4096UL
#define WORKERS_MAX	16
#define CONTEXTS	8	/* descriptors of a worker; the first are shared */
#define SHARED		3
#define TOUCHED		4000UL	/* bytes at the start of each page */
#define MAPPINGS	24
#define HANDLES		512
#define LAST_OPS	12

struct context {
	int fd;			/* -1: none */
	uint64_t id;		/* what this context writes */
};

struct mapping {
	unsigned char *at;	/* NULL: none */
	size_t length;
	uint64_t id;		/* 0: what is there is not looked at */
};

/* Seen by all processes. */
struct common {
	atomic_ulong ids;
	atomic_ulong calls;
	atomic_ulong faults;
	atomic_ulong wrong;
	atomic_ulong forks;
	atomic_ulong kills;
	atomic_int stop;
	atomic_int pids[WORKERS_MAX];
	_Atomic uint64_t handles[HANDLES];	/* of the shared contexts, mostly */
	uint64_t digest;			/* of the only worker's results */
	struct {
		atomic_uint place;
		char name[LAST_OPS][24];
		int result[LAST_OPS];
	} last[WORKERS_MAX];
};

extern struct common *common;
extern struct context contexts[CONTEXTS];
extern struct mapping mappings[MAPPINGS];
extern unsigned int worker, workers;

/* chance.c: the same seed, the same numbers */
void chance_begin(uint64_t seed);
uint64_t any(void);
unsigned int below(unsigned int n);
bool one_in(unsigned int n);
/* A number from where mistakes live. */
uint64_t odd(void);

/* mappings.c */
void mappings_begin(void);
struct context *some_context(void);
struct mapping *some_mapping(void);
/* One more, in place of another one. */
void remember(unsigned char *at, size_t length, uint64_t id);

/* calls.c: some bits of it are others */
void spoil(void *bytes, size_t size);

/* ports.c: they are the parent's */
void ports_forget(void);

/* operations.c */
void one_op(void);

/* Operations: each returns what it got, for the record. */
int op_open(void);
int op_close(void);
int op_acquire(void);
int op_release(void);
int op_burst(void);
int op_export(void);
int op_info(void);
int op_ioctl(void);
int op_mmap(void);
int op_pressure(void);
int op_touch(void);
int op_munmap(void);
int op_mremap(void);
int op_replace(void);
int op_advise(void);
int op_protect(void);
int op_pin(void);
int op_ring(void);
int op_userfault(void);
int op_port(void);
int op_attach(void);
int op_submit(void);
int op_port_file(void);
int op_port_mmap(void);

#endif /* TESTS_FUZZ_H */
