/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as the pool's own sources need, for one thread of
 * control that the model moves between the CPUs (see model.c). What another CPU
 * could see or change is a point(): there the model may go on with another one.
 *
 * Memory is sequentially consistent here; what the barriers are for is not shown.
 */
#ifndef MODEL_KERNEL_H
#define MODEL_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Versions, tracing: the files that have these are left out. */
#define GOPHERSHIP_COMPAT_H
#define GOPHERSHIP_POOL_TRACE_H
#define GOPHERSHIP_MAX_ORDER	10

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned int gfp_t;

#define NR_CPUS		5
#define CONFIG_NR_CPUS	NR_CPUS
#define MAX_NUMNODES	1
#define U16_MAX		0xffffU
#define U32_MAX		0xffffffffU
#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define PAGE_OFFSET	0UL
#define BITS_PER_LONG	64
#define HZ		100
#define SZ_1M		0x100000
#define SZ_4M		0x400000
#define jiffies		0UL
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)

/* Words of the compiler and of kbuild */
#define __acquires(x)
#define __releases(x)
#define __percpu
#define __user
#define __init
#define __exit
#define __read_mostly
#define __ro_after_init
#define ____cacheline_aligned	__attribute__((aligned(64)))
#define __aligned(n)		__attribute__((aligned(n)))
#undef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#define noinline		__attribute__((noinline))
#define likely(x)		(x)
#define unlikely(x)		(x)
#define data_race(x)		(x)
#define EXPORT_SYMBOL_GPL(x)
#define EXPORT_SYMBOL_GPL_INLINE(x)
#define module_param(...)
#define module_param_cb(...)
#define THIS_MODULE		NULL
#define kernel_param_lock(mod)	do {} while (0)
#define kernel_param_unlock(mod) do {} while (0)
struct kernel_param;
struct kernel_param_ops {
	int (*set)(const char *text, const struct kernel_param *param);
	int (*get)(char *text, const struct kernel_param *param);
};

/* No parameter is written. */
#define param_get_ulong		NULL
#define param_set_ulong(text, param) (-EINVAL)
#define MODULE_PARM_DESC(...)
#define KBUILD_MODNAME		"gophership"
#define IS_ENABLED(x)		0
#define _RET_IP_		((unsigned long)__builtin_return_address(0))
#define __acquire(x)
#define __release(x)
#define barrier()		__asm__ volatile("" : : : "memory")
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof(*(a)))
#define BIT(n)			(1UL << (n))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define clamp_t(t, v, a, b)	((t)min(max((t)(v), (t)(a)), (t)(b)))
#define DIV_ROUND_UP(a, b)	(((a) + (b) - 1) / (b))
#define ilog2(n)		(63 - __builtin_clzl(n))
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define struct_size(p, member, n) (sizeof(*(p)) + (n) * sizeof(*(p)->member))
#define kasan_reset_tag(p)	((void *)(p))
#define static_assert		_Static_assert

static inline unsigned int fls_long(unsigned long n)
{
	return n ? 64 - __builtin_clzl(n) : 0;
}

static inline int get_order(size_t size)
{
	return size <= PAGE_SIZE ? 0 : (int)fls_long((size - 1) >> PAGE_SHIFT);
}

/*
 * What the model offers
 */

void model_point(const volatile void *address, const char *function, int line);
#define point(address)	model_point(address, __func__, __LINE__)
void model_fail(const char *what, const volatile void *address);
void model_check_alive(const volatile void *address);
void model_wait(bool (*ready)(void *arg), void *arg);
void model_on_cpu(int cpu, void (*fn)(void *arg), void *arg);
void model_preempt(int change);
void model_irqs(int change);
bool model_irqs_disabled(void);
int model_cpu(void);
void *model_alloc(size_t size);
void model_free(void *memory);
extern char model_percpu[NR_CPUS][1 << 13];

/* Each is one step, before which anything may happen. */
#define READ_ONCE(x) ({ point(&(x)); *(volatile __typeof__(x) *)&(x); })
#define WRITE_ONCE(x, v) ({							\
	__typeof__(x) _value = (v);						\
	point(&(x));								\
	model_check_alive(&(x));						\
	*(volatile __typeof__(x) *)&(x) = _value;				\
})
#define cmpxchg(p, old, new) ({							\
	__typeof__(*(p)) _old = (old), _new = (new), _seen;			\
	point(p);								\
	model_check_alive(p);							\
	_seen = *(p);								\
	if (_seen == _old)							\
		*(p) = _new;							\
	_seen;									\
})
#define try_cmpxchg(p, old, new) ({						\
	__typeof__(*(p)) _was = *(old), _is = cmpxchg(p, _was, new);		\
	*(old) = _is;								\
	_is == _was;								\
})
#define xchg(p, new) ({								\
	__typeof__(*(p)) _new = (new), _seen;					\
	point(p);								\
	model_check_alive(p);							\
	_seen = *(p);								\
	*(p) = _new;								\
	_seen;									\
})
#define smp_store_release(p, v)	WRITE_ONCE(*(p), v)
#define smp_load_acquire(p)	READ_ONCE(*(p))
#define smp_mb()		barrier()
#define smp_rmb()		barrier()
#define smp_wmb()		barrier()
#define smp_mb__after_atomic()	barrier()

/* Memory that may be gone: the model has all of it, whatever is in it. */
#define gophership_get_nofault(value, word, fault)				\
	do {									\
		if (0)								\
			goto fault;						\
		*(value) = READ_ONCE(*(word));					\
	} while (0)
#define gophership_may_load(word)	true
#define gophership_hide(value)	(value)
#define gophership_load_after(zero, ptr) ((void)(zero), READ_ONCE(*(ptr)))
#define virt_addr_valid(p)	true
#define gophership_direct_base()	0UL

typedef struct { int counter; } atomic_t;
typedef struct { long counter; } atomic_long_t;
#define ATOMIC_INIT(n)			{ n }
#define ATOMIC_LONG_INIT(n)		{ n }
#define atomic_read(v)			((v)->counter)
#define atomic_inc(v)			((void)(v)->counter++)
#define atomic_dec(v)			((void)(v)->counter--)
#define atomic_inc_return(v)		(++(v)->counter)
#define atomic_long_read(v)		((v)->counter)
#define atomic_long_inc(v)		((void)(v)->counter++)
#define atomic_long_dec(v)		((void)(v)->counter--)
#define atomic_long_add(n, v)		((void)((v)->counter += (n)))
#define atomic_long_sub(n, v)		((void)((v)->counter -= (n)))
#define atomic_long_add_return(n, v)	((v)->counter += (n))
#define atomic_long_sub_return(n, v)	((v)->counter -= (n))

/* CPUs: a pointer into the first CPU's part stands for all of them. */
#define per_cpu_ptr(p, cpu)	((__typeof__(p))((char *)(p) + (cpu) * sizeof(model_percpu[0])))
#define this_cpu_ptr(p)		per_cpu_ptr(p, model_cpu())
#define raw_cpu_ptr(p)		this_cpu_ptr(p)
#define this_cpu_add(x, n)	(*this_cpu_ptr(&(x)) += (n))
#define this_cpu_inc(x)		this_cpu_add(x, 1)
#define this_cpu_dec(x)		this_cpu_add(x, -1)
#define this_cpu_read(x)	(*this_cpu_ptr(&(x)))
#define this_cpu_write(x, v)	(*this_cpu_ptr(&(x)) = (v))
#define this_cpu_or(x, v)	(*this_cpu_ptr(&(x)) |= (v))
#define this_cpu_and(x, v)	(*this_cpu_ptr(&(x)) &= (v))
#define DECLARE_PER_CPU(type, name)	extern type name
/* The first CPU's, with room for the others behind it. */
#define DEFINE_PER_CPU(type, name)						\
	struct { type first; char others[sizeof(model_percpu)]; } name##_of_all; \
	extern type name __attribute__((alias(#name "_of_all")))
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < NR_CPUS; (cpu)++)
#define cpu_online(cpu)		true
#define cpus_read_lock()
#define cpus_read_unlock()
#define smp_processor_id()	model_cpu()
#define raw_smp_processor_id()	model_cpu()
#define preempt_disable()	model_preempt(1)
#define preempt_enable()	model_preempt(-1)
bool model_preemptible(void);
#define preemptible()		model_preemptible()
bool model_in_nmi(void);
#define virt_to_page(address)	(address)
#define gophership_memcg_charged(page)	false
#define in_nmi()		model_in_nmi()
#define interrupt_context_level()	0
#define irqs_disabled()		model_irqs_disabled()
#define local_irq_save(f)	({ (f) = 0; model_irqs(1); })
#define local_irq_restore(f)	({ (void)(f); model_irqs(-1); })
#define cond_resched()
#define want_init_on_alloc(gfp)	false
#define want_init_on_free()	false
#define might_sleep()
void *__alloc_percpu(size_t size, size_t align);
#define free_percpu(p)

/* One memory node */
#define nr_node_ids		1
#define NODE_DATA(nid)		((void)(nid), NULL)
#define mod_node_page_state(node, item, pages)	((void)(node), (void)(pages))
#define for_each_node_state(node, state) for ((node) = 0; (node) < 1; (node)++)
#define cpu_to_mem(cpu)		0
#define NUMA_NO_NODE		(-1)
#define node_state(node, state)	((node) == 0)
#define node_distance(a, b)	10
#define num_possible_nodes()	1

/* Locks */
typedef struct { bool held; } raw_spinlock_t;
typedef raw_spinlock_t spinlock_t;
struct mutex { raw_spinlock_t lock; };
#define DEFINE_MUTEX(name)		struct mutex name
void model_lock(raw_spinlock_t *lock);
bool model_trylock(raw_spinlock_t *lock);
void model_unlock(raw_spinlock_t *lock);
/* What a tracer listens to: a lock was waited for, memory is allocated. */
void model_event(void);
#define raw_spin_lock_init(l)		((l)->held = false)
#define spin_lock_init(l)		raw_spin_lock_init(l)
#define raw_spin_lock(l)		({ model_lock(l); model_event(); })
#define raw_spin_trylock(l)		model_trylock(l)
#define raw_spin_unlock(l)		model_unlock(l)
#define spin_lock(l)			model_lock(l)
#define spin_unlock(l)			model_unlock(l)
#define mutex_lock(m)			model_lock(&(m)->lock)
#define lockdep_assert_held(l)		((void)(l))
#define mutex_unlock(m)			model_unlock(&(m)->lock)
struct lockdep_map { int unused; };
#define GOPHERSHIP_WAIT_OVERRIDE_MAP(name, type)	struct lockdep_map name
#define gophership_wait_override_begin(map)	((void)0)
#define gophership_wait_override_end(map)	((void)0)

/* Lists */
struct llist_node { struct llist_node *next; };
struct llist_head { struct llist_node *first; };
#define LLIST_HEAD(name)		struct llist_head name
#define init_llist_head(l)		((l)->first = NULL)
#define llist_empty(l)			(!(l)->first)
#define llist_entry(p, type, member)	container_of(p, type, member)

static inline bool llist_add(struct llist_node *node, struct llist_head *list)
{
	point(list);
	node->next = list->first;
	list->first = node;
	return !node->next;
}

static inline struct llist_node *llist_del_first(struct llist_head *list)
{
	struct llist_node *node;

	point(list);
	node = list->first;
	if (node)
		list->first = node->next;
	return node;
}

static inline struct llist_node *llist_del_all(struct llist_head *list)
{
	struct llist_node *node;

	point(list);
	node = list->first;
	list->first = NULL;
	return node;
}

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD(name)		struct list_head name = { &name, &name }
#define INIT_LIST_HEAD(l)	((l)->next = (l)->prev = (l))
#define list_is_singular(l)	((l)->next != (l) && (l)->next == (l)->prev)
#define list_last_entry(l, type, member)	container_of((l)->prev, type, member)
#define list_for_each_entry(p, head, member)					\
	for ((p) = container_of((head)->next, __typeof__(*(p)), member);	\
	     &(p)->member != (head);						\
	     (p) = container_of((p)->member.next, __typeof__(*(p)), member))

static inline void list_add_tail_rcu(struct list_head *entry, struct list_head *head)
{
	entry->next = head;
	entry->prev = head->prev;
	head->prev->next = entry;
	head->prev = entry;
}

static inline void list_del_rcu(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
}

/* Devices: there are none, and their pools are not tried here. */
struct device;
struct page;
enum dma_data_direction { DMA_BIDIRECTIONAL };
typedef unsigned long dma_addr_t;
#define DMA_MAPPING_ERROR		(~0UL)
typedef struct { int refs; } refcount_t;
struct kref { refcount_t refcount; };
struct completion { int done; };

/* The registry's array: a flag for each descriptor that there can be. */
#define MODEL_BUFS		8
struct xarray { raw_spinlock_t lock; bool present[MODEL_BUFS], marked[3][MODEL_BUFS]; };
typedef enum { XA_MARK_0 = 0, XA_MARK_1 = 1, XA_MARK_2 = 2, XA_PRESENT = 8 } xa_mark_t;
#define DEFINE_XARRAY_FLAGS(name, flags) struct xarray name
unsigned long model_buf_number(unsigned long key);
unsigned long model_buf_key(unsigned long number);
void *xa_find(struct xarray *xa, unsigned long *key, unsigned long max, xa_mark_t filter);
static inline void *xa_load(struct xarray *xa, unsigned long key)
{
	unsigned long found = key;
	void *entry = xa_find(xa, &found, key, XA_PRESENT);

	return found == key ? entry : NULL;
}

#define xa_lock(xa)			raw_spin_lock(&(xa)->lock)
#define xa_unlock(xa)			model_unlock(&(xa)->lock)
struct xa_state { struct xarray *xa; unsigned long key; };
#define XA_STATE(name, array, index)	struct xa_state name = { array, index }
#define xas_store(xas, entry) \
	({ (void)(entry); model_event();					\
	   (xas)->xa->present[model_buf_number((xas)->key)] = true; })
#define xas_set_mark(xas, mark)		\
	((xas)->xa->marked[mark][model_buf_number((xas)->key)] = true)
#define xas_nomem(xas, gfp)		((void)(gfp), false)
#define xas_error(xas)			((void)(xas), 0)
#define __xa_erase(xa, key)		\
	({ unsigned long _nr = model_buf_number(key);				\
	   (xa)->present[_nr] = (xa)->marked[0][_nr] = (xa)->marked[1][_nr] = false; })
#define __xa_set_mark(xa, key, mark)	((xa)->marked[mark][model_buf_number(key)] = true)
#define __xa_clear_mark(xa, key, mark)	((xa)->marked[mark][model_buf_number(key)] = false)
#define xa_for_each(xa, key, entry)	\
	for ((key) = 0; ((entry) = xa_find(xa, &(key), ~0UL, XA_PRESENT)); (key)++)
#define xa_destroy(xa)

/* RCU */
struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *rcu);
};
void call_rcu(struct rcu_head *rcu, void (*func)(struct rcu_head *rcu));
void synchronize_rcu(void);
#define synchronize_rcu_expedited()	synchronize_rcu()
void rcu_barrier(void);
unsigned long get_state_synchronize_rcu(void);
bool poll_state_synchronize_rcu(unsigned long cookie);
#define gophership_call_rcu(rcu, func)	call_rcu(rcu, func)

/* The shrinker: its walk is not modelled. */
struct srcu_struct { int unused; };
#define DEFINE_SRCU(name)	struct srcu_struct name
#define synchronize_srcu(s)	((void)(s))
#define list_for_each_entry_srcu(pos, head, member, held) list_for_each_entry(pos, head, member)

/* Interrupts that are asked for: nothing of what is modelled needs them. */
struct irq_work { int unused; };
struct work_struct { int unused; };
#define init_irq_work(w, fn)	((void)(w), (void)(fn))
#define DEFINE_IRQ_WORK(name, fn) struct irq_work name; void (*name##_fn)(struct irq_work *) = fn
#define irq_work_queue(w)	((void)(w))
#define irq_work_sync(w)	((void)(w))
#define DECLARE_WORK(name, fn) struct work_struct name; \
	void (*name##_fn)(struct work_struct *) = fn
#define INIT_WORK(w, fn)	((void)(w), (void)(fn))
#define queue_work(queue, w)	((void)(w))
#define flush_work(w)		((void)(w))
#define cancel_work_sync(w)	((void)(w))
#define test_bit(n, word)	(*(word) >> (n) & 1)
#define set_bit(n, word)	((void)(*(word) |= 1UL << (n)))
#define test_and_clear_bit(n, word) ({						\
	bool _was = test_bit(n, word);						\
	*(word) &= ~(1UL << (n));						\
	_was;									\
})
#define on_each_cpu_cond(cond, fn, info, wait) do {				\
	for (int _cpu = 0; _cpu < NR_CPUS; _cpu++)				\
		if (cond(_cpu, info))						\
			model_on_cpu(_cpu, fn, info);				\
} while (0)

/* Those who wait: not modelled. */
typedef struct { int unused; } wait_queue_head_t;
#define init_waitqueue_head(w)	((void)(w))
#define wake_up_all(w)		((void)(w))
#define DEFINE_WAIT(name)	int name
#define prepare_to_wait(w, e, s) ((void)(w), (void)(e))
#define finish_wait(w, e)	((void)(w), (void)(e))
#define io_schedule_timeout(t)	(model_fail("must_acquire waits", NULL), 0)

/* Memory */
#define GFP_KERNEL		1u
#define GFP_NOWAIT		2u
#define __GFP_NOWARN		4u
#define __GFP_NOMEMALLOC	8u
#define __GFP_NORETRY		16u
#define __GFP_THISNODE		32u
#define __GFP_ZERO		64u
#define __GFP_DMA		128u
#define __GFP_DMA32		256u
#define __GFP_DIRECT_RECLAIM	512u
#define __GFP_HIGH		1024u
#define __GFP_MEMALLOC		2048u
#define __GFP_ACCOUNT		4096u
#define __GFP_KSWAPD_RECLAIM	8192u
#define GFP_ATOMIC		(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define gfpflags_allow_blocking(gfp) false
#define kmalloc(size, gfp)	((void)(gfp), model_alloc(size))
#define kzalloc(size, gfp)	({ (void)(gfp); memset(model_alloc(size), 0, size); })
#define kvcalloc(n, size, gfp)	kzalloc((n) * (size), gfp)
#define kcalloc(n, size, gfp)	kzalloc((n) * (size), gfp)
#define kfree(p)		model_free((void *)(p))
#define kvfree(p)		kfree(p)
#define totalram_pages()	(1UL << 16)
#define totalhigh_pages()	0UL
#define get_random_bytes(p, n)	memset(p, 0x5a, n)
#define strscpy(to, from, n)	snprintf(to, n, "%s", from)

/* Messages, keys, errors */
#define pr_warn(...)		((void)0)
#define pr_err(...)		((void)0)
#define trace_gophership_acquire(...)	((void)0)
#define trace_gophership_release(...)	((void)0)
#define trace_gophership_release_enabled()	false
#define trace_gophership_retire(...)	((void)0)
#define trace_gophership_refill(...)	((void)0)
#define trace_gophership_trim(...)	((void)0)
#define DEFINE_STATIC_KEY_FALSE(name)	bool name
#define DECLARE_STATIC_KEY_FALSE(name)	extern bool name
#define static_branch_unlikely(key)	(*(key))
#define static_branch_enable(key)	(*(key) = true)
#define WARN_ON_ONCE(x)							\
	({ bool _bad = (x); if (_bad) model_fail("WARN", NULL); _bad; })
#define MAX_ERRNO	4095
#define ERR_PTR(e)	((void *)(long)(e))
#define ERR_CAST(p)	((void *)(p))
#define IS_ERR(p)	((unsigned long)(p) >= (unsigned long)-MAX_ERRNO)
#define IS_ERR_OR_NULL(p) (!(p) || IS_ERR(p))

#endif /* MODEL_KERNEL_H */
