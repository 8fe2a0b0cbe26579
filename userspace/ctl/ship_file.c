// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "quantity.h"
#include "ship_file.h"
#include "ship_refusal.h"

static enum status complain_errno(const char *verb, const char *path)
{
	complain("cannot %s %s: %s", verb, path, strerror(errno));
	return STATUS_FAILED;
}

static enum status complain_memory(void)
{
	complain("out of memory");
	return STATUS_FAILED;
}

/*
 * O_DIRECT
 */

static bool set_direct(struct ship_file *file, bool on)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (flags < 0)
		return false;
	return !fcntl(file->fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

static void note_indirect(const struct ship_file *file)
{
	note("no O_DIRECT on the file system of %s; using the page cache there", file->path);
}

void ship_file_direct(struct ship_file *file)
{
	if (set_direct(file, true))
		file->direct = true;
	else
		note_indirect(file);
}

void ship_file_indirect(struct ship_file *file)
{
	/* First, for who finds @direct false takes the flag to be off. */
	set_direct(file, false);
	/* Once, though every thread may get here. */
	if (atomic_exchange(&file->direct, false))
		note_indirect(file);
}

void ship_file_leave_direct(struct ship_file *file)
{
	set_direct(file, false);
	file->direct = false;
}

/*
 * The source
 */

bool ship_file_is_sparse(const struct stat *st)
{
	return st->st_blocks < st->st_size / 512;
}

bool ship_file_has_size(const struct ship_file *file, uint64_t size)
{
	struct stat st;

	return !fstat(file->fd, &st) && (uint64_t)st.st_size >= size;
}

enum status ship_file_complain_size(const struct ship_file *file, uint64_t size)
{
	complain("%s tells of %" PRIu64 " bytes and does not have them (files in /sys are like "
		 "that)", file->path, size);
	advise("Make a real file of it first: cat %s >FILE", file->path);
	return STATUS_FAILED;
}

/* Is there nothing where its last byte should be? */
static bool lies_about_its_size(const struct ship_source *source)
{
	uint64_t size = source->st.st_size;
	char byte;

	return size && !pread(source->file.fd, &byte, 1, size - 1) &&
	       ship_file_has_size(&source->file, size);
}

static enum status check_source(const struct ship_source *source)
{
	const char *path = source->file.path;
	char byte;

	if (S_ISDIR(source->st.st_mode)) {
		complain("%s is a directory; ship moves one file", path);
		return STATUS_FAILED;
	}
	if (!S_ISREG(source->st.st_mode)) {
		complain("%s is not a regular file", path);
		return STATUS_FAILED;
	}
	if (!source->st.st_size && pread(source->file.fd, &byte, 1, 0) == 1) {
		complain("%s does not tell its size (files in /proc are like that)", path);
		advise("Make a real file of it first: cat %s >FILE", path);
		return STATUS_FAILED;
	}
	if (lies_about_its_size(source))
		return ship_file_complain_size(&source->file, source->st.st_size);
	return STATUS_OK;
}

/*
 * With O_NONBLOCK, io_uring of 6.1 fails with EAGAIN where the disk does not know
 * REQ_NOWAIT (dm-crypt, zram), instead of waiting in a thread of its own.
 */
static enum status let_wait(const struct ship_source *source)
{
	int flags = fcntl(source->file.fd, F_GETFL);

	if (flags < 0 || fcntl(source->file.fd, F_SETFL, flags & ~O_NONBLOCK))
		return complain_errno("set the flags of", source->file.path);
	return STATUS_OK;
}

enum status ship_source_open(struct ship_source *source, const char *path)
{
	enum status status;

	source->file.path = path;
	source->file.direct = false;
	/* A FIFO must not make us wait. */
	source->file.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (source->file.fd < 0)
		return complain_errno("open", path);
	if (fstat(source->file.fd, &source->st))
		status = complain_errno("look at", path);
	else
		status = check_source(source);
	if (status == STATUS_OK)
		status = let_wait(source);
	if (status != STATUS_OK)
		ship_source_close(source);
	return status;
}

void ship_source_close(struct ship_source *source)
{
	close(source->file.fd);
	source->file.fd = -1;
}

void ship_source_check(const struct ship_source *source)
{
	const struct stat *then = &source->st;
	struct stat now;

	if (fstat(source->file.fd, &now))
		return;
	if (now.st_size == then->st_size && now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == then->st_mtim.tv_nsec)
		return;
	note("%s was written to meanwhile; the copy has what was read of it", source->file.path);
}

/*
 * The destination
 */

/* PATH/BASENAME of the source, if PATH is a directory; else PATH. */
static char *full_path(const char *path, const char *source)
{
	char *copy, *result = NULL;
	struct stat st;

	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return strdup(path);
	copy = strdup(source);
	if (!copy || asprintf(&result, "%s/%s", path, basename(copy)) < 0)
		result = NULL;
	free(copy);
	return result;
}

static enum status check_target(const char *path, const struct stat *st,
				const struct ship_source *source)
{
	if (st->st_dev == source->st.st_dev && st->st_ino == source->st.st_ino) {
		complain("%s and %s are the same file", source->file.path, path);
		return STATUS_FAILED;
	}
	if (S_ISREG(st->st_mode))
		return STATUS_OK;
	complain("%s exists and is not a regular file; it is left alone", path);
	return STATUS_FAILED;
}

/* What a symbolic link names gets replaced, not the link. */
static enum status follow(struct ship_destination *destination)
{
	char *real = realpath(destination->path, NULL);

	if (!real)
		return complain_errno("find", destination->path);
	free(destination->path);
	destination->path = real;
	return STATUS_OK;
}

static enum status find_target(struct ship_destination *destination,
			       const struct ship_source *source)
{
	enum status status;
	struct stat st, link;

	if (lstat(destination->path, &link))
		return errno == ENOENT ? STATUS_OK : complain_errno("look at", destination->path);
	if (!stat(destination->path, &st)) {
		status = check_target(destination->path, &st, source);
		if (status == STATUS_OK && S_ISLNK(link.st_mode))
			status = follow(destination);
		return status;
	}
	if (errno != ENOENT)
		return complain_errno("look at", destination->path);
	complain("%s is a symbolic link to nothing; remove it first", destination->path);
	return STATUS_FAILED;
}

static enum status find_directory(struct ship_destination *destination)
{
	size_t length = strlen(destination->path);
	struct stat st;
	char *copy;

	if (!length || destination->path[length - 1] == '/') {
		complain("there is no directory \"%s\"", destination->path);
		return STATUS_FAILED;
	}
	copy = strdup(destination->path);
	if (!copy)
		return complain_memory();
	destination->directory = strdup(dirname(copy));
	free(copy);
	if (!destination->directory)
		return complain_memory();
	if (!stat(destination->directory, &st))
		return STATUS_OK;
	return complain_errno("find the directory", destination->directory);
}

enum status ship_destination_find(struct ship_destination *destination, const char *path,
				  const struct ship_source *source)
{
	enum status status;

	*destination = (struct ship_destination) { .file.fd = -1 };
	destination->path = full_path(path, source->file.path);
	if (!destination->path)
		return complain_memory();
	status = find_target(destination, source);
	if (status == STATUS_OK)
		status = find_directory(destination);
	if (status == STATUS_OK)
		status = ship_refusal_check(destination);
	if (status != STATUS_OK)
		ship_destination_close(destination);
	return status;
}

static enum status complain_full(const struct ship_destination *destination, uint64_t size)
{
	int fd = destination->file.fd, error = errno;
	struct statvfs fs;

	complain("no room for %s: %s", destination->path, strerror(error));
	/* Some room may have been claimed; it is free again. */
	if (error == ENOSPC && !ftruncate(fd, 0) && !fstatvfs(fd, &fs))
		advise("The file has %s; %s are free there.", quantity_bytes(size).text,
		       quantity_bytes((uint64_t)fs.f_bavail * fs.f_frsize).text);
	return STATUS_FAILED;
}

/*
 * Room is claimed before the first byte is written: a full disk is found at
 * once, and writes into it go in parallel where writes that make the file
 * longer would wait for each other. A sparse file gets no room but its length.
 */
static enum status reserve(struct ship_destination *destination, const struct stat *st)
{
	int fd = destination->file.fd;

	if (!st->st_size)
		return STATUS_OK;
	if (!ship_file_is_sparse(st)) {
		if (!fallocate(fd, 0, 0, st->st_size))
			return STATUS_OK;
		/* A signal is seen to by the caller. */
		if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
			return complain_full(destination, st->st_size);
	}
	if (ftruncate(fd, st->st_size))
		return complain_full(destination, st->st_size);
	return STATUS_OK;
}

enum status ship_destination_create(struct ship_destination *destination,
				    const struct ship_source *source)
{
	char *temporary;
	int fd;

	if (asprintf(&temporary, "%s/.gophership-XXXXXX", destination->directory) < 0)
		return complain_memory();
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		free(temporary);
		return complain_errno("create a file in", destination->directory);
	}
	destination->temporary = temporary;
	destination->file.path = destination->path;
	destination->file.fd = fd;
	return reserve(destination, &source->st);
}

/* File systems without an owner or a mode (vfat) refuse it, or do as if they had not. */
static void set_mode(struct ship_destination *destination, mode_t mode)
{
	int fd = destination->file.fd;
	int error = fchmod(fd, mode) ? errno : 0;
	struct stat st;

	if (fstat(fd, &st))
		st.st_mode = 0;
	destination->mode_kept = (st.st_mode & 07777) == mode;
	if (destination->mode_kept)
		return;
	note("%s has the mode %04o and not %04o: %s", destination->path, st.st_mode & 07777, mode,
	     error ? strerror(error) : "its file system keeps none");
}

enum status ship_destination_flush(struct ship_destination *destination, const struct stat *st)
{
	int fd = destination->file.fd;

	/* The last block was written whole. */
	if (ftruncate(fd, st->st_size))
		return complain_errno("cut", destination->path);
	/* Without the set-ID bits, for the owner may be another one. */
	set_mode(destination, st->st_mode & 0777);
	if (fsync(fd))
		return complain_errno("write", destination->path);
	return STATUS_OK;
}

enum status ship_destination_reread(const struct ship_destination *destination, uint64_t size)
{
	int fd = destination->file.fd;
	struct stat st;

	if (fstat(fd, &st))
		return complain_errno("look at", destination->path);
	if ((uint64_t)st.st_size != size) {
		complain("%s has %s, but %s were written: somebody else writes to it",
			 destination->path, quantity_bytes(st.st_size).text,
			 quantity_bytes(size).text);
		return STATUS_DIFFERS;
	}
	/* Without O_DIRECT this is what makes the reads go to the disk. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return STATUS_OK;
}

/* A new name is on the disk when its directory is. */
static void sync_directory(const struct ship_destination *destination)
{
	int fd = open(destination->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (fsync(fd) && errno != EINVAL))
		note("cannot sync the directory %s: %s", destination->directory, strerror(errno));
	if (fd >= 0)
		close(fd);
}

enum status ship_destination_commit(struct ship_destination *destination)
{
	if (rename(destination->temporary, destination->path))
		return complain_errno("replace", destination->path);
	free(destination->temporary);
	destination->temporary = NULL;
	sync_directory(destination);
	return STATUS_OK;
}

void ship_destination_close(struct ship_destination *destination)
{
	if (destination->file.fd >= 0)
		close(destination->file.fd);
	destination->file.fd = -1;
	if (destination->temporary && unlink(destination->temporary))
		complain_errno("remove", destination->temporary);
	free(destination->temporary);
	free(destination->directory);
	free(destination->path);
	destination->temporary = NULL;
	destination->directory = NULL;
	destination->path = NULL;
}
