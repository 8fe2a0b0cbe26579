// SPDX-License-Identifier: GPL-2.0
/*
 * A device for gophershipctl where there is none: with LD_PRELOAD, any file answers INFO and
 * STATS. Three pools, one of whose names a terminal would obey; each column has them in an
 * order that neither their names nor their acquires have. SIGUSR2: from then on STATS fails.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <linux/gophership.h>

static const struct gophership_stats pools[] = {
	{ .name = "a\342\202\254\303\251\033[2J\"\\\xff", .nr_classes = 1,
	  .classes = { { .capacity = 4096, .leased = 77, .cached = 1 } } },
	{ .name = "kernel", .nr_classes = 1, .waiters = 2,
	  .classes = { { .capacity = 1 << 20, .leased = 1 } } },
	{ .name = "user", .nr_classes = 2, .waiters = 3,
	  .classes = { { .capacity = 4096, .leased = 9, .cached = 5 }, { .leased = 1 } } },
};

#define NR_POOLS	(sizeof(pools) / sizeof(pools[0]))

static volatile sig_atomic_t is_broken;

static void break_it(int number)
{
	(void)number;
	is_broken = 1;
}

static int answer_info(struct gophership_info *info)
{
	info->nr_classes = 1;
	info->features = GOPHERSHIP_FEATURE_POOLS;
	return 0;
}

/* What each look finds more of. */
static void count(struct gophership_stats *stats, size_t pool)
{
	static const unsigned int acquires[] = { 3, 1000, 20 }, hits[] = { 1, 100, 18 };
	static const unsigned int misses[] = { 1, 2, 500 };
	static __u64 looks[NR_POOLS];
	__u64 nr = ++looks[pool];

	stats->classes[0].acquires = nr * acquires[pool];
	stats->classes[0].hits = nr * hits[pool];
	stats->classes[0].misses = nr * misses[pool];
	stats->contexts = 1;
}

static int answer_stats(struct gophership_stats *stats)
{
	size_t i;

	/* The tool's own handler is there by then, and would end it. */
	signal(SIGUSR2, break_it);
	for (i = 0; i < NR_POOLS && !is_broken; i++) {
		if (strcmp(pools[i].name, stats->name) > 0) {
			*stats = pools[i];
			count(stats, i);
			return 0;
		}
	}
	errno = is_broken ? EIO : ENOENT;
	return -1;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int fd, unsigned long request, void *argument);
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == GOPHERSHIP_IOC_INFO)
		return answer_info(argument);
	if (request == GOPHERSHIP_IOC_STATS)
		return answer_stats(argument);
	next = dlsym(RTLD_NEXT, "ioctl");
	return next(fd, request, argument);
}
