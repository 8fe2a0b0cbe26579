// SPDX-License-Identifier: GPL-2.0
/*
 * BPF's ring buffer and perf's: they are written to by a BPF program of a few instructions, as
 * often as BPF_PROG_TEST_RUN is asked for. A program that only returns tells what the
 * rest of a run takes.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel.h"

#define LONGEST		1024
#define RING_SIZE	(1U << 20)
#define PAGE		4096

enum kind { NOTHING, RINGBUF, PERF, KINDS };

/* Each length has a program of its own, as that is an immediate. */
static const unsigned int lengths[] = { 16, 64, 256, LONGEST };

#define NR_LENGTHS	(sizeof(lengths) / sizeof(*lengths))

static int record_map;
static int programs[KINDS][NR_LENGTHS];

static struct ring {
	int map;		/* of BPF */
	uint64_t *consumer;
	uint64_t *producer;
	unsigned char *data;
} rings[KINDS];

static int call_bpf(int command, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (ret < 0)
		bail("bpf(%d): %s", command, strerror(errno));
	return ret;
}

static int make_map(unsigned int type, unsigned int key, unsigned int value, unsigned int entries)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = key;
	attr.value_size = value;
	attr.max_entries = entries;
	return call_bpf(BPF_MAP_CREATE, &attr);
}

static void put(int map, const void *value)
{
	union bpf_attr attr;
	uint32_t key = 0;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)value;
	call_bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

/*
 * The BPF programs
 */

static struct bpf_insn set(int reg, int value)
{
	return (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = reg,
				  .imm = value };
}

/* The first half of a pair; the second is 0. */
static struct bpf_insn load(int reg, int what, int fd)
{
	return (struct bpf_insn){ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = reg,
				  .src_reg = what, .imm = fd };
}

static struct bpf_insn call(int helper)
{
	return (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = helper };
}

static int load_program(const struct bpf_insn *code, unsigned int nr)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = nr;
	attr.license = (uintptr_t)"GPL";
	return call_bpf(BPF_PROG_LOAD, &attr);
}

static const struct bpf_insn none, leave = { .code = BPF_JMP | BPF_EXIT };

/* return 0 */
static int make_nothing(void)
{
	const struct bpf_insn code[] = { set(BPF_REG_0, 0), leave };

	return load_program(code, sizeof(code) / sizeof(*code));
}

/* return bpf_ringbuf_output(&ring, record, len, 0) */
static int make_ringbuf(unsigned int len)
{
	const struct bpf_insn code[] = {
		load(BPF_REG_1, BPF_PSEUDO_MAP_FD, rings[RINGBUF].map), none,
		load(BPF_REG_2, BPF_PSEUDO_MAP_VALUE, record_map), none,
		set(BPF_REG_3, len), set(BPF_REG_4, 0),
		call(BPF_FUNC_ringbuf_output), leave,
	};

	return load_program(code, sizeof(code) / sizeof(*code));
}

/* return bpf_perf_event_output(skb, &events, 0 (the index), record, len) */
static int make_perf(unsigned int len)
{
	const struct bpf_insn code[] = {
		load(BPF_REG_2, BPF_PSEUDO_MAP_FD, rings[PERF].map), none,
		set(BPF_REG_3, 0),
		load(BPF_REG_4, BPF_PSEUDO_MAP_VALUE, record_map), none,
		set(BPF_REG_5, len),
		call(BPF_FUNC_perf_event_output), leave,
	};

	return load_program(code, sizeof(code) / sizeof(*code));
}

/* Nanoseconds of a run, by the kernel's own account. */
static unsigned int run(enum kind kind, unsigned int len, unsigned int nr)
{
	static unsigned char packet[64];
	union bpf_attr attr;
	unsigned int i = 0;

	while (lengths[i] != len)
		i++;
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = programs[kind][i];
	attr.test.repeat = nr;
	attr.test.data_in = (uintptr_t)packet;
	attr.test.data_size_in = sizeof(packet);
	call_bpf(BPF_PROG_TEST_RUN, &attr);
	if (attr.test.retval)
		bail("a BPF program returns %d", (int)attr.test.retval);
	return attr.test.duration;
}

/*
 * The rings
 */

static void *map_ring(int fd, off_t offset, size_t size, int protection)
{
	void *mapped = mmap(NULL, size, protection, MAP_SHARED, fd, offset);

	if (mapped == MAP_FAILED)
		bail("a ring cannot be mapped: %s", strerror(errno));
	return mapped;
}

/* Once: what both need. */
static void make_record(void)
{
	char record[LONGEST];
	unsigned int i;

	if (record_map)
		return;
	record_map = make_map(BPF_MAP_TYPE_ARRAY, 4, sizeof(record), 1);
	memset(record, 'x', sizeof(record));
	put(record_map, record);
	for (i = 0; i < NR_LENGTHS; i++)
		programs[NOTHING][i] = make_nothing();
}

static void open_ringbuf(unsigned int size)
{
	struct ring *ring = &rings[RINGBUF];
	unsigned int i;

	(void)size;
	make_record();
	ring->map = make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, RING_SIZE);
	ring->consumer = map_ring(ring->map, 0, PAGE, PROT_READ | PROT_WRITE);
	ring->producer = map_ring(ring->map, PAGE, PAGE + 2 * RING_SIZE, PROT_READ);
	ring->data = (unsigned char *)ring->producer + PAGE;
	for (i = 0; i < NR_LENGTHS; i++)
		programs[RINGBUF][i] = make_ringbuf(lengths[i]);
}

static void open_perf(unsigned int size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		/* No wake-up for each record, as a program that polls rarely asks for. */
		.watermark = 1,
		.wakeup_watermark = RING_SIZE / 2,
	};
	struct ring *ring = &rings[PERF];
	struct perf_event_mmap_page *page;
	int fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
	unsigned int i;

	(void)size;
	if (fd < 0)
		bail("perf_event_open: %s", strerror(errno));
	make_record();
	page = map_ring(fd, 0, PAGE + RING_SIZE, PROT_READ | PROT_WRITE);
	ring->consumer = (uint64_t *)&page->data_tail;
	ring->producer = (uint64_t *)&page->data_head;
	ring->data = (unsigned char *)page + PAGE;
	ring->map = make_map(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1);
	put(ring->map, &fd);
	for (i = 0; i < NR_LENGTHS; i++)
		programs[PERF][i] = make_perf(lengths[i]);
}

/* Everything in it is read; both are used alike by the program, but for the heads. */
static uint64_t ring_begin(const struct ring *ring, uint64_t *end)
{
	*end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	return *ring->consumer;
}

static void ring_end(const struct ring *ring, uint64_t end)
{
	__atomic_store_n(ring->consumer, end, __ATOMIC_RELEASE);
}

static unsigned int read_ringbuf(unsigned int len)
{
	const struct ring *ring = &rings[RINGBUF];
	uint64_t end, at = ring_begin(ring, &end);
	unsigned int nr = 0;
	uint32_t head;

	while (at < end) {
		const unsigned char *record = ring->data + at % RING_SIZE;

		head = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		nr += record_is_good(record + BPF_RINGBUF_HDR_SZ, head, len);
		at += (head + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
	}
	ring_end(ring, at);
	return nr;
}

/* A record that goes over the ring's end is put together first, as libbpf does. */
static unsigned int read_perf(unsigned int len)
{
	const struct ring *ring = &rings[PERF];
	uint64_t end, at = ring_begin(ring, &end);
	unsigned int nr = 0;
	uint32_t size;

	while (at < end) {
		const unsigned char *record = ring->data + at % RING_SIZE;
		const struct perf_event_header *head = (const void *)record;
		unsigned char whole[LONGEST + 64];
		size_t first = RING_SIZE - at % RING_SIZE;

		at += head->size;
		if (head->type != PERF_RECORD_SAMPLE || head->size > sizeof(whole))
			continue;
		if (head->size > first) {
			memcpy(whole, record, first);
			memcpy(whole + first, ring->data, head->size - first);
			record = whole;
		}
		/* The kernel pads the data, and counts that. */
		memcpy(&size, record + sizeof(*head), sizeof(size));
		record += sizeof(*head) + sizeof(size);
		nr += size >= len && record_is_good(record, len, len);
	}
	ring_end(ring, at);
	return nr;
}

static void write_ringbuf(unsigned int len, unsigned int nr)
{
	run(nr ? RINGBUF : NOTHING, len, nr ? nr : RECORDS);
}

static void write_perf(unsigned int len, unsigned int nr)
{
	run(nr ? PERF : NOTHING, len, nr ? nr : RECORDS);
}

/* The least of seven, as gophership_writers has it. */
static double cost(enum kind kind, unsigned int len, unsigned int (*read)(unsigned int len))
{
	unsigned int best = ~0U, least = ~0U, took, i;

	for (i = 0; i < 7; i++) {
		took = run(kind, len, RECORDS);
		best = took < best ? took : best;
		took = run(NOTHING, len, RECORDS);
		least = took < least ? took : least;
		if (read(len) != RECORDS)
			bail("records are missing");
	}
	return (double)best - least;
}

double ringbuf_cost(unsigned int len)
{
	return cost(RINGBUF, len, read_ringbuf);
}

double perf_cost(unsigned int len)
{
	return cost(PERF, len, read_perf);
}

const struct channel ringbuf_channel = { "BPF ringbuf", open_ringbuf, write_ringbuf, read_ringbuf };
const struct channel perf_channel = { "perf", open_perf, write_perf, read_perf };
