/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The files at both ends of a shipment.
 */
#ifndef SHIP_FILE_H
#define SHIP_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "complain.h"

/* O_DIRECT wants offsets and lengths in multiples of the block size. */
#define SHIP_ALIGNMENT	4096U

/**
 * struct ship_file - an open file
 * @path: for messages
 * @fd: the file descriptor, -1 if closed
 * @direct: O_DIRECT is on; threads may turn it off while it is used
 */
struct ship_file {
	const char *path;
	int fd;
	atomic_bool direct;
};

/**
 * struct ship_source - the file to ship
 * @file: open for reading
 * @st: as it was when it was opened
 */
struct ship_source {
	struct ship_file file;
	struct stat st;
};

/**
 * struct ship_destination - where it goes
 * @path: its name in the end
 * @directory: where that is
 * @temporary: its name until then; NULL before it is made and after it is gone
 * @file: the temporary file, open for reading and writing
 * @mode_kept: it has the permissions of the source
 */
struct ship_destination {
	char *path;
	char *directory;
	char *temporary;
	struct ship_file file;
	bool mode_kept;
};

enum status ship_source_open(struct ship_source *source, const char *path);
void ship_source_close(struct ship_source *source);
/* Says so if it was written to since it was opened. */
void ship_source_check(const struct ship_source *source);

/* Looks at the destination, creates nothing. */
enum status ship_destination_find(struct ship_destination *destination, const char *path,
				  const struct ship_source *source);
/* Makes the temporary file, with room for the source. */
enum status ship_destination_create(struct ship_destination *destination,
				    const struct ship_source *source);
/*
 * Everything is written: cut to size, all of it to the disk. It gets its mode, or a
 * note says why not: the copy is what counts.
 */
enum status ship_destination_flush(struct ship_destination *destination, const struct stat *st);
/* Makes ready to read what is on the disk. */
enum status ship_destination_reread(const struct ship_destination *destination, uint64_t size);
/* The temporary file becomes the destination. */
enum status ship_destination_commit(struct ship_destination *destination);
/* Closes it, and removes the temporary file if there is one. */
void ship_destination_close(struct ship_destination *destination);

/* Turns O_DIRECT on, or tells why not. */
void ship_file_direct(struct ship_file *file);
/* Turns it off after the file refused it. */
void ship_file_indirect(struct ship_file *file);
/* Turns it off; nothing that was begun with it is under way. */
void ship_file_leave_direct(struct ship_file *file);
bool ship_file_is_sparse(const struct stat *st);
/* Does it still say that it has so many bytes? */
bool ship_file_has_size(const struct ship_file *file, uint64_t size);
/* It says so, and does not have them. */
enum status ship_file_complain_size(const struct ship_file *file, uint64_t size);

#endif /* SHIP_FILE_H */
