// SPDX-License-Identifier: GPL-2.0
/*
 * gophershipctl records, in one process: files that are cut at each byte, spoiled at each
 * byte, and random. It prints, complains, and ends; sanitizers look on.
 *
 * FUZZ_ROUNDS and FUZZ_SEED in the environment are for longer runs.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blocks.h"
#include "../../userspace/ctl/merge.h"

#include <kselftest_harness.h>

#define NR_FORMS	(PRINTER_SHOWN + 1)

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 32) % bound;
}

/* Blocks of some CPUs, with text and other bytes. */
static struct blocks make_blocks(unsigned int nr)
{
	static const char text[] = "some text\n\xff\xc3\x28";
	struct blocks blocks = { 0 };
	uint64_t next[3] = { 0 };
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		struct gophership_stream_block head = {
			.flags = i % 2, .cpu = i % 3, .lost = i % 4, .time = 100 * i,
		};

		next[i % 3] += head.lost;
		head.sequence = next[i % 3];
		blocks_begin(&blocks, head, i == 1 ? 8 : 0);
		for (j = 0; j < i % 4; j++)
			blocks_put(&blocks, text, 8 + j + i % 3, 100 * i + j, 0);
		next[i % 3] += j;
	}
	return blocks;
}

/* Reads a file both ways, and prints it in some form. Returns the worse status. */
static enum status read_file(int fd, size_t from, enum printer_form form)
{
	enum status worst = STATUS_OK, status;
	unsigned int way;

	for (way = 0; way < 2; way++) {
		struct printer printer = { .form = form };
		struct ledger ledger;
		struct source source;

		lseek(fd, from, SEEK_SET);
		dup2(fd, STDIN_FILENO);
		if (source_open(&source, "-") != STATUS_OK || !ledger_make(&ledger))
			return STATUS_DEVICE;
		status = way ? print_merged(&printer, &ledger, &source) :
			       print_arrived(&printer, &ledger, &source);
		worst = status > worst ? status : worst;
		source_close(&source);
		ledger_free(&ledger);
	}
	return worst;
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("stream", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

FIXTURE(merge) {
	struct blocks blocks;
	int fd;
};

/* What it prints is not looked at here. */
FIXTURE_SETUP(merge)
{
	ASSERT_NE(NULL, freopen("/dev/null", "w", stdout));
	complain_quietly();
	self->blocks = make_blocks(9);
	self->fd = file_of(self->blocks.data, self->blocks.size);
}

FIXTURE_TEARDOWN(merge)
{
	free(self->blocks.data);
	close(self->fd);
}

/* Complaints by the thousand are not looked at either. */
static void be_silent(void)
{
	if (!freopen("/dev/null", "w", stderr))
		abort();
}

TEST_F(merge, a_whole_file)
{
	EXPECT_EQ(STATUS_OK, read_file(self->fd, 0, PRINTER_TEXT));
	EXPECT_EQ(STATUS_OK, read_file(self->fd, 0, PRINTER_JSON));
	EXPECT_EQ(STATUS_OK, read_file(self->fd, 0, PRINTER_DATA));
	EXPECT_EQ(STATUS_OK, read_file(self->fd, 0, PRINTER_SHOWN));
}

TEST_F_TIMEOUT(merge, every_truncation, 120)
{
	struct gophership_stream_block head;
	size_t size, whole = 0;
	enum status expected;
	int fd;

	be_silent();
	for (size = 0; size < self->blocks.size; size++) {
		expected = size == whole ? STATUS_OK : STATUS_DAMAGED;
		if (size == whole) {
			memcpy(&head, self->blocks.data + whole, sizeof(head));
			whole += head.length;
		}
		fd = file_of(self->blocks.data, size);
		ASSERT_EQ(expected, read_file(fd, 0, size % NR_FORMS));
		close(fd);
	}
}

TEST_F_TIMEOUT(merge, every_corruption, 120)
{
	static const unsigned char values[] = { 0, 0x7f, 0x80, 0xff };
	size_t at, i;

	be_silent();
	for (at = 0; at < self->blocks.size; at++) {
		for (i = 0; i < sizeof(values); i++) {
			ASSERT_EQ(1, pwrite(self->fd, &values[i], 1, at));
			ASSERT_GE(STATUS_DAMAGED, read_file(self->fd, 0, at % NR_FORMS));
		}
		ASSERT_EQ(1, pwrite(self->fd, self->blocks.data + at, 1, at));
	}
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* Several bytes at once, read from any place on. */
TEST_F_TIMEOUT(merge, random_input, 120)
{
	unsigned long seed = from_environment("FUZZ_SEED", 1), round;
	unsigned long rounds = from_environment("FUZZ_ROUNDS", 500);
	unsigned char *copy = malloc(self->blocks.size);
	unsigned int i;
	size_t from;
	int fd;

	be_silent();
	for (round = 0; round < rounds; round++) {
		random_state = seed + round;
		memcpy(copy, self->blocks.data, self->blocks.size);
		for (i = random_below(10); i; i--)
			copy[random_below(self->blocks.size)] = random_below(256);
		fd = file_of(copy, 1 + random_below(self->blocks.size));
		from = random_below(4) ? 0 : random_below(200);
		ASSERT_GE(STATUS_DAMAGED, read_file(fd, from, round % NR_FORMS));
		close(fd);
	}
	free(copy);
}

TEST_HARNESS_MAIN
