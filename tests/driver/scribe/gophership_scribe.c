// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that writes to a stream in every context at once, on every CPU: tasks, soft and
 * hard interrupts (timers), and NMIs on top of all of them. scribe.h has what it writes.
 *
 * Parameters, which may be written at any time:
 *   flush_us, times	for streams that come after that
 *   pause_us		between two dozens of records of a task
 *   command		"start" and "stop" the writers; "one" record; "sizes A B": records of each
 *			of these lengths; "within N": N records within an open one; "totals";
 *			also without a program: "print N" messages in a hard interrupt
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "gophership_compat.h"
#include "gophership_stream.h"
#include "scribe.h"
#include "tests/driver/interrupts.h"

#define PERIOD_NS	1000000
#define ROUNDS		12
/* Records that are longer are reserved, not written: they would be on the stack. */
#define SHORT		256
#define LONG		3000

static unsigned int flush_us;
module_param(flush_us, uint, 0644);
static bool times;
module_param(times, bool, 0644);
static unsigned int pause_us = 400;
module_param(pause_us, uint, 0644);
static int mistakes;
module_param(mistakes, int, 0444);

/* One context's, so that none of it is shared. */
struct writer {
	u64 numbers;
	u64 lost;
	u32 random;
};

/* The stream, and the writers; under @lock, but for NMIs, which use RCU. */
static DEFINE_MUTEX(lock);
static struct gophership_stream __rcu *stream;
static struct writer writers[SCRIBE_WRITERS + 1];
static bool running;

/* The timers of a CPU that goes move to another one: they are still one writer each. */
struct scribe_cpu {
	struct hrtimer hard;
	struct hrtimer soft;
	struct task_struct *task;
	unsigned int cpu;
	u32 ticks;
};

static DEFINE_PER_CPU(struct scribe_cpu, scribe_cpus);

static void mistake(const char *what, long value)
{
	mistakes++;
	pr_err_ratelimited("wrong: %s: %ld\n", what, value);
}

static u32 next_random(struct writer *writer)
{
	writer->random = writer->random * 1664525 + 1013904223;
	return writer->random >> 8;
}

static void fill(struct scribe_record *record, u32 id, u64 number, u32 len)
{
	u8 *bytes = (u8 *)(record + 1);
	u32 i;

	record->writer = id;
	record->len = len;
	record->number = number;
	for (i = 0; i < len; i++)
		bytes[i] = scribe_byte(number, i);
}

static void count(struct writer *writer, int ret)
{
	if (ret == -ENOBUFS)
		writer->lost++;
	else if (ret)
		mistake("write", ret);
}

static void write_short(struct gophership_stream *to, u32 id, u32 len)
{
	struct writer *writer = &writers[id];
	u64 room[(sizeof(struct scribe_record) + SHORT) / 8];

	fill((struct scribe_record *)room, id, ++writer->numbers, len);
	count(writer, gophership_stream_write(to, room, sizeof(struct scribe_record) + len));
}

static void reserve_one(struct gophership_stream *to, u32 id, u32 len, bool discard)
{
	struct gophership_stream_state state;
	struct writer *writer = &writers[id];
	struct scribe_record *record;

	writer->numbers += !discard;
	record = gophership_stream_reserve(to, sizeof(*record) + len, &state);
	if (!record) {
		/* It does not matter for the stream that it was to be discarded. */
		writer->numbers += discard;
		writer->lost++;
		return;
	}
	fill(record, id, writer->numbers + discard, len);
	if (discard)
		gophership_stream_discard(to, &state);
	else
		gophership_stream_commit(to, &state);
}

/* A record of some length, written in some way. */
static void write_some(struct gophership_stream *to, u32 id)
{
	u32 random = next_random(&writers[id]);
	u32 len = random % 16 ? random / 16 % SHORT : random / 16 % LONG;

	if (len < SHORT && random & 0x10000)
		write_short(to, id, len);
	else
		reserve_one(to, id, len, (random & 0xe0000) == 0xe0000);
}

static u32 writer_id(unsigned int cpu, enum scribe_kind kind)
{
	return cpu % SCRIBE_CPUS * SCRIBE_KINDS + kind;
}

/* What a timer's or an NMI's stream is: it runs until those have been stopped. */
static void write_rounds(u32 id, unsigned int rounds)
{
	struct gophership_stream *to = rcu_dereference_raw(stream);

	while (to && rounds--)
		write_some(to, id);
}

#ifdef CONFIG_X86_LOCAL_APIC
static void nmi_visit(void)
{
	write_rounds(writer_id(raw_smp_processor_id(), SCRIBE_NMI), 2);
}
#endif

static enum hrtimer_restart hard_tick(struct hrtimer *timer)
{
	struct scribe_cpu *cpu = container_of(timer, struct scribe_cpu, hard);

	nmi_send();
	write_rounds(writer_id(cpu->cpu, SCRIBE_HARDIRQ), ROUNDS);
	/* Each time at another place of what it comes upon. */
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS + ++cpu->ticks * 7919 % 100000));
	return HRTIMER_RESTART;
}

static enum hrtimer_restart soft_tick(struct hrtimer *timer)
{
	struct scribe_cpu *cpu = container_of(timer, struct scribe_cpu, soft);

	write_rounds(writer_id(cpu->cpu, SCRIBE_SOFTIRQ), ROUNDS);
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS));
	return HRTIMER_RESTART;
}

static int write_as_task(void *data)
{
	struct scribe_cpu *cpu = data;

	while (!kthread_should_stop()) {
		write_rounds(writer_id(cpu->cpu, SCRIBE_TASK), 24);
		usleep_range(pause_us, pause_us + 100);
	}
	return 0;
}

static void start_timers(void *unused)
{
	struct scribe_cpu *cpu = this_cpu_ptr(&scribe_cpus);

	hrtimer_start(&cpu->hard, ns_to_ktime(PERIOD_NS), HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_start(&cpu->soft, ns_to_ktime(PERIOD_NS), HRTIMER_MODE_REL_PINNED_SOFT);
}

/* Context: lock held. */
static void stop(void)
{
	struct scribe_cpu *state;
	int cpu;

	for_each_possible_cpu(cpu) {
		state = per_cpu_ptr(&scribe_cpus, cpu);
		if (!IS_ERR_OR_NULL(state->task))
			kthread_stop(state->task);
		state->task = NULL;
		if (running) {
			hrtimer_cancel(&state->hard);
			hrtimer_cancel(&state->soft);
		}
	}
	nmi_wait();
	running = false;
}

/* Context: lock held. */
static int start(void)
{
	struct scribe_cpu *state;
	int cpu;

	stop();
	for_each_online_cpu(cpu) {
		state = per_cpu_ptr(&scribe_cpus, cpu);
		state->cpu = cpu;
		state->task = kthread_create_on_cpu(write_as_task, state, cpu, "scribe/%u");
		if (IS_ERR(state->task)) {
			stop();
			return -ENOMEM;
		}
		wake_up_process(state->task);
	}
	for_each_possible_cpu(cpu) {
		state = per_cpu_ptr(&scribe_cpus, cpu);
		gophership_hrtimer_setup(&state->hard, hard_tick, HRTIMER_MODE_REL_PINNED_HARD);
		gophership_hrtimer_setup(&state->soft, soft_tick, HRTIMER_MODE_REL_PINNED_SOFT);
	}
	running = true;
	on_each_cpu(start_timers, NULL, true);
	return 0;
}

/*
 * Commands; context: lock held
 */

static struct gophership_stream *the_stream(void)
{
	return rcu_dereference_protected(stream, lockdep_is_held(&lock));
}

static u32 commander(void)
{
	return writer_id(raw_smp_processor_id(), SCRIBE_COMMAND);
}

/* Each length of these in both ways, and what is too long. */
static int write_sizes(size_t first, size_t last)
{
	struct gophership_stream *to = the_stream();
	size_t max = gophership_stream_record_max(to), len;
	struct gophership_stream_state state;
	void *room = kzalloc(max + 1, GFP_KERNEL);
	u32 id;

	if (!room)
		return -ENOMEM;
	migrate_disable();
	id = commander();
	last = min(last, max - sizeof(struct scribe_record));
	for (len = first; len <= last; len++) {
		reserve_one(to, id, len, false);
		fill(room, id, ++writers[id].numbers, len);
		count(&writers[id], gophership_stream_write(to, room, len +
							    sizeof(struct scribe_record)));
	}
	if (gophership_stream_write(to, room, max + 1) != -EMSGSIZE ||
	    gophership_stream_reserve(to, max + 1, &state) ||
	    gophership_stream_write(to, room, ~0UL) != -EMSGSIZE)
		mistake("one byte more", max + 1);
	migrate_enable();
	kfree(room);
	return 0;
}

/* @nr records within an open one, which is the last to be committed. */
static void write_within(unsigned int nr)
{
	struct gophership_stream_state state;
	struct scribe_record *record;
	u32 id;

	migrate_disable();
	id = commander();
	record = gophership_stream_reserve(the_stream(), sizeof(*record), &state);
	writers[id].numbers++;
	if (!record) {
		writers[id].lost++;
	} else {
		fill(record, id, writers[id].numbers, 0);
		while (nr--)
			write_some(the_stream(), id);
		gophership_stream_commit(the_stream(), &state);
	}
	migrate_enable();
}

/* What there was of each, as the last record. */
static int write_totals(void)
{
	struct { struct scribe_record record; struct scribe_totals totals; } *all;
	struct writer *own = &writers[SCRIBE_TOTALS];
	unsigned int i;
	int ret;

	all = kzalloc(sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	all->record.writer = SCRIBE_TOTALS;
	all->record.len = sizeof(all->totals);
	for (i = 0; i < SCRIBE_WRITERS; i++) {
		all->totals.numbers[i] = writers[i].numbers;
		all->totals.lost[i] = writers[i].lost;
	}
	all->totals.numbers[SCRIBE_TOTALS] = ++own->numbers;
	all->totals.lost[SCRIBE_TOTALS] = own->lost;
	ret = gophership_stream_write(the_stream(), all, sizeof(*all));
	count(own, ret);
	kfree(all);
	return ret;
}

/* Messages for the kernel's log; under @lock. */
static unsigned int messages_left;

static void print_one(struct irq_work *work)
{
	pr_info("message %u from %s\n", messages_left,
		in_hardirq() ? "a hard interrupt" : "a task");
}

static int print(unsigned int nr)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(print_one);

	for (messages_left = nr; messages_left; messages_left--) {
		irq_work_queue(&work);
		irq_work_sync(&work);
	}
	return 0;
}

static int perform(const char *command)
{
	unsigned int nr, last;

	if (sysfs_streq(command, "start"))
		return start();
	if (sysfs_streq(command, "stop")) {
		stop();
		return 0;
	}
	if (sysfs_streq(command, "one")) {
		migrate_disable();
		write_short(the_stream(), commander(), 40);
		migrate_enable();
		return 0;
	}
	if (sscanf(command, "sizes %u %u", &nr, &last) == 2)
		return write_sizes(nr, last);
	if (sysfs_streq(command, "totals"))
		return write_totals();
	if (sscanf(command, "within %u", &nr) != 1)
		return -EINVAL;
	write_within(nr);
	return 0;
}

static int set_command(const char *value, const struct kernel_param *param)
{
	unsigned int nr;
	int ret = -ENOTCONN;

	mutex_lock(&lock);
	if (sscanf(value, "print %u", &nr) == 1)
		ret = print(nr);
	else if (the_stream())
		ret = perform(value);
	mutex_unlock(&lock);
	return ret;
}

static const struct kernel_param_ops command_ops = {
	.set = set_command,
};
module_param_cb(command, &command_ops, NULL, 0200);

/*
 * The port
 */

/* May run before the stream is there for writers; so it comes with the port. */
static void submitted(struct gophership_port *port, void *priv)
{
	gophership_stream_flush(priv);
}

/* How much it was, where there is no buffer any more to tell it. */
static void report(void)
{
	u64 numbers = 0, lost = 0;
	unsigned int i;

	for (i = 0; i <= SCRIBE_WRITERS; i++) {
		numbers += writers[i].numbers;
		lost += writers[i].lost;
	}
	pr_info("%llu records, %llu of them lost\n", numbers, lost);
}

/* Everything that was written is delivered. */
static void withdraw(struct gophership_stream *old)
{
	mutex_lock(&lock);
	stop();
	report();
	RCU_INIT_POINTER(stream, NULL);
	mutex_unlock(&lock);
	synchronize_rcu();
	gophership_stream_destroy(old);
}

static void closed(struct gophership_port *port, void *priv)
{
	withdraw(priv);
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
		.flags = times ? GOPHERSHIP_STREAM_TIMES : 0,
	};
	struct gophership_stream *offered;
	int ret;

	if (rcu_access_pointer(stream))
		return -EBUSY;
	offered = gophership_stream_create(port, &params);
	if (IS_ERR(offered))
		return PTR_ERR(offered);
	mutex_lock(&lock);
	memset(writers, 0, sizeof(writers));
	rcu_assign_pointer(stream, offered);
	mutex_unlock(&lock);
	/* Not with the lock held, which closed() takes. */
	ret = gophership_port_accept(port, &ops, offered);
	if (ret)
		withdraw(offered);
	return ret;
}

static struct gophership_endpoint endpoint = {
	.name = "scribe",
	.owner = THIS_MODULE,
	.buf_size_min = 4096,
	.attach = attach,
};

static int __init scribe_init(void)
{
	int ret = nmi_begin();

	if (ret)
		return ret;
	ret = gophership_endpoint_register(&endpoint);
	if (ret)
		nmi_end();
	return ret;
}
module_init(scribe_init);

static void __exit scribe_exit(void)
{
	gophership_endpoint_unregister(&endpoint);
	nmi_end();
}
module_exit(scribe_exit);

MODULE_DESCRIPTION("A driver that writes to a stream in every context at once");
MODULE_LICENSE("GPL");
