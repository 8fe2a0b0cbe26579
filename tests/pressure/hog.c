// SPDX-License-Identifier: GPL-2.0
/*
 * hog KIB [SECONDS]: have so much memory, say "full", and keep it for so long.
 * The first one to be killed if there is not that much.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096UL

static int volunteer(void)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "w");

	if (!file)
		return -1;
	fputs("1000", file);
	return fclose(file);
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) * 1024 : 0;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || volunteer())
		return 1;
	for (size_t i = 0; i < size; i += PAGE)
		memory[i] = 1;
	puts("full");
	fflush(stdout);
	if (argc > 2)
		sleep(strtoul(argv[2], NULL, 10));
	return 0;
}
