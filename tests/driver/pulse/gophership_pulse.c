// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that takes and delivers in every context at once, on every CPU: a task
 * that polls, hard interrupts (timers), and NMIs on top of all of them. A buffer that
 * two of them have at the same time is a mistake; mistakes are counted.
 *
 * Parameters, which may be written at any time, for ports that come after that:
 *   quiet	only the task is at work
 *   hold_ms	every 16th buffer of the task comes back so much later, as from a device
 *   going	it comes back from a CPU that goes, at the last moment, instead
 *   batch	what comes back so much later comes with BATCH, and a flush
 *   stuck	every 1024th buffer of the task never comes back
 *   misuse	at attach: calls that must be refused, with a submitted buffer and eight bad
 *		entries
 *   linger	closed() does not return as long as that is set
 *   forget	attach says yes and does not accept the port
 *   dawdle	attach does not return as long as that is set
 *   registered	the endpoint is there: unregistered and registered by a work, so that
 *		the parameters can be used meanwhile
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "gophership_compat.h"
#include "gophership_port.h"
#include "tests/driver/interrupts.h"

#define PERIOD_NS	1000000
#define ROUNDS		4
#define BULK		32

static bool quiet;
module_param(quiet, bool, 0644);
static unsigned int hold_ms;
module_param(hold_ms, uint, 0644);
static bool going;
module_param(going, bool, 0644);
static bool stuck;
module_param(stuck, bool, 0644);
static bool batch;
module_param(batch, bool, 0644);
static bool bulk;
module_param(bulk, bool, 0644);
static bool misuse;
module_param(misuse, bool, 0644);
static bool linger;
module_param(linger, bool, 0644);
static bool forget;
module_param(forget, bool, 0644);
static bool dawdle;
module_param(dawdle, bool, 0644);

/* What was seen, to be read. */
static int mistakes, tasks, hardirqs, nmis, ports;
/* Calls of attach and of callbacks that are under way. */
static int inside;
module_param(inside, int, 0444);
module_param(mistakes, int, 0444);
module_param(tasks, int, 0444);
module_param(hardirqs, int, 0444);
module_param(nmis, int, 0444);
module_param(ports, int, 0444);

static void count(int *counter, int nr)
{
	atomic_add(nr, (atomic_t *)counter);
}

struct pulse;

struct pulse_timer {
	struct hrtimer timer;
	struct pulse *pulse;
};

/**
 * struct pulse - a port at work
 * @port: the port
 * @task: polls
 * @timers: per CPU
 * @held: a buffer that comes back later; the task sets it, what gives it back clears it
 * @late: then
 * @going: as the parameter was
 * @batch: as the parameter was
 * @bulk: as the parameter was
 * @stuck: as the parameter was
 * @hold_ms: as the parameter was
 * @holders: per buffer, how many contexts have it
 */
struct pulse {
	struct gophership_port *port;
	struct task_struct *task;
	struct pulse_timer __percpu *timers;
	struct gophership_buf *held;
	struct delayed_work late;
	bool going;
	bool batch;
	bool bulk;
	bool stuck;
	unsigned int hold_ms;
	atomic_t holders[];
};

/* What NMIs work on: the port that came last. */
static struct pulse __rcu *nmi_pulse;

static void mistake(const char *what, long value)
{
	count(&mistakes, 1);
	pr_err_ratelimited("wrong: %s: %ld\n", what, value);
}

static struct gophership_buf *take(struct pulse *pulse, struct gophership_message *message)
{
	struct gophership_buf *buf = gophership_port_take(pulse->port, message);

	if (!buf)
		return NULL;
	if (atomic_inc_return(&pulse->holders[buf->index]) != 1)
		mistake("two contexts have a buffer", buf->index);
	if (message->len > buf->capacity || message->offset > buf->capacity - message->len)
		mistake("a message is outside of its buffer", message->offset);
	return buf;
}

static void deliver(struct pulse *pulse, struct gophership_buf *buf,
		    const struct gophership_message *message)
{
	int ret;

	if (atomic_dec_return(&pulse->holders[buf->index]) != 0)
		mistake("two contexts had a buffer", buf->index);
	ret = gophership_port_deliver(pulse->port, buf, message);
	if (ret && ret != -EPIPE)
		mistake("a delivery was refused", ret);
}

/* The tag comes back as it is, and in the payload. */
static void visit(struct pulse *pulse, int *counter)
{
	struct gophership_message message;
	struct gophership_buf *buf;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		buf = take(pulse, &message);
		if (!buf)
			break;
		if (message.len >= sizeof(message.tag))
			memcpy(buf->data + message.offset, &message.tag, sizeof(message.tag));
		deliver(pulse, buf, &message);
		count(counter, 1);
	}
}

#ifdef CONFIG_X86_LOCAL_APIC
static void nmi_visit(void)
{
	struct pulse *pulse = rcu_dereference_raw(nmi_pulse);

	if (pulse)
		visit(pulse, &nmis);
}
#endif

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct pulse_timer *t = container_of(timer, struct pulse_timer, timer);

	nmi_send();
	visit(t->pulse, &hardirqs);
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS));
	return HRTIMER_RESTART;
}

static void start_timer(void *data)
{
	struct pulse_timer *t = this_cpu_ptr((struct pulse_timer __percpu __force *)data);

	hrtimer_start(&t->timer, ns_to_ktime(PERIOD_NS), HRTIMER_MODE_REL_PINNED_HARD);
}

static int start_timers(struct pulse *pulse)
{
	struct pulse_timer __percpu *timers = alloc_percpu(struct pulse_timer);
	int cpu;

	if (!timers)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct pulse_timer *t = per_cpu_ptr(timers, cpu);

		t->pulse = pulse;
		gophership_hrtimer_setup(&t->timer, tick, HRTIMER_MODE_REL_PINNED_HARD);
	}
	pulse->timers = timers;
	rcu_assign_pointer(nmi_pulse, pulse);
	on_each_cpu(start_timer, (__force void *)timers, true);
	return 0;
}

static void stop_timers(struct pulse *pulse)
{
	struct pulse_timer __percpu *timers = pulse->timers;
	int cpu;

	if (!timers)
		return;
	for_each_possible_cpu(cpu)
		hrtimer_cancel(&per_cpu_ptr(timers, cpu)->timer);
	if (rcu_access_pointer(nmi_pulse) == pulse)
		rcu_assign_pointer(nmi_pulse, NULL);
	synchronize_rcu();
	free_percpu(timers);
}

/* The device has done with it. */
static void give_held_back(struct pulse *pulse)
{
	struct gophership_message message = { .tag = ~0ULL };

	if (pulse->batch)
		message.flags = GOPHERSHIP_MESSAGE_BATCH;
	deliver(pulse, pulse->held, &message);
	if (pulse->batch)
		gophership_port_flush(pulse->port);
	/* Pairs with keep(): the next one after this one. */
	smp_store_release(&pulse->held, NULL);
}

static void late(struct work_struct *work)
{
	give_held_back(container_of(work, struct pulse, late.work));
}

/* For CPUs that go: the port with @going that came last. */
static struct pulse __rcu *going_pulse;

/*
 * On a CPU that goes, after it has run its irq_works for the last time. (Tracepoints are
 * silent there.)
 */
static int going_step(struct kprobe *probe, struct pt_regs *regs)
{
	struct pulse *pulse = rcu_dereference_raw(going_pulse);

	if (cpu_online(raw_smp_processor_id()))
		mistake("a CPU that goes is online", raw_smp_processor_id());
	if (pulse && smp_load_acquire(&pulse->held)) /* pairs with keep() */
		give_held_back(pulse);
	return 0;
}

static struct kprobe going_probe = {
	.symbol_name = "sched_cpu_dying",
	.pre_handler = going_step,
};

static int start_going(struct pulse *pulse)
{
	int ret;

	rcu_assign_pointer(going_pulse, pulse);
	going_probe.addr = NULL;
	going_probe.flags = 0;
	ret = register_kprobe(&going_probe);
	pulse->going = !ret;
	return ret;
}

static void stop_going(struct pulse *pulse)
{
	if (!pulse->going)
		return;
	unregister_kprobe(&going_probe);
	rcu_assign_pointer(going_pulse, NULL);
	if (pulse->held)
		give_held_back(pulse);
}

/* Returns whether the buffer stays with the driver. */
static bool keep(struct pulse *pulse, struct gophership_buf *buf, unsigned int nr)
{
	if (pulse->stuck && nr % 1024 == 1)
		return true;
	if (!pulse->hold_ms || nr % 16)
		return false;
	/* Pairs with give_held_back(). */
	if (smp_load_acquire(&pulse->held))
		return false;
	smp_store_release(&pulse->held, buf); /* pairs with going_step() */
	if (pulse->going)
		return true;
	schedule_delayed_work(&pulse->late, msecs_to_jiffies(pulse->hold_ms));
	return true;
}

/* Each comes back with BATCH; the flush wakes. */
static unsigned int visit_bulk(struct pulse *pulse)
{
	static DEFINE_MUTEX(lock);
	static struct gophership_message messages[BULK];
	static struct gophership_buf *bufs[BULK];
	unsigned int i, nr, done;

	mutex_lock(&lock);
	nr = gophership_port_take_bulk(pulse->port, BULK, bufs, messages);
	for (i = 0; i < nr; i++) {
		if (messages[i].len != bufs[i]->len)
			mistake("buf->len", bufs[i]->len);
		messages[i].flags = GOPHERSHIP_MESSAGE_BATCH;
	}
	done = nr ? gophership_port_deliver_bulk(pulse->port, nr, bufs, messages) : 0;
	if (done != nr)
		mistake("deliveries were refused", nr - done);
	gophership_port_flush(pulse->port);
	mutex_unlock(&lock);
	count(&tasks, nr);
	return nr;
}

static int poll(void *data)
{
	struct gophership_message message;
	struct pulse *pulse = data;
	struct gophership_buf *buf;
	unsigned int nr = 0;

	while (!kthread_should_stop()) {
		if (pulse->bulk) {
			if (!visit_bulk(pulse))
				cond_resched();
			continue;
		}
		buf = take(pulse, &message);
		if (buf && keep(pulse, buf, ++nr))
			continue;
		if (buf) {
			if (message.len >= sizeof(message.tag))
				memcpy(buf->data + message.offset, &message.tag,
				       sizeof(message.tag));
			deliver(pulse, buf, &message);
			count(&tasks, 1);
		}
		if (!buf || nr % 64 == 0)
			cond_resched();
	}
	return 0;
}

static void stop(struct pulse *pulse)
{
	stop_timers(pulse);
	if (!IS_ERR_OR_NULL(pulse->task))
		kthread_stop(pulse->task);
	flush_delayed_work(&pulse->late);
	stop_going(pulse);
}

static void closed(struct gophership_port *port, void *priv)
{
	struct pulse *pulse = priv;

	count(&inside, 1);
	stop(pulse);
	while (READ_ONCE(linger))
		usleep_range(1000, 2000);
	gophership_port_put(port);
	count(&ports, -1);
	kvfree(pulse);
	count(&inside, -1);
}

static const struct gophership_port_ops ops = {
	.owner = THIS_MODULE,
	.closed = closed,
};

static void expect(const char *what, long have, long want)
{
	if (have != want)
		mistake(what, have);
}

/* What must be refused, with the first buffer that the program has submitted. */
static void misuse_it(struct gophership_port *port)
{
	struct gophership_buf *other = gophership_buf_acquire(100, GFP_KERNEL), *buf;
	struct gophership_message message = {}, bad = {};
	char *wild = (char *)other + 8;

	bad.len = gophership_port_capacity(port);
	bad.offset = 1;
	buf = gophership_port_take(port, &message);
	if (!buf || !other) {
		mistake("no buffer to misuse", 0);
		return;
	}
	expect("buf->len", buf->len, message.len);
	expect("release of a port's buffer", gophership_buf_release(buf), -EINVAL);
	expect("deliver of another buffer", gophership_port_deliver(port, other, &bad), -EINVAL);
	expect("deliver of NULL", gophership_port_deliver(port, NULL, &bad), -EINVAL);
	expect("deliver of an odd pointer",
	       gophership_port_deliver(port, (void *)wild, &bad), -EINVAL);
	expect("deliver of a user's pointer",
	       gophership_port_deliver(port, (void *)0x1000, &bad), -EINVAL);
	expect("deliver outside", gophership_port_deliver(port, buf, &bad), -ERANGE);
	expect("second deliver", gophership_port_deliver(port, buf, &message), -EALREADY);
	expect("release after deliver", gophership_buf_release(buf), -EINVAL);
	expect("release of the other", gophership_buf_release(other), 0);
	expect("take of the eight", !!gophership_port_take(port, &message), false);
	gophership_port_lost(port, 3);
}

static int begin(struct gophership_port *port)
{
	struct pulse *pulse;
	int ret;

	if (forget)
		return 0;
	pulse = kvzalloc(struct_size(pulse, holders, gophership_port_count(port)), GFP_KERNEL);
	if (!pulse)
		return -ENOMEM;
	pulse->port = port;
	pulse->hold_ms = hold_ms;
	pulse->stuck = stuck;
	pulse->batch = batch;
	pulse->bulk = bulk;
	INIT_DELAYED_WORK(&pulse->late, late);
	ret = gophership_port_accept(port, &ops, pulse);
	if (ret)
		goto free_pulse;
	if (misuse)
		misuse_it(port);
	if (!quiet) {
		ret = start_timers(pulse);
		if (ret)
			goto stop_pulse;
	}
	if (going) {
		ret = start_going(pulse);
		if (ret)
			goto stop_pulse;
	}
	pulse->task = kthread_run(poll, pulse, "gophership/pulse");
	ret = PTR_ERR_OR_ZERO(pulse->task);
	if (ret)
		goto stop_pulse;
	count(&ports, 1);
	return 0;

stop_pulse:
	stop(pulse);
	gophership_port_put(port);
free_pulse:
	kvfree(pulse);
	return ret;
}

static int attach(struct gophership_endpoint *unused, struct gophership_port *port)
{
	int ret;

	count(&inside, 1);
	ret = begin(port);
	while (READ_ONCE(dawdle))
		usleep_range(1000, 2000);
	count(&inside, -1);
	return ret;
}

static struct gophership_endpoint endpoint = {
	.name = "pulse",
	.owner = THIS_MODULE,
	.buf_size_min = 4096,
	.count_max = 1024,
	.attach = attach,
};

/* As it is, and as it is to be. Written by the work, and by init; by the parameter. */
static int registered;
static bool wanted;

static void register_it(struct work_struct *work)
{
	if (READ_ONCE(wanted) == registered)
		return;
	if (!registered) {
		WRITE_ONCE(registered, !gophership_endpoint_register(&endpoint));
		return;
	}
	gophership_endpoint_unregister(&endpoint);
	if (READ_ONCE(inside))
		mistake("the endpoint is gone, and called", READ_ONCE(inside));
	WRITE_ONCE(registered, 0);
}

static DECLARE_WORK(register_work, register_it);

static int set_registered(const char *value, const struct kernel_param *param)
{
	int ret = kstrtobool(value, &wanted);

	if (!ret)
		schedule_work(&register_work);
	return ret;
}

static const struct kernel_param_ops registered_ops = {
	.set = set_registered,
	.get = param_get_int,
};
module_param_cb(registered, &registered_ops, &registered, 0644);

static int __init pulse_init(void)
{
	int ret = nmi_begin();

	if (ret)
		return ret;
	ret = gophership_endpoint_register(&endpoint);
	if (ret)
		nmi_end();
	registered = !ret;
	wanted = registered;
	return ret;
}
module_init(pulse_init);

static void __exit pulse_exit(void)
{
	flush_work(&register_work);
	if (registered)
		gophership_endpoint_unregister(&endpoint);
	nmi_end();
}
module_exit(pulse_exit);

MODULE_DESCRIPTION("A driver that is at work on ports in every context at once");
MODULE_LICENSE("GPL");
