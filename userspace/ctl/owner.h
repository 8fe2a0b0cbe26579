/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Users and groups, by name.
 */
#ifndef OWNER_H
#define OWNER_H

#include <sys/types.h>

/* The name, or the number if the machine's own files have none. */
struct owner {
	char text[64];
};

struct owner owner_user(uid_t uid);
struct owner owner_group(gid_t gid);

#endif /* OWNER_H */
