// SPDX-License-Identifier: GPL-2.0
/*
 * /etc/passwd and /etc/group are read here: getpwuid() and getgrgid() would load modules
 * into a program that is linked statically, and ask a directory server.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#include "owner.h"

struct owner owner_user(uid_t uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct owner owner;
	struct passwd *entry;

	snprintf(owner.text, sizeof(owner.text), "%u", (unsigned int)uid);
	if (!file)
		return owner;
	while ((entry = fgetpwent(file))) {
		if (entry->pw_uid != uid)
			continue;
		snprintf(owner.text, sizeof(owner.text), "%.63s", entry->pw_name);
		break;
	}
	fclose(file);
	return owner;
}

struct owner owner_group(gid_t gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct owner owner;
	struct group *entry;

	snprintf(owner.text, sizeof(owner.text), "%u", (unsigned int)gid);
	if (!file)
		return owner;
	while ((entry = fgetgrent(file))) {
		if (entry->gr_gid != gid)
			continue;
		snprintf(owner.text, sizeof(owner.text), "%.63s", entry->gr_name);
		break;
	}
	fclose(file);
	return owner;
}
