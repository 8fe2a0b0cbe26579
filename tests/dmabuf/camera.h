/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vivid, a virtual camera, with buffers of ours for its frames. Calls return what they got or
 * -errno.
 */
#ifndef TESTS_DMABUF_CAMERA_H
#define TESTS_DMABUF_CAMERA_H

#include "device.h"

#define FRAMES	4
/* What fits into a buffer: vivid's smallest webcam frame, in grey. */
#define WIDTH	320
#define HEIGHT	180

/**
 * struct camera - a camera and its frames
 * @fd: of the camera
 * @path: and its node
 * @device: what leases @buffers
 * @watch: another open of the device, to look at what is paid for
 * @before: bytes of that, without the frames
 * @buffers: one for each frame, filled with 0xee
 * @dmabufs: of these
 */
struct camera {
	int fd;
	char path[32];
	int device, watch;
	long long before;
	struct buffer buffers[FRAMES];
	int dmabufs[FRAMES];
};

int camera_begin(struct camera *camera);
/* Closes all that is open. Returns the bytes that are still paid for, of the frames. */
long long camera_end(struct camera *camera);
/* Set the control whose name is @name to its menu's entry @entry. */
int camera_control(int camera, const char *name, const char *entry);

#endif /* TESTS_DMABUF_CAMERA_H */
