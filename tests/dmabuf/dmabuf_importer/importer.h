/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /dev/gophership-importer: one open is one importer. Errors are the kernel's own.
 */
#ifndef TESTS_IMPORTER_H
#define TESTS_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IMPORTER	"/dev/gophership-importer"

/**
 * struct importer_map - map the dma-buf for the device
 * @segment: in: the longest segment that the device takes, in bytes
 * @direction: in: a value of enum dma_data_direction
 * @segments: out: how many there are
 * @longest: out: bytes of the longest
 * @length: out: bytes of all
 */
struct importer_map {
	__u32 segment;
	__u32 direction;
	__u32 segments;
	__u32 longest;
	__u64 length;
};

/**
 * struct importer_copy - read or write what the importer sees
 * @offset: bytes from the beginning
 * @address: of the program's memory
 * @length: bytes
 * @vmap: 1: by vmap, as a driver does with its own hands; 0: by the addresses that the
 *	device was told
 * @write: 1: to the dma-buf
 */
struct importer_copy {
	__u64 offset;
	__u64 address;
	__u32 length;
	__u16 vmap;
	__u16 write;
};

/**
 * struct importer_syncs - segments that were synchronised for the incoherent device
 * @right: those whose page was the one that had been mapped
 * @wrong: others
 */
struct importer_syncs {
	__u32 right;
	__u32 wrong;
};

/* Take the dma-buf whose descriptor is the argument, and attach to it. */
#define IMPORTER_ATTACH	_IO('i', 0)
#define IMPORTER_DETACH	_IO('i', 1)
#define IMPORTER_MAP	_IOWR('i', 2, struct importer_map)
#define IMPORTER_UNMAP	_IO('i', 3)
#define IMPORTER_VMAP	_IO('i', 4)
#define IMPORTER_VUNMAP	_IO('i', 5)
#define IMPORTER_COPY	_IOW('i', 6, struct importer_copy)
/* A driver's access by its own hands; the argument is the direction. */
#define IMPORTER_BEGIN	_IO('i', 7)
#define IMPORTER_END	_IO('i', 8)
/* As IMPORTER_ATTACH, for a device whose caches are not coherent; ENODEV: there is none. */
#define IMPORTER_ATTACH_INCOHERENT	_IO('i', 9)
/* Invert the page pointers of what was mapped; once more: back. */
#define IMPORTER_MANGLE	_IO('i', 10)
/* Since the last call. */
#define IMPORTER_SYNCS	_IOR('i', 11, struct importer_syncs)

#endif /* TESTS_IMPORTER_H */
