// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Banks: a port without a driver. Its buffers are the program's for as long as it is
 * open, in one piece.
 *
 * Each buffer has a bit, which is set while it is free. An acquire clears a bit and a
 * release sets it, each by one atomic operation whose result tells what the bit was
 * before. So no buffer has two owners, and of two releases one is known to be the second.
 * The order of the bit (release, acquire) passes on what is in the buffer.
 *
 * An acquire decrements @available before it looks for a bit. A release increments it after
 * it has set one. So there is a bit for each thread that looks, and a thread that finds
 * @available 0 has no buffer to find.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "pool.h"
#include "port_file.h"

#define CACHE_LINE	64

/**
 * struct gophership_bank - a bank
 * @file: the port's file and its bank
 * @nr_words: words of @free; constant
 * @available: buffers that are free and that no thread looks for; by atomics
 * @hint: a word to look at first; written by any thread
 * @free: a bit for each buffer; by atomics
 */
struct gophership_bank {
	struct port_file file;
	uint32_t nr_words;
	_Atomic uint32_t available __attribute__((aligned(CACHE_LINE)));
	_Atomic uint32_t hint;
	_Atomic bits_t free[] __attribute__((aligned(CACHE_LINE)));
};

/* Reserve one of the free buffers. */
static bool reserve(struct gophership_bank *bank)
{
	uint32_t left = peek(bank->available);

	while (left)
		if (atomic_compare_exchange_weak_explicit(&bank->available, &left, left - 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

/* Take a bit of a word. Returns it, or 0: there is none. */
static bits_t take_bit(struct gophership_bank *bank, uint32_t word)
{
	bits_t bits = peek(bank->free[word]);
	bits_t bit, old;

	while (bits) {
		bit = bits & -bits;
		old = atomic_fetch_and_explicit(&bank->free[word], ~bit, memory_order_acquire);
		if (likely(old & bit))
			return bit;
		bits = old;
	}
	return 0;
}

/* There is one for us. */
static void *take(struct gophership_bank *bank)
{
	uint32_t word = peek(bank->hint);
	bits_t bit;

	for (;; word = word + 1 < bank->nr_words ? word + 1 : 0) {
		bit = take_bit(bank, word);
		if (bit)
			break;
	}
	if (word != peek(bank->hint))
		poke(bank->hint, word);
	return port_file_buffer(&bank->file, word * NR_BITS + __builtin_ctzl(bit));
}

void *gophership_bank_acquire(struct gophership_bank *bank)
{
	if (unlikely(!bank || peek(bank->file.stale))) {
		errno = bank ? ESTALE : EINVAL;
		return NULL;
	}
	if (likely(reserve(bank)))
		return take(bank);
	errno = ENOMEM;
	return NULL;
}

int gophership_bank_release(struct gophership_bank *bank, void *buf)
{
	size_t index, word;
	bits_t bit;

	if (unlikely(!bank))
		return -EINVAL;
	if (!buf)
		return 0;
	index = port_file_index(&bank->file, buf);
	if (unlikely(index >= bank->file.count || peek(bank->file.stale) ||
		     port_file_buffer(&bank->file, index) != buf))
		return -EINVAL;
	word = index / NR_BITS;
	bit = (bits_t)1 << index % NR_BITS;
	if (unlikely(atomic_fetch_or_explicit(&bank->free[word], bit, memory_order_release) & bit))
		return -EALREADY;
	/* The next acquire gets the buffer that is still in the CPU's caches. */
	if (word != peek(bank->hint))
		poke(bank->hint, word);
	atomic_fetch_add_explicit(&bank->available, 1, memory_order_release);
	return 0;
}

int gophership_bank_index(const struct gophership_bank *bank, const void *data)
{
	size_t index;

	if (!bank)
		return -EINVAL;
	index = port_file_index(&bank->file, data);
	return index < bank->file.count ? (int)index : -EINVAL;
}

size_t gophership_bank_capacity(const struct gophership_bank *bank)
{
	return bank ? (size_t)1 << bank->file.shift : 0;
}

int gophership_bank_export(const struct gophership_bank *bank)
{
	return bank ? port_file_export(&bank->file) : -EINVAL;
}

void gophership_bank_iovec(const struct gophership_bank *bank, struct iovec *iovec)
{
	*iovec = (struct iovec) { 0 };
	if (!bank)
		return;
	iovec->iov_base = bank->file.bank;
	iovec->iov_len = bank->file.length;
}

/*
 * Opening and closing
 */

static struct gophership_bank *allocate(uint32_t count)
{
	uint32_t nr_words = (count + NR_BITS - 1) / NR_BITS, i;
	size_t size = sizeof(struct gophership_bank) + nr_words * sizeof(bits_t);
	struct gophership_bank *bank;

	size = (size + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
	bank = aligned_alloc(CACHE_LINE, size);
	if (!bank)
		return NULL;
	memset(bank, 0, size);
	bank->nr_words = nr_words;
	poke(bank->available, count);
	for (i = 0; i < count; i++)
		poke(bank->free[i / NR_BITS],
		     peek(bank->free[i / NR_BITS]) | (bits_t)1 << i % NR_BITS);
	return bank;
}

int gophership_bank_open(struct gophership *gs, size_t buf_size, unsigned int count,
			 unsigned int flags, struct gophership_bank **bank)
{
	struct gophership_bank *opened;
	int error = errno;
	int cancel, ret;

	if (!bank)
		return -EINVAL;
	*bank = NULL;
	if (flags || buf_size > UINT32_MAX || !count || count > GOPHERSHIP_PORT_COUNT_MAX)
		return -EINVAL;
	opened = allocate(count);
	if (!opened)
		return -ENOMEM;
	/* To close is where a cancelled thread would end, with the lock. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = port_file_open(&opened->file, gs, buf_size, count, false);
	pthread_setcancelstate(cancel, NULL);
	if (ret)
		free(opened);
	else
		*bank = opened;
	errno = error;
	return ret;
}

void gophership_bank_close(struct gophership_bank *bank)
{
	int error = errno;
	int cancel;

	if (!bank)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	port_file_close(&bank->file);
	pthread_setcancelstate(cancel, NULL);
	free(bank);
	errno = error;
}
