// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "device.h"
#include "dmabuf.h"

static int export(int fd, struct gophership_export *call, __u64 *length)
{
	int ret = device_call(fd, GOPHERSHIP_IOC_EXPORT, call);

	if (length)
		*length = call->length;
	return ret ? ret : call->fd;
}

int dmabuf_export(int device, const struct gophership_lease *leases, __u32 count, __u64 *length)
{
	struct gophership_export call = { .size = sizeof(call), .count = count, .fd = -1 };
	__u64 *handles = malloc(count * sizeof(*handles));
	int ret;

	if (!handles)
		return -ENOMEM;
	for (__u32 i = 0; i < count; i++)
		handles[i] = leases[i].handle;
	call.handles = (uintptr_t)handles;
	ret = export(device, &call, length);
	free(handles);
	return ret;
}

int dmabuf_export_bank(int port, __u64 *length)
{
	struct gophership_export call = { .size = sizeof(call), .fd = -1 };

	return export(port, &call, length);
}

void *dmabuf_map(int dmabuf, size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
}

int dmabuf_sync(int dmabuf, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

/* One byte with room for a descriptor. */
struct parcel {
	char byte;
	struct iovec iov;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message;
};

static void parcel_init(struct parcel *parcel)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->iov.iov_base = &parcel->byte;
	parcel->iov.iov_len = 1;
	parcel->message.msg_iov = &parcel->iov;
	parcel->message.msg_iovlen = 1;
	parcel->message.msg_control = &parcel->control;
	parcel->message.msg_controllen = sizeof(parcel->control);
}

int fd_send(int socket, int fd)
{
	struct cmsghdr *header;
	struct parcel parcel;

	parcel_init(&parcel);
	header = CMSG_FIRSTHDR(&parcel.message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &parcel.message, 0) == 1 ? 0 : -errno;
}

int fd_receive(int socket)
{
	struct cmsghdr *header;
	struct parcel parcel;
	int fd = -1;

	parcel_init(&parcel);
	if (recvmsg(socket, &parcel.message, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	header = CMSG_FIRSTHDR(&parcel.message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}
