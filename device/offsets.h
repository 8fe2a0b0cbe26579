/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: where things are in the file of a context.
 */
#ifndef GOPHERSHIP_DEVICE_OFFSETS_H
#define GOPHERSHIP_DEVICE_OFFSETS_H

#include <asm/bitsperlong.h>

/* The page that tells of memory pressure: before the first window. */
#define GOPHERSHIP_PRESSURE_OFFSET	0ULL

/*
 * The windows begin at (class + 1) << GOPHERSHIP_STRIDE_SHIFT bytes: distinct,
 * the same on every machine, and in reach of mmap2() of 32-bit programs. A
 * kernel of 32 bits maps nothing of a device above 4 GiB.
 */
#if BITS_PER_LONG == 64
#define GOPHERSHIP_STRIDE_SHIFT		36
#define GOPHERSHIP_QUOTA_MB_MAX		1024U
#else
#define GOPHERSHIP_STRIDE_SHIFT		29
#define GOPHERSHIP_QUOTA_MB_MAX		512U
#endif

#endif /* GOPHERSHIP_DEVICE_OFFSETS_H */
