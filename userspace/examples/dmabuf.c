// SPDX-License-Identifier: GPL-2.0
/*
 * Two processes share a buffer by a dma-buf: one fills it from stdin, the other one writes
 * it to stdout. A device that imports dma-bufs could stand in the place of either.
 *
 *	cc dmabuf.c $(pkg-config --cflags --libs gophership) -o dmabuf
 *	echo hello | ./dmabuf
 */
#include <err.h>
#include <errno.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gophership.h>

#define SIZE	65536

/* What goes through the socket: how many bytes there are, and the dma-buf beside it. */
struct letter {
	ssize_t length;
	struct iovec iov;
	struct msghdr message;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} beside;
};

static void letter_open(struct letter *letter)
{
	memset(letter, 0, sizeof(*letter));
	letter->iov = (struct iovec) { &letter->length, sizeof(letter->length) };
	letter->message.msg_iov = &letter->iov;
	letter->message.msg_iovlen = 1;
	letter->message.msg_control = &letter->beside;
	letter->message.msg_controllen = sizeof(letter->beside);
}

static void send_buffer(int to, ssize_t length, int dmabuf)
{
	struct cmsghdr *header;
	struct letter letter;

	letter_open(&letter);
	letter.length = length;
	header = CMSG_FIRSTHDR(&letter.message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &dmabuf, sizeof(int));
	if (sendmsg(to, &letter.message, 0) < 0)
		err(1, "sendmsg");
}

/* The dma-buf; -1: there are no more. */
static int receive_buffer(int from, ssize_t *length)
{
	struct cmsghdr *header;
	struct letter letter;
	int dmabuf;

	letter_open(&letter);
	if (recvmsg(from, &letter.message, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	header = CMSG_FIRSTHDR(&letter.message);
	if (!header)
		errx(1, "there is no dma-buf beside the message");
	memcpy(&dmabuf, CMSG_DATA(header), sizeof(int));
	*length = letter.length;
	return dmabuf;
}

/* Before and after the CPU looks at it: a device may have it in its caches. */
static void sync_buffer(int dmabuf, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	while (ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &sync))
		if (errno != EINTR && errno != EAGAIN)
			err(1, "DMA_BUF_IOCTL_SYNC");
}

static int reader(int from)
{
	ssize_t length, done, ret;
	int dmabuf;
	char *data;

	while ((dmabuf = receive_buffer(from, &length)) >= 0) {
		data = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, dmabuf, 0);
		if (data == MAP_FAILED)
			err(1, "mmap");
		sync_buffer(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
		for (done = 0; done < length; done += ret) {
			ret = write(STDOUT_FILENO, data + done, length - done);
			if (ret < 0)
				err(1, "write");
		}
		sync_buffer(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
		munmap(data, SIZE);
		close(dmabuf);
		if (write(from, "", 1) < 0)
			err(1, "write");
	}
	return 0;
}

/* One buffer on its way there, and back. */
static void send_and_wait(struct gophership *gs, int to, void *data, ssize_t length)
{
	int dmabuf = gophership_export(gs, &data, 1), ret;
	char answer;

	if (dmabuf < 0)
		errx(1, "gophership_export: %s", strerror(-dmabuf));
	send_buffer(to, length, dmabuf);
	close(dmabuf);
	if (read(to, &answer, 1) != 1)
		errx(1, "the reader is gone");
	/* -EBUSY as long as the reader, or a device, has the dma-buf. */
	ret = gophership_release(gs, data);
	if (ret)
		errx(1, "gophership_release: %s", strerror(-ret));
}

static void writer(struct gophership *gs, int to)
{
	ssize_t length;
	void *data;

	for (;;) {
		data = gophership_acquire(gs, SIZE);
		if (!data)
			err(1, "gophership_acquire");
		length = read(STDIN_FILENO, data, SIZE);
		if (length <= 0)
			break;
		send_and_wait(gs, to, data, length);
	}
	if (length < 0)
		err(1, "read");
	gophership_release(gs, data);
}

int main(void)
{
	struct gophership *gs;
	int ends[2], ret, status;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		err(1, "socketpair");
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child) {
		close(ends[0]);
		return reader(ends[1]);
	}
	close(ends[1]);
	ret = gophership_open(&gs, NULL);
	if (ret)
		errx(1, "gophership_open: %s", strerror(-ret));
	writer(gs, ends[0]);
	gophership_close(gs);
	close(ends[0]);
	if (waitpid(child, &status, 0) < 0)
		err(1, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
