// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the symbol that drivers with the hot path inline refer to.
 */
#include "gophership_compat.h"
#include "pool/layout_name.inc"

extern const char GOPHERSHIP_LAYOUT_NAME;

/* Its name is all there is to it. */
const char GOPHERSHIP_LAYOUT_NAME;
EXPORT_SYMBOL_GPL_INLINE(GOPHERSHIP_LAYOUT_NAME);
