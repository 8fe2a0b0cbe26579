// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers by chance.
 */
#include "fuzz.h"

static uint64_t state;

void chance_begin(uint64_t seed)
{
	state = seed;
}

/* splitmix64 (Steele, Lea, Flood, 2014) */
uint64_t any(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

unsigned int below(unsigned int n)
{
	return any() % n;
}

bool one_in(unsigned int n)
{
	return !below(n);
}

uint64_t odd(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 7, 8, 23, 24, 31, 32, 63, 64, 4095, 4096, 4097, 65535, 65536, 65537,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1000000000, 0x5fffffffff,
		0x6000000000, 0x7fffffffffff, 0x7fffffffffffffff, 0x8000000000000000,
		0xfffffffffffff000, 0xffffffffffffffff,
	};

	switch (below(4)) {
	case 0:
		return any();
	case 1:
		return 1ULL << below(64);
	default:
		return values[below(sizeof(values) / sizeof(*values))] + (one_in(8) ? 1 : 0);
	}
}
