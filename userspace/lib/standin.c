// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A memfd in place of the device: for sanitizers and for measurements on a
 * machine without the module. Slots are given out lowest first, as the kernel
 * does it; limits of the machine, cgroups and pins are the kernel's alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "standin.h"

#define NR_CLASSES	5
#define QUOTA		(256ULL << 20)
#define STRIDE		(1ULL << 36)
#define MOST_FILES	64
#define MOST_SLOTS	(QUOTA / 4096)

/**
 * struct file - an open of it
 * @used: of a class and slot: there is a lease, and which
 * @leased: bytes
 * @generation: of the last handle
 */
struct file {
	uint32_t used[NR_CLASSES][MOST_SLOTS];
	uint64_t leased;
	uint32_t generation;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files[MOST_FILES];	/* by descriptor; protected by lock */
static struct gophership_pressure pressure = { .size = sizeof(pressure) };

static uint64_t offset_of(unsigned int class, uint32_t slot)
{
	return (class + 1) * STRIDE + ((uint64_t)slot << (12 + class));
}

void gophership_standin_pressure(void)
{
	__atomic_fetch_add(&pressure.events, 1, __ATOMIC_RELAXED);
}

int device_open(const char *path)
{
	struct file *file;
	int fd;

	/* As a program would see it where the device is not there. */
	if (access(path, F_OK) && strncmp(path, "/dev/", 5))
		return -errno;
	fd = memfd_create("gophership", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd >= MOST_FILES || ftruncate(fd, (NR_CLASSES + 1) * STRIDE)) {
		close(fd);
		return -EMFILE;
	}
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (file == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	pthread_mutex_lock(&lock);
	files[fd] = file;
	pthread_mutex_unlock(&lock);
	return fd;
}

void device_close(int fd)
{
	/* Without the lock: in the child of a fork its holder is gone. */
	munmap(files[fd], sizeof(struct file));
	files[fd] = NULL;
	close(fd);
}

int device_info(int fd, struct gophership_info *info)
{
	unsigned int class;

	(void)fd;
	*info = (struct gophership_info) {
		.size = sizeof(*info),
		.features = GOPHERSHIP_FEATURE_PRESSURE,
		.page_size = 4096,
		.nr_classes = NR_CLASSES,
		.batch_max = GOPHERSHIP_BATCH_MAX,
		.quota = QUOTA,
		.machine_limit = QUOTA,
	};
	for (class = 0; class < NR_CLASSES; class++)
		info->classes[class] = (struct gophership_class_info) {
			.capacity = 4096 << class,
			.slots = MOST_SLOTS >> class,
			.offset = offset_of(class, 0),
			.length = QUOTA,
		};
	return 0;
}

static bool lease_one(struct file *file, unsigned int class, struct gophership_lease *lease)
{
	uint32_t slot;

	if (file->leased + (4096 << class) > QUOTA)
		return false;
	for (slot = 0; slot < MOST_SLOTS >> class && file->used[class][slot]; slot++)
		;
	file->leased += 4096 << class;
	file->used[class][slot] = ++file->generation;
	*lease = (struct gophership_lease) {
		.handle = (uint64_t)file->generation << 32 | class << 24 | slot,
		.offset = offset_of(class, slot),
		.capacity = 4096 << class,
	};
	return true;
}

int device_lease(int fd, uint64_t size, unsigned int nr, struct gophership_lease *leases)
{
	unsigned int class = 0;
	unsigned int got = 0;

	while (4096U << class < size)
		class++;
	pthread_mutex_lock(&lock);
	while (got < nr && lease_one(files[fd], class, &leases[got]))
		got++;
	pthread_mutex_unlock(&lock);
	return got ? (int)got : -EDQUOT;
}

static bool give_back_one(int fd, uint64_t handle)
{
	unsigned int class = handle >> 24 & 0xff;
	uint32_t slot = handle & 0xffffff;
	struct file *file = files[fd];

	if (class >= NR_CLASSES || slot >= MOST_SLOTS >> class || !handle ||
	    file->used[class][slot] != handle >> 32)
		return false;
	file->used[class][slot] = 0;
	file->leased -= 4096 << class;
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset_of(class, slot),
		  4096 << class);
	return true;
}

unsigned int device_give_back(int fd, const __u64 *handles, unsigned int nr)
{
	unsigned int done = 0;

	pthread_mutex_lock(&lock);
	while (done < nr && give_back_one(fd, handles[done]))
		done++;
	pthread_mutex_unlock(&lock);
	return done;
}

/* There is no kernel behind it that has dma-bufs. */
int device_export(int fd, const __u64 *handles, unsigned int nr)
{
	(void)fd;
	(void)handles;
	(void)nr;
	return -EOPNOTSUPP;
}

uint64_t device_retired(int fd)
{
	(void)fd;
	return 0;
}

int device_map(int fd, void *address, size_t length, uint64_t offset, int protection, int how)
{
	void *map = mmap(address, length, protection, MAP_SHARED | how, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	/* As the device's mappings are. */
	madvise(map, length, MADV_DONTFORK);
	return 0;
}

const struct gophership_pressure *device_map_pressure(int fd, const struct gophership_info *info)
{
	(void)fd;
	(void)info;
	return &pressure;
}

void device_unmap_pressure(const struct gophership_pressure *page, size_t length)
{
	(void)page;
	(void)length;
}

int device_barrier_prepare(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ? -errno :
											  0;
}

int device_barrier(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) ? -errno : 0;
}
