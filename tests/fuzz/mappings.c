// SPDX-License-Identifier: GPL-2.0
/*
 * What can be done to mappings of the device, and with the memory behind them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device.h"
#include "fuzz.h"

static sigjmp_buf on_fault;
static volatile sig_atomic_t touching;

static void fault_handler(int signal)
{
	(void)signal;
	if (!touching)
		_exit(3);
	siglongjmp(on_fault, 1);
}

/* Look at a page, then write to it; false if it cannot be reached. */
static bool touch(volatile uint64_t *word, uint64_t id, bool write)
{
	uint64_t seen;

	touching = 1;
	if (sigsetjmp(on_fault, 1)) {
		touching = 0;
		atomic_fetch_add(&common->faults, 1);
		return false;
	}
	seen = *word;
	if (write)
		*word = id;
	touching = 0;
	if (seen && seen != id && id) {
		atomic_fetch_add(&common->wrong, 1);
		printf("# worker %u: %#llx in a buffer of context %#llx\n", worker,
		       (unsigned long long)seen, (unsigned long long)id);
	}
	return true;
}

void mappings_begin(void)
{
	struct sigaction action = { .sa_handler = fault_handler, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

struct context *some_context(void)
{
	return &contexts[below(CONTEXTS)];
}

struct mapping *some_mapping(void)
{
	struct mapping *mapping = &mappings[below(MAPPINGS)];

	return mapping->at ? mapping : NULL;
}

static void forget_range(const unsigned char *at, size_t length)
{
	for (unsigned int i = 0; i < MAPPINGS; i++) {
		struct mapping *m = &mappings[i];

		if (m->at && m->at < at + length && at < m->at + m->length)
			m->at = NULL;
	}
}

void remember(unsigned char *at, size_t length, uint64_t id)
{
	unsigned int i = below(MAPPINGS);

	if (mappings[i].at)
		munmap(mappings[i].at, mappings[i].length);
	mappings[i] = (struct mapping){ at, length, id };
}

static uint64_t some_offset(void)
{
	uint64_t class = 1 + below(6), slot = one_in(3) ? below(70000) : below(16);

	return (class << 36) + slot * (PAGE << below(5));
}

int op_mmap(void)
{
	static const int flags[] = { MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_SHARED | MAP_POPULATE,
				     MAP_PRIVATE, MAP_SHARED_VALIDATE, MAP_SHARED | MAP_LOCKED };
	size_t length = one_in(8) ? odd() % (1UL << 30) : PAGE << below(8);
	struct context *context = some_context();
	int protection = one_in(8) ? below(8) : PROT_READ | PROT_WRITE;
	unsigned char *at;

	at = mmap(NULL, length, protection, flags[below(7)], context->fd,
		  one_in(12) ? odd() : some_offset());
	if (at == MAP_FAILED)
		return -errno;
	remember(at, (length + PAGE - 1) & ~(PAGE - 1), context->id);
	return 0;
}

/* The page that tells of memory pressure: read-only, and not ours. */
int op_pressure(void)
{
	struct context *context = some_context();
	struct gophership_pressure *page;
	int protection = one_in(4) ? (int)below(8) : PROT_READ;

	page = mmap(NULL, one_in(8) ? PAGE << below(3) : PAGE, protection, MAP_SHARED, context->fd,
		    0);
	if (page == MAP_FAILED)
		return -errno;
	remember((unsigned char *)page, PAGE, 0);
	return 0;
}

int op_touch(void)
{
	struct mapping *mapping = some_mapping();
	unsigned int reached = 0;
	size_t at;

	if (!mapping)
		return 0;
	for (at = 0; at < mapping->length && at < 64 * PAGE; at += PAGE)
		reached += touch((uint64_t *)(mapping->at + at) + below(TOUCHED / 8),
				 mapping->id, one_in(2));
	return reached;
}

int op_munmap(void)
{
	struct mapping *mapping = some_mapping();
	size_t from, length;

	if (!mapping)
		return 0;
	from = one_in(2) ? 0 : below(mapping->length / PAGE) * PAGE;
	length = one_in(2) ? mapping->length - from : PAGE;
	if (munmap(mapping->at + from, length))
		return -errno;
	mapping->length = from;
	if (!from)
		mapping->at = NULL;
	return 0;
}

int op_mremap(void)
{
	struct mapping *mapping = some_mapping();
	size_t length;
	unsigned char *to;
	int flags = one_in(3) ? MREMAP_MAYMOVE | MREMAP_DONTUNMAP : MREMAP_MAYMOVE;

	if (!mapping)
		return 0;
	length = flags & MREMAP_DONTUNMAP || one_in(3) ? mapping->length : PAGE << below(8);
	to = mremap(mapping->at, mapping->length, length, flags);
	if (to == MAP_FAILED)
		return -errno;
	if (flags & MREMAP_DONTUNMAP)
		remember(to, length, mapping->id);
	else
		*mapping = (struct mapping){ to, length, mapping->id };
	return 0;
}

/* A mapping in place of another, or of a part of it. */
int op_replace(void)
{
	struct mapping *mapping = some_mapping();
	struct context *context = some_context();
	unsigned char *at;
	size_t length;

	if (!mapping)
		return 0;
	at = mapping->at;
	length = one_in(2) ? PAGE : mapping->length;
	/* What was there may be gone even if the new one is refused: a hole for others. */
	forget_range(at, length);
	if (mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, context->fd,
		 some_offset()) == MAP_FAILED)
		return -errno;
	remember(at, length, context->id);
	return 0;
}

int op_advise(void)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_WILLNEED, MADV_COLD,
		MADV_PAGEOUT, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_FREE,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WIPEONFORK, MADV_DODUMP,
		24 /* DONTNEED_LOCKED */, 25 /* COLLAPSE */, 102 /* GUARD_INSTALL */,
		103 /* GUARD_REMOVE */,
	};
	struct mapping *mapping = some_mapping();

	if (!mapping)
		return 0;
	return madvise(mapping->at, mapping->length,
		       advices[below(sizeof(advices) / sizeof(*advices))]) ? -errno : 0;
}

int op_protect(void)
{
	struct mapping *mapping = some_mapping();
	unsigned char present[1024];

	if (!mapping)
		return 0;
	switch (below(5)) {
	case 0:
		return mlock(mapping->at, mapping->length) ? -errno : 0;
	case 1:
		return munlock(mapping->at, mapping->length) ? -errno : 0;
	case 2:
		return msync(mapping->at, mapping->length, 1 << below(3)) ? -errno : 0;
	case 3:
		return mincore(mapping->at, mapping->length % (1024 * PAGE), present) ? -errno : 0;
	default:
		return mprotect(mapping->at, one_in(2) ? PAGE : mapping->length, below(8)) ?
		       -errno : 0;
	}
}

/* Pages that leave by another door, with a reference of its own. */
int op_pin(void)
{
	struct mapping *mapping = some_mapping();
	struct iovec mine, there;
	char bytes[256];
	int pipes[2], ret;

	if (!mapping)
		return 0;
	mine = (struct iovec){ bytes, sizeof(bytes) };
	there = (struct iovec){ mapping->at, PAGE * (below(4) + 1) };
	if (one_in(2))
		return process_vm_readv(getpid(), &mine, 1, &there, 1, 0) < 0 ? -errno : 0;
	if (pipe2(pipes, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	ret = vmsplice(pipes[1], &there, 1, SPLICE_F_NONBLOCK) < 0 ? -errno : 0;
	if (one_in(2))
		op_release();
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

/* Pinned for long: a buffer that a ring of io_uring knows. */
int op_ring(void)
{
	struct mapping *mapping = some_mapping();
	struct io_uring_params params = { 0 };
	struct iovec there;
	int ring, ret;

	if (!mapping)
		return 0;
	ring = syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		return -errno;
	there = (struct iovec){ mapping->at, PAGE * (below(16) + 1) };
	ret = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &there, 1);
	ret = ret < 0 ? -errno : ret;
	if (one_in(2))
		op_release();
	close(ring);
	return ret;
}

/* A mapping whose faults are somebody else's business, for a moment. */
int op_userfault(void)
{
	static const uint64_t modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP, UFFDIO_REGISTER_MODE_MINOR,
	};
	struct uffdio_api api = { .api = UFFD_API, .features = one_in(2) ? 1ULL << below(17) : 0 };
	struct mapping *mapping = some_mapping();
	struct uffdio_register range;
	struct uffdio_writeprotect protect;
	int fd, ret = 0;

	if (!mapping)
		return 0;
	fd = syscall(SYS_userfaultfd, O_NONBLOCK | (one_in(2) ? UFFD_USER_MODE_ONLY : 0));
	if (fd < 0)
		return -errno;
	range = (struct uffdio_register){
		.range = { (uintptr_t)mapping->at, mapping->length }, .mode = modes[below(3)],
	};
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		ret = -errno;
	protect = (struct uffdio_writeprotect){
		.range = range.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	if (!ret && ioctl(fd, UFFDIO_WRITEPROTECT, &protect))
		ret = -errno;
	if (!ret && one_in(2))
		op_release();
	/* A touch while it is armed might wait for ever: nobody answers. */
	close(fd);
	return ret;
}
