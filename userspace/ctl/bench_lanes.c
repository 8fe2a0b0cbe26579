// SPDX-License-Identifier: GPL-2.0
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

#include "bench_lanes.h"

/* Operations before the clock starts: they fill caches and magazines. */
#define WARM_UP	4096

/**
 * struct lane - what one thread does in a stretch
 * @loop: the loop
 * @cpu: where
 * @size: bytes of the buffers
 * @n: operations
 * @start: lanes that are yet to arrive at the start; atomic
 * @begin: when it started, in nanoseconds
 * @end: when it ended
 * @ok: no operation failed
 */
struct lane {
	lane_loop loop;
	unsigned int cpu;
	size_t size;
	unsigned long n;
	unsigned int *start;
	uint64_t begin;
	uint64_t end;
	bool ok;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

unsigned int lanes_cpus(void)
{
	cpu_set_t allowed;

	return sched_getaffinity(0, sizeof(allowed), &allowed) ? 1 : CPU_COUNT(&allowed);
}

/* The last CPUs first: interrupts like the first ones. */
static void choose_cpus(struct lane *lanes, unsigned int nr)
{
	unsigned int cpu = CPU_SETSIZE, i = 0;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		CPU_ZERO(&allowed);
	while (cpu-- && i < nr)
		if (CPU_ISSET(cpu, &allowed))
			lanes[i++].cpu = cpu;
	/* On a machine with fewer CPUs they go where they like. */
	for (; i < nr; i++)
		lanes[i].cpu = CPU_SETSIZE;
}

static void bind_to(unsigned int cpu)
{
	cpu_set_t set;

	if (cpu == CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *run(void *argument)
{
	struct lane *lane = argument;

	bind_to(lane->cpu);
	lane->ok = lane->loop(lane->size, WARM_UP);
	__atomic_sub_fetch(lane->start, 1, __ATOMIC_ACQ_REL);
	/* Nothing sleeps here, unless there are more lanes than CPUs. */
	while (__atomic_load_n(lane->start, __ATOMIC_ACQUIRE))
		if (lane->cpu == CPU_SETSIZE)
			sched_yield();
	lane->begin = now();
	lane->ok = lane->ok && lane->loop(lane->size, lane->n);
	lane->end = now();
	return NULL;
}

static bool run_all(struct lane *lanes, unsigned int nr)
{
	pthread_t other;

	_Static_assert(LANES_MOST == 2, "one other thread");
	if (nr == LANES_MOST && pthread_create(&other, NULL, run, &lanes[1]))
		return false;
	run(&lanes[0]);
	if (nr == LANES_MOST)
		pthread_join(other, NULL);
	return true;
}

double lanes_run(const lane_loop *loops, unsigned int nr, size_t size, unsigned long n)
{
	uint64_t begin = UINT64_MAX, end = 0;
	struct lane lanes[LANES_MOST];
	cpu_set_t allowed;
	unsigned int start = nr, i;
	bool ok;

	for (i = 0; i < nr; i++)
		lanes[i] = (struct lane){
			.loop = loops[i], .size = size, .n = n, .start = &start,
		};
	choose_cpus(lanes, nr);
	pthread_getaffinity_np(pthread_self(), sizeof(allowed), &allowed);
	ok = run_all(lanes, nr);
	pthread_setaffinity_np(pthread_self(), sizeof(allowed), &allowed);
	for (i = 0; ok && i < nr; i++) {
		begin = lanes[i].begin < begin ? lanes[i].begin : begin;
		end = lanes[i].end > end ? lanes[i].end : end;
		ok = lanes[i].ok;
	}
	return ok ? (double)(end - begin) : -1;
}
