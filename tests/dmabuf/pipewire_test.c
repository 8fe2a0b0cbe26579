// SPDX-License-Identifier: GPL-2.0
/*
 * PipeWire's element for cameras, which no one here wrote, captures from vivid into our
 * dma-bufs.
 *
 * The element is a plugin: libspa-v4l2.so of Debian's libspa-0.2-modules. PipeWire's daemon
 * loads it, and hands it the dma-bufs that another program has allocated. Here this program
 * does both. It opens no camera for frames, and makes no call of V4L2 that has to do with them.
 */
#include <dlfcn.h>
#include <poll.h>
#include <spa/buffer/buffer.h>
#include <spa/node/io.h>
#include <spa/node/node.h>
#include <spa/node/utils.h>
#include <spa/param/param.h>
#include <spa/param/video/format-utils.h>
#include <spa/pod/builder.h>
#include <spa/support/loop.h>
#include <spa/support/plugin.h>
#include <spa/utils/keys.h>
#include <spa/utils/names.h>
#include <spa/utils/result.h>

#include "camera.h"
#include "fixture.h"

#define PLUGIN		"/t/libspa-v4l2.so"
#define PATIENCE	60000	/* milliseconds, for a guest whose machine is busy */

/* The element's loop: it has one source of events, the camera. */
static struct spa_source *source;

static int loop_add(void *object, struct spa_source *added)
{
	(void)object;
	source = added;
	return 0;
}

static int loop_update(void *object, struct spa_source *updated)
{
	(void)object;
	(void)updated;
	return 0;
}

static int loop_remove(void *object, struct spa_source *removed)
{
	(void)object;
	(void)removed;
	source = NULL;
	return 0;
}

static int loop_invoke(void *object, spa_invoke_func_t func, uint32_t seq, const void *data,
		       size_t size, bool block, void *user_data)
{
	(void)block;
	return func(object, false, seq, data, size, user_data);
}

static const struct spa_loop_methods loop_methods = {
	SPA_VERSION_LOOP_METHODS,
	.add_source = loop_add,
	.update_source = loop_update,
	.remove_source = loop_remove,
	.invoke = loop_invoke,
};

static struct spa_loop loop = {
	.iface = { SPA_TYPE_INTERFACE_DataLoop, SPA_VERSION_LOOP, { &loop_methods, &loop } },
};

/* It says that there is a frame: that is seen in its io area, too. */
static int ready(void *data, int state)
{
	(void)data;
	(void)state;
	return 0;
}

static const struct spa_node_callbacks callbacks = {
	SPA_VERSION_NODE_CALLBACKS,
	.ready = ready,
};

/* The plugin's element for the camera at @path; NULL: it is not to be had. */
static struct spa_handle *element_new(const char *path)
{
	const struct spa_dict_item items[] = { { SPA_KEY_API_V4L2_PATH, path } };
	const struct spa_dict dict = SPA_DICT_INIT_ARRAY(items);
	const struct spa_support support = { SPA_TYPE_INTERFACE_DataLoop, &loop };
	const struct spa_handle_factory *factory = NULL;
	void *plugin = dlopen(PLUGIN, RTLD_NOW);
	spa_handle_factory_enum_func_t next = NULL;
	struct spa_handle *handle;
	__u32 index = 0;

	if (plugin)
		next = (spa_handle_factory_enum_func_t)dlsym(plugin,
							     SPA_HANDLE_FACTORY_ENUM_FUNC_NAME);
	if (!next)
		return NULL;
	while (next(&factory, &index) > 0)
		if (!strcmp(factory->name, SPA_NAME_API_V4L2_SOURCE))
			break;
	if (!factory || strcmp(factory->name, SPA_NAME_API_V4L2_SOURCE))
		return NULL;
	handle = calloc(1, spa_handle_factory_get_size(factory, &dict));
	if (handle && !spa_handle_factory_init(factory, handle, &dict, &support, 1))
		return handle;
	free(handle);
	return NULL;
}

/* Frames in grey, or, without @wanted, none: then it lets go of the camera and the buffers. */
static int element_format(struct spa_node *node, bool wanted)
{
	struct spa_video_info_raw info = {
		.format = SPA_VIDEO_FORMAT_GRAY8, .size = { WIDTH, HEIGHT }, .framerate = { 30, 1 },
	};
	__u8 bytes[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(bytes, sizeof(bytes));
	struct spa_pod *pod = NULL;

	if (wanted)
		pod = spa_format_video_raw_build(&builder, SPA_PARAM_Format, &info);
	return spa_node_port_set_param(node, SPA_DIRECTION_OUTPUT, 0, SPA_PARAM_Format, 0, pod);
}

static int element_command(struct spa_node *node, uint32_t id)
{
	struct spa_command command = SPA_NODE_COMMAND_INIT(id);

	return spa_node_send_command(node, &command);
}

FIXTURE(pipewire)
{
	struct camera camera;
	struct spa_buffer frames[FRAMES];
	struct spa_data datas[FRAMES];
	struct spa_chunk chunks[FRAMES];
	struct spa_io_buffers io;
	struct spa_handle *handle;
	struct spa_node *node;
};

FIXTURE_SETUP(pipewire)
{
	struct spa_buffer *all[FRAMES];
	void *node;

	/* What it opens is for the test pattern alone. */
	ASSERT_EQ(0, camera_begin(&self->camera));
	self->handle = element_new(self->camera.path);
	ASSERT_NE(NULL, self->handle);
	ASSERT_EQ(0, spa_handle_get_interface(self->handle, SPA_TYPE_INTERFACE_Node, &node));
	self->node = node;
	spa_node_set_callbacks(self->node, &callbacks, NULL);
	self->io = SPA_IO_BUFFERS_INIT;
	ASSERT_LE(0, element_format(self->node, true));
	ASSERT_LE(0, spa_node_port_set_io(self->node, SPA_DIRECTION_OUTPUT, 0, SPA_IO_Buffers,
					  &self->io, sizeof(self->io)));
	for (int i = 0; i < FRAMES; i++) {
		self->datas[i] = (struct spa_data){
			.type = SPA_DATA_DmaBuf, .flags = SPA_DATA_FLAG_READWRITE,
			.fd = self->camera.dmabufs[i], .maxsize = LARGE, .chunk = &self->chunks[i],
		};
		self->frames[i] = (struct spa_buffer){ .n_datas = 1, .datas = &self->datas[i] };
		all[i] = &self->frames[i];
	}
	ASSERT_LE(0, spa_node_port_use_buffers(self->node, SPA_DIRECTION_OUTPUT, 0, 0, all,
					       FRAMES));
	ASSERT_LE(0, element_command(self->node, SPA_NODE_COMMAND_Start));
}

FIXTURE_TEARDOWN(pipewire)
{
	EXPECT_LE(0, element_command(self->node, SPA_NODE_COMMAND_Suspend));
	EXPECT_LE(0, spa_node_port_use_buffers(self->node, SPA_DIRECTION_OUTPUT, 0, 0, NULL, 0));
	EXPECT_LE(0, element_format(self->node, false));
	spa_handle_clear(self->handle);
	free(self->handle);
	EXPECT_EQ(0, camera_end(&self->camera));
}

/* The index of a buffer that has a frame, or -errno. It is the element's again afterwards. */
static int next_frame(struct spa_node *node, struct spa_io_buffers *io)
{
	struct pollfd camera;

	io->status = SPA_STATUS_NEED_DATA;
	spa_node_process(node);
	while (io->status != SPA_STATUS_HAVE_DATA) {
		if (!source)
			return -ENODEV;
		camera = (struct pollfd){ .fd = source->fd, .events = POLLIN };
		if (poll(&camera, 1, PATIENCE) != 1)
			return -ETIME;
		if (camera.revents & POLLERR)
			return -EIO;
		source->rmask = SPA_IO_IN;
		source->func(source);
	}
	return io->buffer_id < FRAMES ? (int)io->buffer_id : -EINVAL;
}

/* The shade of a frame that is all of one; -1: it is not. */
static int shade_of(const unsigned char *data)
{
	for (int i = 1; i < WIDTH * HEIGHT; i++)
		if (data[i] != data[0])
			return -1;
	return data[0];
}

/* Frames come until one is all @from to @to, but not for ever. */
static int until_shade(struct spa_node *node, struct spa_io_buffers *io,
		       const struct buffer *buffers, int from, int to)
{
	int index, shade;

	for (int i = 0; i < 100; i++) {
		index = next_frame(node, io);
		if (index < 0)
			return index;
		shade = shade_of(buffers[index].data);
		if (shade >= from && shade <= to)
			return index;
	}
	return -ENOMSG;
}

/* What the camera shows is what our memory has, after it changes, too. */
TEST_F(pipewire, captures_into_our_buffers)
{
	int index;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, camera_control(self->camera.fd, "Test Pattern", "100% White"));
		index = until_shade(self->node, &self->io, self->camera.buffers, 201, 255);
		ASSERT_LE(0, index);
		EXPECT_EQ((__u32)WIDTH * HEIGHT, self->chunks[index].size);
		/* Nothing after the frame. */
		EXPECT_TRUE(memory_is(self->camera.buffers[index].data + WIDTH * HEIGHT, 0xee,
				      LARGE - WIDTH * HEIGHT));
		ASSERT_EQ(0, camera_control(self->camera.fd, "Test Pattern", "100% Black"));
		ASSERT_LE(0, until_shade(self->node, &self->io, self->camera.buffers, 0, 39));
	}
}

TEST_HARNESS_MAIN
