/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel: every system call of the library that has to do with buffers is
 * behind these functions. device.c does them, standin.c does without a device.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <linux/gophership.h>

/* A file descriptor, or -errno. */
int device_open(const char *path);
void device_close(int fd);
int device_info(int fd, struct gophership_info *info);
/* How many were leased, or -errno. */
int device_lease(int fd, uint64_t size, unsigned int nr, struct gophership_lease *leases);
/* How many were given back, counted from the first. */
unsigned int device_give_back(int fd, const __u64 *handles, unsigned int nr);
/* A dma-buf of these leases: its descriptor, or -errno. */
int device_export(int fd, const __u64 *handles, unsigned int nr);
/* Buffers that the kernel could not reuse so far. */
uint64_t device_retired(int fd);
/*
 * Map a part of a window at @address. @how: MAP_FIXED, or MAP_FIXED_NOREPLACE
 * where nothing is reserved. 0 or -errno.
 */
int device_map(int fd, void *address, size_t length, uint64_t offset, int protection, int how);
/* The page that tells of memory pressure, or NULL: it tells of none. */
const struct gophership_pressure *device_map_pressure(int fd, const struct gophership_info *info);
void device_unmap_pressure(const struct gophership_pressure *page, size_t length);

/*
 * A full memory barrier in every running thread of the process. 0, or -errno if
 * the kernel has none.
 */
int device_barrier_prepare(void);
int device_barrier(void);

#endif /* DEVICE_H */
