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


static int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? -errno : 0;
}

FIXTURE(vivid)
{
	struct camera camera;
	__u32 pitch, image;
};

FIXTURE_SETUP(vivid)
{
	struct v4l2_requestbuffers request = {
		.count = FRAMES, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF,
	};
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	ASSERT_EQ(0, camera_begin(&self->camera));
	format.fmt.pix.width = WIDTH;
	format.fmt.pix.height = HEIGHT;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_GREY;
	ASSERT_EQ(0, call(self->camera.fd, VIDIOC_S_FMT, &format));
	ASSERT_EQ((__u32)V4L2_PIX_FMT_GREY, format.fmt.pix.pixelformat);
	self->pitch = format.fmt.pix.bytesperline;
	self->image = format.fmt.pix.sizeimage;
	ASSERT_EQ((__u32)WIDTH, format.fmt.pix.width);
	ASSERT_GE(LARGE, self->image);
	ASSERT_EQ(0, call(self->camera.fd, VIDIOC_REQBUFS, &request));
	ASSERT_EQ((__u32)FRAMES, request.count);
}

FIXTURE_TEARDOWN(vivid)
{
	EXPECT_EQ(0, camera_end(&self->camera));
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
		ASSERT_EQ(0, camera_control(self->camera.fd, "Test Pattern", patterns[pattern]));
		for (int i = 0; i < FRAMES; i++) {
			memset(self->camera.buffers[i].data, 0xee, LARGE);
			ASSERT_EQ(0, queue(self->camera.fd, i, self->camera.dmabufs[i]));
		}
		ASSERT_EQ(0, stream(self->camera.fd, true));
		for (int i = 0; i < FRAMES; i++) {
			index = dequeue(self->camera.fd);
			ASSERT_LE(0, index);
			ASSERT_EQ(0, dmabuf_sync(self->camera.dmabufs[index],
						 DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
			shade = self->camera.buffers[index].data[0];
			EXPECT_EQ(0, strangers(self->camera.buffers[index].data, self->pitch,
					       shade));
			if (i)
				EXPECT_EQ(shades[pattern], shade);
			shades[pattern] = shade;
			/* Nothing after the frame. */
			EXPECT_TRUE(memory_is(self->camera.buffers[index].data + self->image, 0xee,
					      LARGE - self->image));
			ASSERT_EQ(0, dmabuf_sync(self->camera.dmabufs[index],
						 DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
		}
		ASSERT_EQ(0, stream(self->camera.fd, false));
	}
	EXPECT_LT(200, shades[0]);
	EXPECT_GT(40, shades[1]);
}

/* Eight bars, from light to dark, each as wide as the others, in each line. */
TEST_F(vivid, captures_colour_bars)
{
	const unsigned char *data;
	int index, bars = 1;

	ASSERT_EQ(0, camera_control(self->camera.fd, "Test Pattern", "100% Colorbar"));
	for (int i = 0; i < FRAMES; i++)
		ASSERT_EQ(0, queue(self->camera.fd, i, self->camera.dmabufs[i]));
	ASSERT_EQ(0, stream(self->camera.fd, true));
	index = dequeue(self->camera.fd);
	ASSERT_LE(0, index);
	data = self->camera.buffers[index].data;
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
	ASSERT_EQ(0, stream(self->camera.fd, false));
}

/* The lender and the dma-bufs are closed while the camera is at work. */
TEST_F(vivid, outlives_the_exporter)
{
	ASSERT_EQ(0, camera_control(self->camera.fd, "Test Pattern", "100% White"));
	for (int i = 0; i < FRAMES; i++) {
		ASSERT_EQ(0, queue(self->camera.fd, i, self->camera.dmabufs[i]));
		munmap(self->camera.buffers[i].data, LARGE);
		close(self->camera.dmabufs[i]);
		self->camera.dmabufs[i] = -1;
	}
	close(self->camera.device);
	self->camera.device = -1;
	ASSERT_EQ(0, stream(self->camera.fd, true));
	for (int i = 0; i < FRAMES; i++)
		EXPECT_LE(0, dequeue(self->camera.fd));
	EXPECT_EQ(self->camera.before + FRAMES * (long long)LARGE,
		  device_machine_bytes(self->camera.watch));
	ASSERT_EQ(0, stream(self->camera.fd, false));
}

TEST_HARNESS_MAIN
