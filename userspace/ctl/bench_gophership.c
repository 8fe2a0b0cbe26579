// SPDX-License-Identifier: GPL-2.0
#include "bench_borrow.h"
#include "bench_loops.h"
#include "bench_bulk.h"
#include "bench_contender.h"

int bench_gophership_open(const char *device)
{
	const struct gophership_options options = {
		.size = sizeof(options),
		.device = device,
	};

	return -gophership_open(&bench_borrowed, &options);
}

void bench_gophership_close(void)
{
	gophership_close(bench_borrowed);
}

const struct bench_contender bench_gophership = {
	.name = "gophership",
	.loops = { [BENCH_PAIR] = loop_pair, [BENCH_BULK] = loop_bulk },
};
