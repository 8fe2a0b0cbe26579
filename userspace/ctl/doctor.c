// SPDX-License-Identifier: GPL-2.0
/*
 * gophershipctl doctor: looks at what the device and its users need, one thing
 * after the other, and says what to do about the first that is wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "buffers.h"
#include "command.h"
#include "device.h"
#include "limits.h"
#include "output.h"
#include "owner.h"
#include "quantity.h"
#include "ship_engine.h"
#include "signing.h"
#include "text.h"

/* The findings, with --json, which are printed in the end; NULL without it. */
static struct json_object *report;

static void print(const char *what, const char *finding)
{
	if (report) {
		json_object_object_add(report, what, text_json(finding));
		return;
	}
	printf("%-10s ", what);
	text_print(stdout, finding);
	putchar('\n');
	/* Complaints go to stderr; they shall come in between. */
	output_flush();
}

static void print_result(bool well)
{
	if (!report) {
		print("result", well ? "all is well" : "something is wrong, see above");
		return;
	}
	print("result", well ? "well" : "wrong");
	output_json(stdout, report, JSON_C_TO_STRING_PRETTY);
}

static void check_kernel(void)
{
	struct utsname name;

	if (!uname(&name))
		print("kernel", name.release);
}

static void read_version(char *version, int size)
{
	FILE *file = fopen("/sys/module/gophership/version", "re");

	if (!file)
		return;
	if (fgets(version, size, file))
		version[strcspn(version, "\n")] = '\0';
	fclose(file);
}

static void check_module(void)
{
	char version[32] = "", finding[64];

	if (access("/sys/module/gophership", F_OK)) {
		print("module", "NOT LOADED");
		return;
	}
	read_version(version, sizeof(version));
	snprintf(finding, sizeof(finding), "loaded%s%s", *version ? ", version " : "", version);
	print("module", finding);
}

static void check_signing(void)
{
	print("signing", signing_find().text);
	if (access("/sys/module/gophership", F_OK) && signing_is_required())
		signing_advise();
}

static void check_node(const char *path)
{
	char finding[256];
	struct stat st;

	if (stat(path, &st)) {
		snprintf(finding, sizeof(finding), "%.64s IS NOT THERE", path);
	} else if (!S_ISCHR(st.st_mode)) {
		snprintf(finding, sizeof(finding), "%.64s IS NO DEVICE", path);
	} else {
		snprintf(finding, sizeof(finding), "%.64s, mode %04o, user %s, group %s", path,
			 (unsigned int)st.st_mode & 07777, owner_user(st.st_uid).text,
			 owner_group(st.st_gid).text);
	}
	print("device", finding);
}

static void check_memlock(void)
{
	struct limits limits;
	char finding[128];

	limits_find_memlock(&limits);
	if (limits.memlock == UINT64_MAX)
		snprintf(finding, sizeof(finding), "unlimited (ulimit -l)");
	else
		snprintf(finding, sizeof(finding), "%s (ulimit -l)%s",
			 quantity_bytes(limits.memlock).text,
			 limits.exempt ? ", but not for you: CAP_IPC_LOCK" : "");
	print("memlock", finding);
}

static void check_uring(void)
{
	int error = engine_uring.probe();
	struct limits limits;
	char finding[160];

	limits_find_memlock(&limits);
	if (error)
		snprintf(finding, sizeof(finding), "no (%s); ship uses threads", strerror(error));
	else
		snprintf(finding, sizeof(finding), "yes%s",
			 limits_memlock_holds(&limits) ?
			 "; buffers that are registered count against memlock once more" : "");
	print("io_uring", finding);
}

static enum status check_limits(struct device *device)
{
	struct limits limits;
	enum status status;
	char finding[160];

	status = limits_find(&limits, device);
	if (status != STATUS_OK)
		return status;
	snprintf(finding, sizeof(finding), "%s: %s", quantity_bytes(limits.lowest).text,
		 limits_title(&limits));
	print("limit", finding);
	return STATUS_OK;
}

static enum status try_buffer(struct device *device)
{
	struct buffers buffers;
	enum status status;
	uint64_t retired;
	char finding[64];

	status = buffers_borrow(&buffers, device, device->info.page_size, 1);
	if (status != STATUS_OK)
		return status;
	memset(buffers.list[0].data, 0x55, buffers.list[0].capacity);
	snprintf(finding, sizeof(finding), "borrowed %s, wrote to it, gave it back",
		 quantity_bytes(buffers.list[0].capacity).text);
	status = buffers_give_back(&buffers, &retired);
	if (status == STATUS_OK)
		print("buffer", finding);
	return status;
}

static enum status try_device(const char *path)
{
	struct device device;
	enum status status;

	status = device_open(&device, path);
	if (status != STATUS_OK)
		return status;
	print("open", "yes");
	status = check_limits(&device);
	if (status == STATUS_OK)
		status = try_buffer(&device);
	device_close(&device);
	return status;
}

int command_doctor(int argc, char **argv)
{
	static const struct argp_child children[] = { { &bare_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.doc = "Look at all that the device needs, borrow a buffer, and say what to do if "
		       "something is wrong. The exit status is 0 if all is well and 3 if not.",
		.children = children,
	};
	struct common common = { .device = DEVICE_PATH };
	enum status status;

	argp_parse(&argp, argc, argv, 0, NULL, &common);
	if (common.json)
		report = json_object_new_object();
	check_kernel();
	check_module();
	check_signing();
	check_node(common.device);
	check_memlock();
	check_uring();
	status = try_device(common.device);
	print_result(status == STATUS_OK);
	return status;
}
