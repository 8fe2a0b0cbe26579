/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vivid, a virtual camera: where it is, and what it shows. Calls return what they got or
 * -errno.
 */
#ifndef TESTS_DMABUF_CAMERA_H
#define TESTS_DMABUF_CAMERA_H

#include <stddef.h>

/* A node of vivid that captures video, and @path, of @size bytes; -1: there is none. */
int camera_open(char *path, size_t size);
/* Set the control whose name is @name to its menu's entry @entry. */
int camera_control(int camera, const char *name, const char *entry);

#endif /* TESTS_DMABUF_CAMERA_H */
