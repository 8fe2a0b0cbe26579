// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"

/* Of a regular file so many bytes are read at least. */
#define READ_LEAST	4096
/* Bytes that are spooled at a time. */
#define SPOOL_SIZE	65536

static enum status complain_errno(const char *verb, const struct source *source)
{
	complain("cannot %s %s: %s", verb, source->path, strerror(errno));
	return STATUS_FAILED;
}

/* The file may be shared, as stdin is, and be read from its middle on. */
static void look_at(struct source *source, mode_t mode)
{
	off_t offset = lseek(source->fd, 0, SEEK_CUR);

	source->regular = S_ISREG(mode) && offset >= 0;
	source->start = source->regular ? offset : 0;
	source->offset = source->start;
}

enum status source_open(struct source *source, const char *path)
{
	bool is_stdin = !strcmp(path, "-");
	enum status status;
	struct stat st;

	*source = (struct source) { .path = is_stdin ? "stdin" : path };
	source->fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (source->fd < 0)
		return complain_errno("open", source);
	if (fstat(source->fd, &st)) {
		status = complain_errno("look at", source);
		source_close(source);
		return status;
	}
	look_at(source, st.st_mode);
	return STATUS_OK;
}

static bool make_room(struct source *source, size_t wanted)
{
	unsigned char *data;

	if (wanted <= source->room)
		return true;
	data = realloc(source->data, wanted);
	if (!data)
		return false;
	source->data = data;
	source->room = wanted;
	return true;
}

/* Once. Returns as read() does. */
static ssize_t read_more(struct source *source, size_t wanted)
{
	unsigned char *to = source->data + source->have;
	ssize_t ret;

	do {
		if (source->regular)
			ret = pread(source->fd, to, wanted - source->have,
				    source->offset + source->have);
		else
			ret = read(source->fd, to, wanted - source->have);
	} while (ret < 0 && errno == EINTR);
	return ret;
}

enum status source_peek(struct source *source, size_t wanted)
{
	ssize_t ret;

	/* A pipe may have no more for a long time. */
	if (source->regular && source->have < wanted && wanted < READ_LEAST)
		wanted = READ_LEAST;
	if (!make_room(source, wanted)) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	while (source->have < wanted) {
		ret = read_more(source, wanted);
		if (ret < 0)
			return complain_errno("read", source);
		if (!ret)
			break;
		source->have += ret;
	}
	return STATUS_OK;
}

void source_skip(struct source *source, uint64_t bytes)
{
	size_t known = bytes < source->have ? bytes : source->have;

	source->have -= known;
	memmove(source->data, source->data + known, source->have);
	source->offset += bytes;
}

void source_seek(struct source *source, uint64_t offset)
{
	source->have = 0;
	source->offset = offset;
}

struct source source_share(const struct source *source)
{
	return (struct source) {
		.path = source->path,
		.fd = source->fd,
		.regular = true,
		.start = source->start,
	};
}

static enum status spool_to(struct source *source, FILE *file)
{
	enum status status;

	for (;;) {
		status = source_peek(source, SPOOL_SIZE);
		if (status != STATUS_OK || !source->have)
			break;
		if (fwrite(source->data, 1, source->have, file) != source->have)
			return complain_errno("spool", source);
		source_skip(source, source->have);
	}
	if (status == STATUS_OK && fflush(file))
		return complain_errno("spool", source);
	return status;
}

enum status source_spool(struct source *source)
{
	FILE *file = tmpfile();
	enum status status;
	int fd;

	if (!file)
		return complain_errno("spool", source);
	status = spool_to(source, file);
	fd = status == STATUS_OK ? dup(fileno(file)) : -1;
	if (status == STATUS_OK && fd < 0)
		status = complain_errno("spool", source);
	fclose(file);
	if (status != STATUS_OK)
		return status;
	close(source->fd);
	source->fd = fd;
	source->regular = true;
	source->offset = 0;
	source->start = 0;
	return STATUS_OK;
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	free(source->data);
	source->data = NULL;
	source->fd = -1;
}
