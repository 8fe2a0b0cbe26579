// SPDX-License-Identifier: GPL-2.0
/*
 * Leave the module nothing but a dma-buf: export a buffer, have an importer attach, close
 * all else, say "ready", and detach when stdin ends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device.h"
#include "dmabuf.h"
#include "dmabuf_importer/importer.h"

int main(void)
{
	int device = device_open(), importer = open(IMPORTER, O_RDWR), fd;
	struct gophership_lease lease;
	char byte;

	if (device < 0 || importer < 0 || device_acquire_one(device, PAGE, &lease))
		return 1;
	fd = dmabuf_export(device, &lease, 1, NULL);
	if (fd < 0 || ioctl(importer, IMPORTER_ATTACH, fd))
		return 1;
	close(fd);
	close(device);
	puts("ready");
	fflush(stdout);
	return read(0, &byte, 1) < 0;
}
