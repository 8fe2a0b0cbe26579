// SPDX-License-Identifier: GPL-2.0
/* Ports: who sleeps, and who wakes. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

/* Sleep and wake */

TEST_F(ports, poll_tells_what_there_is)
{
	struct gophership_entry entry;

	EXPECT_EQ(0, port_events(&self->port));
	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	EXPECT_EQ(0, port_events(&self->port));
	ASSERT_EQ(0, port_kick(&self->port));
	EXPECT_EQ(POLLPRI, port_events(&self->port));
	EXPECT_EQ(1, self->port.deliver->starved);
	port_write(&self->port, 0, 0, 0, 0, 0);
	EXPECT_EQ(0, port_events(&self->port));
	ASSERT_EQ(0, port_kick(&self->port));
	EXPECT_EQ(POLLIN | POLLPRI, port_events(&self->port));
	ASSERT_TRUE(port_receive(&self->port, &entry));
	EXPECT_EQ(POLLPRI, port_events(&self->port));
	EXPECT_EQ(2, self->port.deliver->starved);
}

/* Its KICK found no driver, and no later one is due. */
TEST_F(ports, what_was_submitted_before_the_driver_came_is_announced)
{
	struct gophership_entry entry;

	port_write(&self->port, 5, 0, 0, 0, 55);
	ASSERT_EQ(-ENOTCONN, port_kick(&self->port));
	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	ASSERT_EQ(1, port_wait(&self->port, 60000));
	ASSERT_TRUE(port_receive(&self->port, &entry));
	EXPECT_EQ(5, entry.index);
	EXPECT_EQ(55, entry.tag);
}

/* BATCH is about the way to the driver: what comes back wakes. */
TEST_F(ports, batch_does_not_come_back)
{
	struct gophership_entry entry;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	port_write(&self->port, 2, 0, 0, GOPHERSHIP_MESSAGE_BATCH, 7);
	ASSERT_EQ(0, port_kick(&self->port));
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(7, entry.tag);
	EXPECT_EQ(0, entry.flags);
}

TEST_F(ports, driver_that_found_nothing_wants_a_kick)
{
	struct gophership_entry entry;
	int i;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	for (i = 0; i < 20; i++) {
		/* Echo sleeps: nothing comes back unless the kick is asked for. */
		ASSERT_EQ(self->port.submitted, self->port.deliver->wake_at);
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 0, 0, i));
		ASSERT_TRUE(port_receive(&self->port, &entry));
		ASSERT_EQ(i, entry.tag);
	}
}

static bool has_starved(const struct port *port, __u32 times)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (__atomic_load_n(&port->deliver->starved, __ATOMIC_RELAXED) < times)
		if (!in_time(&begin))
			return false;
	return true;
}

/* Not for the first buffer, and not after it has found nothing. */
TEST_F(ports, driver_that_polls_wants_no_kick)
{
	struct gophership_entry entry;
	__u32 i;

	set_parameter("quiet", "1");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("quiet", "0");
	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(has_starved(&self->port, i + 1));
		/* None that comes soon, and none that may have been filled just now. */
		ASSERT_LT(GOPHERSHIP_PORT_COUNT_MAX, self->port.deliver->wake_at - i);
		ASSERT_LT(GOPHERSHIP_PORT_COUNT_MAX, i - self->port.deliver->wake_at);
		port_write(&self->port, i % 8, 0, 8, 0, i);
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_EQ(i, entry.tag);
	}
}

/* A driver that finds nothing wakes, too; so it has to find that before it delivers. */
TEST_F_TIMEOUT(ports, late_delivery_wakes, 120)
{
	struct gophership_entry entry;
	int i;

	set_parameter("quiet", "1");
	set_parameter("hold_ms", "300");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("hold_ms", "0");
	set_parameter("quiet", "0");
	/* The 16th comes late. */
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 8, 0, i));
		while (!port_receive(&self->port, &entry))
			ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
	}
	EXPECT_EQ(7, entry.index);
	EXPECT_EQ(~0ULL, entry.tag);
}

/* The same with BATCH: nothing but the flush that follows can wake. */
TEST_F_TIMEOUT(ports, flush_wakes, 120)
{
	struct gophership_entry entry;
	int i;

	set_parameter("quiet", "1");
	set_parameter("batch", "1");
	set_parameter("hold_ms", "300");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("hold_ms", "0");
	set_parameter("batch", "0");
	set_parameter("quiet", "0");
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 8, 0, i));
		while (!port_receive(&self->port, &entry))
			ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
	}
	EXPECT_EQ(7, entry.index);
	EXPECT_EQ(GOPHERSHIP_MESSAGE_BATCH, entry.flags);
}

/**
 * struct waker - a thread that submits when another one sleeps
 * @port: where to
 * @sleeper: the other one
 * @batch: one with BATCH comes before the one that wakes
 */
struct waker {
	struct port *port;
	pid_t sleeper;
	bool batch;
};

static bool sleeps(pid_t thread)
{
	char path[64], text[128] = "";
	const char *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	fd = open(path, O_RDONLY);
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	state = strrchr(text, ')');
	return state && state[2] == 'S';
}

static void *submit_to_sleeper(void *argument)
{
	const struct waker *waker = argument;

	while (!sleeps(waker->sleeper))
		sched_yield();
	if (waker->batch)
		port_write(waker->port, 1, 0, 0, GOPHERSHIP_MESSAGE_BATCH, 1);
	port_write(waker->port, 2, 0, 0, 0, 2);
	return NULL;
}

TEST_F_TIMEOUT(ports, sleeper_is_woken_in_any_context, 240)
{
	struct waker waker = { &self->port, syscall(SYS_gettid), false };
	struct gophership_entry entry;
	pthread_t thread;
	int i;

	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, submit_to_sleeper, &waker));
		ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_EQ(2, entry.tag);
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
	/* And without a pause: the sleeper comes at any moment. */
	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 8, 0, i));
		while (!port_receive(&self->port, &entry))
			ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
		ASSERT_EQ(i, entry.tag);
	}
}

TEST_F_TIMEOUT(ports, batch_sleeps_on, 120)
{
	struct waker waker = { &self->port, syscall(SYS_gettid), true };
	struct gophership_entry entry;
	pthread_t thread;
	int i;

	set_parameter("quiet", "1");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("quiet", "0");
	/* What comes with BATCH wakes with the next one without. */
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, submit_to_sleeper, &waker));
		ASSERT_EQ(1, port_wait(&self->port, PATIENCE));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
}

static void cpu1_online(bool online)
{
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);

	if (write(fd, online ? "1" : "0", 1) != 1)
		perror("cpu1/online");
	close(fd);
}

static void *unplug_when_asleep(void *sleeper)
{
	while (!sleeps(*(pid_t *)sleeper))
		sched_yield();
	cpu1_online(false);
	return NULL;
}

/* The driver delivers on a CPU that runs no interrupts and no irq_works any more. */
TEST_F_TIMEOUT(ports, a_cpu_that_goes_wakes, 120)
{
	pid_t sleeper = syscall(SYS_gettid);
	struct gophership_entry entry;
	pthread_t thread;
	int i, error, woken;

	set_parameter("quiet", "1");
	set_parameter("going", "1");
	set_parameter("hold_ms", "1");
	error = port_attach(&self->port, PULSE);
	set_parameter("hold_ms", "0");
	set_parameter("going", "0");
	set_parameter("quiet", "0");
	if (error == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, error);
	for (i = 0; i < 16; i++) {
		ASSERT_TRUE(has_starved(&self->port, i + 1));
		ASSERT_EQ(0, port_submit(&self->port, i % 8, 0, 8, 0, i));
		ASSERT_TRUE(i == 15 || receive(&self->port, &entry));
	}
	/* The 16th comes when CPU 1 goes, and nothing else wakes from here on. */
	ASSERT_TRUE(has_starved(&self->port, 17));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unplug_when_asleep, &sleeper));
	do {
		woken = port_wait(&self->port, PATIENCE);
	} while (woken == 1 && !port_receive(&self->port, &entry));
	pthread_join(thread, NULL);
	cpu1_online(true);
	ASSERT_EQ(1, woken);
	EXPECT_EQ(7, entry.index);
	EXPECT_EQ(~0ULL, entry.tag);
}

TEST_F(ports, bulk_calls_keep_the_order_and_skip_what_is_bad)
{
	struct gophership_entry entry;
	unsigned int round, i;
	struct port port;

	ASSERT_EQ(0, port_open(self->device, PAGE, 64, &port));
	/* A whole bank with eight that are bad among them, before there is a driver. */
	for (i = 0; i < 56; i++) {
		port_write(&port, i, i, i, 0, i);
		if (i % 7 == 6)
			port_write(&port, i, 0, 1, 0, 99);
	}
	set_parameter("quiet", "1");
	set_parameter("bulk", "1");
	ASSERT_EQ(0, port_attach(&port, PULSE));
	set_parameter("bulk", "0");
	set_parameter("quiet", "0");
	for (i = 0; i < 56; i++) {
		while (!port_receive(&port, &entry))
			ASSERT_EQ(1, port_wait(&port, PATIENCE));
		ASSERT_EQ(i, entry.index);
		ASSERT_EQ(i, entry.tag);
		ASSERT_EQ(i, entry.offset);
		ASSERT_EQ(i, entry.len);
		ASSERT_EQ(GOPHERSHIP_MESSAGE_BATCH, entry.flags);
	}
	EXPECT_EQ(8, port.deliver->bad);
	/* All that comes has BATCH, so that only the flush wakes. */
	for (round = 0; round < 200; round++) {
		for (i = 0; i < 3; i++)
			port_write(&port, i, 0, i, 0, round);
		for (i = 0; i < 3; i++) {
			while (!port_receive(&port, &entry))
				ASSERT_EQ(1, port_wait(&port, PATIENCE));
			ASSERT_EQ(i, entry.index);
			ASSERT_EQ(round, entry.tag);
		}
	}
	EXPECT_EQ(0, parameter("mistakes"));
	port_close(&port);
}

TEST_HARNESS_MAIN
