/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looking at memory: what is in it, what a touch does, which page it is.
 */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* 0, or the signal that reading (writing) one byte there raises. */
int memory_read_signal(const void *address);
int memory_write_signal(void *address);
/* 0, or the signal that stopped filling @size bytes with @byte. */
int memory_fill_signal(void *address, int byte, size_t size);
/* The fault address of the last such signal, and its si_code. */
extern void *memory_signal_address;
extern int memory_signal_code;
/* The byte that memory_read_signal() read last, in this thread. */
extern __thread char memory_seen;

/* Are all @size bytes @byte? */
bool memory_is(const void *address, int byte, size_t size);
/* Are all @size bytes zero or @byte? */
bool memory_is_zero_or(const void *address, int byte, size_t size);

/* The page frame behind a mapped page, 0 if there is none; for root. */
unsigned long memory_frame(const void *address);

/* An anonymous mapping of @size bytes that nothing accessible follows. */
void *memory_before_hole(size_t size);

/* A line of /proc/meminfo in KiB, -1 if it is not there. */
long memory_info(const char *name);

#endif /* TESTS_MEMORY_H */
