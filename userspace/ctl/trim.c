// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "command.h"
#include "device.h"
#include "output.h"
#include "quantity.h"

static enum status trim(struct device *device, void *options)
{
	const struct common *common = options;
	struct json_object *object;
	enum status status;
	uint64_t bytes;

	status = device_trim(device, &bytes);
	if (status != STATUS_OK)
		return status;
	if (common->json) {
		object = json_object_new_object();
		json_object_object_add(object, "bytes", json_object_new_uint64(bytes));
		output_json(stdout, object, JSON_C_TO_STRING_PRETTY);
	} else {
		printf("%s went back to the machine\n", quantity_bytes(bytes).text);
	}
	return STATUS_OK;
}

int command_trim(int argc, char **argv)
{
	static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.doc = "Give all that lies idle in the pools back to the machine, at once, and say "
		       "how much that is. Memory that is idle for long, or that the machine is "
		       "short of, goes back by itself: this is for a machine that is about to need "
		       "it, and for measurements.\v"
		       "It wants CAP_SYS_ADMIN, as it slows every user of the pools for a while. "
		       "What pools keep by promise (reserve, stock) stays, and so does what "
		       "programs with libgophership keep for themselves: they have it on lease.",
		.children = children,
	};
	struct common common = { .device = DEVICE_PATH };

	return command_look(&argp, argc, argv, &common, trim);
}
