/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Signatures of modules: does the kernel want them, and has gophership.ko one?
 */
#ifndef SIGNING_H
#define SIGNING_H

#include <stdbool.h>

/* Does the kernel refuse modules that no key it knows has signed? */
bool signing_is_required(void);

/* What is to be told of gophership.ko's signature, in one line. */
struct signing {
	char text[512];
};

struct signing signing_find(void);

/* What to do where the module is refused. */
void signing_advise(void);

#endif /* SIGNING_H */
