/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which places of the module's code were reached, as KCOV tells. Without KCOV all
 * of this does nothing.
 */
#ifndef TESTS_COVER_H
#define TESTS_COVER_H

/* Once, before any fork. */
void cover_init(void);
/* What this process does from now on counts. A child begins anew. */
void cover_start(void);
/* Note what was reached since. */
void cover_collect(void);
/* "pc OFFSET" lines: of all processes, in .text. */
void cover_print(void);

#endif /* TESTS_COVER_H */
