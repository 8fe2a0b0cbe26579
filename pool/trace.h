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

int gophership_watch(void);
void gophership_unwatch(void);
void gophership_watch_init(void);

/*
 * A buffer was handed out: by @pool, for a request of @size bytes (0: a page).
 *
 * To a driver at @call_site; or where that is 0, to the @context of the device (see
 * struct gophership_context) that the process @pid has opened: its number in the first pid
 * namespace, which another process may have when that one has ended.
 */
TRACE_EVENT_FN(gophership_acquire,
	TP_PROTO(const char *pool, const struct gophership_buf *buf, size_t size, u32 context,
		 pid_t pid, unsigned long call_site),
	TP_ARGS(pool, buf, size, context, pid, call_site),
	TP_STRUCT__entry(
		__array(char, pool, GOPHERSHIP_POOL_NAME_LEN)
		__field(const void *, buf)
		__field(size_t, size)
		__field(u32, capacity)
		__field(u32, context)
		__field(pid_t, pid)
		__field(unsigned long, call_site)
	),
	TP_fast_assign(
		strscpy(__entry->pool, pool, GOPHERSHIP_POOL_NAME_LEN);
		__entry->buf = buf;
		__entry->size = size;
		__entry->capacity = buf->capacity;
		__entry->context = context;
		__entry->pid = pid;
		__entry->call_site = call_site;
	),
	TP_printk("pool=%s buf=%p size=%zu capacity=%u context=%u pid=%d call_site=%pS",
		  __entry->pool, __entry->buf, __entry->size, __entry->capacity,
		  __entry->context, __entry->pid, (void *)__entry->call_site),
	gophership_watch, gophership_unwatch
);

DECLARE_EVENT_CLASS(gophership_end_event,
	TP_PROTO(const char *pool, const struct gophership_buf *buf, u32 context, pid_t pid,
		 unsigned long call_site),
	TP_ARGS(pool, buf, context, pid, call_site),
	TP_STRUCT__entry(
		__array(char, pool, GOPHERSHIP_POOL_NAME_LEN)
		__field(const void *, buf)
		__field(u32, capacity)
		__field(u32, context)
		__field(pid_t, pid)
		__field(unsigned long, call_site)
	),
	TP_fast_assign(
		strscpy(__entry->pool, pool, GOPHERSHIP_POOL_NAME_LEN);
		__entry->buf = buf;
		__entry->capacity = buf->capacity;
		__entry->context = context;
		__entry->pid = pid;
		__entry->call_site = call_site;
	),
	TP_printk("pool=%s buf=%p capacity=%u context=%u pid=%d call_site=%pS",
		  __entry->pool, __entry->buf, __entry->capacity, __entry->context,
		  __entry->pid, (void *)__entry->call_site)
);

/* A buffer came back and passed its checks. The fields are those of gophership_acquire. */
DEFINE_EVENT_FN(gophership_end_event, gophership_release,
	TP_PROTO(const char *pool, const struct gophership_buf *buf, u32 context, pid_t pid,
		 unsigned long call_site),
	TP_ARGS(pool, buf, context, pid, call_site),
	gophership_watch, gophership_unwatch
);

/*
 * The pages of a buffer are not borrowed again, or not before something lets go of them:
 * after a gophership_release that found them in use, or instead of one
 * (gophership_buf_retire()). The fields are those of gophership_acquire.
 */
DEFINE_EVENT(gophership_end_event, gophership_retire,
	TP_PROTO(const char *pool, const struct gophership_buf *buf, u32 context, pid_t pid,
		 unsigned long call_site),
	TP_ARGS(pool, buf, context, pid, call_site)
);

DECLARE_EVENT_CLASS(gophership_pool_event,
	TP_PROTO(const char *pool, size_t capacity, unsigned int nr),
	TP_ARGS(pool, capacity, nr),
	TP_STRUCT__entry(
		__array(char, pool, GOPHERSHIP_POOL_NAME_LEN)
		__field(u32, capacity)
		__field(unsigned int, nr)
	),
	TP_fast_assign(
		strscpy(__entry->pool, pool, GOPHERSHIP_POOL_NAME_LEN);
		__entry->capacity = capacity;
		__entry->nr = nr;
	),
	TP_printk("pool=%s capacity=%u nr=%u",
		  __entry->pool, __entry->capacity, __entry->nr)
);

/* The page allocator was asked: @nr new buffers of @capacity bytes, the caller's among them. */
DEFINE_EVENT(gophership_pool_event, gophership_refill,
	TP_PROTO(const char *pool, size_t capacity, unsigned int nr),
	TP_ARGS(pool, capacity, nr)
);

/* @nr idle buffers of @capacity bytes go back to the page allocator. */
DEFINE_EVENT(gophership_pool_event, gophership_trim,
	TP_PROTO(const char *pool, size_t capacity, unsigned int nr),
	TP_ARGS(pool, capacity, nr)
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
