// SPDX-License-Identifier: GPL-2.0
/*
 * The contender that is aligned_alloc() and free() of the C library, or of the
 * allocator that LD_PRELOAD puts in its place.
 *
 *	allocator NAME		part of the name of the file they must come from
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_aligned.h"
#include "loops.h"

/* Where LD_PRELOAD fails, the dynamic linker says so and goes on without. */
static bool comes_from(const char *symbol, const char *name)
{
	Dl_info info;
	void *address = dlsym(RTLD_DEFAULT, symbol);

	if (address && dladdr(address, &info) && strstr(info.dli_fname, name))
		return true;
	fprintf(stderr, "allocator: %s is not that of %s\n", symbol, name);
	return false;
}

int main(int argc, char **argv)
{
	static const struct worker_loop loops[] = { LOOP_PAIR, LOOP_HAND_OVER, { 0 } };

	if (argc != 2 || !comes_from("aligned_alloc", argv[1]) || !comes_from("free", argv[1]))
		return 1;
	return worker_serve(loops);
}
