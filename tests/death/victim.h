/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A victim: a process that does with the device all that can be done, on many
 * threads, until it is killed.
 */
#ifndef TESTS_VICTIM_H
#define TESTS_VICTIM_H

#include <stdatomic.h>
#include <stdint.h>

#define VICTIMS		3	/* at the same time */
#define THREADS		6	/* of each */

/* Where a thread can be when the end comes. */
enum call {
	CALL_NONE,
	CALL_OPEN,
	CALL_CLOSE,
	CALL_ACQUIRE,
	CALL_ACQUIRE_MANY,
	CALL_RELEASE,
	CALL_RELEASE_MANY,
	CALL_INFO,
	CALL_STATS,
	CALL_MMAP,
	CALL_POPULATE,
	CALL_MREMAP,
	CALL_MUNMAP,
	CALL_TOUCH,
	CALL_FORK,
	CALL_SPLICE,
	CALL_DIRECT,
	CALL_SUBMIT,
	NR_CALLS,
};

/*
 * What a victim writes: its number is part of it. The file that it reads from
 * has another mark. A slot of the file that it writes to is of every 64th victim.
 */
#define MARK(number)	(0xd00d000000000000 | (number))
/* In further contexts of it. */
#define MARK_ALSO(number, round)	(MARK(number) | ((round) % 65535 + 1ULL) << 32)
#define MARK_READ	0xf11ef11ef11ef11e
#define SLOTS		64U
#define SLOT_SIZE	65536UL

/* Written by all victims, read by who kills them. */
struct victims {
	atomic_ulong loans;
	atomic_ulong releases;
	atomic_ulong foreign;	/* buffers with another's bytes when they came */
	atomic_ulong changed;	/* buffers that somebody else wrote to */
	atomic_ulong splices;
	atomic_ulong writes;
	atomic_ulong reads;
	atomic_ulong in_flight;	/* released before their I/O was over */
	atomic_ulong children;
	atomic_bool alive[VICTIMS];
	_Atomic enum call in[VICTIMS][THREADS];
};

/* The files to read from and to write to. */
struct victim_files {
	const char *in;
	const char *out;
};

/* Does not return. */
void victim_live(struct victims *victims, unsigned int place, uint64_t number,
		 const struct victim_files *files);

#endif /* TESTS_VICTIM_H */
