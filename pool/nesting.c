// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the mark of a CPU that is within the pool.
 */
#include "pool/nesting.h"

DEFINE_PER_CPU(unsigned int, gophership_nesting);

GOPHERSHIP_WAIT_OVERRIDE_MAP(gophership_allocator_map, LD_WAIT_CONFIG);
