/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the stand-in for the device lets a test do besides.
 */
#ifndef STANDIN_H
#define STANDIN_H

/* As if the kernel were short of memory. */
__attribute__((visibility("default"))) void gophership_standin_pressure(void);

#endif /* STANDIN_H */
