/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loading and unloading, from one process.
 */
#ifndef TESTS_MODULE_H
#define TESTS_MODULE_H

/* 0 or -errno; @file is open. */
int module_load(int file);
/* The same. While somebody has it, tries again; *@refusals counts that. */
int module_unload(unsigned int tries, unsigned long *refusals);

#endif /* TESTS_MODULE_H */
