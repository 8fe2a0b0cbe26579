// SPDX-License-Identifier: GPL-2.0
/*
 * Streams with an interrupt at every step: device/block.c and record.c themselves run as a
 * task that writes, discards and flushes; at each of its steps an interrupt comes that does
 * the same, and at each step of that one an NMI. What arrives is judged as a reader does.
 *
 *   model SCENARIO [RANDOM]    RANDOM: so many runs with up to three interrupts within
 *                              each other, at random steps, too
 *   model sizes                records of every length at every offset, without interrupts
 */
#include "device/block.c"
#include "device/record.c"

#define LEVELS		4
#define BUFFERS_MAX	24
#define UNITS_MAX	512
#define RECORDS_MAX	4096
#define SHORT_MAX	GOPHERSHIP_STREAM_SHORT
/* Of which each may fill a block: more than there are places. */
#define MANY_RECORDS	20

/* What a context may do. */
enum deed { WRITE, LONG, NEST, DISCARD, HOLLOW, FLUSH, MANY, NR_DEEDS };

/**
 * struct scenario - how much there is of what
 * @buffers: of the port
 * @units: of a buffer, beside the header
 * @returned: the program submits at once what it has received; if not, never
 * @many: interrupts do MANY, too, which is long: so NMIs come at every so manieth step
 * @script: what the task does, up to NR_DEEDS
 */
struct scenario {
	const char *name;
	int buffers;
	u32 units;
	bool returned;
	int many;
	enum deed script[8];
};

static const struct scenario scenarios[] = {
	{ "roomy", 8, 40, true, 0, { WRITE, NEST, DISCARD, FLUSH, WRITE, HOLLOW, NR_DEEDS } },
	{ "tight", 8, 5, true, 0, { WRITE, WRITE, NEST, DISCARD, WRITE, LONG, NR_DEEDS } },
	{ "two", 2, 5, true, 0, { WRITE, LONG, NEST, HOLLOW, FLUSH, WRITE, NR_DEEDS } },
	{ "one", 1, 8, true, 0, { WRITE, DISCARD, NEST, FLUSH, WRITE, NR_DEEDS } },
	{ "starved", 3, 5, false, 0, { WRITE, LONG, WRITE, FLUSH, NEST, DISCARD, NR_DEEDS } },
	{ "ring", 24, 2, true, 29, { NEST, DISCARD, WRITE, NR_DEEDS } },
};

/* A record's data. */
struct data {
	u32 id;
	u32 check;
};

static const struct scenario *scenario;
static struct gophership_stream stream;
static struct gophership_stream_cpu cpu;
static struct gophership_port port;
static struct gophership_buf bufs[BUFFERS_MAX];
static u64 memory[BUFFERS_MAX][UNITS_MAX];
static int available[BUFFERS_MAX], nr_available;

int preempt_count;
bool online = true;
static u64 now;

/* When interrupts come, and what they do; the level that runs. */
static unsigned int at[LEVELS];
static enum deed what[LEVELS];
static unsigned int steps[LEVELS];
static int level;
static bool quiet;

/* What became of records: each is written by one context. */
enum fate { OPEN, COMMITTED, DISCARDED, ARRIVED, LOST };
static enum fate fates[RECORDS_MAX];
static int levels[RECORDS_MAX];
static u32 nr_records, newest[LEVELS];
static u64 newest_block, lost, told_lost, sequence, arrived;
static int nr_open;

static void wrong(const char *message, long value)
{
	int i;

	printf("# %s: %s: %ld; at", scenario->name, message, value);
	for (i = 0; i < LEVELS; i++)
		printf(" %u/%d", at[i], what[i]);
	putchar('\n');
	exit(1);
}

u64 ktime_get_mono_fast_ns(void)
{
	return STEPPED(++now);
}

void irq_work_queue(struct irq_work *work)
{
}

struct gophership_buf *gophership_port_take(struct gophership_port *port,
					    struct gophership_message *message)
{
	struct gophership_buf *buf;

	step();
	buf = nr_available ? &bufs[available[--nr_available]] : NULL;
	step();
	return buf;
}

void gophership_port_again(struct gophership_port *port)
{
}

bool gophership_port_starved(const struct gophership_port *port)
{
	step();
	return false;
}

void gophership_port_lost(struct gophership_port *port, u32 nr)
{
	step();
}

static void record_arrived(const struct gophership_stream_record *head)
{
	const struct data *data = (const void *)(head + 1);

	if (head->len < sizeof(*data) || data->check != ~data->id || data->id >= nr_records)
		wrong("a record is damaged", head->len);
	if (fates[data->id] != COMMITTED)
		wrong("a record is not to arrive", fates[data->id]);
	fates[data->id] = ARRIVED;
	if (newest[levels[data->id]] > data->id)
		wrong("the order is wrong", data->id);
	newest[levels[data->id]] = data->id;
	arrived++;
}

/* What to see to in a block that is otherwise right. */
static void (*check)(const struct gophership_stream_block *block);

static void block_arrived(const struct gophership_stream_block *block, u32 len)
{
	const char *next = (const char *)(block + 1), *end = (const char *)block + len;
	const struct gophership_stream_record *head;
	u32 records = 0;

	if (check) {
		check(block);
		return;
	}
	if (block->magic != GOPHERSHIP_STREAM_MAGIC || block->length != len)
		wrong("no block", len);
	if (block->time <= newest_block)
		wrong("the time", block->time);
	newest_block = block->time;
	if (block->sequence != sequence + block->lost)
		wrong("the sequence", block->sequence);
	for (; next < end; next += (sizeof(*head) + head->len + 7) / 8 * 8) {
		head = (const void *)next;
		if (head->flags & GOPHERSHIP_STREAM_DISCARDED)
			continue;
		record_arrived(head);
		records++;
	}
	if (next != end || records != block->records)
		wrong("the number of records", records);
	sequence = block->sequence + records;
	told_lost += block->lost;
}

int gophership_port_deliver(struct gophership_port *port, struct gophership_buf *buf,
			    const struct gophership_message *message)
{
	step();
	/* An empty one is a buffer that was taken in vain. */
	if (message->len && nr_open)
		wrong("a record is open", nr_open);
	if (message->len)
		block_arrived(buf->data, message->len);
	memset(buf->data, 0xee, stream.limit * 8);
	if (scenario->returned)
		available[nr_available++] = buf->index;
	step();
	return 0;
}

/*
 * What contexts do
 */

static struct data new_record(void)
{
	struct data data = { nr_records, ~nr_records };

	if (nr_records == RECORDS_MAX)
		wrong("more records than expected", nr_records);
	levels[nr_records] = level;
	fates[nr_records++] = OPEN;
	return data;
}

static void lose_record(u32 id)
{
	fates[id] = LOST;
	lost++;
}

static void do_write(u32 len)
{
	struct { struct data data; char more[UNITS_MAX * 8]; } record;
	int ret;

	memset(&record, 0, len);
	record.data = new_record();
	/* As soon as it is in, it may be delivered: by an interrupt, before write returns. */
	fates[record.data.id] = COMMITTED;
	ret = gophership_stream_write(&stream, &record, len);
	if (ret == -ENOBUFS)
		lose_record(record.data.id);
	else if (ret)
		wrong("write", ret);
}

static void reserve(enum deed deed)
{
	struct gophership_stream_state state;
	struct data *room, data = new_record();

	room = gophership_stream_reserve(&stream, sizeof(data), &state);
	if (!room) {
		lose_record(data.id);
		return;
	}
	nr_open++;
	step();
	*room = data;
	if (deed != DISCARD && deed != HOLLOW)
		do_write(sizeof(data));
	/* An interrupt here writes behind it. */
	step();
	nr_open--;
	if (deed == NEST) {
		fates[data.id] = COMMITTED;
		gophership_stream_commit(&stream, &state);
	} else {
		fates[data.id] = DISCARDED;
		gophership_stream_discard(&stream, &state);
	}
}

/* What the task has written before is with the program then, whatever comes in between. */
static void flush(void)
{
	u32 id, before = nr_records;

	gophership_block_close(&stream);
	for (id = 0; !level && id < before; id++)
		if (fates[id] == COMMITTED)
			wrong("a flush has left a record", id);
}

static void act(enum deed deed)
{
	int i;

	switch (deed) {
	case WRITE:
		do_write(sizeof(struct data));
		break;
	case LONG:
		do_write(scenario->units * 8 - 8);
		break;
	case FLUSH:
		flush();
		break;
	case MANY:
		for (i = 0; i < MANY_RECORDS; i++)
			do_write(sizeof(struct data));
		break;
	default:
		reserve(deed);
	}
}

void step(void)
{
	if (quiet || level + 1 == LEVELS || ++steps[level] != at[level + 1])
		return;
	level++;
	steps[level] = 0;
	act(what[level]);
	level--;
}

/*
 * Runs
 */

static void begin_run(void)
{
	int i;

	memset(&cpu, 0, sizeof(cpu));
	cpu.word = GOPHERSHIP_STREAM_NONE;
	cpu.stream = &stream;
	stream.cpu = &cpu;
	stream.port = &port;
	stream.limit = GOPHERSHIP_STREAM_HEADER + scenario->units;
	stream.overhead = 15;
	stream.record_max = scenario->units * 8 - 8;
	stream.short_end = SHORT_MAX + 1;
	if (stream.short_end > stream.record_max)
		stream.short_end = stream.record_max + 1;
	for (i = 0; i < scenario->buffers; i++) {
		bufs[i].data = memory[i];
		bufs[i].index = i;
		available[i] = i;
	}
	nr_available = scenario->buffers;
	memset(steps, 0, sizeof(steps));
	memset(newest, 0, sizeof(newest));
	nr_records = 0;
	newest_block = 0;
	lost = 0;
	told_lost = 0;
	sequence = 0;
	arrived = 0;
	level = 0;
	quiet = false;
}

static void end_run(void)
{
	u32 id;

	quiet = true;
	if (preempt_count || cpu.depth || cpu.pending)
		wrong("a section is left open", preempt_count);
	if (cpu.tail != gophership_stream_place(cpu.word))
		wrong("a block was not delivered", cpu.tail);
	gophership_blocks_drain(&stream, &cpu);
	for (id = 0; id < nr_records; id++)
		if (fates[id] == OPEN || fates[id] == COMMITTED)
			wrong("a record is missing", id);
	if (scenario->returned ? told_lost != lost : told_lost > lost)
		wrong("what is told as lost", told_lost);
	if (scenario->returned && nr_available != scenario->buffers)
		wrong("a buffer is missing", nr_available);
}

/* No section is open behind it: nothing that is closed may be left. */
static void do_as_task(enum deed deed)
{
	act(deed);
	if (cpu.pending || cpu.tail != gophership_stream_place(cpu.word))
		wrong("a block is left", cpu.tail);
}

/* Returns whether the last interrupt came. */
static bool run(int last)
{
	int i;

	begin_run();
	for (i = 0; scenario->script[i] != NR_DEEDS; i++)
		do_as_task(scenario->script[i]);
	i = steps[last - 1];
	end_run();
	return i >= (int)at[last] && at[last];
}

static long run_all(void)
{
	int deeds = scenario->many ? NR_DEEDS : MANY;
	int stride = scenario->many ?: 1;
	long runs = 0;

	memset(at, 0, sizeof(at));
	at[1] = 0;
	do {
		at[1]++;
		for (what[1] = 0; what[1] < deeds; what[1]++) {
			for (what[2] = 0; what[2] < deeds; what[2]++) {
				for (at[2] = 1; run(2); at[2] += stride)
					runs++;
			}
		}
		at[2] = 0;
		what[1] = 0;
		what[2] = 0;
	} while (run(1));
	return runs;
}

static void run_random(long runs)
{
	int i;

	while (runs--) {
		for (i = 1; i < LEVELS; i++) {
			at[i] = 1 + rand() % 300;
			what[i] = rand() % NR_DEEDS;
		}
		run(1);
	}
}

/* Where the record that is looked for begins, and its length. */
static u32 wanted_at, wanted_len;
static unsigned char pattern[UNITS_MAX * 8];

static void check_size(const struct gophership_stream_block *block)
{
	const unsigned char *record = (const unsigned char *)block + wanted_at * 8;
	u32 len = wanted_len, i;

	if (((const struct gophership_stream_record *)record)->len != len)
		wrong("the length", len);
	record += sizeof(struct gophership_stream_record);
	if (memcmp(record, pattern, len))
		wrong("the data", len);
	for (i = len; i % 8; i++)
		if (record[i])
			wrong("the padding", len);
	if ((const unsigned char *)block + block->length != record + (len + 7) / 8 * 8)
		wrong("the block's length", block->length);
}

/* A record in front of it to have it begin there. */
static void try_size(u32 offset, u32 len)
{
	bool fits = offset * 8 + len <= stream.record_max;

	wanted_at = GOPHERSHIP_STREAM_HEADER;
	wanted_len = 0;
	if (offset && gophership_stream_write(&stream, pattern, offset * 8 - 8))
		wrong("write", offset);
	if (!fits)
		wanted_len = offset * 8 - 8;
	else
		wanted_at += offset, wanted_len = len;
	if (gophership_stream_write(&stream, pattern, len))
		wrong("write", len);
	/* It did not fit: what was in front of it has gone. */
	if (!fits) {
		wanted_at = GOPHERSHIP_STREAM_HEADER;
		wanted_len = len;
	}
	gophership_block_close(&stream);
}

static void run_sizes(void)
{
	static const struct scenario sizes = { "sizes", 2, 505, true, 0, { NR_DEEDS } };
	u32 offset, len;

	scenario = &sizes;
	begin_run();
	quiet = true;
	check = check_size;
	for (len = 0; len < sizeof(pattern); len++)
		pattern[len] = len * 7 + len / 251;
	for (offset = 0; offset < sizes.units; offset++)
		for (len = 0; len <= stream.record_max; len++)
			try_size(offset, len);
	if (gophership_stream_write(&stream, pattern, len) != -EMSGSIZE ||
	    gophership_stream_write(&stream, pattern, ~0UL) != -EMSGSIZE)
		wrong("one byte more", len);
	end_run();
	puts("ok - model: records of every length at every offset");
}

int main(int argc, char **argv)
{
	unsigned int i;
	long runs;

	if (argc > 1 && !strcmp(argv[1], "sizes")) {
		run_sizes();
		return 0;
	}
	for (i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (argc > 1 && strcmp(scenarios[i].name, argv[1]))
			continue;
		scenario = &scenarios[i];
		runs = run_all();
		run_random(argc > 2 ? atol(argv[2]) : 0);
		printf("ok - model: %s (%ld runs)\n", scenario->name, runs);
	}
	return 0;
}
