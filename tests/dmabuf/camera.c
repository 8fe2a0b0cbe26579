// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "camera.h"
#include "dmabuf.h"

static int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? -errno : 0;
}

/* A node of vivid that captures video. */
static int find(struct camera *camera)
{
	for (int i = 0; i < 16; i++) {
		struct v4l2_capability capability = { 0 };

		snprintf(camera->path, sizeof(camera->path), "/dev/video%d", i);
		camera->fd = open(camera->path, O_RDWR | O_CLOEXEC);
		if (camera->fd < 0)
			continue;
		if (!call(camera->fd, VIDIOC_QUERYCAP, &capability) &&
		    !strcmp((char *)capability.driver, "vivid") &&
		    capability.device_caps & V4L2_CAP_VIDEO_CAPTURE)
			return 0;
		close(camera->fd);
	}
	return -ENODEV;
}

int camera_begin(struct camera *camera)
{
	int ret = find(camera);

	if (ret)
		return ret;
	camera->device = device_open();
	camera->watch = device_open();
	camera->before = device_machine_bytes(camera->watch);
	for (int i = 0; i < FRAMES; i++) {
		ret = buffer_acquire(camera->device, LARGE, &camera->buffers[i]);
		if (ret)
			return ret;
		memset(camera->buffers[i].data, 0xee, LARGE);
		camera->dmabufs[i] = dmabuf_export(camera->device, &camera->buffers[i].lease, 1,
						   NULL);
		if (camera->dmabufs[i] < 0)
			return camera->dmabufs[i];
	}
	/* Text would stand in the way of what the frames are compared with. */
	return camera_control(camera->fd, "OSD Text Mode", "None");
}

long long camera_end(struct camera *camera)
{
	long long left;

	for (int i = 0; i < FRAMES; i++) {
		munmap(camera->buffers[i].data, LARGE);
		close(camera->dmabufs[i]);
	}
	close(camera->fd);
	close(camera->device);
	left = device_machine_bytes(camera->watch) - camera->before;
	close(camera->watch);
	return left;
}

int camera_control(int camera, const char *name, const char *entry)
{
	struct v4l2_queryctrl query = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };
	struct v4l2_control control;

	for (; !call(camera, VIDIOC_QUERYCTRL, &query); query.id |= V4L2_CTRL_FLAG_NEXT_CTRL) {
		struct v4l2_querymenu menu = { .id = query.id };

		if (strcmp((char *)query.name, name))
			continue;
		for (; (int)menu.index <= query.maximum; menu.index++) {
			if (call(camera, VIDIOC_QUERYMENU, &menu) ||
			    strcmp((char *)menu.name, entry))
				continue;
			control.id = query.id;
			control.value = menu.index;
			return call(camera, VIDIOC_S_CTRL, &control);
		}
	}
	return -ENOENT;
}
