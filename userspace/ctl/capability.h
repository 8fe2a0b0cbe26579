/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CAPABILITY_H
#define CAPABILITY_H

#include <stdbool.h>

#include <linux/capability.h>

/* Is that capability (CAP_*) in effect in this process? */
bool capability_have(unsigned int capability);

#endif /* CAPABILITY_H */
