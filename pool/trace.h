/* SPDX-License-Identifier: GPL-2.0 */
/*
 * GopherShip buffer pool: the tracepoints.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gophership

#if !defined(GOPHERSHIP_POOL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define GOPHERSHIP_POOL_TRACE_H

#include <linux/tracepoint.h>

#include "gophership_buf.h"

DECLARE_EVENT_CLASS(gophership_buf_event,
	TP_PROTO(const struct gophership_buf *buf, unsigned long call_site),
	TP_ARGS(buf, call_site),
	TP_STRUCT__entry(
		__field(const void *, buf)
		__field(u32, capacity)
		__field(unsigned long, call_site)
	),
	TP_fast_assign(
		__entry->buf = buf;
		__entry->capacity = buf->capacity;
		__entry->call_site = call_site;
	),
	TP_printk("buf=%p capacity=%u call_site=%pS",
		  __entry->buf, __entry->capacity, (void *)__entry->call_site)
);

int gophership_watch(void);
void gophership_unwatch(void);
void gophership_watch_init(void);

/* A buffer was handed out. */
DEFINE_EVENT_FN(gophership_buf_event, gophership_acquire,
	TP_PROTO(const struct gophership_buf *buf, unsigned long call_site),
	TP_ARGS(buf, call_site),
	gophership_watch, gophership_unwatch
);

/* A buffer came back and passed its checks. */
DEFINE_EVENT_FN(gophership_buf_event, gophership_release,
	TP_PROTO(const struct gophership_buf *buf, unsigned long call_site),
	TP_ARGS(buf, call_site),
	gophership_watch, gophership_unwatch
);

DECLARE_EVENT_CLASS(gophership_pool_event,
	TP_PROTO(const char *pool, unsigned int class, unsigned int nr),
	TP_ARGS(pool, class, nr),
	TP_STRUCT__entry(
		__array(char, pool, GOPHERSHIP_POOL_NAME_LEN)
		__field(unsigned int, class)
		__field(unsigned int, nr)
	),
	TP_fast_assign(
		strscpy(__entry->pool, pool, GOPHERSHIP_POOL_NAME_LEN);
		__entry->class = class;
		__entry->nr = nr;
	),
	TP_printk("pool=%s class=%u nr=%u",
		  __entry->pool, __entry->class, __entry->nr)
);

/* The page allocator was asked: @nr new buffers, the caller's among them. */
DEFINE_EVENT(gophership_pool_event, gophership_refill,
	TP_PROTO(const char *pool, unsigned int class, unsigned int nr),
	TP_ARGS(pool, class, nr)
);

/* @nr idle buffers go back to the page allocator. */
DEFINE_EVENT(gophership_pool_event, gophership_trim,
	TP_PROTO(const char *pool, unsigned int class, unsigned int nr),
	TP_ARGS(pool, class, nr)
);

/* A release was refused: -EINVAL (not ours) or -EALREADY (not leased). */
TRACE_EVENT(gophership_reject,
	TP_PROTO(const void *ptr, int error, unsigned long call_site),
	TP_ARGS(ptr, error, call_site),
	TP_STRUCT__entry(
		__field(const void *, ptr)
		__field(int, error)
		__field(unsigned long, call_site)
	),
	TP_fast_assign(
		__entry->ptr = ptr;
		__entry->error = error;
		__entry->call_site = call_site;
	),
	TP_printk("ptr=%p error=%d call_site=%pS",
		  __entry->ptr, __entry->error, (void *)__entry->call_site)
);

#endif /* GOPHERSHIP_POOL_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH pool
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
