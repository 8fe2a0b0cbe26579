// SPDX-License-Identifier: GPL-2.0
/*
 * GopherShip buffer pool: the life of a stream, and the delivery of blocks that are not
 * full: by age, by a flush, when a CPU goes offline, at the stream's end.
 *
 * What is exported is described in gophership_stream.h.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "device/block.h"
#include "gophership_compat.h"

/* Of left_behind(); constant after init. */
static enum cpuhp_state hotplug_state __ro_after_init;

/*
 * Age
 */

/* How long the block of @cpu, which is this CPU, may stay; 0 if it is late, or not open. */
static u64 time_left(struct gophership_stream_cpu *cpu, bool *open)
{
	unsigned long word = READ_ONCE(cpu->word);
	u64 age;

	*open = gophership_stream_position(word) != GOPHERSHIP_STREAM_NONE;
	if (!*open)
		return 0;
	age = ktime_get_mono_fast_ns() - READ_ONCE(cpu->slots[gophership_stream_place(word)].time);
	return age < cpu->stream->flush_ns ? cpu->stream->flush_ns - age : 0;
}

/*
 * A block that is opened while the timer runs is younger than the timer, so one timer is
 * enough. Context: hard interrupt, on the CPU that it looks at.
 */
static enum hrtimer_restart look(struct hrtimer *timer)
{
	struct gophership_stream_cpu *cpu = container_of(timer, struct gophership_stream_cpu,
							 timer);
	bool open;
	u64 left;

	/* The CPU has gone, and its timers have moved to this one: left_behind() has the blocks. */
	if (cpu->id != raw_smp_processor_id())
		return HRTIMER_NORESTART;
	left = time_left(cpu, &open);
	if (open && !left)
		gophership_block_close(cpu->stream);
	/* Before the look: an NMI that opens a block from here on starts the timer anew. */
	WRITE_ONCE(cpu->armed, false);
	barrier();
	left = time_left(cpu, &open);
	if (!open)
		return HRTIMER_NORESTART;
	WRITE_ONCE(cpu->armed, true);
	hrtimer_forward_now(timer, ns_to_ktime(left ?: cpu->stream->flush_ns));
	return HRTIMER_RESTART;
}

/* A timer takes its base's lock, which the context that opened the block may have held. */
static void start_timer(struct irq_work *work)
{
	struct gophership_stream_cpu *cpu = container_of(work, struct gophership_stream_cpu, arm);

	/* The CPU goes, and has no timers any more: left_behind() takes the block. */
	if (!cpu_online(cpu->id))
		return;
	hrtimer_start(&cpu->timer, ns_to_ktime(cpu->stream->flush_ns),
		      HRTIMER_MODE_REL_PINNED_HARD);
}

/*
 * Flush
 */

/* Is there something on @cpu? A peek at another CPU's state. */
static bool has_something(int cpu, void *info)
{
	struct gophership_stream *stream = info;
	const struct gophership_stream_cpu *state = per_cpu_ptr(stream->cpu, cpu);
	unsigned long word;

	smp_mb(); /* (L) pairs with (L) in lose(): after the KICK, and so after the submission */
	word = READ_ONCE(state->word);
	return gophership_stream_position(word) != GOPHERSHIP_STREAM_NONE ||
	       READ_ONCE(state->slots[gophership_stream_place(word)].lost);
}

/* Context: hard interrupt, or interrupts are off. */
static void flush_here(void *stream)
{
	gophership_block_close(stream);
}

static void flush_everywhere(struct work_struct *work)
{
	struct gophership_stream *stream = container_of(work, struct gophership_stream, flush);

	on_each_cpu_cond(has_something, flush_here, stream, true);
}

/* To queue a work takes locks, which the context that asked may have held. */
static void start_flush(struct irq_work *work)
{
	queue_work(system_unbound_wq,
		   &container_of(work, struct gophership_stream, kick)->flush);
}

void gophership_stream_flush(struct gophership_stream *stream)
{
	gophership_stream_kick(stream);
}
EXPORT_SYMBOL_GPL(gophership_stream_flush);

/*
 * CPUs go
 */

/* Context: process; @cpu is dead, and stays so. */
static int left_behind(unsigned int cpu, struct hlist_node *node)
{
	struct gophership_stream *stream = hlist_entry(node, struct gophership_stream, node);
	struct gophership_stream_cpu *dead = per_cpu_ptr(stream->cpu, cpu);

	hrtimer_cancel(&dead->timer);
	dead->armed = false;
	gophership_blocks_drain(stream, dead);
	return 0;
}

/*
 * Life
 */

static void init_cpu(struct gophership_stream *stream, int cpu)
{
	struct gophership_stream_cpu *state = per_cpu_ptr(stream->cpu, cpu);

	state->stream = stream;
	state->id = cpu;
	state->word = GOPHERSHIP_STREAM_NONE;
	state->arm = IRQ_WORK_INIT_HARD(start_timer);
	gophership_hrtimer_setup(&state->timer, look, HRTIMER_MODE_REL_PINNED_HARD);
}

/* Bytes of a record beside its data. */
static u32 head_size(const struct gophership_stream *stream)
{
	return sizeof(struct gophership_stream_record) + (stream->times ? sizeof(u64) : 0);
}

/*
 * Units of a block: of a whole buffer, but for pages and words with which there is no
 * such position.
 */
static u32 limit_of(const struct gophership_port *port)
{
	return min_t(unsigned long, gophership_port_capacity(port) / GOPHERSHIP_STREAM_UNIT,
		     GOPHERSHIP_STREAM_NONE - 1);
}

struct gophership_stream *gophership_stream_create(struct gophership_port *port,
						   const struct gophership_stream_params *params)
{
	static const struct gophership_stream_params defaults;
	struct gophership_stream *stream;
	int cpu, ret = -ENOMEM;

	if (!params)
		params = &defaults;
	if (params->flags & ~GOPHERSHIP_STREAM_TIMES)
		return ERR_PTR(-EINVAL);
	stream = kzalloc(sizeof(*stream), GFP_KERNEL_ACCOUNT);
	if (!stream)
		return ERR_PTR(-ENOMEM);
	stream->cpu = alloc_percpu_gfp(struct gophership_stream_cpu,
				       GFP_KERNEL_ACCOUNT);
	if (!stream->cpu)
		goto free_stream;
	stream->port = port;
	stream->times = params->flags & GOPHERSHIP_STREAM_TIMES;
	stream->limit = limit_of(port);
	stream->overhead = head_size(stream) + GOPHERSHIP_STREAM_UNIT - 1;
	stream->record_max = (stream->limit - GOPHERSHIP_STREAM_HEADER) * GOPHERSHIP_STREAM_UNIT -
			     head_size(stream);
	stream->short_end = stream->times ? 0 : min_t(size_t, GOPHERSHIP_STREAM_SHORT,
						      stream->record_max) + 1;
	stream->flush_ns = (u64)params->flush_us * NSEC_PER_USEC;
	stream->kick = IRQ_WORK_INIT_HARD(start_flush);
	INIT_WORK(&stream->flush, flush_everywhere);
	for_each_possible_cpu(cpu)
		init_cpu(stream, cpu);
	ret = cpuhp_state_add_instance_nocalls(hotplug_state, &stream->node);
	if (ret)
		goto free_cpus;
	return stream;

free_cpus:
	free_percpu(stream->cpu);
free_stream:
	kfree(stream);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(gophership_stream_create);

void gophership_stream_destroy(struct gophership_stream *stream)
{
	struct gophership_stream_cpu *state;
	int cpu;

	cpuhp_state_remove_instance_nocalls(hotplug_state, &stream->node);
	irq_work_sync(&stream->kick);
	cancel_work_sync(&stream->flush);
	for_each_possible_cpu(cpu) {
		state = per_cpu_ptr(stream->cpu, cpu);
		/* In this order: the one starts the other. */
		irq_work_sync(&state->arm);
		hrtimer_cancel(&state->timer);
		gophership_blocks_drain(stream, state);
	}
	free_percpu(stream->cpu);
	kfree(stream);
}
EXPORT_SYMBOL_GPL(gophership_stream_destroy);

int __init gophership_stream_init(void)
{
	int ret = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN, "gophership/stream:dead", NULL,
					  left_behind);

	if (ret < 0)
		return ret;
	hotplug_state = ret;
	return 0;
}

void gophership_stream_exit(void)
{
	cpuhp_remove_multi_state(hotplug_state);
}
