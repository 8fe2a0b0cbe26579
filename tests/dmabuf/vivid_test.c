// SPDX-License-Identifier: GPL-2.0
/*
 * vivid, a virtual camera that no one here wrote, captures into our buffers: by
 * V4L2_MEMORY_DMABUF, in frames of a known test pattern. Loaded as it is, it writes by
 * vmap; with allocators=1 (DMA=1 says so) it wants a contiguous mapping for its device.
 */
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "camera.h"
#include "fixture.h"

#define FRAMES	4
/* What fits into a buffer: vivid's smallest webcam frame, in grey. */
#define WIDTH	320
#define HEIGHT	180

static int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? -errno : 0;
}

FIXTURE(vivid)
{
	int fd, watch, camera;
	long long before;
	__u32 pitch, image;
	struct buffer buffers[FRAMES];
	int dmabufs[FRAMES];
};

FIXTURE_SETUP(vivid)
{
	struct v4l2_requestbuffers request = {
		.count = FRAMES, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF,
	};
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	char path[32];

	self->fd = device_open();
	self->watch = device_open();
	self->before = device_machine_bytes(self->watch);
	self->camera = camera_open(path, sizeof(path));
	ASSERT_LE(0, self->camera);
	format.fmt.pix.width = WIDTH;
	format.fmt.pix.height = HEIGHT;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_GREY;
	ASSERT_EQ(0, call(self->camera, VIDIOC_S_FMT, &format));
	ASSERT_EQ((__u32)V4L2_PIX_FMT_GREY, format.fmt.pix.pixelformat);
	self->pitch = format.fmt.pix.bytesperline;
	self->image = format.fmt.pix.sizeimage;
	ASSERT_EQ((__u32)WIDTH, format.fmt.pix.width);
	ASSERT_GE(LARGE, self->image);
	ASSERT_EQ(0, camera_control(self->camera, "OSD Text Mode", "None"));
	ASSERT_EQ(0, call(self->camera, VIDIOC_REQBUFS, &request));
	ASSERT_EQ((__u32)FRAMES, request.count);
	for (int i = 0; i < FRAMES; i++) {
		ASSERT_EQ(0, acquire_filled(self->fd, LARGE, 0xee, &self->buffers[i]));
		self->dmabufs[i] = dmabuf_export(self->fd, &self->buffers[i].lease, 1, NULL);
		ASSERT_LE(0, self->dmabufs[i]);
	}
}

FIXTURE_TEARDOWN(vivid)
{
	for (int i = 0; i < FRAMES; i++) {
		munmap(self->buffers[i].data, LARGE);
		close(self->dmabufs[i]);
	}
	close(self->camera);
	close(self->fd);
	EXPECT_EQ(self->before, device_machine_bytes(self->watch));
	close(self->watch);
}

static int queue(int camera, int index, int dmabuf)
{
	struct v4l2_buffer buffer = {
		.index = index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF,
		.length = LARGE,
	};

	buffer.m.fd = dmabuf;
	return call(camera, VIDIOC_QBUF, &buffer);
}

/* The index of a buffer that is full, or -errno. */
static int dequeue(int camera)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF,
	};
	int ret = call(camera, VIDIOC_DQBUF, &buffer);

	return ret ? ret : buffer.flags & V4L2_BUF_FLAG_ERROR ? -EIO : (int)buffer.index;
}

static int stream(int camera, bool on)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	return call(camera, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);
}

/* The pixels of the frame in @data that are not @shade. */
static long strangers(const unsigned char *data, __u32 pitch, int shade)
{
	long nr = 0;

	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			nr += data[y * pitch + x] != shade;
	return nr;
}

/* Frames of one shade, then of the other: what is in our buffers is what was asked for. */
TEST_F(vivid, captures_plain_frames)
{
	static const char *const patterns[] = { "100% White", "100% Black" };
	int shades[2], index, shade;

	for (int pattern = 0; pattern < 2; pattern++) {
		ASSERT_EQ(0, camera_control(self->camera, "Test Pattern", patterns[pattern]));
		for (int i = 0; i < FRAMES; i++) {
			memset(self->buffers[i].data, 0xee, LARGE);
			ASSERT_EQ(0, queue(self->camera, i, self->dmabufs[i]));
		}
		ASSERT_EQ(0, stream(self->camera, true));
		for (int i = 0; i < FRAMES; i++) {
			index = dequeue(self->camera);
			ASSERT_LE(0, index);
			ASSERT_EQ(0, dmabuf_sync(self->dmabufs[index],
						 DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
			shade = self->buffers[index].data[0];
			EXPECT_EQ(0, strangers(self->buffers[index].data, self->pitch, shade));
			if (i)
				EXPECT_EQ(shades[pattern], shade);
			shades[pattern] = shade;
			/* Nothing after the frame. */
			EXPECT_TRUE(memory_is(self->buffers[index].data + self->image, 0xee,
					      LARGE - self->image));
			ASSERT_EQ(0, dmabuf_sync(self->dmabufs[index],
						 DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
		}
		ASSERT_EQ(0, stream(self->camera, false));
	}
	EXPECT_LT(200, shades[0]);
	EXPECT_GT(40, shades[1]);
}

/* Eight bars, from light to dark, each as wide as the others, in each line. */
TEST_F(vivid, captures_colour_bars)
{
	const unsigned char *data;
	int index, bars = 1;

	ASSERT_EQ(0, camera_control(self->camera, "Test Pattern", "100% Colorbar"));
	for (int i = 0; i < FRAMES; i++)
		ASSERT_EQ(0, queue(self->camera, i, self->dmabufs[i]));
	ASSERT_EQ(0, stream(self->camera, true));
	index = dequeue(self->camera);
	ASSERT_LE(0, index);
	data = self->buffers[index].data;
	for (int x = 1; x < WIDTH; x++) {
		if (data[x] == data[x - 1])
			continue;
		EXPECT_GT(data[x - 1], data[x]);
		EXPECT_EQ(0, x % (WIDTH / 8));
		bars++;
	}
	EXPECT_EQ(8, bars);
	for (int y = 1; y < HEIGHT; y++)
		EXPECT_EQ(0, memcmp(data, data + y * self->pitch, WIDTH));
	ASSERT_EQ(0, stream(self->camera, false));
}

/* The lender and the dma-bufs are closed while the camera is at work. */
TEST_F(vivid, outlives_the_exporter)
{
	ASSERT_EQ(0, camera_control(self->camera, "Test Pattern", "100% White"));
	for (int i = 0; i < FRAMES; i++) {
		ASSERT_EQ(0, queue(self->camera, i, self->dmabufs[i]));
		munmap(self->buffers[i].data, LARGE);
		close(self->dmabufs[i]);
		self->dmabufs[i] = -1;
	}
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, stream(self->camera, true));
	for (int i = 0; i < FRAMES; i++)
		EXPECT_LE(0, dequeue(self->camera));
	EXPECT_EQ(self->before + FRAMES * (long long)LARGE, device_machine_bytes(self->watch));
	ASSERT_EQ(0, stream(self->camera, false));
}

TEST_HARNESS_MAIN
