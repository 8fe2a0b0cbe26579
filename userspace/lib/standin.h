/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the stand-in for the device lets a test do besides.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <stdbool.h>

/* As if the kernel were short of memory. */
__attribute__((visibility("default"))) void gophership_standin_pressure(void);
/* How many messages were submitted when a driver was attached last. */
__attribute__((visibility("default"))) unsigned int gophership_standin_ready(void);
/* How often a driver was kicked, and whether there is one to be kicked. */
__attribute__((visibility("default"))) unsigned int gophership_standin_kicks(void);
__attribute__((visibility("default"))) void gophership_standin_driver(bool there);

#endif /* STANDIN_H */
