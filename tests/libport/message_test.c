// SPDX-License-Identifier: GPL-2.0
/*
 * Messages through a port, both ways, with a driver that the test plays itself: order,
 * nonsense from either side, who is woken when. Without a device.
 */
#include <signal.h>
#include <standin.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "driver.h"
#include "fixture.h"

#define COUNT	6
#define SIZE	LARGEST
#define LAPS	20000

FIXTURE(message)
{
	struct gophership *gs;
	struct gophership_port *port;
	struct driver driver;
	struct gophership_message all[COUNT];
};

static int open_port(struct gophership *gs, uint32_t count, uint32_t flags, const char *endpoint,
		     struct gophership_port **port)
{
	const struct gophership_port_options options = {
		.size = sizeof(options),
		.flags = flags,
		.count = count,
		.buf_size = SIZE,
		.endpoint = endpoint,
	};

	return gophership_port_open(gs, &options, port);
}

FIXTURE_SETUP(message)
{
	ASSERT_EQ(0, gophership_open(&self->gs, NULL));
	ASSERT_EQ(0, open_port(self->gs, COUNT, 0, "standin", &self->port));
	ASSERT_TRUE(driver_open(&self->driver, gophership_port_fd(self->port)));
	for (uint32_t i = 0; i < COUNT; i++)
		self->all[i] = (struct gophership_message) {
			.data = (char *)gophership_port_buffer(self->port, i) + 8 * i,
			.len = 100 + i,
			.tag = 0x123456789abcULL * i,
		};
}

FIXTURE_TEARDOWN(message)
{
	driver_close(&self->driver);
	gophership_port_close(self->port);
	gophership_close(self->gs);
}

static struct gophership_port_counters counters_of(const struct gophership_port *port)
{
	struct gophership_port_counters counters = { .size = sizeof(counters) };

	if (gophership_port_stats(port, &counters))
		memset(&counters, 0xff, sizeof(counters));
	return counters;
}

/* One that the driver has taken comes back as it is. */
static bool echo(struct driver *driver)
{
	struct gophership_entry entry;

	if (!driver_take(driver, &entry))
		return false;
	driver_deliver(driver, &entry);
	return true;
}

TEST_F(message, there_and_back_in_order)
{
	struct gophership_message back[COUNT + 1];
	struct gophership_entry entry;

	self->all[2].flags = GOPHERSHIP_MESSAGE_MORE;
	EXPECT_EQ(COUNT, gophership_port_submit(self->port, self->all, COUNT));
	EXPECT_EQ(0, counters_of(self->port).held);
	EXPECT_EQ(0, gophership_port_receive(self->port, back, COUNT));
	for (uint32_t i = 0; i < COUNT; i++) {
		ASSERT_TRUE(driver_take(&self->driver, &entry));
		EXPECT_EQ(i, entry.index);
		EXPECT_EQ(8 * i, entry.offset);
		EXPECT_EQ(100 + i, entry.len);
		EXPECT_EQ(i == 2 ? GOPHERSHIP_MESSAGE_MORE : 0, entry.flags);
		EXPECT_EQ(self->all[i].tag, entry.tag);
		driver_deliver(&self->driver, &entry);
	}
	EXPECT_FALSE(driver_take(&self->driver, &entry));
	EXPECT_EQ(2, gophership_port_receive(self->port, back, 2));
	EXPECT_EQ(COUNT - 2, gophership_port_receive(self->port, back + 2, COUNT - 1));
	for (int i = 0; i < COUNT; i++) {
		EXPECT_EQ(self->all[i].data, back[i].data);
		EXPECT_EQ(self->all[i].len, back[i].len);
		EXPECT_EQ(self->all[i].flags, back[i].flags);
		EXPECT_EQ(self->all[i].tag, back[i].tag);
	}
	EXPECT_EQ(COUNT, counters_of(self->port).held);
	EXPECT_EQ(COUNT, counters_of(self->port).submitted);
	EXPECT_EQ(COUNT, counters_of(self->port).received);
}

/* Wherever the bank is: on a page, but not on a multiple of a buffer's size. */
/* A page before each bank moves the next one, until one is where its size is no matter. */
TEST_F(message, the_bank_is_anywhere)
{
	struct gophership_message message = { .len = 1 };
	struct gophership_port *ports[64];
	struct gophership_entry entry;
	struct driver driver;
	void *pages[64];
	bool odd = false;
	int i, nr;

	for (nr = 0; nr < 64 && (nr < 8 || !odd); nr++) {
		pages[nr] = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, pages[nr]);
		ASSERT_EQ(0, open_port(self->gs, 1, 0, NULL, &ports[nr]));
		ASSERT_TRUE(driver_open(&driver, gophership_port_fd(ports[nr])));
		message.data = (char *)gophership_port_buffer(ports[nr], 0) + SIZE - 1;
		odd |= ((uintptr_t)message.data + 1) % SIZE != 0;
		EXPECT_EQ(1, gophership_port_submit(ports[nr], &message, 1));
		ASSERT_TRUE(driver_take(&driver, &entry));
		EXPECT_EQ(SIZE - 1, entry.offset);
		driver_close(&driver);
	}
	EXPECT_TRUE(odd);
	for (i = 0; i < nr; i++) {
		gophership_port_close(ports[i]);
		munmap(pages[i], 4096);
	}
}

/* The three messages: one that is good, the bad one, a good one. */
static unsigned int submit_around(struct gophership_port *port,
				  const struct gophership_message *good,
				  const struct gophership_message *bad)
{
	const struct gophership_message three[] = { good[0], *bad, good[1] };

	return gophership_port_submit(port, three, 3);
}

static bool is_refused(struct gophership_port *port, struct driver *driver,
		       const struct gophership_message *good,
		       const struct gophership_message *bad)
{
	struct gophership_message back[2];
	struct gophership_entry entry;

	if (submit_around(port, good, bad) != 1 || !echo(driver))
		return false;
	return !driver_take(driver, &entry) && gophership_port_receive(port, back, 2) == 1 &&
	       back[0].data == good->data;
}

TEST_F(message, nonsense_is_refused)
{
	char *bank = gophership_port_buffer(self->port, 0);
	struct gophership_message bad;
	char own[16];

#define EXPECT_REFUSED(...)						\
	do {								\
		bad = self->all[2];					\
		__VA_ARGS__;						\
		EXPECT_TRUE(is_refused(self->port, &self->driver, self->all, &bad));	\
	} while (0)

	EXPECT_REFUSED(bad.data = own);
	EXPECT_REFUSED(bad.data = NULL);
	EXPECT_REFUSED(bad.data = (void *)-1);
	EXPECT_REFUSED(bad.data = bank - 1);
	EXPECT_REFUSED(bad.data = bank + COUNT * SIZE);
	EXPECT_REFUSED(bad.data = (void *)((uintptr_t)bank ^ (UINTPTR_MAX / 2 + 1)));
	EXPECT_REFUSED(bad.len = UINT32_MAX);
	EXPECT_REFUSED(bad.len = SIZE - 15);
	EXPECT_REFUSED(bad.data = bank + 3 * SIZE - 1, bad.len = 2);
	EXPECT_REFUSED(bad.data = bank + 3 * SIZE - 1, bad.len = UINT32_MAX);
	EXPECT_REFUSED(bad.flags = 8);
	EXPECT_REFUSED(bad.flags = 1U << 31);
	/* The one before it in the same call. */
	EXPECT_REFUSED(bad = self->all[0]);
	EXPECT_EQ(COUNT, counters_of(self->port).held);

	bad = self->all[2];
	bad.data = bank + 3 * SIZE - 1;
	bad.len = 1;
	bad.flags = GOPHERSHIP_MESSAGE_LOST;
	EXPECT_EQ(3, submit_around(self->port, self->all, &bad));
}

TEST_F(message, what_is_not_held_is_refused)
{
	struct gophership_message back;

	EXPECT_EQ(3, gophership_port_submit(self->port, self->all, 3));
	EXPECT_EQ(0, gophership_port_submit(self->port, self->all + 2, 4));
	EXPECT_EQ(COUNT - 3, counters_of(self->port).held);
	/* Taken is not delivered, and delivered is not received. */
	ASSERT_TRUE(echo(&self->driver));
	EXPECT_EQ(0, gophership_port_submit(self->port, self->all, 1));
	EXPECT_EQ(1, gophership_port_receive(self->port, &back, 1));
	EXPECT_EQ(1, gophership_port_submit(self->port, self->all, 1));
	EXPECT_EQ(0, gophership_port_submit(self->port, self->all, 1));
}

TEST_F(message, nothing_is_submitted_by_no_message)
{
	EXPECT_EQ(0, gophership_port_submit(self->port, NULL, 0));
	EXPECT_EQ(0, gophership_port_submit(NULL, self->all, 1));
	EXPECT_EQ(0, gophership_port_receive(NULL, self->all, 1));
	EXPECT_EQ(-EINVAL, gophership_port_wait(NULL, 0));
	EXPECT_EQ(-EINVAL, gophership_port_fd(NULL));
	EXPECT_EQ(NULL, gophership_port_buffer(NULL, 0));
	EXPECT_EQ(NULL, gophership_port_buffer(self->port, COUNT));
	EXPECT_EQ(0, gophership_port_capacity(NULL));
	EXPECT_EQ(SIZE, gophership_port_capacity(self->port));
	gophership_port_close(NULL);
}

/* The flags that only a driver sends do not travel; LOST does not stop an echo. */
TEST_F(message, lost_is_not_sent_back)
{
	struct gophership_entry entry = { .flags = GOPHERSHIP_MESSAGE_LOST };
	struct gophership_message back;

	ASSERT_EQ(1, gophership_port_submit(self->port, self->all, 1));
	driver_deliver(&self->driver, &entry);
	ASSERT_EQ(1, gophership_port_receive(self->port, &back, 1));
	EXPECT_EQ(GOPHERSHIP_MESSAGE_LOST, back.flags);
	EXPECT_EQ(1, gophership_port_submit(self->port, &back, 1));
	ASSERT_TRUE(driver_take(&self->driver, &entry));
	ASSERT_TRUE(driver_take(&self->driver, &entry));
	EXPECT_EQ(0, entry.flags);
}

/* BATCH was about the wake-up for that entry: what is sent back as it came has its own. */
TEST_F(message, batch_is_not_sent_back)
{
	struct gophership_entry entry = { .flags = GOPHERSHIP_MESSAGE_BATCH };
	struct gophership_message back;

	ASSERT_EQ(1, gophership_port_submit(self->port, self->all, 1));
	ASSERT_TRUE(driver_take(&self->driver, &entry));
	entry.flags = GOPHERSHIP_MESSAGE_BATCH;
	driver_deliver(&self->driver, &entry);
	ASSERT_EQ(1, gophership_port_receive(self->port, &back, 1));
	EXPECT_EQ(0, back.flags);
}

/* What the kernel cannot have meant is skipped, and what comes after it is received. */
TEST_F(message, a_mad_kernel_is_survived)
{
	const struct gophership_entry mad[] = {
		{ .index = COUNT },
		{ .index = UINT32_MAX },
		{ .index = 0, .offset = SIZE, .len = 1 },
		{ .index = 0, .offset = 1, .len = UINT32_MAX },
		{ .index = 0, .offset = UINT32_MAX, .len = 2 },
		{ .index = 1 },		/* the program has it */
	};
	const struct gophership_entry good = { .index = 0, .offset = SIZE, .len = 0, .tag = 7 };
	struct gophership_message back[4];

	ASSERT_EQ(1, gophership_port_submit(self->port, self->all, 1));
	for (unsigned int i = 0; i < ARRAY_SIZE(mad); i++) {
		driver_deliver(&self->driver, &mad[i]);
		EXPECT_EQ(0, gophership_port_receive(self->port, back, 4));
	}
	driver_deliver(&self->driver, &good);
	driver_deliver(&self->driver, &good);
	EXPECT_EQ(1, gophership_port_receive(self->port, back, 4));
	EXPECT_EQ(7, back[0].tag);
	EXPECT_EQ((char *)gophership_port_buffer(self->port, 0) + SIZE, back[0].data);
	EXPECT_EQ(ARRAY_SIZE(mad) + 1, counters_of(self->port).skipped);
	EXPECT_EQ(COUNT, counters_of(self->port).held);
}

/* How many kicks the call makes. */
static unsigned int kicks_of(struct gophership_port *port,
			     const struct gophership_message *messages, unsigned int nr)
{
	unsigned int before = gophership_standin_kicks();

	gophership_port_submit(port, messages, nr);
	return gophership_standin_kicks() - before;
}

TEST_F(message, the_driver_is_kicked_where_it_waits)
{
	/* As it begins: it waits for position 0. */
	EXPECT_EQ(1, kicks_of(self->port, self->all, 1));
	EXPECT_EQ(0, kicks_of(self->port, self->all + 1, 1));
	driver_wake_at(&self->driver, 3);
	EXPECT_EQ(0, kicks_of(self->port, self->all + 2, 1));
	EXPECT_EQ(1, kicks_of(self->port, self->all + 3, 3));
	EXPECT_EQ(0, kicks_of(self->port, NULL, 0));
	EXPECT_EQ(2, counters_of(self->port).kicks);
}

TEST_F(message, a_batch_is_one_kick)
{
	for (int i = 0; i < COUNT; i++)
		self->all[i].flags = GOPHERSHIP_MESSAGE_BATCH;
	EXPECT_EQ(0, kicks_of(self->port, self->all, 2));
	EXPECT_EQ(0, kicks_of(self->port, self->all + 2, 1));
	/* The first of them is the one that the driver waits for. */
	self->all[3].flags = 0;
	EXPECT_EQ(1, kicks_of(self->port, self->all + 3, 1));
	driver_wake_at(&self->driver, 4);
	EXPECT_EQ(0, kicks_of(self->port, self->all + 4, 1));
	EXPECT_EQ(1, kicks_of(self->port, NULL, 0));
	/* One that is refused is no end of a batch. */
	driver_wake_at(&self->driver, 5);
	self->all[4] = self->all[0];
	const struct gophership_message two[] = { self->all[5], self->all[4] };

	EXPECT_EQ(1, kicks_of(self->port, two, 2));
}

/* A driver that comes later is kicked then. */
TEST_F(message, no_driver_yet)
{
	gophership_standin_driver(false);
	EXPECT_EQ(1, kicks_of(self->port, self->all, 1));
	EXPECT_EQ(1, kicks_of(self->port, self->all + 1, 1));
	gophership_standin_driver(true);
	EXPECT_EQ(0, gophership_port_wait(self->port, 0));
	EXPECT_EQ(0, kicks_of(self->port, self->all + 2, 1));
	EXPECT_EQ(3, counters_of(self->port).kicks);
}

TEST_F(message, all_of_them_at_once)
{
	unsigned int before = gophership_standin_kicks();
	struct gophership_entry entry;
	struct gophership_port *port;
	struct driver driver;

	ASSERT_EQ(0, open_port(self->gs, 100, GOPHERSHIP_PORT_SUBMIT_ALL, "standin", &port));
	/* When the driver came, they were there: it loses nothing, and is told by the kernel. */
	EXPECT_EQ(100, gophership_standin_ready());
	EXPECT_EQ(before, gophership_standin_kicks());
	ASSERT_TRUE(driver_open(&driver, gophership_port_fd(port)));
	for (uint32_t i = 0; i < 100; i++) {
		ASSERT_TRUE(driver_take(&driver, &entry));
		EXPECT_EQ(i, entry.index);
		EXPECT_EQ(0, entry.offset);
		EXPECT_EQ(0, entry.len);
	}
	EXPECT_FALSE(driver_take(&driver, &entry));
	EXPECT_EQ(0, counters_of(port).held);
	driver_close(&driver);
	gophership_port_close(port);
}

TEST_F(message, wait)
{
	struct gophership_message back[COUNT];

	EXPECT_EQ(0, gophership_port_wait(self->port, 0));
	EXPECT_EQ(0, gophership_port_wait(self->port, 1));
	ASSERT_EQ(COUNT, gophership_port_submit(self->port, self->all, COUNT));
	EXPECT_EQ(0, gophership_port_wait(self->port, 0));
	ASSERT_TRUE(echo(&self->driver));
	EXPECT_EQ(1, gophership_port_wait(self->port, -1));
	EXPECT_EQ(1, gophership_port_wait(self->port, 0));
	EXPECT_EQ(1, gophership_port_receive(self->port, back, COUNT));
	/* The kernel knows where we are, for poll() as well. */
	EXPECT_EQ(1, self->driver.submit->consumed);
	EXPECT_EQ(1, self->driver.submit->wake_at);
	EXPECT_EQ(0, gophership_port_wait(self->port, 0));
	/* Nothing more comes, but what has come is to be received. */
	ASSERT_TRUE(echo(&self->driver));
	driver_goes(&self->driver);
	EXPECT_EQ(1, gophership_port_wait(self->port, -1));
	EXPECT_EQ(1, gophership_port_receive(self->port, back, 1));
	EXPECT_EQ(-EPIPE, gophership_port_wait(self->port, -1));
	EXPECT_EQ(1, counters_of(self->port).gone);
}

static void nothing(int signal)
{
	(void)signal;
}

TEST_F(message, a_signal_ends_the_wait)
{
	const struct sigaction action = { .sa_handler = nothing };
	const struct itimerspec soon = {
		.it_value.tv_nsec = 10000000,
		.it_interval.tv_nsec = 10000000,
	};
	timer_t timer;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, NULL, &timer));
	ASSERT_EQ(0, timer_settime(timer, 0, &soon, NULL));
	errno = 77;
	EXPECT_EQ(-EINTR, gophership_port_wait(self->port, -1));
	EXPECT_EQ(77, errno);
	timer_delete(timer);
}

/* What a thread of the driver does until it has echoed so many. */
static void *echo_many(void *argument)
{
	struct driver *driver = argument;

	while (driver->delivered < LAPS)
		if (!echo(driver))
			sched_yield();
	return NULL;
}

struct receiver {
	struct gophership_port *port;
	void *_Atomic box;	/* for the one that submits */
	uint64_t wrong;
};

/*
 * What is in a buffer. Atomic for the thread sanitizer, which takes the two mappings of
 * a ring for two places, and does not see how one thread follows the other.
 */
static void write_payload(void *data, uint64_t value)
{
	__atomic_store_n((uint64_t *)data, value, __ATOMIC_RELAXED);
}

static uint64_t read_payload(const void *data)
{
	return __atomic_load_n((const uint64_t *)data, __ATOMIC_RELAXED);
}

/* Hands the buffer to the thread that submits. */
static void put_in_box(struct receiver *receiver, void *data)
{
	void *empty = NULL;

	while (!atomic_compare_exchange_weak(&receiver->box, &empty, data)) {
		empty = NULL;
		sched_yield();
	}
}

static void *receive_many(void *argument)
{
	struct receiver *receiver = argument;
	struct gophership_message message;

	for (uint64_t i = 0; i < LAPS; i++) {
		while (!gophership_port_receive(receiver->port, &message, 1))
			gophership_port_wait(receiver->port, 1);
		receiver->wrong += message.tag != i || read_payload(message.data) != i;
		put_in_box(receiver, message.data);
	}
	return NULL;
}

/* One thread submits, one receives, one is the driver; the rings go round many times. */
TEST_F(message, three_threads)
{
	struct receiver receiver = { .port = self->port };
	struct gophership_message message = { .len = 8 };
	pthread_t driver, thread;
	uint64_t sent = 0;

	ASSERT_EQ(0, pthread_create(&driver, NULL, echo_many, &self->driver));
	ASSERT_EQ(0, pthread_create(&thread, NULL, receive_many, &receiver));
	while (sent < LAPS) {
		message.data = sent < COUNT ? gophership_port_buffer(self->port, sent) :
			       atomic_exchange(&receiver.box, NULL);
		if (!message.data) {
			sched_yield();
			continue;
		}
		message.tag = sent;
		write_payload(message.data, sent);
		ASSERT_EQ(1, gophership_port_submit(self->port, &message, 1));
		sent++;
	}
	/* The last ones that came back. */
	for (int i = 0; i < COUNT; i++)
		while (!atomic_exchange(&receiver.box, NULL))
			sched_yield();
	pthread_join(thread, NULL);
	pthread_join(driver, NULL);
	EXPECT_EQ(0, receiver.wrong);
	EXPECT_EQ(COUNT, counters_of(self->port).held);
}

static int in_child(struct gophership_port *port, struct gophership_message *message, int fd)
{
	struct gophership_port_counters counters = { .size = sizeof(counters) };

	if (gophership_port_submit(port, message, 1) || gophership_port_receive(port, message, 1))
		return 1;
	if (gophership_port_wait(port, -1) != -ESTALE || gophership_port_fd(port) != -ESTALE ||
	    gophership_port_stats(port, &counters) != -ESTALE)
		return 2;
	if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
		return 3;
	gophership_port_close(port);
	return 0;
}

TEST_F(message, a_child_has_no_use_of_it)
{
	int fd = gophership_port_fd(self->port), status;
	pid_t pid = fork();

	if (!pid)
		_exit(in_child(self->port, self->all, fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, gophership_port_submit(self->port, self->all, 1));
	EXPECT_TRUE(echo(&self->driver));
	EXPECT_EQ(1, gophership_port_receive(self->port, self->all, 1));
}

TEST_F(message, it_outlives_its_handle)
{
	gophership_close(self->gs);
	self->gs = NULL;
	EXPECT_EQ(1, gophership_port_submit(self->port, self->all, 1));
	memset(self->all[0].data, 1, 100);
	EXPECT_TRUE(echo(&self->driver));
	EXPECT_EQ(1, gophership_port_receive(self->port, self->all, 1));
}

TEST_F(message, options)
{
	struct gophership_port_options options = { .size = sizeof(options), .count = 1 };
	struct gophership_port *port = self->port;

	EXPECT_EQ(-EINVAL, gophership_port_open(self->gs, NULL, &port));
	EXPECT_EQ(NULL, port);
	EXPECT_EQ(-EINVAL, gophership_port_open(self->gs, &options, NULL));
	EXPECT_EQ(-EINVAL, gophership_port_open(NULL, &options, &port));
#define EXPECT_OPEN(result, ...)					\
	do {								\
		struct gophership_port_options wanted = options;	\
									\
		__VA_ARGS__;						\
		errno = 77;						\
		EXPECT_EQ(result, gophership_port_open(self->gs, &wanted, &port));	\
		EXPECT_EQ(77, errno);					\
		gophership_port_close(port);				\
	} while (0)
	EXPECT_OPEN(-EINVAL, wanted.size = 0);
	EXPECT_OPEN(-EINVAL, wanted.size--);
	EXPECT_OPEN(-EINVAL, wanted.size++);
	EXPECT_OPEN(-EINVAL, wanted.flags = 2);
	EXPECT_OPEN(-EINVAL, wanted.count = 0);
	EXPECT_OPEN(-EINVAL, wanted.count = 32769);
	EXPECT_OPEN(-EINVAL, wanted.count = UINT32_MAX);
	EXPECT_OPEN(-EINVAL, wanted.buf_size = LARGEST + 1);
	EXPECT_OPEN(-ENOENT, wanted.endpoint = "none-such");
	EXPECT_OPEN(0, wanted.endpoint = NULL);
	EXPECT_OPEN(0, wanted.buf_size = PAGE + 1);
	EXPECT_OPEN(0, wanted.count = 32768);
}

TEST_F(message, counters)
{
	struct gophership_port_counters counters = { .size = sizeof(counters) - 1 };

	EXPECT_EQ(-EINVAL, gophership_port_stats(self->port, &counters));
	EXPECT_EQ(-EINVAL, gophership_port_stats(NULL, &counters));
	self->driver.deliver->starved = 3;
	self->driver.deliver->lost = 4;
	self->driver.deliver->bad = 5;
	counters.size = sizeof(counters) + 8;
	ASSERT_EQ(0, gophership_port_stats(self->port, &counters));
	EXPECT_EQ(sizeof(counters), counters.size);
	EXPECT_EQ(COUNT, counters.count);
	EXPECT_EQ(3, counters.starved);
	EXPECT_EQ(4, counters.lost);
	EXPECT_EQ(5, counters.bad);
	EXPECT_EQ(0, counters.gone);
}

TEST_HARNESS_MAIN
