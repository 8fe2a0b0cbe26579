/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: sections, and the blocks of a CPU. See device/stream.h.
 */
#ifndef GOPHERSHIP_DEVICE_BLOCK_H
#define GOPHERSHIP_DEVICE_BLOCK_H

#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/smp.h>

#include "device/stream.h"

void gophership_blocks_settle(struct gophership_stream *stream);
bool gophership_block_make_room(struct gophership_stream *stream, unsigned long word);
void gophership_block_close(struct gophership_stream *stream);
void gophership_blocks_drain(struct gophership_stream *stream, struct gophership_stream_cpu *cpu);

/* Have the blocks of all CPUs closed, soon. Context: any. */
static inline void gophership_stream_kick(struct gophership_stream *stream)
{
	preempt_disable_notrace();
	/* A CPU that comes or goes runs no irq_work: the driver is asked again when it has. */
	if (likely(cpu_online(raw_smp_processor_id())))
		irq_work_queue(&stream->kick);
	else
		gophership_port_again(stream->port);
	preempt_enable_notrace();
}

static __always_inline void gophership_section_enter(struct gophership_stream *stream)
{
	preempt_disable_notrace();
	this_cpu_inc(stream->cpu->depth);
	barrier();
}

static __always_inline void gophership_section_leave(struct gophership_stream *stream)
{
	barrier();
	this_cpu_dec(stream->cpu->depth);
	/* Not before: a context on top that closes a block now delivers it itself. */
	if (unlikely(this_cpu_read(stream->cpu->pending)))
		gophership_blocks_settle(stream);
	preempt_enable_notrace();
}

#endif /* GOPHERSHIP_DEVICE_BLOCK_H */
