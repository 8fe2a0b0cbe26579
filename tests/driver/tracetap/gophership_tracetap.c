// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that streams: what the scheduler and system calls do, as compact binary
 * records. It attaches to the tracepoints sched_switch, sys_enter and sys_exit as long as a
 * program has a port at /dev/gophership-tracetap:
 *
 *   gophershipctl records --follow tracetap
 *
 * sched_switch comes under the lock of a run queue, system calls of all CPUs come at once:
 * gophership_stream_write() is for both. What the program itself does comes as well, and
 * its reading of it; pid=N has the system calls of that task alone.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <asm/syscall.h>

#include "gophership_stream.h"

static unsigned int flush_us = 10000;
module_param(flush_us, uint, 0644);
MODULE_PARM_DESC(flush_us, "microseconds after which a block goes that is not full");

static int pid;
module_param(pid, int, 0644);
MODULE_PARM_DESC(pid, "the task whose system calls are of interest; 0: all");

enum event { SWITCH, ENTER, EXIT, NR_EVENTS };

/* A record: 24 bytes, and the time before it. */
struct switch_record {
	u32 event;
	s32 prev;
	s32 next;
	u32 prev_state;
};

struct call_record {
	u32 event;
	s32 pid;
	s64 number;
	s64 result;	/* of EXIT; the first argument of ENTER */
};

/* Only as long as the probes are there. */
static struct gophership_stream *stream;

/*
 * The probes. A record that finds no buffer is counted by the stream.
 */

static void on_switch(void *data, bool preempt, struct task_struct *prev,
		      struct task_struct *next, unsigned int prev_state)
{
	const struct switch_record record = {
		.event = SWITCH,
		.prev = prev->pid,
		.next = next->pid,
		.prev_state = prev_state,
	};

	gophership_stream_write(stream, &record, sizeof(record));
}

static bool of_interest(void)
{
	int wanted = READ_ONCE(pid);

	return !wanted || current->pid == wanted;
}

static void on_enter(void *data, struct pt_regs *regs, long number)
{
	struct call_record record = {
		.event = ENTER,
		.pid = current->pid,
		.number = number,
	};
	unsigned long arguments[6];

	if (!of_interest())
		return;
	syscall_get_arguments(current, regs, arguments);
	record.result = arguments[0];
	gophership_stream_write(stream, &record, sizeof(record));
}

static void on_exit(void *data, struct pt_regs *regs, long result)
{
	const struct call_record record = {
		.event = EXIT,
		.pid = current->pid,
		.number = syscall_get_nr(current, regs),
		.result = result,
	};

	if (of_interest())
		gophership_stream_write(stream, &record, sizeof(record));
}

static struct probe {
	const char *name;
	void *function;
	struct tracepoint *tracepoint;
} probes[NR_EVENTS] = {
	[SWITCH] = { "sched_switch", on_switch },
	[ENTER] = { "sys_enter", on_enter },
	[EXIT] = { "sys_exit", on_exit },
};

/* None of them is exported; but all can be looked up. */
static void look_up(struct tracepoint *tracepoint, void *unused)
{
	unsigned int i;

	for (i = 0; i < NR_EVENTS; i++)
		if (!strcmp(tracepoint->name, probes[i].name))
			probes[i].tracepoint = tracepoint;
}

/* None is at work when it returns. Of the first @nr. */
static void stop_probes(unsigned int nr)
{
	while (nr--)
		tracepoint_probe_unregister(probes[nr].tracepoint, probes[nr].function, NULL);
	tracepoint_synchronize_unregister();
}

static int start_probes(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < NR_EVENTS; i++) {
		ret = tracepoint_probe_register(probes[i].tracepoint, probes[i].function, NULL);
		if (ret) {
			stop_probes(i);
			return ret;
		}
	}
	return 0;
}

/*
 * The port
 */

static void submitted(struct gophership_port *port, void *priv)
{
	gophership_stream_flush(priv);
}

static void closed(struct gophership_port *port, void *priv)
{
	stop_probes(NR_EVENTS);
	gophership_stream_destroy(priv);
	WRITE_ONCE(stream, NULL);
	gophership_port_put(port);
}

static const struct gophership_port_ops ops = {
	.owner = THIS_MODULE,
	.submitted = submitted,
	.closed = closed,
};

/* One at a time, so that none comes between the look and the stream. */
static int attach(struct gophership_endpoint *endpoint, struct gophership_port *port)
{
	const struct gophership_stream_params params = {
		.flush_us = flush_us,
		.flags = GOPHERSHIP_STREAM_TIMES,
	};
	int ret;

	if (READ_ONCE(stream))
		return -EBUSY;
	stream = gophership_stream_create(port, &params);
	if (IS_ERR(stream)) {
		ret = PTR_ERR(stream);
		goto none;
	}
	ret = start_probes();
	if (ret)
		goto destroy;
	ret = gophership_port_accept(port, &ops, stream);
	if (!ret)
		return 0;
	stop_probes(NR_EVENTS);
destroy:
	gophership_stream_destroy(stream);
none:
	stream = NULL;
	return ret;
}

static struct gophership_endpoint endpoint = {
	.name = "tracetap",
	.owner = THIS_MODULE,
	.attach = attach,
};

static int __init tracetap_init(void)
{
	unsigned int i;

	for_each_kernel_tracepoint(look_up, NULL);
	for (i = 0; i < NR_EVENTS; i++)
		if (!probes[i].tracepoint)
			return -ENOENT;
	return gophership_endpoint_register(&endpoint);
}
module_init(tracetap_init);

static void __exit tracetap_exit(void)
{
	gophership_endpoint_unregister(&endpoint);
}
module_exit(tracetap_exit);

MODULE_DESCRIPTION("GopherShip's sample driver: the scheduler and system calls, as a stream");
MODULE_LICENSE("GPL");
