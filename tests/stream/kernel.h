/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as device/block.c and record.c need, for one CPU. Before and after
 * each access to the state of the CPU there is a step(): there the model may have an
 * interrupt come.
 */
#ifndef STREAM_MODEL_KERNEL_H
#define STREAM_MODEL_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What others need of these, records do not. */
#define GOPHERSHIP_BUF_H
#define GOPHERSHIP_PORT_H
#define GOPHERSHIP_COMPAT_H

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;

/* Words of the compiler and of kbuild */
#define __percpu
#undef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#define noinline		__attribute__((noinline))
#define likely(x)		(x)
#define unlikely(x)		(x)
#define EXPORT_SYMBOL_GPL(x)
#define IS_ENABLED(config)	1
#define get_unaligned(pointer)		(*(pointer))
#define put_unaligned(value, pointer)	((void)(*(pointer) = (value)))
#define ____cacheline_aligned_in_smp
#define BITS_PER_LONG		(8 * (int)sizeof(long))
#define BIT(n)			(1UL << (n))
#define GOPHERSHIP_NMI_SAFE_THIS_CPU	1
#define in_nmi()			0
#define smp_mb()			((void)0)

struct hlist_node {
	int unused;
};

struct hrtimer {
	int unused;
};

struct irq_work {
	int unused;
};

struct work_struct {
	int unused;
};

void step(void);
extern int preempt_count;
extern bool online;

#define STEPPED(expression)						\
({									\
	step();								\
	typeof(expression) result__ = (expression);			\
									\
	step();								\
	result__;							\
})

#define READ_ONCE(x)			STEPPED(x)
#define WRITE_ONCE(x, value)		((void)STEPPED((x) = (value)))
#define barrier()			step()
#define this_cpu_ptr(pointer)		(pointer)
#define this_cpu_read(x)		STEPPED(x)
#define this_cpu_write(x, value)	((void)STEPPED((x) = (value)))
#define this_cpu_inc(x)			((void)STEPPED((x)++))
#define this_cpu_dec(x)			((void)STEPPED((x)--))
#define this_cpu_cmpxchg(x, from, to)					\
({									\
	typeof(x) from__ = (from), to__ = (to), was__;			\
									\
	step();								\
	was__ = (x);							\
	if (was__ == from__)						\
		(x) = to__;						\
	step();								\
	was__;								\
})

#define preempt_disable_notrace()	((void)preempt_count++)
#define preempt_enable_notrace()	((void)preempt_count--)
#define raw_smp_processor_id()		0
#define cpu_online(cpu)			(online)

u64 ktime_get_mono_fast_ns(void);
void irq_work_queue(struct irq_work *work);

/* Of a port */

struct gophership_port {
	int unused;
};

struct gophership_buf {
	void *data;
	int index;
};

struct gophership_message {
	u32 offset;
	u32 len;
	u32 flags;
	u64 tag;
};

struct gophership_buf *gophership_port_take(struct gophership_port *port,
					    struct gophership_message *message);
int gophership_port_deliver(struct gophership_port *port, struct gophership_buf *buf,
			    const struct gophership_message *message);
void gophership_port_lost(struct gophership_port *port, u32 nr);
void gophership_port_again(struct gophership_port *port);
bool gophership_port_starved(const struct gophership_port *port);

#endif /* STREAM_MODEL_KERNEL_H */
