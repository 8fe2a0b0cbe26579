// SPDX-License-Identifier: GPL-2.0
/*
 * Compiled to assembly alone: Kbuild reads the number there and makes pool/layout_name.inc
 * of it.
 */
#include <linux/kbuild.h>

#include "pool/layout.h"

int main(void);

int main(void)
{
	DEFINE(GOPHERSHIP_LAYOUT, GOPHERSHIP_LAYOUT);
	return 0;
}
