/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: acquire and release as inline code, for drivers that count
 * nanoseconds.
 */
#ifndef GOPHERSHIP_INLINE_H
#define GOPHERSHIP_INLINE_H

/**
 * DOC: Inline
 *
 * A driver that includes this instead of gophership_buf.h has the hot path of
 * gophership_buf_acquire(), gophership_pool_acquire() and gophership_buf_release() in its
 * own code: no call, and the class of a constant size is known when it is compiled. They
 * do the same, check the same, and report the same; a report names a place within the
 * function that called. All other calls are the exported ones. So are these three where
 * the name is used without arguments (as a pointer to a function).
 *
 * The price: such a driver fits only a module of the same layout. Both have a number that
 * is made of the layout. It is part of the name of a symbol, gophership_layout_NUMBER.
 * With another module the driver does not load: "Unknown symbol gophership_layout_...". To
 * build it against another module fails with the same name. Then build it anew, with the
 * headers and the Module.symvers of the module that will be loaded. (Any driver must be
 * built again when structures of gophership_buf.h have grown. Where CONFIG_MODVERSIONS is
 * not set, only a driver with this header is refused if it was not.)
 */

#include <linux/kernel.h>
#include <linux/module.h>

#ifndef GOPHERSHIP_CALL_SITE
#define GOPHERSHIP_CALL_SITE	_THIS_IP_
#endif

#include "gophership_buf.h"
#include "gophership_compat.h"
#include "pool/hot.h"
#include "pool/layout.h"
#include "pool/list.h"

GOPHERSHIP_IMPORT_INLINE;

#ifdef CONFIG_64BIT
#define GOPHERSHIP_ASM_WORD	".quad"
#else
#define GOPHERSHIP_ASM_WORD	".long"
#endif

/* A number without what marks it as one; on s390 %c prints a byte of it. */
#ifdef CONFIG_S390
#define GOPHERSHIP_ASM_NUMBER	"%0"
#else
#define GOPHERSHIP_ASM_NUMBER	"%c0"
#endif

/* The reference to the module's symbol of this layout. Never called. */
static void __used gophership_layout_refer(void)
{
	asm volatile(".pushsection .rodata.gophership_layout, \"a\"\n\t"
		     GOPHERSHIP_ASM_WORD " gophership_layout_" GOPHERSHIP_ASM_NUMBER "\n\t"
		     ".popsection" : : "i" (GOPHERSHIP_LAYOUT));
}

#define gophership_buf_acquire(size, gfp) \
	gophership_hot_acquire(gophership_kernel_heads, size, gfp)
#define gophership_pool_acquire(pool, size, gfp) \
	gophership_hot_acquire((pool)->heads, size, gfp)
#define gophership_buf_release(buf) \
	gophership_hot_release(buf)

#endif /* GOPHERSHIP_INLINE_H */
