// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <linux/types.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

void *memory_signal_address;
int memory_signal_code;

/* Not static, so that the compiler must read what is stored here. */
__thread char memory_seen;

static __thread sigjmp_buf back;

static void jump_back(int signal, siginfo_t *info, void *context)
{
	(void)context;
	memory_signal_address = info->si_addr;
	memory_signal_code = info->si_code;
	siglongjmp(back, signal);
}

/* Several threads may do so at once: they all set the same. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_sigaction = jump_back, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

int memory_read_signal(const void *address)
{
	int signal;

	catch_signals();
	signal = sigsetjmp(back, 1);
	if (!signal)
		memory_seen = *(const char *)address;
	return signal;
}

int memory_write_signal(void *address)
{
	int signal;

	catch_signals();
	signal = sigsetjmp(back, 1);
	if (!signal)
		*(char *)address = 1;
	return signal;
}

int memory_fill_signal(void *address, int byte, size_t size)
{
	int signal;

	catch_signals();
	signal = sigsetjmp(back, 1);
	if (!signal)
		memset(address, byte, size);
	return signal;
}

bool memory_is(const void *address, int byte, size_t size)
{
	const unsigned char *bytes = address;

	return !size || (bytes[0] == byte && !memcmp(bytes, bytes + 1, size - 1));
}

bool memory_is_zero_or(const void *address, int byte, size_t size)
{
	const unsigned char *bytes = address;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] && bytes[i] != byte)
			return false;
	return true;
}

unsigned long memory_frame(const void *address)
{
	long page_size = sysconf(_SC_PAGESIZE);
	__u64 entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry),
		  (off_t)((uintptr_t)address / page_size * sizeof(entry))) != sizeof(entry))
		entry = 0;
	close(fd);
	/* Bit 63: present; bits 0 to 54: the frame. */
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

void *memory_before_hole(size_t size)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	size_t length = (size + page_size - 1) & -page_size;
	char *start = mmap(NULL, length + page_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED || mprotect(start + length, page_size, PROT_NONE))
		return NULL;
	return start + length - size;
}

long memory_info(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t length = strlen(name);
	char line[128];
	long value = -1;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && line[length] == ':')
			sscanf(line + length + 1, "%ld", &value);
	fclose(file);
	return value;
}
