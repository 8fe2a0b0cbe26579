// SPDX-License-Identifier: GPL-2.0
/*
 * The reader of streams: what was written comes back, and no byte outside of what it was
 * given is touched, whatever the bytes say.
 *
 * FUZZ_ROUNDS and FUZZ_SEED in the environment are for longer runs.
 */
#include <byteswap.h>
#include <sys/mman.h>

#include <gophership_records.h>

#include "blocks.h"
#include "fixture.h"

/* Records of the block that the tests spoil, the discarded one not counted. */
#define GOOD		9
/* Room for any block here, and for every place to begin at. */
#define ROOM		(64 * 1024)

/**
 * struct guarded - a copy of bytes that ends where no memory is
 * @map: the mapping
 * @data: the copy
 */
struct guarded {
	unsigned char *map;
	unsigned char *data;
};

static struct guarded guarded_new(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct guarded guarded;

	guarded.map = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guarded.map == MAP_FAILED || mprotect(guarded.map + ROOM, page, PROT_NONE))
		abort();
	guarded.data = guarded.map + ROOM;
	return guarded;
}

static unsigned char *guarded_copy(struct guarded *guarded, const void *data, size_t size)
{
	guarded->data = guarded->map + ROOM - size;
	return memcpy(guarded->data, data, size);
}

/* The i-th record of the block: some of each length. */
static uint32_t length_of(unsigned int i)
{
	static const uint32_t lengths[GOOD] = { 5, 0, 8, 1, 16, 7, 100, 64, 33 };

	return lengths[i];
}

static void fill(unsigned char *data, uint32_t len, unsigned int i)
{
	uint32_t j;

	for (j = 0; j < len; j++)
		data[j] = 17 * i + j;
}

/* A block with times or without; the discarded record is the 4th. */
static void put_good(struct blocks *blocks, uint32_t flags, size_t unknown)
{
	struct gophership_stream_block head = {
		.flags = flags, .cpu = 3, .sequence = 1000, .lost = 7, .time = 123,
	};
	unsigned char data[128];
	unsigned int i;

	blocks_begin(blocks, head, unknown);
	for (i = 0; i < GOOD; i++) {
		if (i == 3)
			blocks_put(blocks, "gone", 4, 0, GOPHERSHIP_STREAM_DISCARDED);
		fill(data, length_of(i), i);
		blocks_put(blocks, data, length_of(i), 5000 + i, 0);
	}
}

/* Is it the i-th of the block? */
static bool is_good(const struct gophership_record *record, unsigned int i, uint32_t flags)
{
	unsigned char data[128];

	fill(data, length_of(i), i);
	return record->len == length_of(i) && !memcmp(record->data, data, record->len) &&
	       record->cpu == 3 && record->sequence == 1000 + i &&
	       record->time == (flags & GOPHERSHIP_STREAM_TIMES ? 5000 + i : 123);
}

/* How many of them come back before something else than a record does, and that. */
static unsigned int read_good(const void *data, size_t size, uint32_t flags, int *ret)
{
	struct gophership_stream_reader reader;
	struct gophership_record record;
	unsigned int i = 0;

	*ret = gophership_stream_begin(&reader, data, size);
	if (*ret)
		return 0;
	for (;;) {
		*ret = gophership_stream_next(&reader, &record);
		if (*ret != 1)
			return i;
		if (i == GOOD || !is_good(&record, i, flags))
			return 1000;
		i++;
	}
}

static volatile unsigned char touched;

/* Reads whatever it is. False if a record is not in there, or if there is no end to them. */
static bool read_bad(const unsigned char *data, size_t size)
{
	struct gophership_stream_reader reader;
	struct gophership_record record;
	const unsigned char *bytes;
	size_t nr = 0;
	uint32_t i;
	int ret;

	gophership_stream_begin(&reader, data, size);
	while ((ret = gophership_stream_next(&reader, &record)) == 1) {
		bytes = record.data;
		if (bytes < data || record.len > size || bytes > data + size - record.len)
			return false;
		for (i = 0; i < record.len; i++)
			touched = bytes[i];
		if (++nr > size / sizeof(struct gophership_stream_record))
			return false;
	}
	return ret <= 0 && gophership_stream_next(&reader, &record) == ret;
}

TEST(every_length_comes_back)
{
	struct guarded guarded = guarded_new();
	struct gophership_stream_reader reader;
	struct gophership_record record;
	unsigned char data[600];
	uint32_t flags, len;

	fill(data, sizeof(data), 1);
	for (flags = 0; flags <= GOPHERSHIP_STREAM_TIMES; flags++) {
		struct blocks blocks = { 0 };

		blocks_begin(&blocks, (struct gophership_stream_block) { .flags = flags }, 0);
		for (len = 0; len < sizeof(data) / 3; len++)
			blocks_put(&blocks, data + len, len, len, 0);
		guarded_copy(&guarded, blocks.data, blocks.size);
		ASSERT_EQ(0, gophership_stream_begin(&reader, guarded.data, blocks.size));
		for (len = 0; len < sizeof(data) / 3; len++) {
			ASSERT_EQ(1, gophership_stream_next(&reader, &record));
			ASSERT_EQ(len, record.len);
			ASSERT_EQ(0, ((const unsigned char *)record.data - guarded.data) % 8);
			ASSERT_EQ(0, memcmp(record.data, data + len, len));
			ASSERT_EQ(len, record.sequence);
			ASSERT_EQ(flags ? len : 0, record.time);
		}
		ASSERT_EQ(0, gophership_stream_next(&reader, &record));
		free(blocks.data);
	}
}

TEST(it_may_begin_anywhere)
{
	const uint32_t times = GOPHERSHIP_STREAM_TIMES;
	struct blocks blocks = { 0 };
	unsigned char *memory;
	size_t offset;
	int ret;

	put_good(&blocks, times, 0);
	for (offset = 0; offset < 16; offset++) {
		memory = malloc(offset + blocks.size);
		memcpy(memory + offset, blocks.data, blocks.size);
		EXPECT_EQ(GOOD, read_good(memory + offset, blocks.size, times, &ret));
		EXPECT_EQ(0, ret);
		free(memory);
	}
	free(blocks.data);
}

TEST(what_a_later_kernel_adds_is_skipped)
{
	size_t unknown;
	int ret;

	for (unknown = 0; unknown <= 64; unknown += 8) {
		struct blocks blocks = { 0 };

		put_good(&blocks, 0, unknown);
		EXPECT_EQ(GOOD, read_good(blocks.data, blocks.size, 0, &ret));
		EXPECT_EQ(0, ret);
		free(blocks.data);
	}
}

TEST(what_follows_a_block_is_another)
{
	struct gophership_stream_block head;
	struct blocks blocks = { 0 };
	size_t at = 0;
	int i, ret;

	for (i = 0; i < 3; i++)
		put_good(&blocks, 0, 8 * i);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, gophership_stream_check(blocks.data + at, sizeof(head), &head));
		EXPECT_EQ(GOOD, read_good(blocks.data + at, blocks.size - at, 0, &ret));
		EXPECT_EQ(0, ret);
		EXPECT_EQ(7, head.lost);
		at += head.length;
	}
	EXPECT_EQ(blocks.size, at);
	free(blocks.data);
}

TEST(each_refusal_has_its_error)
{
	struct gophership_stream_block good, head, out;
	struct blocks blocks = { 0 };
	int ret;

	put_good(&blocks, 0, 0);
	good = blocks_head(&blocks);
#define REFUSED(error, field, value)							\
	do {										\
		head = good;								\
		head.field = value;							\
		blocks_set_head(&blocks, head);						\
		EXPECT_EQ(error, gophership_stream_check(blocks.data, blocks.size, &out));	\
		EXPECT_EQ(0, out.length);						\
		EXPECT_EQ(0, read_good(blocks.data, blocks.size, 0, &ret));		\
		EXPECT_EQ(error, ret);							\
	} while (0)
	REFUSED(-EINVAL, magic, GOPHERSHIP_STREAM_MAGIC + 1);
	REFUSED(-EINVAL, magic, 0);
	REFUSED(-EXDEV, magic, bswap_32(GOPHERSHIP_STREAM_MAGIC));
	REFUSED(-EPROTONOSUPPORT, version, 0);
	REFUSED(-EPROTONOSUPPORT, version, GOPHERSHIP_STREAM_VERSION + 1);
	REFUSED(-EBADMSG, header_size, sizeof(head) - 8);
	REFUSED(-EBADMSG, header_size, sizeof(head) + 4);
	REFUSED(-EBADMSG, header_size, good.length + 8);
	REFUSED(-EBADMSG, length, 0);
	REFUSED(-EBADMSG, length, sizeof(head) - 8);
	REFUSED(-EBADMSG, length, good.length - 1);
	EXPECT_EQ(-ENODATA, gophership_stream_check(NULL, 0, &out));
	free(blocks.data);
}

/* The other order tells before the version does, which has that order, too. */
TEST(another_byte_order_is_named)
{
	struct gophership_stream_block out;
	struct blocks blocks = { 0 };
	size_t i;

	put_good(&blocks, 0, 0);
	for (i = 0; i < 2; i++) {
		unsigned char byte = blocks.data[i];

		blocks.data[i] = blocks.data[3 - i];
		blocks.data[3 - i] = byte;
	}
	EXPECT_EQ(-EXDEV, gophership_stream_check(blocks.data, blocks.size, &out));
	EXPECT_EQ(-EXDEV, gophership_stream_check(blocks.data, 4, &out));
	EXPECT_NE(NULL, strstr(gophership_stream_reason(-EXDEV), "byte order"));
	free(blocks.data);
}

TEST(the_number_of_records_is_compared)
{
	struct gophership_stream_block good, head;
	struct blocks blocks = { 0 };
	int ret;

	put_good(&blocks, 0, 0);
	good = blocks_head(&blocks);
	head = good;
	head.records++;
	blocks_set_head(&blocks, head);
	EXPECT_EQ(GOOD, read_good(blocks.data, blocks.size, 0, &ret));
	EXPECT_EQ(-EBADMSG, ret);
	/* The sequence of one too many would be another's. */
	head.records = GOOD - 1;
	blocks_set_head(&blocks, head);
	EXPECT_EQ(GOOD - 1, read_good(blocks.data, blocks.size, 0, &ret));
	EXPECT_EQ(-EBADMSG, ret);
	free(blocks.data);
}

/* Of a block that is cut anywhere, the records that are whole come back. */
TEST(every_truncation)
{
	const uint32_t times = GOPHERSHIP_STREAM_TIMES;
	struct guarded guarded = guarded_new();
	struct blocks blocks = { 0 };
	size_t size, at, ends[GOOD];
	unsigned int i, whole;
	int ret;

	put_good(&blocks, times, 8);
	for (i = 0, at = sizeof(struct gophership_stream_block) + 8; i < GOOD; i++) {
		if (i == 3)
			at += 24;
		ends[i] = at + 16 + length_of(i);
		at = (ends[i] + 7) / 8 * 8;
	}
	ASSERT_EQ(blocks.size, at);
	for (size = 0; size < blocks.size; size++) {
		for (whole = 0; whole < GOOD && ends[whole] <= size;)
			whole++;
		ASSERT_EQ(whole, read_good(guarded_copy(&guarded, blocks.data, size), size, times,
					   &ret));
		ASSERT_EQ(-ENODATA, ret);
	}
	free(blocks.data);
}

static bool survives_corruptions(struct guarded *guarded, struct blocks *blocks, size_t at)
{
	static const unsigned char values[] = { 0, 1, 7, 8, 0x7f, 0x80, 0xf8, 0xff };
	unsigned char *copy = guarded_copy(guarded, blocks->data, blocks->size);
	unsigned int i;

	for (i = 0; i < sizeof(values); i++) {
		copy[at] = values[i];
		if (!read_bad(copy, blocks->size))
			return false;
	}
	for (i = 0; i < 8; i++) {
		copy[at] = blocks->data[at] ^ (1U << i);
		if (!read_bad(copy, blocks->size))
			return false;
	}
	return true;
}

TEST(every_corruption)
{
	struct guarded guarded = guarded_new();
	uint32_t flags;
	size_t at;

	for (flags = 0; flags <= GOPHERSHIP_STREAM_TIMES; flags++) {
		struct blocks blocks = { 0 };

		put_good(&blocks, flags, 8 * flags);
		for (at = 0; at < blocks.size; at++)
			ASSERT_TRUE(survives_corruptions(&guarded, &blocks, at))
				TH_LOG("byte %zu", at);
		free(blocks.data);
	}
}

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 32) % bound;
}

/* Bytes without a sense, behind a head that passes. */
static size_t make_random(unsigned char *data)
{
	size_t size = random_below(600), i;
	struct gophership_stream_block head = {
		.magic = GOPHERSHIP_STREAM_MAGIC,
		.version = GOPHERSHIP_STREAM_VERSION,
		.header_size = sizeof(head) + 8 * random_below(4),
		.length = random_below(4) ? 8 * random_below(100) : random_below(0xffffffff),
		.flags = random_below(4),
		.records = random_below(2) ? random_below(64) : 0xffffffff,
	};

	for (i = 0; i < size; i++)
		data[i] = random_below(3) ? random_below(32) * !random_below(4) : random_below(256);
	if (random_below(8))
		memcpy(data, &head, size < sizeof(head) ? size : sizeof(head));
	return size;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

TEST(random_input)
{
	unsigned long seed = from_environment("FUZZ_SEED", 1), round;
	unsigned long rounds = from_environment("FUZZ_ROUNDS", 20000);
	struct guarded guarded = guarded_new();
	unsigned char data[600];
	size_t size;

	for (round = 0; round < rounds; round++) {
		random_state = seed + round;
		size = make_random(data);
		ASSERT_TRUE(read_bad(guarded_copy(&guarded, data, size), size))
			TH_LOG("FUZZ_SEED=%lu FUZZ_ROUNDS=1", seed + round);
	}
}

TEST(nothing_is_found_after_an_error)
{
	struct gophership_stream_reader reader;
	struct gophership_record record;

	EXPECT_EQ(-EINVAL, gophership_stream_begin(&reader, "no stream at all, but longer than "
						   "the head of a block would have to be", 60));
	EXPECT_EQ(0, gophership_stream_next(&reader, &record));
}

TEST_HARNESS_MAIN
