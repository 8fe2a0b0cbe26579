// SPDX-License-Identifier: GPL-2.0
/*
 * Ports and banks on the device, with real drivers: echo, which is kicked, pulse, which
 * is at work in every context, and loop. Wants a disk at /mnt.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#ifndef NO_URING
#include <liburing.h>
#endif

#include "fixture.h"
#include "memory.h"

#define COUNT		16
#define NOBODY		65534
#define FILE_PATH	"/mnt/libport"

FIXTURE(driver)
{
	struct gophership *gs;
	struct gophership_port *port;
	struct gophership_message all[COUNT];
};

static int open_port(struct gophership *gs, uint32_t count, uint32_t buf_size,
		     const char *endpoint, struct gophership_port **port)
{
	const struct gophership_port_options options = {
		.size = sizeof(options),
		.count = count,
		.buf_size = buf_size,
		.endpoint = endpoint,
	};

	return gophership_port_open(gs, &options, port);
}

FIXTURE_SETUP(driver)
{
	ASSERT_EQ(0, gophership_open(&self->gs, NULL));
	ASSERT_EQ(0, open_port(self->gs, COUNT, LARGEST, "echo", &self->port));
	for (uint32_t i = 0; i < COUNT; i++)
		self->all[i] = (struct gophership_message) {
			.data = (char *)gophership_port_buffer(self->port, i) + i,
			.len = 1000 + i,
			.tag = ~(uint64_t)i,
		};
}

FIXTURE_TEARDOWN(driver)
{
	gophership_port_close(self->port);
	gophership_close(self->gs);
}

static int open_error(struct gophership *gs, uint32_t count, uint32_t buf_size,
		      const char *endpoint)
{
	struct gophership_port *port;
	int ret = open_port(gs, count, buf_size, endpoint, &port);

	gophership_port_close(port);
	return ret;
}

TEST_F(driver, endpoints_that_are_none)
{
	char longest[300];

	memset(longest, 'a', sizeof(longest));
	longest[299] = '\0';
	EXPECT_EQ(-ENOENT, open_error(self->gs, 1, 0, "none-such"));
	EXPECT_EQ(-ENOENT, open_error(self->gs, 1, 0, "/dev/none-such"));
	EXPECT_EQ(-ENOENT, open_error(self->gs, 1, 0, ""));
	EXPECT_EQ(-ENAMETOOLONG, open_error(self->gs, 1, 0, longest));
	EXPECT_EQ(-ENOTTY, open_error(self->gs, 1, 0, "/dev/null"));
	EXPECT_EQ(-ENOTTY, open_error(self->gs, 1, 0, "/dev/gophership"));
	EXPECT_EQ(-ENOTTY, open_error(self->gs, 1, 0, "/proc/self/comm"));
	EXPECT_EQ(-EISDIR, open_error(self->gs, 1, 0, "/dev/"));
	EXPECT_EQ(0, open_error(self->gs, 1, 0, "echo"));
	EXPECT_EQ(0, open_error(self->gs, 1, 0, "/dev/gophership-echo"));
}

TEST_F(driver, what_a_driver_does_not_take)
{
	struct gophership_port *port;

	EXPECT_EQ(-EINVAL, open_error(self->gs, 1025, 0, "loop-in"));
	EXPECT_EQ(-EINVAL, open_error(self->gs, 1, 0, "loop-out"));
	EXPECT_EQ(-EINVAL, open_error(self->gs, 257, 0, "loop-out"));
	EXPECT_EQ(-EINVAL, open_error(self->gs, 1, LARGEST + 1, "echo"));
	EXPECT_EQ(-EDQUOT, open_error(self->gs, 32768, LARGEST, "echo"));
	ASSERT_EQ(0, open_port(self->gs, 2, 0, "loop-out", &port));
	EXPECT_EQ(-EBUSY, open_error(self->gs, 2, 0, "loop-out"));
	gophership_port_close(port);
	EXPECT_EQ(0, open_error(self->gs, 2, 0, "loop-out"));
}

/* Not open to everybody: 0600. */
TEST_F(driver, closed_to_us)
{
	struct gophership_port *port;

	ASSERT_EQ(0, setegid(NOBODY));
	ASSERT_EQ(0, seteuid(NOBODY));
	EXPECT_EQ(-EACCES, open_port(self->gs, 1, 0, "pulse", &port));
	EXPECT_EQ(NULL, port);
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, setegid(0));
}

static struct gophership_port_counters counters_of(const struct gophership_port *port)
{
	struct gophership_port_counters counters = { .size = sizeof(counters) };

	if (gophership_port_stats(port, &counters))
		memset(&counters, 0xff, sizeof(counters));
	return counters;
}

/* Echo is kicked where it sleeps, and gives back in order. */
TEST_F(driver, echo)
{
	struct gophership_message back[COUNT];

	for (uint32_t i = 0; i < COUNT; i++)
		memset(self->all[i].data, i + 1, self->all[i].len);
	for (int round = 0; round < 100; round++) {
		ASSERT_EQ(COUNT, gophership_port_submit(self->port, self->all, COUNT));
		ASSERT_EQ(1, gophership_port_wait(self->port, -1));
		for (unsigned int got = 0; got < COUNT;) {
			got += gophership_port_receive(self->port, back + got, COUNT - got);
			gophership_port_wait(self->port, 100);
		}
		for (uint32_t i = 0; i < COUNT; i++) {
			ASSERT_EQ(self->all[i].data, back[i].data);
			ASSERT_EQ(self->all[i].len, back[i].len);
			ASSERT_EQ(self->all[i].tag, back[i].tag);
			ASSERT_TRUE(memory_is(back[i].data, i + 1, back[i].len));
		}
		EXPECT_EQ(0, gophership_port_receive(self->port, back, 1));
	}
	EXPECT_EQ(COUNT, counters_of(self->port).held);
	EXPECT_EQ(100 * COUNT, counters_of(self->port).submitted);
	EXPECT_EQ(100 * COUNT, counters_of(self->port).received);
	EXPECT_EQ(0, counters_of(self->port).bad);
	EXPECT_EQ(0, counters_of(self->port).skipped);
	EXPECT_LE(1, counters_of(self->port).kicks);
	EXPECT_GE(100, counters_of(self->port).kicks);
}

/* What the library refuses never gets to the kernel, which would count it. */
TEST_F(driver, nonsense_gets_nowhere)
{
	struct gophership_message bad = self->all[0], back[COUNT];

	bad.len = UINT32_MAX;
	EXPECT_EQ(0, gophership_port_submit(self->port, &bad, 1));
	bad = self->all[0];
	bad.data = &bad;
	EXPECT_EQ(0, gophership_port_submit(self->port, &bad, 1));
	bad = self->all[0];
	bad.flags = 1U << 30;
	EXPECT_EQ(0, gophership_port_submit(self->port, &bad, 1));
	EXPECT_EQ(COUNT, gophership_port_submit(self->port, self->all, COUNT));
	EXPECT_EQ(0, gophership_port_submit(self->port, self->all, COUNT));
	EXPECT_EQ(COUNT, gophership_port_receive(self->port, back, COUNT));
	EXPECT_EQ(0, counters_of(self->port).bad);
}

TEST_F(driver, wait_and_poll)
{
	struct pollfd fd = { .fd = gophership_port_fd(self->port), .events = POLLIN };
	struct gophership_message back[COUNT];

	ASSERT_LE(0, fd.fd);
	EXPECT_EQ(0, gophership_port_wait(self->port, 0));
	EXPECT_EQ(0, gophership_port_wait(self->port, 10));
	EXPECT_EQ(0, poll(&fd, 1, 0));
	for (int round = 0; round < 3; round++) {
		EXPECT_EQ(3, gophership_port_submit(self->port, self->all, 3));
		EXPECT_EQ(1, poll(&fd, 1, -1));
		EXPECT_EQ(POLLIN, fd.revents);
		EXPECT_EQ(1, gophership_port_wait(self->port, 0));
		EXPECT_EQ(3, gophership_port_receive(self->port, back, COUNT));
		EXPECT_EQ(0, poll(&fd, 1, 0));
	}
}

struct event_loop {
	struct gophership_port *port;
	unsigned int wanted;
	unsigned int got;
};

/* As a program with an event loop does it: receive until there is no more, then epoll. */
static void *receive_by_epoll(void *argument)
{
	struct event_loop *events = argument;
	struct epoll_event event = { .events = EPOLLIN };
	struct gophership_message back[COUNT];
	int epoll = epoll_create1(0);
	unsigned int nr;

	epoll_ctl(epoll, EPOLL_CTL_ADD, gophership_port_fd(events->port), &event);
	while (events->got < events->wanted) {
		nr = gophership_port_receive(events->port, back, 4);
		events->got += nr;
		if (nr < 4 && events->got < events->wanted)
			epoll_wait(epoll, &event, 1, -1);
	}
	close(epoll);
	return NULL;
}

/* Every round of pulse comes from another context; no wake-up is lost. */
TEST_F(driver, an_event_loop)
{
	struct event_loop events = { .wanted = 20 * COUNT };
	pthread_t thread;

	ASSERT_EQ(0, open_port(self->gs, 20 * COUNT, 0, "pulse", &events.port));
	ASSERT_EQ(0, pthread_create(&thread, NULL, receive_by_epoll, &events));
	for (unsigned int i = 0; i < 20 * COUNT; i++) {
		struct gophership_message message = {
			.data = gophership_port_buffer(events.port, i),
			.len = 8,
		};

		ASSERT_EQ(1, gophership_port_submit(events.port, &message, 1));
		if (i % 16 == 0)
			usleep(1000);
	}
	pthread_join(thread, NULL);
	EXPECT_LE(20 * COUNT, events.got);
	gophership_port_close(events.port);
}

/* Interrupts, NMIs and a task of the driver; each message comes back once and whole. */
TEST_F(driver, pulse)
{
	struct gophership_message messages[64];
	struct gophership_port *port;
	unsigned int done = 0, nr, i;

	ASSERT_EQ(0, open_port(self->gs, 64, PAGE, "pulse", &port));
	for (i = 0; i < 64; i++)
		messages[i] = (struct gophership_message) {
			.data = gophership_port_buffer(port, i), .len = 8, .tag = i,
		};
	ASSERT_EQ(64, gophership_port_submit(port, messages, 64));
	while (done < 20000) {
		ASSERT_LE(0, gophership_port_wait(port, 1000));
		nr = gophership_port_receive(port, messages, 64);
		for (i = 0; i < nr; i++) {
			ASSERT_EQ(*(uint64_t *)messages[i].data, messages[i].tag);
			ASSERT_EQ(messages[i].data,
				  gophership_port_buffer(port, messages[i].tag % 64));
			messages[i].tag += 64;
		}
		ASSERT_EQ(nr, gophership_port_submit(port, messages, nr));
		done += nr;
	}
	EXPECT_EQ(0, counters_of(port).bad);
	EXPECT_EQ(0, counters_of(port).skipped);
	gophership_port_close(port);
}

/* The driver's end of the file, opened by hand: the library is told nothing of it. */
TEST_F(driver, killed)
{
	struct gophership_port *port;
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct gophership *gs;

		if (gophership_open(&gs, NULL) || open_port(gs, 2, 0, "loop-out", &port))
			_exit(1);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(SIGKILL, WTERMSIG(status));
	/* The driver was told, and has room for us. */
	EXPECT_EQ(0, open_error(self->gs, 2, 0, "loop-out"));
}

/* A child of the program does not keep the driver busy. */
TEST_F(driver, forked)
{
	struct gophership_port *port;
	int status, up[2], down[2];
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, open_port(self->gs, 2, 0, "loop-out", &port));
	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, pipe(down));
	pid = fork();
	if (!pid) {
		close(down[1]);
		_exit(write(up[1], &byte, 1) != 1 || read(down[0], &byte, 1));
	}
	ASSERT_EQ(1, read(up[0], &byte, 1));
	gophership_port_close(port);
	EXPECT_EQ(0, open_error(self->gs, 2, 0, "loop-out"));
	close(down[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(up[0]);
	close(up[1]);
	close(down[0]);
}

TEST_F(driver, direct_io)
{
	char *buf = gophership_port_buffer(self->port, 0);
	int file = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);

	ASSERT_LE(0, file);
	memset(buf, 0x5a, LARGEST);
	/* From a buffer, and across two. */
	EXPECT_EQ(LARGEST, pwrite(file, buf, LARGEST, 0));
	EXPECT_EQ(LARGEST, pread(file, buf + LARGEST + PAGE, LARGEST, 0));
	EXPECT_TRUE(memory_is(buf + LARGEST, 0, PAGE));
	EXPECT_TRUE(memory_is(buf + LARGEST + PAGE, 0x5a, LARGEST));
	close(file);
	unlink(FILE_PATH);
}

#ifndef NO_URING
static int wait_for_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int result = io_uring_submit_and_wait(ring, 1);

	if (result < 0 || io_uring_peek_cqe(ring, &cqe))
		return -1;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

/* A bank is one registered buffer, and stays so whatever is acquired and released. */
TEST_F(driver, a_registered_bank)
{
	int ret, file = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	struct gophership_bank *bank;
	struct io_uring ring;
	struct iovec whole;
	char *bufs[4];

	ASSERT_LE(0, file);
	ASSERT_EQ(0, gophership_bank_open(self->gs, LARGEST, 4, 0, &bank));
	gophership_bank_iovec(bank, &whole);
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	ret = io_uring_register_buffers(&ring, &whole, 1);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "this kernel registers no buffers of devices");
	ASSERT_EQ(0, ret);
	for (int round = 1; round < 10; round++) {
		for (int i = 0; i < 4; i++)
			bufs[i] = gophership_bank_acquire(bank);
		memset(bufs[0], round, LARGEST);
		memset(bufs[1], 0, LARGEST);
		io_uring_prep_write_fixed(io_uring_get_sqe(&ring), file, bufs[0], LARGEST, 0, 0);
		EXPECT_EQ(LARGEST, wait_for_one(&ring));
		io_uring_prep_read_fixed(io_uring_get_sqe(&ring), file, bufs[1], LARGEST, 0, 0);
		EXPECT_EQ(LARGEST, wait_for_one(&ring));
		EXPECT_TRUE(memory_is(bufs[1], round, LARGEST));
		for (int i = 0; i < 4; i++)
			EXPECT_EQ(0, gophership_bank_release(bank, bufs[(i + round) % 4]));
		/* Which takes what idles of the pool, and nothing of a bank. */
		gophership_trim(self->gs);
	}
	io_uring_queue_exit(&ring);
	gophership_bank_close(bank);
	close(file);
	unlink(FILE_PATH);
}
#endif

/* Banks and ports are paid for, and are free again when they are closed. */
TEST_F(driver, limits)
{
	struct gophership_bank *banks[8];
	unsigned int nr, again;

	for (nr = 0; nr < 8; nr++)
		if (gophership_bank_open(self->gs, LARGEST, 32, 0, &banks[nr]))
			break;
	/* 8 MiB are less than 8 of 2 MiB. */
	EXPECT_LT(nr, 8);
	EXPECT_EQ(-EDQUOT, gophership_bank_open(self->gs, LARGEST, 32, 0, &banks[nr]));
	for (again = 0; again < nr; again++)
		gophership_bank_close(banks[again]);
	EXPECT_EQ(0, gophership_bank_open(self->gs, LARGEST, 32, 0, &banks[0]));
	gophership_bank_close(banks[0]);
}

TEST_HARNESS_MAIN
