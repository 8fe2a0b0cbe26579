// SPDX-License-Identifier: GPL-2.0
/*
 * The buffers of a bank in the kernel's hands: in a pipe (vmsplice) and on the wire
 * (MSG_ZEROCOPY), while the program goes on.
 */
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fixture.h"
#include "memory.h"

#define COUNT		4
#define ROUNDS		20
#define PATIENCE	30000	/* milliseconds */
/* So much fits into a socket: one thread sends and receives. */
#define AT_ONCE		(LARGEST / 4)

FIXTURE(flight)
{
	struct gophership *gs;
	struct gophership_bank *bank;
	char *buf;
};

FIXTURE_SETUP(flight)
{
	ASSERT_EQ(0, gophership_open(&self->gs, NULL));
	ASSERT_EQ(0, gophership_bank_open(self->gs, LARGEST, COUNT, 0, &self->bank));
	self->buf = gophership_bank_acquire(self->bank);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(flight)
{
	gophership_bank_close(self->bank);
	gophership_close(self->gs);
}

static bool read_whole(int fd, char *to, size_t size)
{
	size_t done;
	ssize_t ret;

	for (done = 0; done < size; done += ret) {
		ret = read(fd, to + done, size - done);
		if (ret <= 0)
			return false;
	}
	return true;
}

/* A pipe has the pages themselves: what is written to the buffer shows at its other end. */
TEST_F(flight, a_pipe_has_the_pages)
{
	struct iovec iovec = { self->buf, PAGE };
	char text[PAGE];
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	memset(self->buf, 0x11, PAGE);
	ASSERT_EQ(PAGE, vmsplice(ends[1], &iovec, 1, 0));
	memset(self->buf, 0x22, PAGE);
	ASSERT_TRUE(read_whole(ends[0], text, PAGE));
	EXPECT_TRUE(memory_is(text, 0x22, PAGE));
	EXPECT_EQ(0, gophership_bank_release(self->bank, self->buf));
	close(ends[0]);
	close(ends[1]);
}

/* The bank is closed meanwhile: the pages are the pipe's, and no other bank gets them. */
TEST_F(flight, a_pipe_outlives_the_bank)
{
	struct gophership_bank *others[ROUNDS];
	struct iovec iovec = { self->buf, LARGEST / 2 };
	char text[LARGEST / 2];
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	memset(self->buf, 0x66, LARGEST);
	ASSERT_EQ(LARGEST / 2, vmsplice(ends[1], &iovec, 1, 0));
	gophership_bank_close(self->bank);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, gophership_bank_open(self->gs, LARGEST, COUNT, 0, &others[i]));
		gophership_bank_iovec(others[i], &iovec);
		EXPECT_TRUE(memory_is(iovec.iov_base, 0, iovec.iov_len));
		memset(iovec.iov_base, 0x11, iovec.iov_len);
	}
	ASSERT_TRUE(read_whole(ends[0], text, sizeof(text)));
	EXPECT_TRUE(memory_is(text, 0x66, sizeof(text)));
	for (int i = 0; i < ROUNDS; i++)
		gophership_bank_close(others[i]);
	close(ends[0]);
	close(ends[1]);
	ASSERT_EQ(0, gophership_bank_open(self->gs, LARGEST, COUNT, 0, &self->bank));
}

/* A guest's loopback device is down at first. */
static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
}

/* Both ends of a connection; false: this kernel has none of that kind. */
static bool connect_both(int ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) ||
	    setsockopt(ends[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) ||
	    connect(ends[0], (struct sockaddr *)&address, size))
		return false;
	ends[1] = accept(listener, NULL, NULL);
	close(listener);
	return ends[1] >= 0;
}

/* Until the kernel says that it is done with the sends from @first on, up to @last. */
static bool wait_for_sends(int fd, uint32_t first, uint32_t last)
{
	struct pollfd pollfd = { .fd = fd };
	char control[128];

	while (first <= last) {
		struct msghdr message = {
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		struct sock_extended_err *error;

		if (poll(&pollfd, 1, PATIENCE) != 1 || recvmsg(fd, &message, MSG_ERRQUEUE) < 0)
			return false;
		error = (void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
		if (error->ee_origin != SO_EE_ORIGIN_ZEROCOPY || error->ee_info != first)
			return false;
		first = error->ee_data + 1;
	}
	return true;
}

/* Sent from the buffers, which are released when the kernel says so, and recycled. */
TEST_F(flight, on_the_wire)
{
	static char text[LARGEST];
	uint32_t next = 0, first;
	int ends[2];

	loopback_up();
	if (!connect_both(ends))
		SKIP(return, "no TCP with SO_ZEROCOPY here");
	EXPECT_EQ(0, gophership_bank_release(self->bank, self->buf));
	for (int round = 1; round <= ROUNDS; round++) {
		char *buf = gophership_bank_acquire(self->bank);
		size_t done = 0;
		ssize_t ret;

		ASSERT_NE(NULL, buf);
		memset(buf, round, LARGEST);
		for (first = next; done < LARGEST; done += ret) {
			ret = send(ends[0], buf + done,
				   LARGEST - done < AT_ONCE ? LARGEST - done : AT_ONCE,
				   MSG_ZEROCOPY);
			ASSERT_LT(0, ret);
			ASSERT_TRUE(read_whole(ends[1], text + done, ret));
			next++;
		}
		EXPECT_TRUE(memory_is(text, round, LARGEST));
		ASSERT_TRUE(wait_for_sends(ends[0], first, next - 1));
		EXPECT_EQ(0, gophership_bank_release(self->bank, buf));
	}
	close(ends[0]);
	close(ends[1]);
}

TEST_HARNESS_MAIN
