// SPDX-License-Identifier: GPL-2.0
/* Ports: what changes sides, in every context, and what a program may write. */
#include <time.h>

#include "fixture.h"

/* Messages */

TEST_F(ports, messages_come_back_as_they_were)
{
	struct gophership_entry entry;
	unsigned int round;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	for (round = 0; round < 1000; round++) {
		__u32 index = round * 3 % 8, len = round * 37 % (PAGE + 1);
		__u32 offset = round * 11 % (PAGE - len + 1);
		__u32 flags = round % 4 & GOPHERSHIP_MESSAGE_MORE;

		ASSERT_EQ(0, port_submit(&self->port, index, offset, len, flags, ~(__u64)round));
		ASSERT_TRUE(receive(&self->port, &entry));
		ASSERT_EQ(index, entry.index);
		ASSERT_EQ(offset, entry.offset);
		ASSERT_EQ(len, entry.len);
		ASSERT_EQ(flags, entry.flags);
		ASSERT_EQ(~(__u64)round, entry.tag);
	}
	EXPECT_EQ(0, self->port.deliver->bad);
}

TEST_F(ports, whole_bank_may_be_under_way)
{
	struct gophership_entry entry;
	unsigned int round, i, seen;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 8; i++)
			port_write(&self->port, i, 0, i, GOPHERSHIP_MESSAGE_BATCH, i);
		ASSERT_EQ(0, port_kick(&self->port));
		for (seen = 0, i = 0; i < 8; i++) {
			ASSERT_TRUE(receive(&self->port, &entry));
			EXPECT_EQ(entry.index, entry.tag);
			seen |= 1U << entry.index;
		}
		ASSERT_EQ(0xff, seen);
	}
}

TEST_F(ports, bad_entries_are_skipped_and_counted)
{
	struct gophership_entry entry;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	port_write(&self->port, 8, 0, 1, 0, 1);
	port_write(&self->port, ~0U, 0, 1, 0, 2);
	port_write(&self->port, 0, 0, PAGE + 1, 0, 3);
	port_write(&self->port, 0, 1, PAGE, 0, 4);
	port_write(&self->port, 0, PAGE + 1, 0, 0, 5);
	port_write(&self->port, 0, 1, ~0U, 0, 6);
	port_write(&self->port, 0, 0, 1, 1U << 31, 7);
	ASSERT_EQ(0, port_submit(&self->port, 0, PAGE, 0, 0, 8));
	if (self->port.received == 0)
		port_kick(&self->port);
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(8, entry.tag);
	EXPECT_EQ(7, self->port.deliver->bad);
	EXPECT_FALSE(port_receive(&self->port, &entry));
	/* An operator sees the same. */
	EXPECT_TRUE(port_tells(&self->port, "driver:\tgophership_echo"));
	EXPECT_TRUE(port_tells(&self->port, "bad:\t7"));
	EXPECT_TRUE(port_tells(&self->port, "lost:\t0"));
	EXPECT_TRUE(port_tells(&self->port, "program:\t8"));
	EXPECT_TRUE(port_tells(&self->port, "at-driver:\t0"));
}

TEST_F(ports, driver_is_called_again_behind_bad_entries)
{
	struct gophership_entry entry;
	struct port port;
	int i;

	ASSERT_EQ(0, port_open(self->device, PAGE, 32, &port));
	ASSERT_EQ(0, port_attach(&port, ECHO));
	/* More than a take skips, and one KICK for all. */
	for (i = 0; i < 30; i++)
		port_write(&port, 99, 0, 0, 0, i);
	port_write(&port, 3, 0, 0, 0, i);
	ASSERT_EQ(0, port_kick(&port));
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(3, entry.index);
	EXPECT_EQ(30, port.deliver->bad);
	port_close(&port);
}

TEST_F(ports, buffer_that_is_not_ours_is_a_bad_entry)
{
	struct gophership_entry entry;

	/* Before there is a driver: twice the same. */
	port_write(&self->port, 3, 0, 1, 0, 1);
	port_write(&self->port, 3, 0, 2, 0, 2);
	set_parameter("quiet", "1");
	set_parameter("stuck", "1");
	ASSERT_EQ(0, port_attach(&self->port, PULSE));
	set_parameter("quiet", "0");
	set_parameter("stuck", "0");
	/* The driver keeps the first for good. */
	port_write(&self->port, 3, 0, 3, 0, 3);
	port_write(&self->port, 4, 0, 4, 0, 4);
	ASSERT_TRUE(receive(&self->port, &entry));
	EXPECT_EQ(4, entry.tag);
	EXPECT_EQ(2, self->port.deliver->bad);
}

TEST_F(ports, wrong_seq_is_no_entry)
{
	struct gophership_entry *at, entry;
	__u32 wrong[] = { 0, 2, 3, 9, 17, ~0U, 0x80000001 };
	unsigned int i;

	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	at = port_entry(&self->port, 0);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		at->seq = wrong[i];
		ASSERT_EQ(0, port_kick(&self->port));
		ASSERT_FALSE(port_receive(&self->port, &entry));
	}
	EXPECT_EQ(0, self->port.deliver->bad);
	ASSERT_EQ(0, port_submit(&self->port, 0, 0, 0, 0, 0));
	EXPECT_TRUE(receive(&self->port, &entry));
}

TEST_F(ports, misuse_by_a_driver_is_refused)
{
	long before = parameter("mistakes");
	struct gophership_entry entry;
	struct port port;
	int i;

	ASSERT_EQ(0, port_open(self->device, PAGE, 16, &port));
	port_write(&port, 2, 5, 6, 0, 77);
	for (i = 0; i < 8; i++)
		port_write(&port, 99, 0, 0, 0, i);
	/* A take skips eight and gives up; so the driver has lost something when it gets this. */
	port_write(&port, 1, 0, 0, 0, 78);
	set_parameter("quiet", "1");
	set_parameter("misuse", "1");
	EXPECT_EQ(0, port_attach(&port, PULSE));
	set_parameter("misuse", "0");
	set_parameter("quiet", "0");
	EXPECT_EQ(before, parameter("mistakes"));
	/* Outside of the buffer: delivered with nothing in it. */
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(2, entry.index);
	EXPECT_EQ(0, entry.len);
	EXPECT_EQ(0, entry.offset);
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(78, entry.tag);
	EXPECT_EQ(GOPHERSHIP_MESSAGE_LOST, entry.flags);
	EXPECT_EQ(3, port.deliver->lost);
	EXPECT_EQ(8, port.deliver->bad);
	port_write(&port, 1, 0, 0, 0, 79);
	ASSERT_TRUE(receive(&port, &entry));
	EXPECT_EQ(79, entry.tag);
	EXPECT_EQ(0, entry.flags);
	port_close(&port);
}

/* All contexts */

TEST_F_TIMEOUT(ports, all_contexts_take_and_deliver_at_once, 120)
{
	long hardirqs = parameter("hardirqs"), nmis = parameter("nmis"), tasks = parameter("tasks");
	struct gophership_entry entry;
	struct timespec begin;
	struct port port;
	long nr = 0, i;
	__u64 *payload;

	ASSERT_EQ(0, port_open(self->device, PAGE, 64, &port));
	ASSERT_EQ(0, port_attach(&port, PULSE));
	for (i = 0; i < 64; i++)
		port_write(&port, i, 0, 8, 0, i);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (in_time(&begin) &&
	       (nr < 50000 || parameter("hardirqs") - hardirqs < 200 ||
		parameter("nmis") - nmis < 200 || parameter("tasks") - tasks < 200)) {
		for (i = 0; i < 256; i++) {
			if (!port_receive(&port, &entry))
				break;
			ASSERT_LT(entry.index, 64);
			ASSERT_EQ(entry.index, entry.tag);
			payload = (__u64 *)port_buffer(&port, entry.index);
			ASSERT_EQ(entry.tag, __atomic_load_n(payload, __ATOMIC_RELAXED));
			__atomic_store_n(payload, ~0ULL, __ATOMIC_RELAXED);
			port_write(&port, entry.index, 0, 8, 0, entry.tag);
			nr++;
		}
	}
	TH_LOG("%ld buffers; %ld by tasks, %ld by hard interrupts, %ld by NMIs", nr,
	       parameter("tasks") - tasks, parameter("hardirqs") - hardirqs,
	       parameter("nmis") - nmis);
	EXPECT_EQ(0, parameter("mistakes"));
	EXPECT_EQ(0, port.deliver->bad);
	EXPECT_LE(200, parameter("hardirqs") - hardirqs);
	EXPECT_LE(200, parameter("nmis") - nmis);
	port_close(&port);
}

/* A hostile program */

/* The driver's position in the submit ring, if it gives back all that it takes. */
static __u32 taken(const struct port *port)
{
	const struct gophership_entry *entries;
	__u32 delivered = 0, i;

	entries = (void *)((char *)port->deliver + GOPHERSHIP_PORT_ENTRIES_OFFSET);
	for (i = 0; i < port->setup.entries; i++)
		if ((__s32)(entries[i].seq - delivered) > 0)
			delivered = entries[i].seq;
	return port->deliver->bad + delivered;
}

static unsigned int dice(unsigned int *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

TEST_F_TIMEOUT(ports, hostile_submit_map_harms_nobody, 120)
{
	unsigned int seed = time(NULL), i;
	struct gophership_entry entry;
	struct timespec begin;
	struct port port;

	TH_LOG("seed %u", seed);
	ASSERT_EQ(0, port_open(self->device, PAGE, 8, &port));
	ASSERT_EQ(0, port_attach(&port, PULSE));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; i < 300000 && in_time(&begin); i++) {
		struct gophership_entry *at = port_entry(&port, dice(&seed));

		switch (dice(&seed) % 8) {
		case 0:
			at->index = dice(&seed) % 2 ? dice(&seed) % 16 : dice(&seed) * dice(&seed);
			break;
		case 1:
			at->len = dice(&seed) % 8192;
			break;
		case 2:
			at->offset = dice(&seed) % 9000 - dice(&seed) % 2 * 9000;
			break;
		case 3:
			at->seq = port.submitted + dice(&seed) % 16 - 8;
			break;
		case 4:
			port.submit->wake_at = dice(&seed);
			port.submit->consumed = dice(&seed) * 3;
			break;
		case 5:
			port.submitted = taken(&port);
			__attribute__((__fallthrough__));
		default:
			port_write(&port, dice(&seed) % 9, 0, dice(&seed) % 5000, 0, i);
			break;
		}
		if (i % 1024 == 0)
			port_events(&port);
	}
	EXPECT_EQ(0, parameter("mistakes"));
	EXPECT_LT(0, port.deliver->bad);
	port_close(&port);
	/* The other port works. */
	ASSERT_EQ(0, port_attach(&self->port, ECHO));
	ASSERT_EQ(0, port_submit(&self->port, 0, 0, 0, 0, 1));
	EXPECT_TRUE(receive(&self->port, &entry));
}

TEST_HARNESS_MAIN
