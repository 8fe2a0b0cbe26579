// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel has no way to ask whether a rename() would be allowed. What refuses
 * one though a file can be made in the directory is looked at here: attributes of
 * the old file and of the directory, a mount on the old file, and the sticky bit.
 * What is not found here the rename itself says in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capability.h"
#include "ship_refusal.h"

static enum status refuse(const char *path, const char *why, const char *advice)
{
	complain("%s cannot be replaced: %s", path, why);
	advise("%s", advice);
	return STATUS_FAILED;
}

static bool has(const struct statx *st, uint64_t attribute)
{
	return st->stx_attributes & st->stx_attributes_mask & attribute;
}

static enum status check_directory(const char *path, const struct statx *st)
{
	if (!has(st, STATX_ATTR_APPEND))
		return STATUS_OK;
	complain("in the directory %s files cannot be renamed: it is append-only", path);
	advise("See: lsattr -d; and chattr -a to change that.");
	return STATUS_FAILED;
}

static enum status check_old(const char *path, const struct statx *st,
			     const struct statx *directory)
{
	uid_t us = geteuid();

	if (has(st, STATX_ATTR_MOUNT_ROOT))
		return refuse(path, "it is a mount point", "See: findmnt; and umount it first.");
	if (has(st, STATX_ATTR_IMMUTABLE))
		return refuse(path, "it is immutable", "See: lsattr; and chattr -i to change that.");
	if (has(st, STATX_ATTR_APPEND))
		return refuse(path, "it is append-only",
			      "See: lsattr; and chattr -a to change that.");
	if ((directory->stx_mode & S_ISVTX) && st->stx_uid != us && directory->stx_uid != us &&
	    !capability_have(CAP_FOWNER))
		return refuse(path, "it is another user's, in a directory with the sticky bit",
			      "Only its owner can; or remove it first.");
	return STATUS_OK;
}

/* A file system that does not tell has nothing that could be known here. */
static bool look(const char *path, struct statx *st)
{
	return !statx(AT_FDCWD, path, 0, STATX_MODE | STATX_UID, st);
}

enum status ship_refusal_check(const struct ship_destination *destination)
{
	struct statx directory, old;
	enum status status;

	if (!look(destination->directory, &directory))
		return STATUS_OK;
	status = check_directory(destination->directory, &directory);
	if (status != STATUS_OK || !look(destination->path, &old))
		return status;
	return check_old(destination->path, &old, &directory);
}
