// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The library's locks. A thread counts those that it holds: a signal handler that
 * interrupted it must not wait for one of them.
 */
#include "pool.h"

pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
__thread unsigned int this_thread_locks;

void gs_lock(pthread_mutex_t *lock)
{
	this_thread_locks++;
	atomic_signal_fence(memory_order_seq_cst);
	pthread_mutex_lock(lock);
}

void gs_unlock(pthread_mutex_t *lock)
{
	pthread_mutex_unlock(lock);
	atomic_signal_fence(memory_order_seq_cst);
	this_thread_locks--;
}
