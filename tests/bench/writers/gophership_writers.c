// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to write a record: to a stream, and to others that take records in the
 * kernel. A program has a port at /dev/gophership-writers and gives its buffers back.
 *
 * Parameters:
 *   run	measure, which takes seconds
 *   figures	what came of it: nanoseconds per record, which are instructions where the
 *		clock counts those
 *   write	"NAME LEN NR": so many records, for a program that reads them
 *   relay	where the writer of relay is, for a program that maps its buffer
 *
 * Others than the stream overwrite what is oldest, so none of them fails.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/relay.h>
#include <linux/ring_buffer.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "gophership_stream.h"

/* Records of a stretch: so that the longest ones fit into the port's buffers. */
#define RECORDS		128
#define ROUNDS		7
#define LONGEST		1024

static const unsigned int sizes[] = { 16, 64, 256, LONGEST };

static DEFINE_MUTEX(lock);
static struct gophership_stream *plain, *timed;
static struct rchan *relay;
static struct trace_buffer *tracing;
/* With a NUL behind it, so that the last bytes of it are a string as well. */
static u8 record[LONGEST + 1] __aligned(8);

/*
 * The writers
 */

static int write_plain(unsigned int len)
{
	return gophership_stream_write(plain, record, len);
}

static int write_timed(unsigned int len)
{
	return gophership_stream_write(timed, record, len);
}

static int reserve_plain(unsigned int len)
{
	struct gophership_stream_state state;
	void *room = gophership_stream_reserve(plain, len, &state);

	if (!room)
		return -ENOBUFS;
	memcpy(room, record, len);
	gophership_stream_commit(plain, &state);
	return 0;
}

static int write_relay(unsigned int len)
{
	relay_write(relay, record, len);
	return 0;
}

static int write_tracing(unsigned int len)
{
	return ring_buffer_write(tracing, len, record);
}

/*
 * To tracefs: formatted by the reader, or not at all. (Binary formatting copies a string
 * whole, whatever its precision says.)
 */
static int write_trace_printk(unsigned int len)
{
	trace_printk("%s\n", record + LONGEST - len);
	return 0;
}

static int write_trace_puts(unsigned int len)
{
	return __trace_puts(_THIS_IP_, (const char *)record, len) ? 0 : -ENOBUFS;
}

/* To the log, of a level that no console has (see tests/bench/records). */
static int write_printk(unsigned int len)
{
	_printk(KERN_INFO "%s\n", record + LONGEST - len);
	return 0;
}

/* The copy alone: what is in all of them. */
static int copy(unsigned int len)
{
	static u8 to[LONGEST] __aligned(8);

	memcpy(to, record, len);
	barrier_data(to);
	return 0;
}

static const struct {
	const char *name;
	int (*write)(unsigned int len);
	unsigned int longest;	/* that it takes whole */
} writers[] = {
	{ "gophership", write_plain, LONGEST },
	{ "gophership-times", write_timed, LONGEST },
	{ "gophership-reserve", reserve_plain, LONGEST },
	{ "relay", write_relay, LONGEST },
	{ "ring_buffer", write_tracing, LONGEST },
	{ "trace_puts", write_trace_puts, LONGEST },
	{ "trace_printk", write_trace_printk, 256 },
	{ "printk", write_printk, 256 },
	{ "copy", copy, LONGEST },
};

/*
 * Measuring
 */

/* Tenths of a nanosecond; 0: not measured. */
static u64 figures[ARRAY_SIZE(writers)][ARRAY_SIZE(sizes)];

/* Nanoseconds for @nr records; negative: one failed. */
static s64 stretch(int (*write)(unsigned int len), unsigned int len, unsigned int nr)
{
	unsigned int i, failed = 0;
	unsigned long flags;
	ktime_t begin, end;

	local_irq_save(flags);
	begin = ktime_get();
	for (i = 0; i < nr; i++)
		failed += write(len) != 0;
	end = ktime_get();
	local_irq_restore(flags);
	return failed ? -1 : ktime_to_ns(ktime_sub(end, begin));
}

static int measure(unsigned int writer, unsigned int size)
{
	unsigned int round;
	s64 best = S64_MAX, ns;

	for (round = 0; round < ROUNDS; round++) {
		ns = stretch(writers[writer].write, sizes[size], RECORDS);
		if (ns < 0)
			return -ENOBUFS;
		best = min(best, ns);
		/* The program gives the buffers back. */
		gophership_stream_flush(plain);
		gophership_stream_flush(timed);
		msleep(20);
	}
	figures[writer][size] = div_s64(best * 10, RECORDS);
	return 0;
}

static int run(const char *value, const struct kernel_param *param)
{
	unsigned int i, j;
	int ret = -ENOTCONN;

	mutex_lock(&lock);
	if (plain) {
		ret = 0;
		for (i = 0; !ret && i < ARRAY_SIZE(sizes); i++)
			for (j = 0; !ret && j < ARRAY_SIZE(writers); j++)
				if (sizes[i] <= writers[j].longest)
					ret = measure(j, i);
	}
	mutex_unlock(&lock);
	return ret;
}

static const struct kernel_param_ops run_ops = {
	.set = run,
};
module_param_cb(run, &run_ops, NULL, 0200);

static int get_figures(char *page, const struct kernel_param *param)
{
	unsigned int i, size;
	int len = 0;
	u64 figure;

	mutex_lock(&lock);
	for (i = 0; i < ARRAY_SIZE(writers) * ARRAY_SIZE(sizes); i++) {
		size = i % ARRAY_SIZE(sizes);
		figure = figures[i / ARRAY_SIZE(sizes)][size];
		if (figure)
			len += sysfs_emit_at(page, len, "producer %s|%u|%llu.%llu\n",
					     writers[i / ARRAY_SIZE(sizes)].name, sizes[size],
					     figure / 10, figure % 10);
	}
	mutex_unlock(&lock);
	return len;
}

static const struct kernel_param_ops figures_ops = {
	.get = get_figures,
};
module_param_cb(figures, &figures_ops, NULL, 0400);

/* For a program that has relay's buffer mapped: bytes that were written. Of one CPU. */
static int get_relay(char *page, const struct kernel_param *param)
{
	const struct rchan_buf *buf = *per_cpu_ptr(relay->buf, 0);

	return sysfs_emit(page, "%zu\n", buf->subbufs_produced * relay->subbuf_size + buf->offset);
}

static const struct kernel_param_ops relay_ops = {
	.get = get_relay,
};
module_param_cb(relay, &relay_ops, NULL, 0400);

static int write_some(const char *value, const struct kernel_param *param)
{
	unsigned int i, len, nr;
	int ret = -ENOTCONN;
	char name[24];

	if (sscanf(value, "%23s %u %u", name, &len, &nr) != 3 || len > LONGEST || nr > RECORDS)
		return -EINVAL;
	mutex_lock(&lock);
	for (i = 0; plain && i < ARRAY_SIZE(writers); i++)
		if (!strcmp(writers[i].name, name))
			ret = stretch(writers[i].write, len, nr) < 0 ? -ENOBUFS : 0;
	mutex_unlock(&lock);
	return ret;
}

static const struct kernel_param_ops write_ops = {
	.set = write_some,
};
module_param_cb(write, &write_ops, NULL, 0200);

/*
 * The port: of both streams, since only one of them is written to at a time
 */

static void closed(struct gophership_port *port, void *priv)
{
	mutex_lock(&lock);
	gophership_stream_destroy(plain);
	gophership_stream_destroy(timed);
	plain = NULL;
	mutex_unlock(&lock);
	gophership_port_put(port);
}

static const struct gophership_port_ops ops = {
	.owner = THIS_MODULE,
	.closed = closed,
};

static int attach(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	const struct gophership_stream_params times = { .flags = GOPHERSHIP_STREAM_TIMES };
	struct gophership_stream *streams[2];
	int ret;

	if (READ_ONCE(plain))
		return -EBUSY;
	streams[0] = gophership_stream_create(port, NULL);
	streams[1] = gophership_stream_create(port, &times);
	ret = PTR_ERR_OR_ZERO(streams[0]) ?: PTR_ERR_OR_ZERO(streams[1]);
	if (!ret) {
		mutex_lock(&lock);
		ret = gophership_port_accept(port, &ops, NULL);
		if (!ret) {
			timed = streams[1];
			plain = streams[0];
		}
		mutex_unlock(&lock);
	}
	if (!ret)
		return 0;
	if (!IS_ERR(streams[0]))
		gophership_stream_destroy(streams[0]);
	if (!IS_ERR(streams[1]))
		gophership_stream_destroy(streams[1]);
	return ret;
}

static struct gophership_endpoint endpoint = {
	.name = "writers",
	.owner = THIS_MODULE,
	.buf_size_min = 4096,
	.attach = attach,
};

/* Overwrite what is oldest. */
static int subbuf_start(struct rchan_buf *buf, void *subbuf, void *before, size_t padding)
{
	return 1;
}

static struct dentry *create_file(const char *name, struct dentry *parent, umode_t mode,
				  struct rchan_buf *buf, int *is_global)
{
	/* Not by its proxy, which has no mmap(). */
	return debugfs_create_file_unsafe(name, mode, parent, buf, &relay_file_operations);
}

static int remove_file(struct dentry *dentry)
{
	debugfs_remove(dentry);
	return 0;
}

static const struct rchan_callbacks relay_callbacks = {
	.subbuf_start = subbuf_start,
	.create_buf_file = create_file,
	.remove_buf_file = remove_file,
};

static int __init writers_init(void)
{
	int ret = -ENOMEM;

	memset(record, 'x', LONGEST);
	relay = relay_open("gophership_writers", NULL, 4096, 64, &relay_callbacks, NULL);
	if (!relay)
		return -ENOMEM;
	tracing = ring_buffer_alloc(64 * 4096, RB_FL_OVERWRITE);
	if (!tracing)
		goto close_relay;
	ret = gophership_endpoint_register(&endpoint);
	if (!ret)
		return 0;
	ring_buffer_free(tracing);
close_relay:
	relay_close(relay);
	return ret;
}
module_init(writers_init);

static void __exit writers_exit(void)
{
	gophership_endpoint_unregister(&endpoint);
	ring_buffer_free(tracing);
	relay_close(relay);
}
module_exit(writers_exit);

MODULE_DESCRIPTION("What it costs to write a record");
MODULE_LICENSE("GPL");
