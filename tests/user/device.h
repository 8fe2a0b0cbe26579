/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device as the tests call it. Calls return what they got or -errno.
 */
#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H

#include <linux/gophership.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DEVICE		"/dev/gophership"
#define NR_CLASSES	5

int device_open(void);
int device_call(int fd, unsigned long command, void *argument);
int device_info(int fd, struct gophership_info *info);
int device_stats(int fd, struct gophership_stats *stats);
int device_acquire(int fd, __u64 min_size, __u32 count, struct gophership_lease *leases);
int device_acquire_one(int fd, __u64 min_size, struct gophership_lease *lease);
int device_release(int fd, const __u64 *handles, __u32 count, __u32 *done);
int device_release_one(int fd, __u64 handle);
/* Lease @nr, at most 1024, and give them back: false if that fails. */
bool device_leave_idle(int fd, __u64 size, __u32 nr);
/* Nothing lies idle any more; *@bytes (may be NULL): so much went. */
int device_trim(int fd, __u64 *bytes);
int device_release_leases(int fd, const struct gophership_lease *leases, __u32 count);
void *device_map(int fd, __u64 offset, size_t length);
void *device_map_lease(int fd, const struct gophership_lease *lease);

/* Counters; -1 if STATS fails. */
long device_leased(int fd);
long device_retired(int fd);
/* Bytes idle behind the device, of all contexts. */
long long device_idle_bytes(int fd);
long long device_machine_bytes(int fd);

/* Write a parameter of the module: whether it was taken. */
bool device_set_parameter(const char *name, const char *value);
bool device_parameter_is(const char *name, const char *value);
/* What a child has ended with; 1000 and more: a signal; -1: it is none. */
int device_status_of(pid_t child);

/* A lease with its mapping. */
struct buffer {
	struct gophership_lease lease;
	unsigned char *data;
};

int buffer_acquire(int fd, __u64 min_size, struct buffer *buffer);
int buffer_release(int fd, struct buffer *buffer);

#endif /* TESTS_DEVICE_H */
