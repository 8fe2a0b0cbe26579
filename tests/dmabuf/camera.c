// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "camera.h"

static int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? -errno : 0;
}

int camera_open(char *path, size_t size)
{
	for (int i = 0; i < 16; i++) {
		struct v4l2_capability capability = { 0 };
		int fd;

		snprintf(path, size, "/dev/video%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!call(fd, VIDIOC_QUERYCAP, &capability) &&
		    !strcmp((char *)capability.driver, "vivid") &&
		    capability.device_caps & V4L2_CAP_VIDEO_CAPTURE)
			return fd;
		close(fd);
	}
	return -1;
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
