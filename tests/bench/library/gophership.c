// SPDX-License-Identifier: GPL-2.0
/*
 * The contender that is libgophership.
 */
#include <stdio.h>
#include <string.h>

#include "bench_borrow.h"
#include "loops.h"
#include "bench_bulk.h"

int main(void)
{
	static const struct worker_loop loops[] = {
		LOOP_PAIR, LOOP_HAND_OVER, { "bulk", { loop_bulk, loop_bulk } }, { 0 }
	};
	int error = gophership_open(&bench_borrowed, NULL);

	if (error) {
		fprintf(stderr, "gophership: %s\n", strerror(-error));
		return 1;
	}
	error = worker_serve(loops);
	gophership_close(bench_borrowed);
	return error;
}
